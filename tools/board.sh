#!/bin/bash
# tools/board.sh: draws docs/board.png, the board of config/grafana/jwtd.json with real data: a private server for which accounts log in and
# refresh, whose passwords are guessed for a while, and which loses its database for a while, scraped by a real Prometheus. Some four minutes.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/private_server.sh"

seconds_before=60
seconds_of_guessing=40
seconds_without_database=15
seconds_after=45
ops_port=18474
prometheus_port=18475
database_port=18476
prometheus=
load=

end_programs() {
    [[ -z $load ]] || kill "$load" 2>/dev/null || true
    [[ -z $prometheus ]] || kill "$prometheus" 2>/dev/null || true
    remove_work_directory
}

# The files that ship, with more scrapes and the server's port.
start_prometheus() {
    cp config/prometheus/alerts.yml "$work/"
    sed "s/: 15s/: 1s/; s/9464/$ops_port/" config/prometheus/prometheus.yml >"$work/prometheus.yml"
    prometheus --config.file="$work/prometheus.yml" --storage.tsdb.path="$work/prometheus" --log.level=warn \
        --web.listen-address="127.0.0.1:$prometheus_port" 2>>"$work/prometheus.log" &
    prometheus=$!
}

# guess SECONDS: wrong passwords for some accounts, from one address.
guess() {
    local end=$((SECONDS + $1)) account=0
    while ((SECONDS < end)); do
        account=$(((account + 1) % 5))
        curl -s -o /dev/null -H 'Content-Type: application/json' -H 'X-Forwarded-For: 192.0.2.1' \
            -d "{\"email\":\"user$account@example.com\",\"password\":\"is it this one?\"}" "http://127.0.0.1:$port/auth/login"
        sleep 0.1
    done
}

# A refresh token that is used again when its successor has been used.
reuse_refresh_token() {
    local first next body="{\"email\":\"thief@example.com\",\"password\":\"a long enough passphrase\"}" json='Content-Type: application/json'
    curl -s -o /dev/null -H "$json" -d "$body" "http://127.0.0.1:$port/auth/register"
    first=$(curl -s -H "$json" -d "$body" "http://127.0.0.1:$port/auth/login" | sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')
    next=$first
    for _ in {1..2}; do
        next=$(curl -s -H "$json" -d "{\"refresh_token\":\"$next\"}" "http://127.0.0.1:$port/auth/refresh" |
            sed 's/.*"refresh_token":"\([^"]*\)".*/\1/')
    done
    curl -s -o /dev/null -H "$json" -d "{\"refresh_token\":\"$first\"}" "http://127.0.0.1:$port/auth/refresh"
}

# By TCP, since its socket is another after each start.
start_postgres() {
    tools/database.sh start "$work/postgres" listen_addresses=127.0.0.1 port="$database_port"
}

tools/packages.sh run test
tools/browser.sh
build "$BUILD/jwtd" "$BUILD/failpoint"
make_work_directory board
trap end_programs EXIT
start_postgres
start_database
export JWTD_DATABASE_URL="host=127.0.0.1 port=$database_port user=jwtd dbname=jwtd"
start_server --set "ops.listen=127.0.0.1:$ops_port" --set limit.enabled=true --set limit.login=off --set limit.register=off \
    --set limit.refresh=off --set limit.account=off --set server.trusted_proxies=127.0.0.1/32
start_prometheus
begin=$(date +%s)
seconds=$((seconds_before + seconds_of_guessing + seconds_without_database + seconds_after))
"$BUILD/failpoint" hold "http://127.0.0.1:$port" --scenario session --rate 8 --duration "${seconds}s" --think 100ms \
    --out "$work/run.json" --html "$work/run.html" --quiet >"$work/failpoint.log" 2>&1 &
load=$!
sleep "$seconds_before"
reuse_refresh_token
guess "$seconds_of_guessing"
tools/database.sh stop "$work/postgres"
sleep "$seconds_without_database"
start_postgres
kill -HUP "$server"
sleep "$seconds_after"
node build/browser/board.mjs config/grafana/jwtd.json "http://127.0.0.1:$prometheus_port" "$begin" "$(date +%s)" 10s docs/board.png
