#!/bin/bash
# tools/swagger_ui.sh DIRECTORY: puts what /docs embeds of Swagger UI there: its script, its style sheet, the notices of all that is in them.
# From the npm registry, which needs no npm, in one pinned version that is checked by its hash; the archive is kept in downloads/, where
# it may also be put by hand on a machine that reaches no registry.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

version=5.35.0
# dist.integrity of the registry (`npm view swagger-ui-dist@VERSION dist.integrity`), in hexadecimal
sha512=534eaba4cb56f55dd73c638179a993512af4674f63317e0826e00da44fc465b021c341bc0a0c2bcd4e18997927fe1d3008336c5dd19aad334d1c2dec53cc9551
url=https://registry.npmjs.org/swagger-ui-dist/-/swagger-ui-dist-$version.tgz
archive=downloads/swagger-ui-dist-$version.tgz

[[ $# -eq 1 ]] || die "usage: $0 DIRECTORY"
is_whole() {
    [[ -e $1 ]] && sha512sum --status -c - <<<"$sha512  $1"
}

if ! is_whole "$archive"; then
    mkdir -p "${archive%/*}"
    part=$(mktemp "$archive.XXXXXX")
    trap 'rm -f "$part"' EXIT
    chmod 644 "$part"
    curl -fsSL --retry 3 --connect-timeout 20 --max-time 300 --speed-limit 1000 --speed-time 20 -o "$part" "$url" || die "$url cannot be had: put it into ${archive%/*}"
    is_whole "$part" || die "$url is not what was pinned"
    mv "$part" "$archive"
fi
mkdir -p "$1"
tar -xzf "$archive" -C "$1" --strip-components=1 --no-same-owner --touch package/swagger-ui.css package/swagger-ui-bundle.js \
    package/swagger-ui-bundle.js.LICENSE.txt package/LICENSE package/NOTICE
cat "$1/NOTICE" "$1/LICENSE" "$1/swagger-ui-bundle.js.LICENSE.txt" >"$1/licenses.txt"
