#!/bin/bash
# tools/check_snippets.sh: a block of code in README.md or docs/*.md under a line "<!-- part of FILE -->" must be a part of that file, word for
# word. Prints FILE:LINE for each one that is not, and fails if there is one, or if there is no such block at all.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

count=0
wrong=0

# check_block DOCUMENT LINE FILE TEXT
check_block() {
    count=$((count + 1))
    if [[ ! -r $3 || $(<"$3") != *"$4"* ]]; then
        echo "$1:$2: this is not a part of $3"
        wrong=$((wrong + 1))
    fi
}

# The blocks of a document; a block ends with its closing fence.
check_document() {
    local lines line number=0 file="" block="" inside=no
    mapfile -t lines <"$1"
    for line in "${lines[@]}"; do
        number=$((number + 1))
        if [[ $inside == no && $line =~ ^"<!-- part of "([^ ]+)" -->"$ ]]; then
            file=${BASH_REMATCH[1]}
        elif [[ $inside == no && $line == '```'* && -n $file ]]; then
            inside=yes
        elif [[ $inside == yes && $line == '```' ]]; then
            check_block "$1" "$number" "$file" "$block"
            inside=no file="" block=""
        elif [[ $inside == yes ]]; then
            block+=$line$'\n'
        fi
    done
    [[ -z $file ]] || check_block "$1" "$number" "$file (the block has no end)" ""
}

for document in README.md docs/*.md; do
    check_document "$document"
done
[[ $wrong -eq 0 && $count -gt 0 ]]
