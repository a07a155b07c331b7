#!/bin/bash
# tools/package_check.sh: tests what operators install: the parts of tests/package, one file each (PARTS="image deb" for some). What this
# machine cannot do is skipped, and said. The last line is "N passed, M failed".
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

usual_parts="units image kubernetes compose sbom deb production"
all_parts="$usual_parts arm64" # which takes a quarter of an hour
parts=${PARTS:-$usual_parts}
work=
passed=0
failed=0
skipped=0
failures=()

clean_up() {
    trap '' INT TERM HUP
    for database in "$work"/postgres*; do
        [[ ! -d $database ]] || tools/database.sh remove "$database"
    done
    rm -rf "$work"
}

# expect SENTENCE COMMAND...: a test, in a shell of its own, which ends at the first command that fails.
expect() {
    local sentence=$1 status
    shift
    set +e
    (
        set -e
        "$@"
    ) >"$work/output" 2>&1
    status=$?
    set -e
    if [[ $status -eq 0 ]]; then
        passed=$((passed + 1))
        echo "$part: $sentence"
    else
        failed=$((failed + 1))
        failures+=("$part: $sentence")
        echo "$part: FAILED: $sentence"
        tail -n 40 "$work/output"
    fi
}

# skip REASON: the rest of a part.
skip() {
    skipped=$((skipped + 1))
    echo "skipped: $part: $1"
}

# add_counts FILE: of a program's last line "N passed, M failed".
add_counts() {
    local counts
    # shellcheck disable=SC2016 # sed's own dollar
    counts=$(sed -n '${s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p}' "$1")
    if [[ -z $counts || $counts == "0 0" ]]; then
        counts="0 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    [[ $counts == *" 0" ]] || failures+=("$part: $(tail -n 1 "$1")")
}

# A port that nobody listens on now, and that is none of those for outgoing connections.
free_port() {
    python3 -c '
import random, socket
while True:
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", random.randrange(20000, 32768)))
        except OSError:
            continue
        print(s.getsockname()[1])
        break'
}

for part in $parts; do
    [[ " $all_parts " == *" $part "* ]] || die "there is no part $part: $all_parts"
done
tools/packages.sh run package-check
build "$BUILD/jwtd"
work=$(mktemp -d /tmp/jwtd-package.XXXXXX)
chmod 711 "$work"
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
for part in $parts; do
    # shellcheck source=/dev/null
    source "tests/package/$part.sh"
done
if [[ $failed -gt 0 ]]; then
    printf 'failed: %s\n' "${failures[@]}"
fi
echo "$skipped skipped"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
