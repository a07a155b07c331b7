# shellcheck shell=bash
# What run.sh and test.sh begin with: the root of the checkout, a known environment, the set-up.
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
