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

# Calls go down only, files of a layer form no circle, and the document says so.
check_layers() {
    tools/layers.sh check && tools/layers.sh diff
}

run_shellcheck() {
    shellcheck -x tools/*.sh tests/package/*.sh bench/peers/*.sh .ci/run
}

run_clang_format() {
    files include src loadtest tests examples web man -name '*.[ch]' | xargs -0 clang-format --dry-run -Werror
}

run_mandoc() {
    build man && mandoc -Tlint -W warning man/*.[1-9] "$BUILD"/man/*.[1-9]
}

run_cppcheck() {
    cppcheck -j "$(nproc)" --quiet --enable=warning,performance,portability --error-exitcode=1 --std=c11 --inline-suppr \
        --suppress=missingIncludeSystem -D_GNU_SOURCE -Iinclude -I. src loadtest tests web man
}

# A file that was clean is not checked again until it changes, or what it includes, or the checks: its name is the hash of all that
# clang-tidy reads, comments and macros too. For run_clang_tidy, which exports what it needs.
tidy_file() {
    local hash found
    # shellcheck disable=SC2086 # words
    hash=$({ echo "$tidy_version"; cat .clang-tidy; gcc -E -C -dD -std=c11 $CPPFLAGS "$1"; } | sha256sum | cut -d ' ' -f 1)
    if [[ -e $clean_files/$hash ]]; then
        return
    fi
    # shellcheck disable=SC2086 # words
    if ! found=$(clang-tidy --quiet "$1" -- -std=c11 $CPPFLAGS 2>&1); then
        printf '%s\n' "$found"
        return 1
    fi
    touch "$clean_files/$hash"
}

# One process for each file, so that the slow ones spread over the cores. Its count of suppressed warnings is no finding.
run_clang_tidy() {
    tidy_version=$(clang-tidy --version)
    clean_files=$BUILD/clang-tidy
    mkdir -p "$clean_files"
    find "$clean_files" -type f -mtime +30 -delete
    export tidy_version clean_files CPPFLAGS
    export -f tidy_file
    # shellcheck disable=SC2016 # the inner shell's own $1
    files src loadtest tests web man -name '*.c' | xargs -0 -n 1 -P "$(nproc)" bash -c 'set -o pipefail; tidy_file "$1"' bash
}

[[ -n ${CPPFLAGS-} ]] || die "run me by make lint"
tools/packages.sh run test lint
check check_rules tools/check_rules.sh
check snippets tools/check_snippets.sh
check links tools/check_links.sh
check events tools/check_events.sh
check layers check_layers
check shellcheck run_shellcheck
check peers bench/peers/lint.sh
check clang-format run_clang_format
check mandoc run_mandoc
check cppcheck run_cppcheck
check clang-tidy run_clang_tidy
[[ $findings -eq 0 ]]
