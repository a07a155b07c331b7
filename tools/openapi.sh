#!/bin/bash
# tools/openapi.sh: the checks of the API document, with the packages of npm that they use (tests/openapi/package-lock.json).
#
#   tools/openapi.sh test [EXCHANGES]   checks what `jwtd openapi` prints: that a linter finds nothing in it, that no client of the last
#                                       release breaks, and that the service tests' EXCHANGES are ones that it declares
#   tools/openapi.sh release            keeps it as the document of the last release
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

unset "${!JWTD_@}" # settings of the caller
last_release=docs/openapi.json
output=build/openapi

# What has not changed is not installed again.
install() {
    mkdir -p "$output"
    exec {lock}>"$output/lock"
    flock "$lock"
    cp tests/openapi/* "$output/"
    if ! cmp -s tests/openapi/package-lock.json "$output/installed"; then
        npm ci --prefix "$output" --no-audit --no-fund --silent || die "npm cannot install what checks the API document"
        cp tests/openapi/package-lock.json "$output/installed"
    fi
    flock -u "$lock"
}

case ${1-} in
    test)
        install
        node "$output/test_document.mjs" "$(realpath "$BUILD/jwtd")" "$last_release" "${@:2}"
        ;;
    release)
        "$BUILD/jwtd" openapi | python3 -m json.tool --indent 1 >"$last_release.new"
        mv "$last_release.new" "$last_release"
        ;;
    *) die "usage: tools/openapi.sh test [EXCHANGES] | release" ;;
esac
