# shellcheck shell=bash disable=SC2034,SC2154
# The peers, for scripts that have sourced tools/common.sh; start_peer needs tools/private_server.sh, with its $work and $port, and a
# database.
peers=(gin axum fastapi)

# peer_program NAME
peer_program() {
    echo "$BUILD/peers/$1/server"
}

# peer_is_built NAME
peer_is_built() {
    [[ -x $(peer_program "$1") ]]
}

# The one form of a URL with a socket that pgx, sqlx and asyncpg understand.
peer_database_url() {
    echo "postgres:///jwtd?host=$(sed -n '5{s/ *$//;p}' "$work/postgres/data/postmaster.pid")&port=5432&user=jwtd"
}

# start_peer NAME: as start_server, which starts jwtd; stop_server stops either.
start_peer() {
    LISTEN=127.0.0.1:$port DATABASE_URL=$(peer_database_url) JWT_SECRET=a-secret-of-32-bytes-for-access- \
        REFRESH_SECRET=a-secret-of-32-bytes-for-refresh setsid "$(peer_program "$1")" 2>>"$work/log" &
    server=$!
    for _ in {1..600}; do
        curl -fs -o /dev/null "http://127.0.0.1:$port/health/ready" && return
        sleep 0.05
    done
    die "$1 does not answer: $(tail -3 "$work/log")"
}
