#!/usr/bin/env bash
# Stop the service that the demo started, if it still runs.
set -euo pipefail
cd "$(dirname "$0")/.."
file=${SCORING_HOME:-.scoring}/serve.pid
[ -f "$file" ] || exit 0
pid=$(cat "$file")
if ps -p "$pid" -o args= 2>/dev/null | grep -q serving.service; then
  kill "$pid"
  for _ in $(seq 50); do kill -0 "$pid" 2>/dev/null || break; sleep 0.2; done
  echo "stopped the demo's service ($pid)"
fi
rm -f "$file"
