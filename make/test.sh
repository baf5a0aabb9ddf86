#!/usr/bin/env bash
# Runs the tests: `fast` needs no Slurm, Ray or Work Queue; `all` is everything.
#
#   make/test.sh fast|all [PYTEST-OPTION…]
#
# Tests without a cluster share the cores. Then two halves of those with a cluster run side by side:
# they mostly wait, and have directories and ports of their own. What the first half prints is shown
# after the second. The conformance cases, many at a time, come last and alone. PYTHON chooses the
# interpreter.
set -uo pipefail

PYTHON=${PYTHON:-.venv/bin/python}
ON_ALL_CORES=(-n logical --maxprocesses 4)
FAST=(tests/unit tests/golden/test_scripts.py)
NO_CLUSTER=("${FAST[@]}" tests/native)
HALF=(tests/slurm tests/golden/test_on_slurm.py tests/emulator tests/engines)
LAST=(tests/conformance)

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

side_by_side() {
  local log status=0
  log=$(mktemp)
  pids=()
  start "${HALF[@]}" "$@" >"$log" 2>&1
  start tests "${NO_CLUSTER[@]/#/--ignore=}" "${HALF[@]/#/--ignore=}" "${LAST[@]/#/--ignore=}" "$@"
  end_of "${pids[1]}" || status=$?
  end_of "${pids[0]}" || status=$?
  cat "$log"
  rm -f "$log"
  return "$status"
}

alone() {
  pids=()
  start "$@"
  end_of "${pids[0]}"
}

what=${1:-}
shift || true
case $what in
  fast) alone "${ON_ALL_CORES[@]}" "${FAST[@]}" "$@" ;;
  all)
    status=0
    alone "${ON_ALL_CORES[@]}" "${NO_CLUSTER[@]}" "$@" || status=$?
    [ -n "$interrupted" ] || side_by_side "$@" || status=$?
    [ -n "$interrupted" ] || alone "${LAST[@]}" "$@" || status=$?
    exit "$status"
    ;;
  *)
    echo "make/test.sh: needs fast or all, but got '$what'" >&2
    exit 2
    ;;
esac
