#!/bin/bash
# tools/browser.sh: puts the tests that drive Chromium into build/browser, with the packages of npm that they use, in the versions of
# tests/browser/package-lock.json. What has not changed is not installed again.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

output=build/browser
mkdir -p "$output"
exec {lock}>"$output/lock"
flock "$lock"
cp tests/browser/* "$output/"
if ! cmp -s tests/browser/package-lock.json "$output/installed"; then
    npm ci --prefix "$output" --no-audit --no-fund --silent || die "npm cannot install what the tests in a browser use"
    cp tests/browser/package-lock.json "$output/installed"
fi
