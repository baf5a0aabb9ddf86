#!/usr/bin/env bash
# Sets up what `make demo` and `make test` need on Debian 12 or 13, or names it.
#
#   make/setup.sh packages FILE...   install the Debian packages that the files list
#   make/setup.sh venv DIR EXTRA     make the virtual environment DIR with hpckit[EXTRA]
#
# Packages are installed only when root or passwordless sudo is there. Otherwise they are
# named, with the conda-forge alternative, and what works without them goes on.
set -euo pipefail

say() { printf 'setup: %s\n' "$*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif sudo -n true 2>/dev/null; then sudo -n "$@"
  else return 1
  fi
}

can_install() { command -v apt-get >/dev/null && as_root true; }

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

packages() {
  local wanted missing
  wanted=$(sed -e 's/#.*//' "$@" | xargs)
  if ! command -v dpkg-query >/dev/null; then
    say "this is not Debian. What is needed goes by these names there: $wanted"
    say "conda-forge has the like: zfp cli11 nlohmann_json xxhash cmake cxx-compiler ndcctools"
    return 0
  fi
  missing=$(missing_of $wanted | xargs)
  [ -n "$missing" ] || return 0
  if ! can_install; then
    say "missing Debian packages, and neither root nor sudo to install them:"
    say "  apt-get install $missing"
    say "or from conda-forge: zfp cli11 nlohmann_json xxhash cmake cxx-compiler ndcctools,"
    say "then HPCKIT_WORK_QUEUE_PREFIX=\$CONDA_PREFIX; going on with what works without them"
    return 0
  fi
  as_root apt-get update -qq || say "apt-get update failed; trying with the lists that are there"
  missing=$(available_of $missing | xargs)
  [ -n "$missing" ] || return 0
  say "installing $missing"
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
    $missing >/dev/null || say "could not install them all; going on with what works"
}

fits() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

find_python() {  # Debian's own first: Work Queue's binding is built for it
  local python
  for python in ${HPCKIT_PYTHON:-} /usr/bin/python3 python3 python3.13 python3.12 python3.11; do
    if fits "$python"; then echo "$python"; return; fi
  done
  say "no Python 3.11 or newer found; install one, or name it: HPCKIT_PYTHON=/path/to/python3"
  exit 2
}

make_venv() {
  local dir=$1 python=$2
  "$python" -m venv "$dir" 2>/dev/null && return
  rm -rf "$dir"
  if can_install && [ "$python" = /usr/bin/python3 ]; then
    packages <(echo python3-venv)
    "$python" -m venv "$dir" && return
  fi
  if "$python" -m pip --version >/dev/null 2>&1; then
    say "$python has no venv module; taking virtualenv from PyPI"
    "$python" -m pip install --quiet --target "$dir.virtualenv" virtualenv
    PYTHONPATH="$dir.virtualenv" "$python" -m virtualenv --quiet "$dir"
    rm -rf "$dir.virtualenv"
    return
  fi
  say "$python has neither venv nor pip; install python3-venv, or name another: HPCKIT_PYTHON=…"
  exit 2
}

venv() {
  local dir=$1 extra=$2 stamp
  stamp="$dir/.installed-$extra"
  if [ -e "$stamp" ] && [ ! pyproject.toml -nt "$stamp" ] && "$dir/bin/python" -c '' 2>/dev/null
  then return; fi
  "$dir/bin/python" -c '' 2>/dev/null || { rm -rf "$dir"; make_venv "$dir" "$(find_python)"; }
  say "installing hpckit[$extra] into $dir (the first time takes some minutes)"
  "$dir/bin/python" -m pip install --quiet --disable-pip-version-check --editable ".[$extra]"
  command -v cmake >/dev/null || "$dir/bin/python" -m pip install --quiet cmake
  touch "$stamp"
}

case "${1:-}" in
  packages) shift; packages "$@" ;;
  venv) shift; venv "$@" ;;
  *) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
