#!/bin/bash
# tools/openapi.sh: the checks of the API document, with the packages of npm that they use (tests/openapi/package-lock.json).
#
#   tools/openapi.sh test [EXCHANGES]   checks what `jwtd openapi` prints: that a linter finds nothing in it, that no client of the kept
#                                       document breaks, and that the service tests' EXCHANGES are ones that it declares
#   tools/openapi.sh keep               keeps it as docs/openapi.json: only before the first release, for a change that breaks it on purpose
#   tools/openapi.sh release COMMIT     keeps it as the document of the release that is COMMIT, which is checked out, and writes COMMIT into
#                                       tests/previous_release: both are of one commit from then on
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

unset "${!JWTD_@}" # settings of the caller
kept=docs/openapi.json
previous_release=tests/previous_release
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

keep() {
    "$BUILD/jwtd" openapi | python3 -m json.tool --indent 1 >"$kept.new"
    mv "$kept.new" "$kept"
}

# The program must be that of the commit.
release() {
    local commit
    commit=$(git rev-parse --verify --quiet "$1^{commit}") || die "there is no commit $1"
    [[ $commit == "$(git rev-parse HEAD)" && -z $(git status --porcelain --untracked-files=no) ]] ||
        die "check out $1, without changes, and build it"
    make -s "$BUILD/jwtd"
    keep
    sed -i -E "s/^[0-9a-f]{40}$/$commit/" "$previous_release"
}

case ${1-},$# in
    test,*)
        install
        node "$output/test_document.mjs" "$(realpath "$BUILD/jwtd")" "$kept" "${@:2}"
        ;;
    keep,1) keep ;;
    release,2) release "$2" ;;
    *) die "usage: tools/openapi.sh test [EXCHANGES] | keep | release COMMIT" ;;
esac
