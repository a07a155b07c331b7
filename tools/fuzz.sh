#!/bin/bash
# tools/fuzz.sh: builds the fuzz targets tests/fuzz/fuzz_*.c with clang's libFuzzer and the sanitizers, and runs each for FUZZ_SECONDS
# (10), two at a time; FUZZ="token json" runs some. It begins with the seeds in tests/fuzz/corpus/NAME/ and with what earlier runs have
# found in build/fuzz/corpus/NAME/, where it writes what is new. The first finding ends it; the input is left in build/fuzz/findings/.
# To see one again: build/fuzz/fuzz_NAME FILE.
#
# fuzz_http gets a private PostgreSQL, which lives as long as this script.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"
BUILD=build/fuzz
seconds=${FUZZ_SECONDS:-10}
at_once=2
timeout_s=60 # for one input
memory_mb=3072
work=

all_names() {
    basename -a -s .c tests/fuzz/fuzz_*.c | sed 's/^fuzz_//'
}

# run_target NAME: one line if there is no finding, all that the fuzzer said if there is. 255 makes xargs stop.
run_target() {
    local name=$1 log=$BUILD/$1.log begin=$SECONDS dictionary=()
    if [[ -e tests/fuzz/$name.dict ]]; then
        dictionary=("-dict=tests/fuzz/$name.dict")
    fi
    mkdir -p "$BUILD/corpus/$name" "$BUILD/findings"
    if ! "$BUILD/fuzz_$name" -max_total_time="$seconds" -timeout="$timeout_s" -rss_limit_mb="$memory_mb" -print_final_stats=1 \
        -artifact_prefix="$BUILD/findings/$name-" "${dictionary[@]}" "$BUILD/corpus/$name" "tests/fuzz/corpus/$name" \
        >"$log" 2>&1; then
        tail -n 80 "$log"
        echo "fuzz: $name: a finding, see $log and $BUILD/findings/"
        exit 255
    fi
    awk -v name="$name" -v seconds="$((SECONDS - begin))" '
        /^stat::number_of_executed_units:/ { units = $2 }
        match($0, /cov: [0-9]+/) { edges = substr($0, RSTART + 5, RLENGTH - 5) }
        END { printf "fuzz: %s: %d inputs in %d s, %d edges\n", name, units, seconds, edges }' "$log"
}

clean_up() {
    if [[ -d $work/postgres ]]; then
        tools/database.sh remove "$work/postgres"
    fi
    rm -rf "$work"
}

start_database() {
    tools/database.sh start "$work/postgres" fsync=off full_page_writes=off
    JWTD_TEST_DATABASE=$(tools/database.sh url "$work/postgres" jwtd)
    JWTD_TEST_OWNER_DATABASE=$(tools/database.sh url "$work/postgres" jwtd_owner)
    export JWTD_TEST_DATABASE JWTD_TEST_OWNER_DATABASE
}

if [[ ${1-} == --target ]]; then
    run_target "$2"
    exit 0
fi

# shellcheck disable=SC2206 # a list of words
names=(${FUZZ:-$(all_names)})
for name in "${names[@]}"; do
    [[ -e tests/fuzz/fuzz_$name.c ]] || die "there is no tests/fuzz/fuzz_$name.c"
done
tools/packages.sh run fuzz
SANITIZE=fuzzer-no-link,address,undefined build CC=clang BUILD="$BUILD" "${names[@]/#/$BUILD/fuzz_}"
work=$(mktemp -d /tmp/jwtd-fuzz.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
chmod 711 "$work" # as root, PostgreSQL runs as another user
export TMPDIR=$work
if [[ " ${names[*]} " == *" http "* ]]; then
    start_database
fi
printf '%s\n' "${names[@]}" | xargs -P "$at_once" -n 1 tools/fuzz.sh --target
echo "${#names[@]} targets, no finding"
