# shellcheck shell=bash
# For scripts that measure a server of their own: a PostgreSQL and a jwtd in $work, listening on $port, without rate limits. They begin with
# make_work_directory and start_database; what they leave is removed at their end.
# shellcheck source=tools/common.sh
source "$(dirname "${BASH_SOURCE[0]}")/common.sh"

work=
server=
port=${port:-18473}

remove_work_directory() {
    local database
    trap '' INT TERM HUP
    [[ -z $server ]] || kill -TERM "$server" 2>/dev/null || true
    wait || true
    for database in "$work"/postgres*; do
        [[ ! -d $database ]] || tools/database.sh remove "$database"
    done
    rm -rf "$work"
}

# make_work_directory NAME
make_work_directory() {
    work=$(mktemp -d "/tmp/jwtd-$1.XXXXXX")
    trap remove_work_directory EXIT
    trap 'exit 130' INT TERM HUP
    chmod 711 "$work" # as root, PostgreSQL runs as another user
}

# A migrated one, and keys.
start_database() {
    tools/database.sh start "$work/postgres"
    JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres" jwtd_owner) "$BUILD/jwtd" migrate
    JWTD_DATABASE_URL=$(tools/database.sh url "$work/postgres" jwtd)
    export JWTD_DATABASE_URL
    "$BUILD/jwtd" --set "token.keys_dir=$work/keys" --set "token.refresh_key_file=$work/refresh.key" keygen >/dev/null
}

# Words before those of the server: what runs it, such as a shell that enters a control group first.
wrapper=()

# start_server [--set NAME=VALUE]...: in a session of its own, so that the scheduler treats it, the database and the load as three groups, as
# with a unit of systemd.
start_server() {
    setsid "${wrapper[@]}" "$BUILD/jwtd" --set "server.listen=127.0.0.1:$port" --set ops.listen=127.0.0.1:0 --set "token.keys_dir=$work/keys" --set log.level=warn \
        --set limit.enabled=false --set server.max_connections_per_address=0 --set "token.refresh_key_file=$work/refresh.key" \
        "$@" serve 2>>"$work/log" &
    server=$!
    for _ in {1..200}; do
        curl -fs -o /dev/null "http://127.0.0.1:$port/health/ready" && return
        sleep 0.05
    done
    die "the server does not answer: $(tail -3 "$work/log")"
}

stop_server() {
    kill -TERM "$server" && wait "$server"
    server=
}
