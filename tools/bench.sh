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
    row "GET /auth/me: requests per s; CPU of server + PostgreSQL" "$rate per s; $server_us + $database_us us" "27 + 10 us (Gin with gorm: 53 + 19)"
    for _ in {1..64}; do
        log_in | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/'
        echo
    done >"$work/tokens"
    export BENCH_TOKENS=$work/tokens
    load -c16 -s tests/bench/refresh.lua "http://127.0.0.1:$port"
    row "POST /auth/refresh: the same" "$rate per s; $server_us + $database_us us" "72 + 78 us (Gin with gorm: 143 + 155)"
    load -c32 -H "Authorization: Bearer $token" "http://127.0.0.1:$port/auth/verify"
    row "GET /auth/verify: requests per s; CPU of server" "$rate per s; $server_us us" "10 us; $(nginx_us) us"
    stop_server
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
            "p50 $(cut -d' ' -f1 <<<"$latency"), p99 $(cut -d' ' -f2 <<<"$latency") ms; $logins logins per s" "p99 under 3 ms (peers: 18 to 1358)"
        stop_server
    done
}

# hold(NAME, OPTIONS OF failpoint hold...): what it says in $work/NAME, its record in $work/NAME.json.
hold() {
    local name=$1
    shift
    "$BUILD/failpoint" hold "http://127.0.0.1:$port" --quiet --out "$work/$name.json" "$@" >"$work/$name" 2>&1 || true
}

served() {
    sed -n 's|.* asked, \([0-9.]*\)/s ok,.*|\1|p' "$work/$1"
}

latency_p99() {
    sed -n 's/.*latency from due:.* p99 \([0-9.]* [mu]*s\) .*/\1/p' "$work/$1"
}

# Requests that were neither answered well nor refused in good order.
unanswered() {
    awk '$1 ~ /^(client|server|refused|reset|timeout|bad|local)$/ { sum += $NF } END { print sum + 0 }' "$work/$1"
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
    stop_server
    row "5,000 users log in at once for 10 s and $word Retry-After${nice:+, nice $nice}: logins / those of 16 users" \
        "$(served crowd) / $(served before) per s = $(ratio "$(served crowd)" "$(served before)")" "$2 (peers: 0.01 to 0.86)"
    row "the same: without an answer in 5 s; resident memory; p99 of GET /auth/me at 50 per s" \
        "$(unanswered crowd); $peak MiB; $(latency_p99 probe)" "0; under 150 MiB; under 10 ms"
    row "the same: a 503 to a newcomer" "$(sed -n 's/.*refusals (429, 503): //p' "$work/newcomer")" "p99 under 5 ms"
}

bench_crowd() {
    seed_crowd
    crowd honour 0.95
    crowd ignore 0.6
    bench_recovery
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

bench_start() {
    local took
    took=$(for _ in 1 2 3 4 5; do
        "$BUILD/probe" start "$port" "$BUILD/jwtd" --set "server.listen=127.0.0.1:$port" --set "token.keys_dir=$work/keys" \
            --set "token.refresh_key_file=$work/refresh.key" serve 2>>"$work/log"
    done | median)
    row "start to the first 200" "$took ms" "20 ms"
    start_server
    sleep 1
    row "resident memory when idle" "$(resident_mib) MiB" "10 MiB"
    stop_server
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
build "$BUILD/jwtd" "$BUILD/bench_hasher" "$BUILD/bench_limiter" "$BUILD/bench_stock" "$BUILD/probe" "$BUILD/failpoint"
make_work_directory bench
start_database
mkdir "$work/nginx" && chmod 777 "$work/nginx"
postmaster=$(head -1 "$work/postgres/data/postmaster.pid")
start_server
post /auth/register '{"email":"bench@example.org","password":"a long walk by the sea"}' >/dev/null
stop_server
describe_machine | tee "$table"
for part in ${PARTS:-hashing limiter start login requests beside_logins crowd}; do
    "bench_$part"
done
