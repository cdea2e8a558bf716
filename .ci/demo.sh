#!/usr/bin/env bash
# From nothing to a served queue: a portfolio, training, promotion, the nightly plan, the service, a first scored request.
# Can be run again: the portfolio is kept, everything after it is made anew.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${BIN:=.venv/bin}" "${DEMO:=data/local/demo}" "${PORT:=3000}" "${ACCOUNTS:=20000}"
export SCORING_HOME=${SCORING_HOME:-.scoring} SCORING_PORT=$PORT
started=$SECONDS
say() { printf '\n== %s (%d s)\n' "$1" $((SECONDS - started)); }

bash .ci/stop.sh
"$BIN/python" .ci/port_free.py "$PORT"

say "a portfolio of $ACCOUNTS simulated accounts in $DEMO"
if [ -f "$DEMO/portfolio.toml" ]; then echo "kept from an earlier run"; else
  rm -rf "$DEMO"   # what a stopped run may have left: portfolio.toml is written last
  "$BIN/scoring" simulate --out "$DEMO" --accounts "$ACCOUNTS" --seed 1 --world base
fi
say "data check"
"$BIN/scoring" check "$DEMO"
say "training, evaluation, MLflow run"
"$BIN/scoring" train "$DEMO"
say "promotion"
"$BIN/scoring" promote challenger --approver "demo" --despite "demonstration on simulated data"
say "nightly plan"
AS_OF=$("$BIN/python" .ci/last_day.py "$DEMO")
"$BIN/scoring" plan "$DEMO" --as-of "$AS_OF" --capacity data/sample/capacity.yaml --operations data/sample/operations.yaml --out data/local/plan
say "service on port $PORT"
nohup "$BIN/scoring" serve --port "$PORT" >"$SCORING_HOME/serve.log" 2>&1 </dev/null &
echo $! >"$SCORING_HOME/serve.pid"
trap 'bash .ci/stop.sh' INT TERM ERR
"$BIN/python" .ci/first_request.py "http://127.0.0.1:$PORT" data/local/plan
say "ready"
cat <<END
Open        http://127.0.0.1:$PORT/docs            the HTTP interface, to try out; it runs until: make stop
MLflow      $BIN/mlflow ui --backend-store-uri sqlite:///$SCORING_HOME/mlflow.db --port 5000
Queues      data/local/plan/queue_agent_call.csv
Log         $SCORING_HOME/serve.log
END
