#!/bin/bash
# tools/build_previous.sh OUT: builds the program of the commit in tests/previous_release as OUT, for the test of two neighbouring versions.
# Never with a sanitizer: it is not the one that is tested. Without the commit (an archive, a shallow clone) nothing is built, and the test
# is skipped.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$1
commit=$(grep -E '^[0-9a-f]{40}$' tests/previous_release)
rm -f "$out"
if ! git cat-file -e "$commit^{commit}" 2>/dev/null; then
    echo "the release before this one is not built: there is no commit $commit here" >&2
    exit 0
fi
source=$out.src
rm -rf "$source"
mkdir -p "$source"
git archive "$commit" | tar -x -C "$source"
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u SANITIZE -u COVERAGE -u BUILD make -s -C "$source" -j"$(nproc)" build/jwtd
cp "$source/build/jwtd" "$out.new"
rm -rf "$source"
mv "$out.new" "$out"
