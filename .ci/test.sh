#!/usr/bin/env bash
# Every check, in the order in which they fail fastest. Called by `make test` and by CI.
set -euo pipefail
cd "$(dirname "$0")/.."
BIN=.venv/bin
export OMP_NUM_THREADS=${OMP_NUM_THREADS:-1} MPLBACKEND=Agg
say() { printf '== %s\n' "$1"; }

say "style (ruff)"
"$BIN/ruff" check .
"$BIN/ruff" format --check .
say "types (mypy --strict)"
"$BIN/mypy"
say "imports point one way (import-linter)"
"$BIN/lint-imports" --no-cache
say "tests"
"$BIN/python" -m pytest -q -p no:cacheprovider -n 2 --dist loadscope --no-loadscope-reorder --durations=15 "$@"
