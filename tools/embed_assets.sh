#!/bin/bash
# tools/embed_assets.sh OUT.c DIRECTORY PATH=FILE...: writes the C file that holds each FILE as what is served at PATH (src/http/asset_files.h),
# with its compressed form, if that is shorter, in DIRECTORY.
#
# A page (.html) keeps its path; a client asks each time whether it has changed. Any other file has the hash of its content in the path, so that
# a client may keep it for ever; pages refer to it as "@PATH@", and that is where its path is put in, relative to the page: so they work below
# any prefix of a proxy. An address is that of a file beside the page when the page's own path is one segment long, as all are.
#
# The contents are in a section of their own: between other constants they would spread these over many pages, and the kernel maps what lies
# beside a page that is read.
set -euo pipefail

out=$1
directory=$2
shift 2
mkdir -p "$directory"

content_type() {
    case $1 in
    *.html) echo "text/html; charset=utf-8" ;;
    *.css) echo "text/css; charset=utf-8" ;;
    *.js) echo "text/javascript; charset=utf-8" ;;
    *.txt) echo "text/plain; charset=utf-8" ;;
    *) echo "$0: $1 has no content type" >&2 && exit 1 ;;
    esac
}

hash_of() {
    sha256sum "$1" | cut -c 1-16
}

# hashed PATH FILE: /docs/docs.css becomes /docs/docs.0123456789abcdef.css.
hashed() {
    echo "${1%.*}.$(hash_of "$2").${1##*.}"
}

substitutions=()
for pair; do
    path=${pair%%=*} file=${pair#*=}
    if [[ $path != *.html ]]; then
        substitutions+=(-e "s|@$path@|$(path=$(hashed "$path" "$file") && echo "${path#/}")|g")
    fi
done

# write_asset NUMBER PATH FILE
write_asset() {
    local number=$1 path=$2 file=$3 plain=$directory/$1.plain gzipped=$directory/$1.gz type immutable=true
    type=$(content_type "$path")
    if [[ $path == *.html ]]; then
        sed "${substitutions[@]}" "$file" >"$plain"
        path=${path%.html} immutable=false
    else
        cp "$file" "$plain"
        path=$(hashed "$path" "$file")
    fi
    gzip -9 -n -c "$plain" >"$gzipped"
    [[ $(stat -c %s "$gzipped") -lt $(stat -c %s "$plain") ]] || : >"$gzipped"
    cat <<C
__asm__(".pushsection .large_rodata, \"a\"\n"
        "asset_$number: .incbin \"$plain\"\n"
        "asset_gz_$number: .incbin \"$gzipped\"\n"
        ".popsection");
extern const char asset_${number}[], asset_gz_${number}[];
C
    rows+=("    { \"$path\", \"$type\", \"W/\\\"$(hash_of "$plain")\\\"\", $immutable, { asset_$number, $(stat -c %s "$plain") }, { asset_gz_$number, $(stat -c %s "$gzipped") } },")
}

{
    echo '/* Made by tools/embed_assets.sh; do not edit. */'
    echo '#include "src/http/asset_files.h"'
    rows=()
    for pair; do
        write_asset "${#rows[@]}" "${pair%%=*}" "${pair#*=}"
    done
    echo 'const struct asset_file asset_files[] = {'
    printf '%s\n' "${rows[@]}"
    echo '};'
    echo "const size_t asset_files_count = ${#rows[@]};"
} >"$out.new"
mv "$out.new" "$out"
