#!/bin/bash
# tools/check_events.sh: whether docs/operators.md has every event that the service logs at warn or error, and every alert as a heading, once. Prints
# what it lacks.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

page=docs/operators.md

# A call that chooses between two names has both in front of the format of its fields.
print_events() {
    git ls-files 'src/*.c' | xargs cat | tr '\n' ' ' | grep -oP 'log_(account_)?event\([^;]*?\bLOG_(WARN|ERROR)\b[^;]*?\);' |
        sed -E 's/"[^"]*=.*//' | grep -oP '"\K[a-z]+(_[a-z]+)+(?=")' | sort -u
}

lacking=$(
    while read -r event; do
        grep -qF "\`$event\`" "$page" || echo "$page: no event \`$event\`"
    done < <(print_events)
    while read -r alert; do
        [[ $(grep -cxF "### $alert" "$page") -eq 1 ]] || echo "$page: not one heading of the alert $alert"
    done < <(grep -oP 'alert: \K\w+' config/prometheus/alerts.yml)
)
if [[ -n $lacking ]]; then
    printf '%s\n' "$lacking"
    exit 1
fi
