#!/bin/bash
# tools/check_links.sh: whether each relative link of the documents leads to a file that is there, and to a heading of it where it names one; so
# must the runbook of each alert. The README has fewer than 120 lines, what a reader of five minutes takes. Prints FILE:LINE: REASON.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

readme_lines_max=119
alerts=config/prometheus/alerts.yml

# "FILE ANCHOR" of each heading, as GitHub makes them: lower case, blanks are hyphens, punctuation is dropped.
print_anchors() {
    awk '/^```/ { inside = !inside }
        /^#+ / && !inside { text = tolower($0); sub(/^#+ /, "", text); gsub(/[^a-z0-9 _-]/, "", text); gsub(/ /, "-", text); print FILENAME " " text }
        FNR == 1 { inside = 0 }' "$@"
}

# "FILE:LINE TARGET" of each link that is no URL, and of each runbook.
print_links() {
    grep -nHoP '\]\(\K[^)\s]+' "$@" | sed 's/^\([^:]*:[0-9]*\):/\1 /' | grep -v ' [a-z]*://'
    if [[ -e $alerts ]]; then
        grep -nHoP 'runbook_url: *"?\K[^"\s]+' "$alerts" | sed -E 's|^([^:]*:[0-9]*):(.*/)?(docs/)|\1 /\3|'
    fi
}

mapfile -t documents < <(git ls-files '*.md')
breaches=$(
    print_anchors "${documents[@]}" | cat - <(echo "--") <(print_links "${documents[@]}") | awk '
        $0 == "--" { links = 1; next }
        !links { anchors[$0] = 1; next }
        {
            file = $1; sub(/:.*/, "", file)
            target = $2; anchor = ""
            if (match(target, /#/)) { anchor = substr(target, RSTART + 1); target = substr(target, 1, RSTART - 1) }
            directory = file; if (!sub(/\/[^\/]*$/, "/", directory)) directory = ""
            path = target == "" ? file : substr(target, 1, 1) == "/" ? substr(target, 2) : directory target
            while (sub(/[^\/]+\/\.\.\//, "", path)) { }
            if (system("test -e \"" path "\"") != 0) print $1 ": there is no " path
            else if (anchor != "" && path ~ /\.md$/ && !((path " " anchor) in anchors)) print $1 ": " path " has no heading #" anchor
        }'
    lines=$(wc -l <README.md)
    [[ $lines -le $readme_lines_max ]] || echo "README.md:$lines: more than $readme_lines_max lines"
)
if [[ -n $breaches ]]; then
    printf '%s\n' "$breaches"
    exit 1
fi
