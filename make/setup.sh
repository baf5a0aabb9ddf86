#!/usr/bin/env bash
# Sets up what `make demo` and `make test` need on Debian 12 or 13, or names it.
#
#   make/setup.sh packages FILE...   install the Debian packages that the files list
#   make/setup.sh venv DIR EXTRA     make the virtual environment DIR with hpckit[EXTRA]
#   make/setup.sh native DIR         build the C++ task, with the CMake of the machine or of DIR
#   make/setup.sh sanitized          build it with sanitizers, for its tests
#
# It says nothing when nothing is to be done, and asks nothing ever. Packages are installed
# only when root or passwordless sudo is there. Otherwise they are named, with the conda-forge
# alternative, and what works without them goes on. HPCKIT_PYTHON chooses the interpreter.
set -euo pipefail
shopt -s inherit_errexit

CONDA_NAMES="zfp cli11 nlohmann_json xxhash cmake cxx-compiler ndcctools"
NATIVE=native/build/compress_task

say() { printf 'setup: %s\n' "$*" >&2; }

one_at_a_time() {  # two set-ups in one checkout would undo each other's work
  [ -z "${HPCKIT_SETUP_HAS_LOCK:-}" ] || return 0
  command -v flock >/dev/null || return 0
  flock -n -o "$0" true || say "another set-up is running in this checkout; waiting for its end"
  HPCKIT_SETUP_HAS_LOCK=1 exec flock -o "$0" "$0" "$@"  # -o: no daemon inherits the lock
}

quietly() {  # shows what a command said only if it failed
  local log status=0
  log=$(mktemp)
  "$@" >"$log" 2>&1 </dev/null || status=$?
  [ "$status" = 0 ] || tail -n 12 "$log" | sed 's/^/setup:   | /' >&2
  rm -f "$log"
  return "$status"
}

# --- Debian packages -----------------------------------------------------------------------

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  else sudo -n -- "$@"
  fi
}

can_install() { command -v apt-get >/dev/null && as_root true 2>/dev/null; }

missing_of() {  # the packages among the arguments that are not installed
  local package
  for package in "$@"; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || echo "$package"
  done
}

available_of() {  # those that this release of Debian has
  local package
  for package in "$@"; do
    if apt-cache show "$package" >/dev/null 2>&1; then echo "$package"
    else say "this release has no package $package; going on without"
    fi
  done
}

apt_get() {  # a fresh machine may be at its first upgrade: wait for dpkg's lock
  as_root env DEBIAN_FRONTEND=noninteractive NEEDRESTART_MODE=l \
    apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@"
}

install_packages() {
  local wanted
  say "installing with apt: $*"
  quietly apt_get update || say "apt-get update failed; trying with the lists that are there"
  mapfile -t wanted < <(available_of "$@")
  [ "${#wanted[@]}" -gt 0 ] || return 0
  quietly apt_get install -y --no-install-recommends "${wanted[@]}" ||
    say "apt-get could not install them all; going on with what works"
}

has_cxx() { command -v "${CXX:-c++}" >/dev/null; }

here_otherwise() {  # what a user without root has from conda-forge, or by hand
  local include="${CONDA_PREFIX:-/usr/local}/include"
  case $1 in
    coop-computing-tools | python3-workqueue) [ -n "${HPCKIT_WORK_QUEUE_PREFIX:-}" ] ;;
    libcli11-dev) [ -e "$include/CLI/CLI.hpp" ] ;;
    libxxhash-dev) [ -e "$include/xxhash.h" ] ;;
    libzfp-dev) [ -e "$include/zfp.h" ] ;;
    nlohmann-json3-dev) [ -e "$include/nlohmann/json.hpp" ] ;;
    python3-venv) [ -n "${HPCKIT_PYTHON:-}" ] || [ -e .venv ] ;;
    g++) has_cxx ;;
    cmake) true ;; # PyPI has it
    *) command -v "$1" >/dev/null ;;
  esac
}

name_packages() {
  say "missing Debian packages, and neither root nor sudo to install them. Either (as root)"
  say "  apt-get install --no-install-recommends $*"
  say "or from conda-forge"
  say "  conda install -c conda-forge $CONDA_NAMES"
  say "  export HPCKIT_WORK_QUEUE_PREFIX=\$CONDA_PREFIX"
  say "then make again. Going on with what works without them"
}

packages() {
  local wanted missing package needed=()
  mapfile -t wanted < <(sed -e 's/#.*//' "$@" | xargs -n 1)
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian. What is needed goes by these names there: ${wanted[*]}"
    say "conda-forge has the like: $CONDA_NAMES"
    return 0
  fi
  mapfile -t missing < <(missing_of "${wanted[@]}")
  [ "${#missing[@]}" -gt 0 ] || return 0
  if can_install; then
    install_packages "${missing[@]}"
    return
  fi
  for package in "${missing[@]}"; do
    here_otherwise "$package" || needed+=("$package")
  done
  [ "${#needed[@]}" = 0 ] || name_packages "${needed[@]}"
}

# --- the virtual environment ---------------------------------------------------------------

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {  # Debian's own first: Work Queue's binding is built for it
  local python
  if [ -n "${HPCKIT_PYTHON:-}" ]; then
    if fits "$HPCKIT_PYTHON"; then echo "$HPCKIT_PYTHON"; return; fi
    say "HPCKIT_PYTHON=$HPCKIT_PYTHON is not a Python 3.11 or newer; correct it, or unset it"
    exit 2
  fi
  for python in /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    if fits "$python"; then echo "$python"; return; fi
  done
  say "no Python 3.11 or newer found; install one, or name it: HPCKIT_PYTHON=/path/to/python3"
  exit 2
}

make_venv() {
  local dir=$1 python=$2
  "$python" -m venv "$dir" >/dev/null 2>&1 && return
  if [ "$(command -v "$python")" = /usr/bin/python3 ] && can_install; then
    install_packages python3-venv
    "$python" -m venv "$dir" >/dev/null 2>&1 && return
  fi
  # Debian's python3 without python3-venv lacks only pip's wheel: take that from the index.
  say "$python comes without pip for virtual environments (Debian: python3-venv); fetching pip"
  if "$python" -m venv --clear --without-pip "$dir" && touch "$dir/.unfinished" &&
    "$dir/bin/python" make/fetch_pip.py "$dir"
  then return; fi
  say "no virtual environment could be made with $python; apt-get install python3-venv (as root),"
  say "or name another Python: HPCKIT_PYTHON=/path/to/python3 make …"
  exit 2
}

about() {  # which Python it is, and which checkout it serves
  local what='import os, sys; print(*sys.version_info[:2], os.path.realpath(sys.base_prefix))'
  "$1" -c "$what" 2>/dev/null || true
}

why_anew() {  # why the environment cannot be used as it is; nothing when it can
  local dir=$1 chosen wanted stamp
  chosen=$(about "$dir/bin/python")
  wanted=$chosen
  if [ -n "${HPCKIT_PYTHON:-}" ]; then
    wanted=$(find_python)
    wanted=$(about "$wanted")
  fi
  if [ ! -e "$dir" ]; then echo "there is none"
  elif [ -e "$dir/.unfinished" ]; then echo "an earlier set-up was interrupted"
  elif [ -z "$chosen" ]; then echo "its Python does not run"
  elif ! fits "$dir/bin/python"; then echo "its Python is older than 3.11"
  elif [ "$wanted" != "$chosen" ]; then echo "HPCKIT_PYTHON names another Python"
  else
    for stamp in "$dir"/.hpckit-*; do
      if [ -e "$stamp" ] && [ "$(cat "$stamp")" != "$chosen $PWD" ]; then
        echo "it was made for $(cat "$stamp")"
        return
      fi
    done
    "$dir/bin/python" -c 'import pip' 2>/dev/null || echo "it has no pip"
  fi
}

start_anew() {
  local dir=$1 why=$2 python
  python=$(find_python)
  if [ -e "$dir" ]; then
    if [ ! -e "$dir/pyvenv.cfg" ] && [ ! -e "$dir/.unfinished" ]; then
      say "$dir is there and no virtual environment; move it away, or name another: make VENV=…"
      exit 2
    fi
    say "making $dir anew: $why"
    rm -rf "$dir"
  fi
  mkdir -p "$dir"
  touch "$dir/.unfinished"
  make_venv "$dir" "$python"
}

pip_install() {
  local python=$1
  shift
  "$python" -m pip install -qq --no-input --disable-pip-version-check "$@" </dev/null && return
  say "pip could not install $* (its reason is above). It takes its settings from pip.conf and"
  say "the environment: PIP_INDEX_URL, HTTPS_PROXY. When that is mended, make again"
  exit 3
}

venv() {
  local dir=$1 extra=$2 stamp why
  stamp="$dir/.hpckit-$extra"
  why=$(why_anew "$dir")
  if [ -z "$why" ] && [ -e "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ]; then return; fi
  [ -z "$why" ] || start_anew "$dir" "$why"
  touch "$dir/.unfinished"
  say "installing hpckit[$extra] into $dir (the first time takes some minutes)"
  pip_install "$dir/bin/python" --editable ".[$extra]"
  printf '%s\n' "$(about "$dir/bin/python") $PWD" >"$stamp"
  rm "$dir/.unfinished"
}

# --- the C++ task --------------------------------------------------------------------------

native() {
  local dir=$1 make=${MAKE:-make}
  "$make" --no-print-directory -q "$NATIVE" 2>/dev/null && return
  if ! has_cxx; then
    say "no C++ compiler, so no C++ task: the demo's task will be Python with zfpy"
    return
  fi
  if ! command -v cmake >/dev/null && [ ! -x "$dir/bin/cmake" ]; then
    say "no CMake on this machine; taking it from PyPI"
    pip_install "$dir/bin/python" cmake
  fi
  say "building the C++ task (a minute or two)"
  if [ -e native/build ]; then
    "$make" --no-print-directory "$NATIVE" >/dev/null 2>&1 && return
    rm -rf native/build  # it may be half made, or another machine's
  fi
  quietly "$make" --no-print-directory "$NATIVE" ||
    say "the C++ task could not be built; the demo's task will be Python with zfpy"
}

sanitized() {
  has_cxx || return 0  # native has said so
  local make=${MAKE:-make} task=native/build-asan/compress_task
  "$make" --no-print-directory -q "$task" 2>/dev/null && return
  say "building the C++ task with sanitizers, for its tests (some minutes)"
  quietly "$make" --no-print-directory "$task" || say "no sanitizer build; its tests will be skipped"
}

case "${1:-}" in
  packages | venv | native | sanitized)
    one_at_a_time "$@"
    "$@"
    ;;
  *)
    sed -n '2,11s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
