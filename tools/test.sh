#!/bin/bash
# tools/test.sh: sets up what is missing, builds, and runs every test: unit tests, those of the load tester, then service tests on a
# PostgreSQL of their own that lives as long as they do, and beside them those once more through a PgBouncer in transaction mode. The last line is
# "N passed, M failed". TESTS="pool config" runs some; SANITIZE, set by make, builds with -fsanitize.
#
# Service tests find in the environment: JWTD_TEST_PROGRAM, JWTD_TEST_DATABASE (as the serving role), JWTD_TEST_OWNER_DATABASE,
# JWTD_TEST_SUPERUSER_DATABASE, JWTD_TEST_PG_BIN, JWTD_TEST_SANITIZE, JWTD_TEST_DIRECTORY (for databases of their own),
# JWTD_TEST_FAULT_MALLOC (a library that lets allocations fail). The database is migrated. JWTD_TEST_EXCHANGES names
# the file in which they record what was replied to what (tests/service/support/recorder.h), which is then checked against the table of
# routes (tests/contract); when set by the caller, the file stays.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

passed=0
failed=0
work=
exchanges=${JWTD_TEST_EXCHANGES:+$(realpath -m "$JWTD_TEST_EXCHANGES")}
unset JWTD_TEST_EXCHANGES # the program takes every JWTD_ variable for a setting
pooled= # the process of the tests through PgBouncer, while there is one

# Names of TESTS, or of all tests, that are of this kind.
chosen() {
    local name
    for name in ${TESTS:-$(all_names "$1")}; do
        if [[ -e tests/$1/test_$name.c ]]; then
            echo "$name"
        fi
    done
}

check_names() {
    local name
    for name in ${TESTS-}; do
        [[ $name == browser ]] || compgen -G "tests/*/test_$name.c" >/dev/null || die "there is no tests/*/test_$name.c"
    done
}

# The service tests that make sense through a pooler. Those called database_* are about what happens between the service and
# PostgreSQL itself: they end its backends, stop it, and cut the connection in the middle of an answer. Some others are about what
# happens between the service and its clients.
chosen_for_pooler() {
    local name
    for name in $(chosen service); do
        case $name in
            database_* | connections | *_clients | slowhttptest | exhaustion | exchanges | allocations | chaos | differential) ;;
            activation | failpoint | framing | http | json | life | waiting) ;;
            *) echo "$name" ;;
        esac
    done
}

all_names() {
    basename -a -s .c tests/"$1"/test_*.c | sed 's/^test_//'
}

# add_counts KIND COMMAND...; a program that dies before its last line counts as one failure.
add_counts() {
    local kind=$1 counts status=0
    shift
    "$@" 2>&1 | tee "$work/$kind.out" || status=$?
    # shellcheck disable=SC2016 # sed's own dollar
    counts=$(sed -n '${s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p}' "$work/$kind.out")
    if [[ -z $counts || ($status -ne 0 && $counts == *" 0") ]]; then
        counts="${counts:-0 0}"
        counts="${counts% *} 1"
    fi
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
}

# run_tests KIND TITLE NAMES
run_tests() {
    local kind=$1 title=$2 names=$3
    if [[ -z $names ]]; then
        return
    fi
    echo "---- $title"
    # shellcheck disable=SC2086 # a list of words
    add_counts "$kind" "${run_as_is[@]}" "$BUILD/${kind}_tests" $names
}

# Opens the page of a recorded run in a browser. Not with the sanitizers: they look at C.
run_browser_tests() {
    if [[ -n $SANITIZE || (-n ${TESTS-} && " $TESTS " != *" browser "*) ]]; then
        return
    fi
    echo "---- browser tests"
    mkdir -p "$BUILD/browser"
    cp tests/browser/* "$BUILD/browser/"
    npm ci --prefix "$BUILD/browser" --no-audit --no-fund --silent || die "npm cannot install playwright-core"
    add_counts browser node "$BUILD/browser/test_report.mjs" "$(realpath "$BUILD/failpoint")" docs/run.json \
        "$(realpath "$BUILD/browser")"
}

set_sanitizer_options() {
    run_as_is=()
    if [[ -z $SANITIZE ]]; then
        return
    fi
    export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1}
    export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}
    export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1}
    export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER-5}
    # ThreadSanitizer of gcc 12 does not start where the kernel randomizes addresses by more than 28 bits.
    if [[ $SANITIZE == thread ]] && setarch -R true 2>/dev/null; then
        run_as_is=(setarch -R)
    fi
}

start_database() {
    tools/database.sh start "$work/postgres" fsync=off full_page_writes=off max_connections=200
    JWTD_TEST_PROGRAM=$(realpath "$BUILD/jwtd")
    JWTD_TEST_DATABASE=$(tools/database.sh url "$work/postgres" jwtd)
    JWTD_TEST_OWNER_DATABASE=$(tools/database.sh url "$work/postgres" jwtd_owner)
    JWTD_TEST_SUPERUSER_DATABASE=$(tools/database.sh url "$work/postgres" postgres)
    JWTD_TEST_PG_BIN=$(tools/database.sh bin)
    JWTD_TEST_SANITIZE=$SANITIZE
    JWTD_TEST_FAULT_MALLOC=$(realpath "$BUILD/fault_malloc.so")
    JWTD_DATABASE_URL=$JWTD_TEST_OWNER_DATABASE "${run_as_is[@]}" "$JWTD_TEST_PROGRAM" migrate
    JWTD_TEST_DIRECTORY=$work
    export JWTD_TEST_PROGRAM JWTD_TEST_DATABASE JWTD_TEST_OWNER_DATABASE JWTD_TEST_SUPERUSER_DATABASE JWTD_TEST_PG_BIN \
        JWTD_TEST_SANITIZE JWTD_TEST_FAULT_MALLOC JWTD_TEST_DIRECTORY
    export JWTD_TEST_EXCHANGES=$exchanges
}

use_pooler() {
    tools/database.sh pool "$work/postgres"
    JWTD_TEST_DATABASE=$(tools/database.sh pool-url "$work/postgres" jwtd)
    export JWTD_DATABASE_PREPARED=off
}

# On a database of its own, beside the tests that talk to PostgreSQL directly: both mostly wait.
run_pooled_tests() {
    work=$work/pooled
    mkdir "$work"
    chmod 711 "$work"
    start_database
    use_pooler
    # shellcheck disable=SC2086 # a list of words
    "${run_as_is[@]}" "$BUILD/service_tests" $1
}

run_service_tests() {
    local names
    names=$(chosen_for_pooler)
    if [[ -n $names ]]; then
        (run_pooled_tests "$names") >"$work/pooled.log" 2>&1 &
        pooled=$!
    fi
    if [[ -n $(chosen service) ]]; then
        start_database
    fi
    run_tests service "service tests" "$(chosen service)"
    if [[ -n $pooled ]]; then
        echo "---- service tests through PgBouncer"
        wait "$pooled" || true # what it says tells
        pooled=
        add_counts pooled cat "$work/pooled.log"
    fi
}

# Its own database, and those of tests that did not come to their end.
clean_up() {
    local data
    trap '' INT TERM HUP
    if [[ -n $pooled ]]; then
        kill "$pooled" 2>/dev/null || true
        wait "$pooled" || true
    fi
    for data in "$work"/*/data "$work"/pooled/*/data; do
        if [[ -d $data ]]; then
            tools/database.sh remove "${data%/data}"
        fi
    done
    rm -rf "$work"
}

# What the service tests recorded, against the table of routes. All of them must have run for every reply to be seen.
run_contract_tests() {
    if [[ ! -s $exchanges ]]; then
        return
    fi
    if [[ -z ${TESTS-} ]]; then
        export JWTD_TEST_EXCHANGES_COMPLETE=1
    fi
    export JWTD_TEST_EXCHANGES=$exchanges
    run_tests contract "replies against the table of routes" replies
}

check_names
tools/packages.sh run test
build "$BUILD/jwtd" "$BUILD/failpoint" tests
work=$(mktemp -d /tmp/jwtd-test.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
exchanges=${exchanges:-$work/exchanges}
rm -f "$exchanges"
chmod 711 "$work" # as root, PostgreSQL runs as another user
set_sanitizer_options
run_tests unit "unit tests" "$(chosen unit)"
FAILPOINT_TEST_PROGRAM=$(realpath "$BUILD/failpoint")
export FAILPOINT_TEST_PROGRAM
run_tests loadtest "tests of the load tester" "$(chosen loadtest)"
run_browser_tests
run_service_tests
run_contract_tests
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
