#!/usr/bin/env bash
# The line on the public UCI file: ingest, check, train, promote, plan, serve, each timed. Needs SCORING_DATASETS.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=.venv/bin
DATA=${SCORING_DATASETS:-../shared/datasets}/uci_credit_card_default/UCI_Credit_Card.csv
PLACE=${1:-data/local/uci}
PORT=${SCORING_PORT:-3000}
[ -f "$DATA" ] || { echo "missing: $DATA. Set SCORING_DATASETS to the folder of public data sets." >&2; exit 2; }
export SCORING_HOME=$PLACE/home SCORING_PORT=$PORT
started=$SECONDS
step() { printf '== %4d s  %s\n' $((SECONDS - started)) "$1"; }

rm -rf "$PLACE"; mkdir -p "$PLACE"
"$BIN/python" .ci/port_free.py "$PORT"
step ingest;  "$BIN/scoring" ingest uci-credit-card "$DATA" --out "$PLACE/portfolio" >/dev/null
step check;   "$BIN/scoring" check "$PLACE/portfolio" | tail -1
step train;   "$BIN/scoring" train "$PLACE/portfolio"
step promote; "$BIN/scoring" promote challenger --approver "real data check"
step plan;    "$BIN/scoring" plan "$PLACE/portfolio" --as-of 2005-08-31 --capacity data/sample/capacity.yaml --out "$PLACE/plan"
step serve
"$BIN/scoring" serve --port "$PORT" >"$PLACE/serve.log" 2>&1 &
service=$!
trap 'kill $service 2>/dev/null || true' EXIT INT TERM
"$BIN/python" .ci/first_request.py "http://127.0.0.1:$PORT" "$PLACE/plan" | tail -12
step "done"
