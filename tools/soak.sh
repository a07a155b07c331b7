#!/bin/bash
# tools/soak.sh: runs the service for SOAK (10m; 72h works the same) under a mix of 278 requests a second, which is a million an hour, on a
# PostgreSQL of its own, and fails when memory, descriptors, threads or latency grow more than their noise explains. The record and the
# page are build/soak.json and build/soak.html.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

duration=${SOAK:-10m}
port=18474
work=
server=

clean_up() {
    trap '' INT TERM HUP
    [[ -z $server ]] || kill -TERM "$server" 2>/dev/null || true
    wait || true
    [[ ! -d $work/postgres ]] || tools/database.sh remove "$work/postgres"
    rm -rf "$work"
}

start_server() {
    "$BUILD/jwtd" --set "server.listen=127.0.0.1:$port" --set "token.keys_dir=$work/keys" --set log.level=warn \
        --set limit.enabled=false --set "token.refresh_key_file=$work/refresh.key" serve 2>"$work/log" &
    server=$!
    for _ in {1..200}; do
        curl -fs -o /dev/null "http://127.0.0.1:$port/health/ready" && return
        sleep 0.05
    done
    die "the server does not answer: $(tail -3 "$work/log")"
}

tools/packages.sh run soak
build "$BUILD/jwtd" "$BUILD/failpoint"
work=$(mktemp -d /tmp/jwtd-soak.XXXXXX)
trap clean_up EXIT
trap 'exit 130' INT TERM HUP
chmod 711 "$work" # as root, PostgreSQL runs as another user
tools/database.sh start "$work/postgres"
JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres" jwtd_owner) "$BUILD/jwtd" migrate
JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres" jwtd)
export JWTD_DATABASE_URL
"$BUILD/jwtd" --set "token.keys_dir=$work/keys" --set "token.refresh_key_file=$work/refresh.key" keygen >/dev/null
start_server
"$BUILD/failpoint" soak "http://127.0.0.1:$port" --scenario mixed --rate 278 --duration "$duration" --accounts 1000 \
    --pg "$(tools/database.sh url "$work/postgres" postgres)" --out "$BUILD/soak.json" --html "$BUILD/soak.html"
