#!/bin/bash
# tools/test.sh: sets up what is missing, builds, and runs every test: beside each other, those of the load tester, the unit tests, the
# service tests, and those service tests once more that make sense through a PgBouncer in transaction mode. The suites of the service tests
# are shared out among workers, each with a PostgreSQL of its own that lives as long as the worker, since a suite mostly waits. What a suite
# prints is printed when it has ended. The last line is "N passed, M failed", the one before it "K skipped". TESTS="pool config" runs some;
# SANITIZE, set by make, builds with -fsanitize; WORKERS, POOLED_WORKERS: how many (3 and 1).
#
# Tests hold the program to times, and the workers take the processor from each other. So a suite of the service tests that fails beside
# others (of the other kinds: all of the kind) is run once more, alone, at the end; what failed first is printed, and the second run counts. With more than AGAIN_MAX such suites (5) none is;
# AGAIN_MAX=0: each failure counts. What a sanitizer reports counts whatever the second run does.
#
# Service tests find in the environment: JWTD_TEST_PROGRAM, JWTD_TEST_DATABASE (as the serving role), JWTD_TEST_OWNER_DATABASE,
# JWTD_TEST_SUPERUSER_DATABASE, JWTD_TEST_PG_BIN, JWTD_TEST_DIRECTORY (for databases of their own), JWTD_TEST_FAULT_LIBRARY (a library that
# makes calls fail). The database is migrated. JWTD_TEST_EXCHANGES names the file in which they record what was replied to what
# (tests/service/support/recorder.h), which is then checked against the table of routes (tests/contract) and the API document
# (tools/openapi.sh); when set by the caller, the file stays.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

passed=0
failed=0
skipped=0
failures=() # "KIND SUITE" of each that failed
again=()    # "KIND SUITE" of each that was run again
work=
workers=() # their processes, while they run
# Suites of the service tests that take longest, longest first, so that no worker begins one when the others have nothing left. Before
# them memory, since an instance keeps what others have changed in the last quarter of an hour.
long_suites="memory fault_requests languages database_revocations front_end store alerts pages fault_start followers database_commit \
    database_pressure database_outage activation life slow_followers fault_migrate database_failover crashes revocations enumeration slow_clients chaos failpoint \
    delayed_replies proxies exchanges database_executor fault_signals fault_key reload idempotency key_clients request_log traces limits \
    database_audit sibling database_readiness rolling fault_keygen database_introspection differential shutdown"
exchanges=${JWTD_TEST_EXCHANGES:+$(realpath -m "$JWTD_TEST_EXCHANGES")}
unset JWTD_TEST_EXCHANGES # the program takes every JWTD_ variable for a setting

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
            database_* | connections | *_clients | slowhttptest | exhaustion | exchanges | fault_* | chaos | differential) ;;
            activation | alerts | delayed_replies | failpoint | framing | front_end | health_command | http | json) ;;
            languages | life | metrics | operations | pages | proxies | request_log | traces) ;;
            *) echo "$name" ;;
        esac
    done
}

all_names() {
    basename -a -s .c tests/"$1"/test_*.c | sed 's/^test_//'
}

# count NAME FILE: adds the counts in the last two lines; a program that ended before it wrote them counts as one failure.
count() {
    local skips counts
    # shellcheck disable=SC2016 # sed's own dollar
    counts=$(sed -n '${s/^\([0-9]*\) passed, \([0-9]*\) failed$/\1 \2/p}' "$2")
    skips=$(tail -n 2 "$2" | sed -n 's/^\([0-9]*\) skipped.*/\1/p')
    counts=${counts:-0 1}
    passed=$((passed + ${counts% *}))
    failed=$((failed + ${counts#* }))
    skipped=$((skipped + ${skips:-0}))
    if [[ $counts != *" 0" ]]; then
        failures+=("$1")
        grep -E '^[^ ]+\.c:[0-9]+:[FE]:' "$2" | cut -c 1-400 >>"$work/reasons" || true
    fi
}

# run_program NAME TITLE COMMAND...
run_program() {
    local name=$1 title=$2
    shift 2
    echo "---- $title"
    "$@" 2>&1 | tee "$work/$name.out" || true # its last line says whether it failed
}

# run_tests KIND TITLE NAMES
run_tests() {
    if [[ -n $3 ]]; then
        # shellcheck disable=SC2086 # a list of words
        run_program "$1" "$2" "${run_as_is[@]}" "$BUILD/${1}_tests" $3
    fi
}

# count_tests KIND TITLE NAMES: after run_tests; those that failed beside others are run again first.
count_tests() {
    if [[ -z $3 ]]; then
        return
    fi
    if ! has_passed "$work/$1.out" && [[ ${AGAIN_MAX:-5} -gt 0 ]]; then
        again+=("$1 tests")
        mv "$work/$1.out" "$work/$1-tests.first"
        run_tests "$1" "once more, alone: $2" "$3"
    fi
    count "$1" "$work/$1.out"
}

# Opens the page of a recorded run in a browser. Not with the sanitizers, which check C only.
run_browser_tests() {
    if [[ -n ${TESTS-} && " $TESTS " != *" browser "* ]]; then
        return
    fi
    if [[ -n $SANITIZE ]]; then
        echo "skipped: browser tests: the sanitizers check C"
        skipped=$((skipped + 1))
        return
    fi
    tools/browser.sh
    run_program browser "browser tests" node build/browser/test_report.mjs "$(realpath "$BUILD/failpoint")" docs/run.json \
        "$(realpath build/browser)"
    count browser "$work/browser.out"
}

set_sanitizer_options() {
    run_as_is=()
    if [[ -z $SANITIZE ]]; then
        return
    fi
    # Reports go to files, so that one of a process whose end nobody checks counts, too. The exit code is one that no program of ours has.
    mkdir -m 1777 "$work/reports"
    local report="exitcode=99:log_path=$work/reports"
    export ASAN_OPTIONS=${ASAN_OPTIONS-detect_leaks=1:detect_stack_use_after_return=1:strict_string_checks=1}:$report/address
    export UBSAN_OPTIONS=${UBSAN_OPTIONS-print_stacktrace=1}:$report/undefined
    export TSAN_OPTIONS=${TSAN_OPTIONS-halt_on_error=1:second_deadlock_stack=1}:$report/thread
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
    JWTD_TEST_FAULT_LIBRARY=$(realpath "$BUILD/fault.so")
    JWTD_DATABASE_URL=$JWTD_TEST_OWNER_DATABASE "${run_as_is[@]}" "$JWTD_TEST_PROGRAM" migrate
    JWTD_TEST_DIRECTORY=$work
    export JWTD_TEST_PROGRAM JWTD_TEST_DATABASE JWTD_TEST_OWNER_DATABASE JWTD_TEST_SUPERUSER_DATABASE JWTD_TEST_PG_BIN \
        JWTD_TEST_FAULT_LIBRARY JWTD_TEST_DIRECTORY
    export JWTD_TEST_EXCHANGES=$exchanges
}

use_pooler() {
    tools/database.sh pool "$work/postgres"
    JWTD_TEST_DATABASE=$(tools/database.sh pool-url "$work/postgres" jwtd)
    export JWTD_DATABASE_PREPARED=off
}

# ---- the service tests, by workers ----

# The names on standard input, those of long_suites first.
longest_first() {
    awk -v long="$long_suites" '
        BEGIN { count = split(long, order); for (i = 1; i <= count; i++) rank[order[i]] = i }
        { print ($1 in rank ? rank[$1] : count + 1), NR, $1 }' | sort -n | cut -d " " -f 3
}

# next_suite KIND: prints the first name of the kind's queue, and removes it.
next_suite() {
    # shellcheck disable=SC2016 # sed's own dollar
    flock "$work/lock" sed -n -i -e '1w /dev/stdout' -e '2,$p' "$work/$1.queue"
}

# run_suite KIND NAME [HOW], in the background of its worker, so that the worker may be ended.
run_suite() {
    local out=$results/$1-$2.out
    "${run_as_is[@]}" "$BUILD/service_tests" "$2" >"$out.part" 2>&1 &
    running=$!
    wait "$running" || true # its last line says whether it failed
    running=
    sed -i "1i ---- $2${3-}" "$out.part"
    flock "$results" cat "$out.part"
    mv "$out.part" "$out"
}

end_worker() {
    if [[ -n $running ]]; then
        kill "$running" 2>/dev/null || true
        wait "$running" || true
    fi
    exit 130
}

# work_on KIND DIRECTORY: runs suites until none of the kind is left.
work_on() {
    local kind=$1 name how="" results=$work/results running=
    trap - EXIT
    trap end_worker INT TERM HUP
    work=$2
    mkdir "$work"
    chmod 711 "$work"
    start_database >"$work/database.out" 2>&1 || { cat "$work/database.out"; return; }
    if [[ $kind == pooled ]]; then
        use_pooler
        how=", through PgBouncer"
    fi
    work=${results%/*}
    while name=$(next_suite "$kind") && [[ -n $name ]]; do
        run_suite "$kind" "$name" "$how"
    done
}

# start_workers KIND COUNT NAMES
start_workers() {
    local i count
    tr ' ' '\n' <<<"$3" | grep . | longest_first >"$work/$1.queue" || return 0
    count=$(wc -l <"$work/$1.queue")
    for ((i = 0; i < $2 && i < count; i++)); do
        work_on "$1" "$work/$1$i" &
        workers+=($!)
    done
}

has_passed() {
    tail -n 1 "$1" 2>/dev/null | grep -q '^[0-9]* passed, 0 failed$'
}

# failed_suites KIND NAMES: prints "KIND NAME" of each that failed or was not run to its end.
failed_suites() {
    local kind=$1 name
    shift
    for name; do
        if ! has_passed "$work/results/$kind-$name.out"; then
            echo "$kind $name"
        fi
    done
}

# run_again "KIND SUITE"...: each alone, with a PostgreSQL of its own.
run_again() {
    local suite kind name
    [[ $# -gt 0 && $# -le ${AGAIN_MAX:-5} ]] || return 0
    again+=("$@")
    for suite; do
        kind=${suite% *} name=${suite#* }
        echo "---- once more, alone: $suite"
        mv "$work/results/$kind-$name.out" "$work/$kind-$name.first" 2>/dev/null || touch "$work/$kind-$name.first"
        echo "$name" >"$work/$kind.queue"
        work_on "$kind" "$work/again-$kind-$name" &
        workers=($!)
        wait "${workers[@]}" || true
        workers=()
    done
}

count_suites() {
    local kind=$1 name
    shift
    for name; do
        if [[ ! -e $work/results/$kind-$name.out ]]; then
            echo "$name was not run to its end" >"$work/results/$kind-$name.out"
        fi
        count "$kind $name" "$work/results/$kind-$name.out"
    done
}

print_first_failures() {
    local suite
    for suite in "${again[@]}"; do
        echo "failed beside others, and was run again alone: $suite"
        grep -E '^[^ ]+\.c:[0-9]+:[FE]:' "$work/${suite% *}-${suite#* }.first" | cut -c 1-400 || true
    done
}

# Whatever is no service test runs here, beside the workers.
run_tests_beside_each_other() {
    local direct pooled loadtest unit failing
    loadtest=$(chosen loadtest)
    unit=$(chosen unit)
    direct=$(chosen service)
    pooled=$(chosen_for_pooler)
    mkdir "$work/results"
    touch "$work/lock"
    start_workers service "${WORKERS:-3}" "$direct"
    start_workers pooled "${POOLED_WORKERS:-1}" "$pooled"
    renice -n -5 $$ >/dev/null 2>&1 || true # who measures time goes first, where this is allowed
    run_tests loadtest "tests of the load tester" "$loadtest"
    run_tests unit "unit tests" "$unit"
    run_browser_tests
    wait "${workers[@]}" || true # their files have the results
    workers=()
    # shellcheck disable=SC2086 # lists of words
    mapfile -t failing < <(failed_suites service $direct; failed_suites pooled $pooled)
    run_again "${failing[@]}"
    count_tests loadtest "tests of the load tester" "$loadtest"
    count_tests unit "unit tests" "$unit"
    # shellcheck disable=SC2086
    count_suites service $direct
    # shellcheck disable=SC2086
    count_suites pooled $pooled
}

# Prints what the sanitizers reported, of whatever process; each report counts as a failure.
count_reports() {
    local report
    for report in "$work"/reports/*; do
        if [[ -s $report ]]; then
            echo "---- report ${report##*/}"
            cat "$report"
            failed=$((failed + 1))
            failures+=("report ${report##*/}")
        fi
    done
}

# The databases of the workers, and those of tests that did not come to their end.
clean_up() {
    local data
    trap '' INT TERM HUP
    if [[ ${#workers[@]} -gt 0 ]]; then
        kill "${workers[@]}" 2>/dev/null || true
        wait "${workers[@]}" || true
    fi
    for data in "$work"/*/*/data; do
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
    count contract "$work/contract.out"
}

# The API document, and what was recorded against it. Not with the sanitizers, which check C only.
run_document_tests() {
    if [[ -n $SANITIZE || ! -s $exchanges || (-n ${TESTS-} && " $TESTS " != *" document "*) ]]; then
        return
    fi
    run_program openapi "the API document" tools/openapi.sh test "$exchanges"
    count openapi "$work/openapi.out"
}

check_names
tools/packages.sh run test
[[ " $(chosen service | tr '\n' ' ') " != *" proxies "* ]] || tools/proxies.sh
[[ -n $SANITIZE || " $(chosen service | tr '\n' ' ') " != *" languages "* ]] || tools/packages.sh languages
build "$BUILD/jwtd" "$BUILD/failpoint" tests
work=$(mktemp -d /tmp/jwtd-test.XXXXXX)
touch "$work/reasons" # of what has failed, again at the end
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
exchanges=${exchanges:-$work/exchanges}
rm -f "$exchanges"
chmod 711 "$work" # as root, PostgreSQL runs as another user
set_sanitizer_options
FAILPOINT_TEST_PROGRAM=$(realpath "$BUILD/failpoint")
export FAILPOINT_TEST_PROGRAM
run_tests_beside_each_other
run_contract_tests
run_document_tests
count_reports
print_first_failures
if [[ $failed -gt 0 ]]; then
    printf 'failed: %s\n' "${failures[@]}"
    cat "$work/reasons"
fi
echo "$skipped skipped"
echo "$passed passed, $failed failed"
[[ $failed -eq 0 && $passed -gt 0 ]]
