#!/bin/bash
# bench/peers/moving.sh [gin] [axum] [fastapi]: moves a service with accounts and open sessions to jwtd, as docs/operators.md says, for each of these
# peers, or all that are built: config/proxies/haproxy-moving.cfg in front of both, a database for each, and the command of the page that copies
# the accounts. The last line is "N passed, M failed".
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/../../tools/private_server.sh"
# shellcheck source=bench/peers/peer.sh
source bench/peers/peer.sh

port=${port:-18583}
jwtd_port=$((port + 1))
proxy_port=$((port + 2))
passed=0
failed=0
proxy=

# The proxy, with only these paths moved. One that is told to stop finishes what it has begun.
start_proxy() {
    [[ -z $proxy ]] || { kill "$proxy"; wait "$proxy" || true; }
    sed "s|127.0.0.1:8000|127.0.0.1:$proxy_port|; s|127.0.0.1:8080|127.0.0.1:$jwtd_port|; s|127.0.0.1:9000|127.0.0.1:$port|; s|^\( *acl moved path \).*|\1$1|" \
        config/proxies/haproxy-moving.cfg >"$work/haproxy.cfg"
    haproxy -f "$work/haproxy.cfg" >>"$work/log" 2>&1 &
    proxy=$!
    for _ in {1..200}; do
        curl -s -o /dev/null "http://127.0.0.1:$proxy_port/health/live" && return
        sleep 0.05
    done
    die "HAProxy does not answer: $(tail -3 "$work/log")"
}

# The command of the page that copies the accounts from $BEFORE to $JWTD.
copy_accounts() {
    BEFORE=$1 JWTD=$2 PATH=$(tools/database.sh bin):$PATH bash -euo pipefail <(awk '
        /^ *```sh$/ { inside = 1; text = ""; next }
        /^ *```$/ { if (inside && text ~ /FROM STDIN/) printf "%s", text; inside = 0 }
        inside { text = text $0 "\n" }' docs/operators.md)
}

start_jwtd() {
    JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres-jwtd" jwtd) setsid "$BUILD/jwtd" --set "server.listen=127.0.0.1:$jwtd_port" --set ops.listen= \
        --set server.trusted_proxies=127.0.0.1 --set "token.keys_dir=$work/keys" --set "token.refresh_key_file=$work/refresh.key" serve 2>>"$work/log" &
    jwtd=$!
}

# move NAME: its lines are one a case, "ok" or "FAILED" first.
move() {
    local jwtd
    rm -f "$work/$1" "$work/state"
    tools/database.sh start "$work/postgres-jwtd"
    JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres-jwtd" jwtd_owner) "$BUILD/jwtd" migrate >/dev/null
    "$BUILD/jwtd" --set "token.keys_dir=$work/keys" --set "token.refresh_key_file=$work/refresh.key" keygen --if-missing >/dev/null
    start_database
    start_peer "$1"
    start_jwtd
    start_proxy /nothing
    MOVING_STATE=$work/state python3 -B bench/peers/moving.py "http://127.0.0.1:$proxy_port" before >>"$work/$1" || true
    copy_accounts "$(tools/database.sh url "$work/postgres" jwtd_owner)" "$(tools/database.sh url "$work/postgres-jwtd" jwtd_owner)"
    start_proxy "/auth/register /auth/login"
    MOVING_STATE=$work/state python3 -B bench/peers/moving.py "http://127.0.0.1:$proxy_port" after >>"$work/$1" || echo "FAILED: the client ended" >>"$work/$1"
    kill "$proxy" "$jwtd"
    wait "$proxy" "$jwtd" || true
    proxy=
    stop_server || true
    tools/database.sh remove "$work/postgres"
    tools/database.sh remove "$work/postgres-jwtd"
    grep -v '^ok' "$work/$1" | sed "s/^/$1: /" || true
    passed=$((passed + $(grep -c '^ok' "$work/$1")))
    failed=$((failed + $(grep -vc '^ok' "$work/$1" || true)))
}

tools/packages.sh run test
make_work_directory moving
build "$BUILD/jwtd"
names=("$@")
[[ $# -gt 0 ]] || read -ra names <<<"${PEERS:-${peers[*]}}"
for name in "${names[@]}"; do
    if peer_is_built "$name"; then
        move "$name"
    else
        echo "skipped: $name (not built)"
    fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
