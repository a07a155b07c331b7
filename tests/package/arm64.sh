# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# The program of ARM64, and its unit tests under qemu-user.
if tools/arm64.sh >"$work/arm64.out" 2>&1; then
    grep -E '^(skipped|left out): |passed' "$work/arm64.out"
else
    tail -n 60 "$work/arm64.out"
fi
add_counts "$work/arm64.out"
