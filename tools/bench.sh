#!/bin/bash
# tools/bench.sh: measures what the README claims, each figure beside its reference from the same run, on a PostgreSQL of its own and with
# the load on the same machine. SECONDS_EACH=5 makes the single measurements longer. The last part is a table in Markdown, also
# in build/bench.md; PARTS="crowd nice" measures some only. It is a benchmark and no test: nothing fails when a target is missed, the table says so.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/private_server.sh"

seconds=${SECONDS_EACH:-4}
cores=$(nproc)
memory=$((19 * 1024 * 1024))
table=$BUILD/bench.md

median() {
    sort -g | awk '{ value[NR] = $1 } END { print value[int((NR + 1) / 2)] }'
}

ratio() {
    awk -v a="$1" -v b="$2" 'BEGIN { printf "%.2f", (b > 0 ? a / b : 0) }'
}

row() {
    printf '| %s | %s | %s |\n' "$1" "$2" "$3" | tee -a "$table"
}

post() {
    curl -s -H 'Content-Type: application/json' -d "$2" "http://127.0.0.1:$port$1"
}

log_in() {
    post /auth/login '{"email":"bench@example.org","password":"a long walk by the sea"}'
}

# Ticks of processor time that a process and its threads have used.
ticks_of() {
    awk '{ sub(/.*\) /, ""); print $12 + $13 }' "/proc/$1/stat"
}

# The same for the database: the postmaster and everything below it.
database_ticks() {
    local pid sum=0
    for pid in $postmaster $(pgrep -P "$postmaster"); do
        sum=$((sum + $(ticks_of "$pid" 2>/dev/null || echo 0)))
    done
    echo "$sum"
}

# requests(ARGUMENTS OF WRK...): sets rate, count, failures, and microseconds of processor time per request of server and database.
load() {
    local before_server before_database out
    before_server=$(ticks_of "$server")
    before_database=$(database_ticks)
    out=$(wrk -t1 -d"${seconds}s" "$@")
    rate=$(awk '/Requests\/sec/ { printf "%.0f", $2 }' <<<"$out")
    count=$(awk '/requests in/ { print $1 }' <<<"$out")
    failures=$(awk '/Non-2xx/ { print $NF }' <<<"$out")
    server_us=$(awk -v t=$(($(ticks_of "$server") - before_server)) -v n="$count" 'BEGIN { printf "%.1f", t * 10000 / n }')
    database_us=$(awk -v t=$(($(database_ticks) - before_database)) -v n="$count" 'BEGIN { printf "%.1f", t * 10000 / n }')
    [[ -z $failures ]] || echo "  ($failures of $count replies were not 2xx)"
}

resident_mib() {
    awk '/VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$server/status"
}

# Pages that several processes have are counted in part: "7.7 / 4.9 MiB".
resident_and_proportional() {
    awk '/^Rss:/ { rss = $2 } /^Pss:/ { pss = $2 } END { printf "%.1f / %.1f MiB", rss / 1024, pss / 1024 }' "/proc/$server/smaps_rollup"
}

# Nanoseconds of processor time of a process, without its threads that hash.
nanoseconds_without_hashing() {
    local thread sum=0
    for thread in "/proc/$1/task/"*; do
        [[ $(<"$thread/comm") == crypto* ]] || sum=$((sum + $(cut -d' ' -f1 "$thread/schedstat")))
    done
    echo "$sum"
}

hashes_per_second() {
    "$BUILD/$1" "$cores" "$seconds" "$memory" 2 | sed 's/.*"hashes_per_second": *\([0-9.]*\).*/\1/'
}

bench_hashing() {
    local ours stock
    : >"$work/ours"
    : >"$work/stock"
    for _ in 1 2 3; do
        hashes_per_second bench_hasher >>"$work/ours"
        hashes_per_second bench_stock >>"$work/stock"
    done
    ours=$(median <"$work/ours")
    stock=$(median <"$work/stock")
    row "argon2id (19 MiB, 2 passes) on $cores threads: this program / stock libsodium" "$ours / $stock per s = $(ratio "$ours" "$stock")" "2.0"
}

bench_limiter() {
    local one many one_of_ipv6 many_of_ipv6
    read -r one many one_of_ipv6 many_of_ipv6 < <("$BUILD/bench_limiter")
    row "a decision of the rate limiter on one thread: one address / a million of them" "$one / $many ns" "200 ns"
    row "the same for IPv6, where it asks two buckets" "$one_of_ipv6 / $many_of_ipv6 ns" "200 ns"
}

bench_metrics() {
    local count count_beside time time_beside text
    read -r count count_beside time time_beside text < <("$BUILD/bench_metrics" "$cores")
    row "CPU to record an event in a counter: on one thread / while $cores threads record" "$count / $count_beside ns" "50 ns"
    row "the same of a time in a histogram" "$time / $time_beside ns" "50 ns"
    row "CPU to write all metrics, with 25 routes and 40 statements in use" "$text us" "5000 us"
}

bench_login() {
    local hashes logins
    : >"$work/ours"
    : >"$work/logins"
    start_server
    for _ in 1 2 3; do
        hashes_per_second bench_hasher >>"$work/ours"
        load -c16 -s tests/bench/login.lua "http://127.0.0.1:$port"
        echo "$rate" >>"$work/logins"
    done
    hashes=$(median <"$work/ours")
    logins=$(median <"$work/logins")
    row "POST /auth/login at saturation, 16 connections / the hashing alone" "$logins / $hashes per s = $(ratio "$logins" "$hashes")" "0.85"
    load -c100 -s tests/bench/login.lua "http://127.0.0.1:$port"
    row "resident memory under 100 connections that log in" "$(resident_mib) MiB" "at most $((25 + cores * 19)) MiB"
    stop_server
}

bench_requests() {
    local token
    start_server
    token=$(log_in | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    load -c32 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/auth/me"
    row "GET /auth/me: requests per s; CPU of server + PostgreSQL" "$rate per s; $server_us + $database_us us" "27 + 10 us"
    for _ in {1..64}; do
        log_in | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/'
        echo
    done >"$work/tokens"
    export BENCH_TOKENS=$work/tokens
    load -c16 -s tests/bench/refresh.lua "http://127.0.0.1:$port"
    row "POST /auth/refresh: the same" "$rate per s; $server_us + $database_us us" "72 + 78 us"
    load -c32 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/auth/verify"
    row "GET /auth/verify: requests per s; CPU of server" "$rate per s; $server_us us" "10 us; $(nginx_us) us"
    stop_server
}

# tokens_of(ALGORITHM, target of signing, of GET /auth/verify with a new token, with one that was seen): 20,000 tokens of a key of its own.
tokens_of() {
    local keys=$work/keys-$1 made first again new_us
    "$BUILD/jwtd" --set "token.keys_dir=$keys" --set "token.refresh_key_file=$work/refresh.key" keygen --algorithm "$1" >/dev/null
    read -r made first again < <("$BUILD/bench_tokens" "$keys" "$work/refresh.key" 20000 "$work/access-tokens")
    start_server --set "token.keys_dir=$keys"
    BENCH_TOKENS=$work/access-tokens load -c32 -s tests/bench/verify.lua "http://127.0.0.1:$port"
    new_us=$server_us
    load -c32 -H "Authorization: Bearer $(head -1 "$work/access-tokens")" "http://127.0.0.1:$port/auth/verify"
    row "$1: CPU to make an access token; to check it, the first time, again" "$made us; $first us; $again us" "$2 us to make"
    row "$1: GET /auth/verify, CPU of server: with a token that is new, seen before" "$new_us us; $server_us us" "$3 us; $4 us"
    stop_server
}

bench_tokens() {
    tokens_of hs256 - - 10
    tokens_of es256 80 150 12
    tokens_of rs256 - - -
}

# The servers differ in the rows of the table only: the first has read none, the second 100,000 that still matter.
bench_revocations() {
    local token revoked
    local -A us=()
    for revoked in 0 100000; do
        "$(tools/database.sh bin)/psql" -qX "$JWTD_DATABASE_URL" -c "INSERT INTO revocations (session_id, user_id, reason)
            SELECT gen_random_uuid(), gen_random_uuid(), 'logout' FROM generate_series(1, $revoked)"
        start_server
        token=$(log_in | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
        for _ in 1 2 3; do
            load -c32 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/auth/verify"
            echo "$server_us"
        done >"$work/verify-$revoked"
        us[$revoked]=$(median <"$work/verify-$revoked")
        stop_server
    done
    row "GET /auth/verify, CPU of server: with 100,000 revoked sessions in memory / with none" \
        "${us[100000]} / ${us[0]} us = $(ratio "${us[100000]}" "${us[0]}")" "1.0"
}

# What an answer costs a server that does nothing else.
nginx_us() {
    local jwtd=$server
    cat >"$work/nginx.conf" <<CONF
worker_processes $cores;
daemon off;
pid $work/nginx.pid;
error_log stderr emerg;
events {}
http {
    access_log off;
    keepalive_requests 1000000000;
    client_body_temp_path $work/nginx; proxy_temp_path $work/nginx; fastcgi_temp_path $work/nginx;
    uwsgi_temp_path $work/nginx; scgi_temp_path $work/nginx;
    server { listen 127.0.0.1:$((port + 1)); location / { return 200; } }
}
CONF
    nginx -c "$work/nginx.conf" 2>/dev/null &
    server=$!
    sleep 0.5
    load -c32 "http://127.0.0.1:$((port + 1))/" >/dev/null
    awk -v n="$count" -v t="$(nginx_ticks)" 'BEGIN { printf "nginx return 200: %.1f", t * 10000 / n }'
    kill -TERM "$server" && wait "$server" 2>/dev/null
    server=$jwtd
}

# All of them were used by the load: the workers had just started.
nginx_ticks() {
    local pid sum=0
    for pid in $(pgrep -P "$server"); do
        sum=$((sum + $(ticks_of "$pid")))
    done
    echo "$sum"
}

# The priority of the crypto threads is chosen by this table.
bench_beside_logins() {
    local nice latency logins
    for nice in 0 5 10 19; do
        start_server --set "password.nice=$nice"
        wrk -t1 -c100 -d$((seconds + 2))s -s tests/bench/login.lua "http://127.0.0.1:$port" >"$work/wrk" &
        sleep 1
        latency=$("$BUILD/probe" rate "$port" 200 "$seconds")
        wait $!
        logins=$(awk '/Requests\/sec/ { printf "%.0f", $2 }' "$work/wrk")
        row "GET /health/live beside 100 connections that log in, crypto threads at nice $nice" \
            "p50 $(cut -d' ' -f1 <<<"$latency"), p99 $(cut -d' ' -f2 <<<"$latency") ms; $logins logins per s" "p99 under 3 ms"
        stop_server
    done
}

# hold(NAME, OPTIONS OF failpoint hold...): what it says in $work/NAME, its record in $work/NAME.json. Each in a session of its own, which the
# scheduler treats as a group: one that measures does not share its part of the processor with 5,000 busy clients.
hold() {
    local name=$1
    shift
    setsid --wait "$BUILD/failpoint" hold "http://127.0.0.1:$port" --quiet --out "$work/$name.json" "$@" >"$work/$name" 2>&1 || true
}

served() {
    sed -n 's|.* asked, \([0-9.]*\)/s ok,.*|\1|p' "$work/$1"
}

lag_p99() {
    sed -n 's/.*failpoint itself: up to \([0-9.]* [mu]*s\) late (p99),.*/\1/p' "$work/$1"
}

latency_p99() {
    sed -n 's/.*latency, from when each was due:.* p99 \([0-9.]* [mu]*s\) .*/\1/p' "$work/$1"
}

# Requests that were neither answered well nor refused in good order.
unanswered() {
    awk '/^  (other 4xx|other 5xx|connection refused|connection lost|timeout|wrong reply|failpoint.s own trouble): / { sum += $NF } END { print sum + 0 }' \
        "$work/$1"
}

# Seconds from the beginning of the record $2 until the 99th percentile of a second is no more than half above that of all of $1.
seconds_until_normal() {
    python3 - "$work/$1.json" "$work/$2.json" <<'PYTHON'
import json, sys
before, after = (json.load(open(name)) for name in sys.argv[1:])
normal = 1.5 * before["steps"][0]["figures"]["p99"]
ends = [second["at"] for second in after["seconds_list"] if second["figures"]["ok"] > 0 and second["figures"]["p99"] <= normal]
print("%.1f" % ends[0] if ends else "never")
PYTHON
}

# The users of a crowd have an account each: `crowd_accounts` are the options of failpoint that say so.
crowd_accounts=(--seeded --accounts 5000 --email 'crowd-{}@example.org')
seed_crowd() {
    start_server
    "$BUILD/failpoint" seed "http://127.0.0.1:$port" --pg "$(tools/database.sh url "$work/postgres" jwtd_owner)" "${crowd_accounts[@]:1}" >/dev/null
    stop_server
}

# crowd(honour or ignore, target, NICE; its default without): 5,000 users log in at once and go on for ten seconds, while others ask who they are 50 times a second, and
# newcomers, each on a new connection, try to log in 20 times a second.
crowd() {
    local word=$1 nice=${3:-} probe newcomer peak
    start_server ${nice:+--set "password.nice=$nice"}
    hold before --scenario login --users 16 "${crowd_accounts[@]}" --duration "${seconds}s"
    hold probe --scenario me --rate 50 --duration 12s --email 'probe-{}@example.org' &
    probe=$!
    sleep 2
    hold newcomer --scenario login --rate 20 --duration 9s --new-connections --email 'probe-{}@example.org' --accounts 4 &
    newcomer=$!
    hold crowd --scenario login --users 5000 "${crowd_accounts[@]}" --connections 6000 --duration 10s --retry-after "$word"
    wait "$probe" "$newcomer"
    peak=$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status")
    sleep 15
    row "5,000 users log in at once for 10 s and $word Retry-After${nice:+, nice $nice}: logins / those of 16 users" \
        "$(served crowd) / $(served before) per s = $(ratio "$(served crowd)" "$(served before)")" "$2"
    row "the same: without an answer in 5 s; p99 of GET /auth/me at 50 per s; how late its generator was at p99" \
        "$(unanswered crowd); $(latency_p99 probe); $(lag_p99 probe)" "0; 10 ms"
    row "the same: a 503 to a newcomer; how late its generator was at p99" \
        "$(sed -n 's/.*refusals (429, 503): //p' "$work/newcomer"); $(lag_p99 newcomer)" "p99 5 ms"
    row "the same: resident memory at its peak; 15 s after the users have gone" "$peak MiB; $(resident_mib) MiB" "120 MiB; 40 MiB"
    stop_server
}

bench_crowd() {
    seed_crowd
    crowd honour 0.95
    crowd ignore 0.6
    bench_recovery
    bench_refusal
}

# refusals(PID): 5,000 clients in one moment, three times: sets cpu_us, of the process for each client, and p99_ms, medians; clients_us is
# what a client has cost.
refusals() {
    local pid=$1 before refused others p50 p99 each
    : >"$work/cpu" && : >"$work/p99"
    for _ in 1 2 3; do
        before=$(nanoseconds_without_hashing "$pid")
        read -r refused others p50 p99 each < <("$BUILD/burst" ask "$2" 5000)
        [[ $others == 0 ]] || echo "  ($others of 5000 were not refused, p50 $p50 ms)"
        awk -v n=$(($(nanoseconds_without_hashing "$pid") - before)) -v c="$((refused + others))" 'BEGIN { printf "%.1f\n", n / 1e3 / c }' >>"$work/cpu"
        echo "$p99" >>"$work/p99"
    done
    cpu_us=$(median <"$work/cpu")
    p99_ms=$(median <"$work/p99")
    clients_us=$each
}

# measure_floor(library or kernel): the same of a program that does nothing else.
measure_floor() {
    local pid
    "$BUILD/floor" "$1" $((port + 1)) "$cores" &
    pid=$!
    sleep 0.3
    refusals "$pid" $((port + 1))
    kill "$pid"
    wait "$pid" 2>/dev/null || true
}

# Hashes take seconds on one thread, and those of `burst wait`, of an account that there is not, are the first; shutdown waits for one.
slow_hashing=(--set password.workers=1 --set password.memory=64MiB --set password.operations=64 --set server.shutdown_grace=1s)

# The queue behind that thread takes no more, as soon as it knows how long a hash takes: every login is refused.
bench_refusal() {
    local ours_us ours_ms library_us library_ms waiting
    start_server "${slow_hashing[@]}" --set password.nice=19 --set server.request_timeout=20s
    "$BUILD/burst" ask "$port" 1 >/dev/null
    "$BUILD/burst" wait "$port" 12 60 >/dev/null &
    waiting=$!
    sleep 0.5
    refusals "$server" "$port"
    ours_us=$cpu_us ours_ms=$p99_ms
    kill "$waiting"
    wait "$waiting" 2>/dev/null || true
    stop_server
    measure_floor library
    library_us=$cpu_us library_ms=$p99_ms
    measure_floor kernel
    row "5,000 clients connect and log in in one moment, and each receives 503: CPU of the server for one / that of bare libmicrohttpd" \
        "$ours_us / $library_us us = $(ratio "$ours_us" "$library_us")" "1.2; accept, recv and send alone: $cpu_us us, a client: $clients_us us"
    row "the same: p99 until the reply / that of bare libmicrohttpd" \
        "$ours_ms / $library_ms ms = $(ratio "$ours_ms" "$library_ms")" "accept, recv and send alone: $p99_ms ms"
}

# The priority of the crypto threads was chosen by this table, and that of bench_beside_logins. Not among the usual parts.
bench_nice() {
    local nice
    seed_crowd
    for nice in 0 5 10 19; do
        crowd honour 0.95 "$nice"
        crowd ignore 0.6 "$nice"
    done
}

# All 5,000 hang up at once, in the middle of it.
bench_recovery() {
    local crowd
    start_server
    hold before --scenario login --users 16 "${crowd_accounts[@]}" --duration "${seconds}s"
    setsid "$BUILD/failpoint" hold "http://127.0.0.1:$port" --quiet --scenario login --users 5000 "${crowd_accounts[@]}" --connections 6000 \
        --duration 60s >/dev/null 2>&1 &
    crowd=$!
    sleep 8
    kill -KILL -- "-$crowd"
    wait "$crowd" 2>/dev/null || true
    hold after --scenario login --users 16 "${crowd_accounts[@]}" --duration 5s
    stop_server
    row "after such a crowd has disconnected: 16 users log in with a normal p99 ($(latency_p99 before)) again after" \
        "$(seconds_until_normal before after) s" "2 s"
}

# start_until(PATH): the median of nine starts until it is answered with 200.
start_until() {
    for _ in {1..9}; do
        "$BUILD/probe" start "$port" "$1" "$BUILD/jwtd" --set "server.listen=127.0.0.1:$port" --set "token.keys_dir=$work/keys" \
            --set ops.listen=127.0.0.1:0 --set "token.refresh_key_file=$work/refresh.key" serve 2>>"$work/log"
    done | median
}

bench_start() {
    row "start to the first 200 of /health/live" "$(start_until /health/live) ms" "10 ms"
    row "the same of /health/ready: connected to the database, schema checked, revocations and roles read" "$(start_until /health/ready) ms" "10 ms"
}

# Requests that wait, each on a connection of its own, for one thread that hashes.
in_flight=3000

bench_memory() {
    local before waiting
    start_server
    sleep 1
    row "memory when idle: resident / proportional" "$(resident_and_proportional)" "8 / 5 MiB"
    for _ in 1 2 3; do
        log_in >/dev/null
    done
    sleep 10
    row "the same ten seconds after three logins" "$(resident_and_proportional)" "8 / 5 MiB"
    stop_server
    start_server "${slow_hashing[@]}" --set server.request_timeout=60s
    "$BUILD/burst" wait "$port" 1 5 >/dev/null &
    sleep 2
    before=$(awk '/^Rss:/ { print $2 }' "/proc/$server/smaps_rollup")
    "$BUILD/burst" wait "$port" "$in_flight" 3 >"$work/waiting" &
    waiting=$!
    sleep 2.5
    row "memory of a request in flight, of $in_flight logins that wait" \
        "$(awk -v before="$before" -v n="$in_flight" '/^Rss:/ { printf "%.1f KiB", ($2 - before) / n }' "/proc/$server/smaps_rollup")" "16 KiB"
    wait "$waiting"
    [[ $(<"$work/waiting") == "$in_flight" ]] || echo "  (of which $(<"$work/waiting") waited)"
    stop_server
}

# A control group, of whichever version is mounted, with a quarter of a processor and 64 MB: a small pod. False: none can be made here.
make_group() {
    local mount=/sys/fs/cgroup name=jwtd-bench-$$
    if [[ -e $mount/cgroup.controllers ]]; then
        groups=("$mount/$name")
        mkdir "${groups[@]}" && echo "25000 100000" >"$mount/$name/cpu.max" && echo 64M >"$mount/$name/memory.max"
    else
        groups=("$mount/cpu/$name" "$mount/memory/$name")
        mkdir "${groups[@]}" && echo 25000 >"$mount/cpu/$name/cpu.cfs_quota_us" && echo 64M >"$mount/memory/$name/memory.limit_in_bytes"
    fi 2>/dev/null
}

remove_group() {
    for _ in {1..50}; do
        rmdir "${groups[@]}" 2>/dev/null && break
        sleep 0.1 # it counts its last process for a moment
    done
}

# What the article's Go service answered in as much was 5,000 a second.
bench_pod() {
    local groups=() token
    make_group || { echo "(no control group can be made here)"; remove_group; return; }
    # shellcheck disable=SC2016 # the shell's own
    wrapper=(bash -c 'while [[ $1 != -- ]]; do groups+=("$1"); shift; done; shift
        for group in "${groups[@]}"; do echo $$ >"$group/cgroup.procs"; done; exec "$@"' bash "${groups[@]}" --)
    start_server --set log.level=info --set server.max_connections=2000
    row "in a control group of 0.25 core and 64 MB: what the service chose" "$(sed -n 's/.*"event":"cores",\("available":[0-9]*\).*/\1/p' "$work/log" | tail -1)" "1 of $cores"
    token=$(log_in | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    load -c32 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/auth/verify"
    row "the same: GET /auth/verify, as many as it answers; CPU of server" "$rate per s; $server_us us" "5000 per s"
    hold pod --scenario verify --rate 5000 --duration "${seconds}s" --email 'probe-{}@example.org'
    row "the same: 5,000 of them a second: answered, p99" "$(served pod) per s, $(latency_p99 pod)" "5000 per s, 250 ms"
    hold pod-login --scenario login --users 300 --duration 10s --email 'probe-{}@example.org' --retry-after honour
    row "the same: 300 users log in for 10 s and honour Retry-After: logins; without an answer in 5 s" "$(served pod-login) per s; $(unanswered pod-login)" "18 per s; 0"
    row "the same: 503 to them" "$(sed -n 's/.*refusals (429, 503): //p' "$work/pod-login")" "p99 5 s"
    row "the same: resident memory at its peak" "$(awk '/VmHWM/ { printf "%.0f", $2 / 1024 }' "/proc/$server/status") MiB" "64 MiB"
    stop_server
    wrapper=()
    remove_group
}

describe_machine() {
    printf 'Measured by make bench on %s, %s cores of %s, Linux %s, PostgreSQL %s, load on the same machine.\n\n' \
        "$(date -u +%Y-%m-%d)" "$cores" "$(sed -n 's/^model name.*: //p' /proc/cpuinfo | head -1)" "$(uname -r)" \
        "$("$(tools/database.sh bin)/postgres" --version | awk '{ print $3 }')"
    printf '| what | measured | target or reference |\n|---|---|---|\n'
}

for part in ${PARTS-}; do
    declare -F "bench_$part" >/dev/null || die "there is no part $part: $(compgen -A function bench_ | sed 's/^bench_//' | xargs)"
done
tools/packages.sh run bench
build "$BUILD/jwtd" "$BUILD/bench_hasher" "$BUILD/bench_limiter" "$BUILD/bench_metrics" "$BUILD/bench_tokens" "$BUILD/bench_stock" "$BUILD/probe" "$BUILD/burst" "$BUILD/floor" "$BUILD/failpoint"
make_work_directory bench
start_database
mkdir "$work/nginx" && chmod 777 "$work/nginx"
postmaster=$(head -1 "$work/postgres/data/postmaster.pid")
start_server
post /auth/register '{"email":"bench@example.org","password":"a long walk by the sea"}' >/dev/null
stop_server
describe_machine | tee "$table"
for part in ${PARTS:-hashing limiter metrics start memory login requests revocations tokens beside_logins crowd pod}; do
    "bench_$part"
done
