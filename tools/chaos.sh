#!/bin/bash
# tools/chaos.sh: the chaotic clients of tests/service/test_chaos.c against the service under each sanitizer, CHAOS_SECONDS each (20). The
# sum stands in the last line, "N passed, M failed".
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

passed=0
failed=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT
for sanitize in address,undefined thread; do
    status=0
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD make test SANITIZE="$sanitize" TESTS=chaos | tee "$log" || status=$?
    # shellcheck disable=SC2016 # sed's own dollar
    counts=$(sed -n '${s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p}' "$log")
    if [[ -z $counts || ($status -ne 0 && $counts == *" 0") ]]; then
        counts="0 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
