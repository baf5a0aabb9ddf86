#!/usr/bin/env bash
# Runs the tests: `fast` needs no Slurm, Ray or Work Queue; `all` is everything.
#
#   make/test.sh fast|all [PYTEST-OPTION…]
#
# Tests without a cluster share the cores. After them, the tests on the real Slurm run beside all
# others: both mostly wait, and have directories and ports of their own. What those on the real
# Slurm print is shown when the others have ended. PYTHON chooses the interpreter.
set -uo pipefail

PYTHON=${PYTHON:-.venv/bin/python}
FAST=(tests/unit tests/golden/test_scripts.py)
NO_CLUSTER=("${FAST[@]}" tests/native)
REAL_SLURM=(tests/slurm tests/golden/test_on_slurm.py tests/conformance)  # the busiest last

pids=()
interrupted=
trap 'interrupted=yes' INT  # the terminal has sent it to pytest, too
trap 'interrupted=yes; kill -TERM "${pids[@]}" 2>/dev/null' TERM

start() {
  "$PYTHON" -m pytest "$@" &
  pids+=("$!")
}

end_of() {  # waits for a process, also after a signal to this script; returns its exit code
  local status
  while :; do
    wait "$1"
    status=$?
    kill -0 "$1" 2>/dev/null || return "$status"
  done
}

on_all_cores() {
  start -n logical --maxprocesses 4 "$@"
  end_of "${pids[-1]}"
}

with_clusters() {
  local log status=0
  log=$(mktemp)
  pids=()
  start "${REAL_SLURM[@]}" "$@" >"$log" 2>&1
  start tests "${NO_CLUSTER[@]/#/--ignore=}" "${REAL_SLURM[@]/#/--ignore=}" "$@"
  end_of "${pids[1]}" || status=$?
  end_of "${pids[0]}" || status=$?
  cat "$log"
  rm -f "$log"
  return "$status"
}

what=${1:-}
shift || true
case $what in
  fast) on_all_cores "${FAST[@]}" "$@" ;;
  all)
    status=0
    on_all_cores "${NO_CLUSTER[@]}" "$@" || status=$?
    [ -n "$interrupted" ] || with_clusters "$@" || status=$?
    exit "$status"
    ;;
  *)
    echo "make/test.sh: needs fast or all, but got '$what'" >&2
    exit 2
    ;;
esac
