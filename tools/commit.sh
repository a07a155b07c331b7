#!/bin/sh
# tools/commit.sh OUT.c [COMMIT]: writes the commit that the program is built from, COMMIT or git's, "unknown" without both. OUT stays as
# it is, with its date, when nothing has changed.
set -eu

out=$1
commit=${2:-$(git describe --always --abbrev=12 --exclude='*' --dirty 2>/dev/null || echo unknown)}
mkdir -p "$(dirname "$out")"
cat >"$out.new" <<END
/* Made by tools/commit.sh; not to be edited. */
#include "jwtd/version.h"

const char jwtd_commit[] = "$commit";
END
if cmp -s "$out.new" "$out"; then
    rm "$out.new"
else
    mv "$out.new" "$out"
fi
