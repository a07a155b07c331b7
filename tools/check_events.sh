#!/bin/bash
# tools/check_events.sh: whether docs/operators.md has every event that a call of log_event in src names itself and logs at warn or error, and every
# alert as a heading, once. Prints what it lacks. Of a call whose event or level is a variable it knows nothing.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

page=docs/operators.md

# A call that chooses between two names has both in front of the format of its fields.
print_events() {
    local piece='(?:"(?:[^"\\]|\\.)*"|[^;"])*?' # of a call: a ";" may be in a literal
    git ls-files 'src/*.c' | xargs cat | tr '\n' ' ' | grep -oP "log_(account_)?event\($piece\bLOG_(WARN|ERROR)\b$piece\);" |
        sed -E 's/"[^"]*=.*//' | grep -oP '"\K[a-z]+(_[a-z]+)+(?=")' | sort -u
}

# Empty only where nothing was read.
events=$(print_events)
alerts=$(grep -oP 'alert: \K\w+' config/prometheus/alerts.yml)
if [[ -z $events || -z $alerts ]]; then
    echo "found no event in src, or no alert" >&2
    exit 1
fi

lacking=$(
    while read -r event; do
        grep -qF "\`$event\`" "$page" || echo "$page: no event \`$event\`"
    done <<<"$events"
    while read -r alert; do
        [[ $(grep -cxF "### $alert" "$page") -eq 1 ]] || echo "$page: not one heading of the alert $alert"
    done <<<"$alerts"
)
if [[ -n $lacking ]]; then
    printf '%s\n' "$lacking"
    exit 1
fi
