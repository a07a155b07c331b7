#!/bin/sh
# Writes the C file that holds the "up" half of each migration: tools/embed_migrations.sh OUT.c FILE.sql...
set -eu
# bytes, whatever they mean: sed's "." matches no byte that is not UTF-8 in a locale of that encoding
export LC_ALL=C
out=$1
shift
mkdir -p "$(dirname "$out")"
{
    echo '/* Made by tools/embed_migrations.sh; do not edit. */'
    echo '#include "src/store/migration_files.h"'
    echo 'const struct migration_file migration_files[] = {'
    for file in "$@"; do
        name=$(basename "$file")
        printf '    { "%s", "%s",\n' "${name%%_*}" "$name"
        awk '/^-- migrate:up/ { up = 1; next } /^-- migrate:down/ { up = 0 } up' "$file" |
            sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' -e 's/?/\\?/g' -e 's/^.*$/      "&\\n"/'
        echo '    },'
    done
    echo '};'
    echo "const size_t migration_files_count = $#;"
    printf 'const char migration_versions[] = "'
    separator='{'
    for file in "$@"; do
        name=$(basename "$file")
        printf '%s%s' "$separator" "${name%%_*}"
        separator=,
    done
    echo '}";'
} > "$out.new"
mv "$out.new" "$out"
