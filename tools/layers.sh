#!/bin/bash
# tools/layers.sh: which layer calls which, as the linker sees it (nm over the object files of the program).
#
#   tools/layers.sh check   prints each call from a layer to one above it, and each circle of files within a layer; fails if there is one
#   tools/layers.sh draw    writes the table of calls into docs/architecture.md, between its two marks, and docs/architecture.svg
#   tools/layers.sh diff    fails when one of them is not what `draw` would write
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

document=docs/architecture.md
picture=docs/architecture.svg
begin='<!-- written by tools/layers.sh -->'
end='<!-- end -->'

# One line for each reference: the file that calls, the file that defines, the function.
print_references() {
    local objects
    mapfile -t objects < <(find src -name '*.c' | sort | sed "s|^\(.*\)\.c$|$BUILD/\1.o|")
    nm -A "${objects[@]}" | awk -v build="$BUILD/" '
        { split($0, part, ":"); file = substr(part[1], length(build) + 1); sub(/\.o$/, ".c", file); name = $NF; type = $(NF - 1) }
        type ~ /^[TDBRC]$/ { defined_in[name] = file }
        type == "U" { references[++count] = file " " name }
        END {
            for (i = 1; i <= count; i++) {
                split(references[i], reference, " ")
                if (reference[2] in defined_in) print reference[1], defined_in[reference[2]], reference[2]
            }
        }'
}

# Calls upwards, then the files of each circle: what remains when files that call no remaining file, or are called by none, are
# taken away until nothing changes.
check() {
    print_references | awk -v layers="$layers" '
        BEGIN { count = split(layers, names, " "); for (i = 1; i <= count; i++) height[names[i]] = i; height["main.c"] = count }
        { split($1, from, "/"); split($2, to, "/") }
        height[to[2]] > height[from[2]] { print $1 ": calls " $3 " of " $2 ", a layer above"; bad = 1 }
        $1 != $2 { calls[$1 " " $2] = 1 }
        END {
            do {
                changed = 0
                split("", has_calls); split("", is_called)
                for (call in calls) { split(call, file, " "); has_calls[file[1]] = 1; is_called[file[2]] = 1 }
                for (call in calls) {
                    split(call, file, " ")
                    if (!(file[2] in has_calls) || !(file[1] in is_called)) { delete calls[call]; changed = 1 }
                }
            } while (changed)
            for (call in calls) { split(call, file, " "); print file[1] ": calls " file[2] " in a circle"; bad = 1 }
            exit bad
        }'
}

# A row for each layer from the top down, a column for each from the bottom up; how many functions and tables of the column the row uses.
print_table() {
    echo '```'
    print_references | awk '{ split($1, from, "/"); split($2, to, "/"); if (from[2] == "main.c") from[2] = "cli"; print from[2], to[2], $3 }' |
        sort -u | awk -v layers="$layers" '
        { uses[$1 " " $2]++ }
        END {
            count = split(layers, names, " ")
            printf "%-9s", ""
            for (i = 1; i < count; i++) printf " %8s", names[i]
            printf "\n"
            for (i = count; i >= 1; i--) {
                line = sprintf("%-9s", names[i])
                for (j = 1; j < i; j++) { n = uses[names[i] " " names[j]]; line = line sprintf(" %8s", n ? n : ".") }
                print line
            }
        }'
    echo '```'
}

print_document() {
    awk -v begin="$begin" -v end="$end" -v table="$(print_table)" '
        $0 == begin { print; print table; skipping = 1 }
        $0 == end { skipping = 0 }
        !skipping { print }' "$document"
}

# shellcheck disable=SC2046 # a list of words
build "$BUILD/jwtd" $(find src/verify -name '*.c' | sed "s|^\(.*\)\.c$|$BUILD/\1.o|")
# shellcheck source=tools/check_rules.sh
layers=$(sed -n 's/^layers="\(.*\)"$/\1/p' tools/check_rules.sh)
case ${1-} in
    check) check ;;
    draw)
        print_document >"$document.new"
        mv "$document.new" "$document"
        tools/picture.sh >"$picture.new"
        mv "$picture.new" "$picture"
        ;;
    diff)
        print_document | diff -u "$document" - || die "run tools/layers.sh draw"
        tools/picture.sh | diff -u "$picture" - || die "run tools/layers.sh draw"
        ;;
    *) die "usage: tools/layers.sh check|draw|diff" ;;
esac
