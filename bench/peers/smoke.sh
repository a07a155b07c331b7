#!/bin/bash
# bench/peers/smoke.sh [jwtd] [gin] [axum] [fastapi]: whether these servers, or those of PEERS, or all that are built, have the same API. Each
# runs on the same private PostgreSQL with the same tables; the last line is "N passed, M failed".
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/../../tools/private_server.sh"
# shellcheck source=bench/peers/peer.sh
source bench/peers/peer.sh

port=${port:-18483}
passed=0
failed=0

# start NAME
start() {
    if [[ $1 == jwtd ]]; then
        start_server --set log.level=error
    else
        start_peer "$1"
    fi
}

# check NAME: its lines are one a case, "ok" or "FAILED" first.
check() {
    local name=$1
    start "$name"
    python3 -B bench/peers/smoke.py "http://127.0.0.1:$port" "$name" >"$work/$name" || true
    stop_server || echo "FAILED $name: exit status $? after SIGTERM" >>"$work/$name"
    echo "ok $name: runs and stops" >>"$work/$name"
    grep -v '^ok' "$work/$name" || true
    passed=$((passed + $(grep -c '^ok' "$work/$name")))
    failed=$((failed + $(grep -vc '^ok' "$work/$name" || true)))
}

tools/packages.sh run
make_work_directory peers
build "$BUILD/jwtd"
start_database
names=("$@")
[[ $# -gt 0 ]] || read -ra names <<<"${PEERS:-jwtd ${peers[*]}}"
for name in "${names[@]}"; do
    if [[ $name == jwtd ]] || peer_is_built "$name"; then
        check "$name"
    else
        echo "skipped: $name (not built)"
    fi
done
echo "$passed passed, $failed failed"
[[ $failed -eq 0 ]]
