#!/bin/bash
# tools/lint.sh: every checker over every file, in the order of their speed; fails if any has a finding. CPPFLAGS comes from make.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

findings=0

# check NAME COMMAND...
check() {
    local name=$1 begin=$SECONDS
    shift
    if "$@"; then
        echo "$name: clean ($((SECONDS - begin)) s)"
    else
        echo "$name: see above" >&2
        findings=$((findings + 1))
    fi
}

files() {
    find "$@" -type f -print0 | sort -z
}

run_shellcheck() {
    shellcheck -x tools/*.sh .ci/run
}

run_clang_format() {
    files include src loadtest tests -name '*.[ch]' | xargs -0 clang-format --dry-run -Werror
}

run_cppcheck() {
    cppcheck -j "$(nproc)" --quiet --enable=warning,performance,portability --error-exitcode=1 --std=c11 --inline-suppr \
        --suppress=missingIncludeSystem -D_GNU_SOURCE -Iinclude -I. src loadtest tests
}

# One process for each file, so that the slow ones spread over the cores. Its count of suppressed warnings is no finding.
run_clang_tidy() {
    # shellcheck disable=SC2016,SC2086 # the inner shell's own $1, and words
    files src loadtest tests -name '*.c' | xargs -0 -n 1 -P "$(nproc)" sh -c \
        'found=$(clang-tidy --quiet "$1" -- -std=c11 '"$CPPFLAGS"' 2>&1) || { printf "%s\n" "$found"; exit 1; }' sh
}

[[ -n ${CPPFLAGS-} ]] || die "run me by make lint"
tools/packages.sh run test lint
check check_rules tools/check_rules.sh
check shellcheck run_shellcheck
check clang-format run_clang_format
check cppcheck run_cppcheck
check clang-tidy run_clang_tidy
[[ $findings -eq 0 ]]
