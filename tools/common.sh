# shellcheck shell=bash
# What scripts begin with: the root of the checkout, a known environment, the set-up.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
unset "${!PG@}" # they are about other servers
BUILD=${BUILD:-build}
SANITIZE=${SANITIZE-}

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

# A make of its own, without the options on jobs of the one that called this script.
build() {
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -j"$(nproc)" SANITIZE="$SANITIZE" "$@"
}

# is_version AT_LEAST VERSION
is_version() {
    printf '%s\n' "$1" "$2" | sort -C -V
}

# find_python VERSION: prints the first of these programs that is python3 of this version or later and can make an environment.
find_python() {
    local candidate
    for candidate in python3 /usr/bin/python3; do
        if "$candidate" -c "import sys, venv, ensurepip; sys.exit(sys.version_info < (${1/./, }))" 2>/dev/null; then
            echo "$candidate"
            return
        fi
    done
    return 1
}
