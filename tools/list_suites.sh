#!/bin/sh
# tools/list_suites.sh OUT.c test_NAME.c...: writes the table of suites for tests/runner.c. OUT stays as it is, with its date, when
# nothing has changed.
set -eu

out=$1
shift
mkdir -p "$(dirname "$out")"
{
    echo '/* Made by tools/list_suites.sh; not to be edited. */'
    echo '#include "tests/suites.h"'
    for file in "$@"; do
        name=$(basename "$file" .c)
        echo "Suite *${name#test_}_suite(void);"
    done
    echo 'const struct suite_entry suites[] = {'
    for file in "$@"; do
        name=$(basename "$file" .c)
        echo "    { \"${name#test_}\", ${name#test_}_suite },"
    done
    echo '    { NULL, NULL },'
    echo '};'
} > "$out.new"
if cmp -s "$out.new" "$out"; then
    rm "$out.new"
else
    mv "$out.new" "$out"
fi
