#!/bin/bash
# A private PostgreSQL cluster for development and tests, reached by a Unix socket only:
#
#   tools/database.sh start DIR [SETTING=VALUE...]   creates it if need be, starts it, applies config/roles.sql
#   tools/database.sh stop DIR
#   tools/database.sh url DIR [ROLE]                 prints how to connect; ROLE is jwtd, jwtd_owner or postgres (the superuser)
#   tools/database.sh pool DIR                       starts a PgBouncer in front of it, in transaction mode; stop stops it, too
#   tools/database.sh pool-url DIR [ROLE]            prints how to connect to that
#   tools/database.sh bin                            prints where PostgreSQL's programs are
#   tools/database.sh remove DIR                     stops it and removes its data
#
# A user who can enter the socket's directory (mode 0700) may connect as any role; no other user can connect. PostgreSQL refuses to run as
# root: root runs it as the user postgres, with its data elsewhere if that user cannot reach DIR (a checkout in /root).
set -euo pipefail
unset "${!PG@}" # they are about other servers

root=$(realpath "$(dirname "$0")/..")
seconds_to_start=60
seconds_to_stop=30
pause=0.02
pooler_port=6432

die() {
    printf '%s: %s\n' "$0" "$*" >&2
    exit 1
}

find_programs() {
    bin=$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)
    [[ -x $bin/postgres ]] || die "there is no PostgreSQL in /usr/lib/postgresql (make deps)"
}

# ---- where it lives ----

# DIR, or what it points to, belongs to the user that runs PostgreSQL.
make_home() {
    if [[ -L $dir && ! -d $dir ]]; then
        rm "$dir"
    fi
    mkdir -p "$dir"
    if [[ $EUID -eq 0 && $(stat -c %u "$dir/") -eq 0 ]]; then
        give_home_to_postgres
    fi
    find_home
    chmod 700 "$home"
}

give_home_to_postgres() {
    chown postgres: "$dir"
    owner=postgres
    if ! as_owner test -w "$dir"; then
        local elsewhere
        elsewhere=/var/lib/postgresql/jwtd-$(realpath "$dir" | sha256sum | head -c 16)
        install -d -o postgres -g postgres -m 700 "$elsewhere"
        rmdir "$dir"
        ln -s "$elsewhere" "$dir"
    fi
}

find_home() {
    [[ -d $dir ]] || die "there is no database in $dir"
    home=$(realpath "$dir")
    data=$home/data
    owner=$(stat -c %U "$home")
}

# Takes the place of this shell. From /, because the owner may not be allowed to enter the current directory.
become_owner() {
    cd /
    if [[ $EUID -eq 0 ]]; then
        exec setpriv --reuid="$owner" --regid="$(id -g "$owner")" --init-groups "$@"
    fi
    exec "$@"
}

as_owner() {
    (become_owner "$@")
}

# ---- whether it runs ----

# A line of postmaster.pid: 1 is the process, 5 the socket's directory, 8 the state.
pid_file_line() {
    sed -n "$1{s/ *\$//;p}" "$data/postmaster.pid" 2>/dev/null || true
}

# The pid of a crashed server may be that of another process by now; a postmaster's working directory is its data.
runs() {
    pid=$(pid_file_line 1)
    [[ -n $pid && $(readlink "/proc/$pid/cwd" 2>/dev/null) == "$data" ]]
}

wait_until_ready() {
    local rounds
    for ((rounds = seconds_to_start * 50; rounds > 0; rounds--)); do
        if [[ $(pid_file_line 1) == "$1" && $(pid_file_line 8) == ready ]]; then
            return
        fi
        if ! kill -0 "$1" 2>/dev/null; then
            break
        fi
        sleep "$pause"
    done
    tail -n 20 "$home/log" >&2
    die "PostgreSQL did not start; the whole log is $home/log"
}

wait_until_stopped() {
    local rounds
    for ((rounds = seconds_to_stop * 50; rounds > 0; rounds--)); do
        if ! runs; then
            return
        fi
        sleep "$pause"
    done
    kill -QUIT "$pid" # what was committed is replayed at the next start
}

# ---- what one can do with it ----

# Made aside and then moved, so that a cluster is whole or not there.
create() {
    if [[ -d $data ]]; then
        return
    fi
    rm -rf "$data.new"
    as_owner "$bin/initdb" --pgdata="$data.new" --username=postgres --auth=trust --encoding=UTF8 --locale=C.UTF-8 --no-sync \
        >"$home/log" 2>&1 || { cat "$home/log" >&2; die "initdb failed"; }
    mv "$data.new" "$data"
}

# ---- the pooler ----

pooler_runs() {
    pooler=$(cat "$home/pgbouncer.pid" 2>/dev/null || true)
    [[ -n $pooler && $(cat "/proc/$pooler/comm" 2>/dev/null) == pgbouncer ]]
}

configure_pooler() {
    cat >"$home/pgbouncer.ini" <<INI
[databases]
* = host=$1 port=$(pid_file_line 4)
[pgbouncer]
unix_socket_dir = $1
listen_port = $pooler_port
auth_type = trust
auth_file = $home/pgbouncer.users
pool_mode = transaction
default_pool_size = 60
max_client_conn = 500
INI
    printf '"%s" ""\n' jwtd jwtd_owner postgres >"$home/pgbouncer.users"
}

start_pooler() {
    local socket rounds
    find_home
    runs || die "the database does not run"
    if pooler_runs; then
        return
    fi
    socket=$(pid_file_line 5)
    rm -f "$socket/.s.PGSQL.$pooler_port"
    configure_pooler "$socket"
    become_owner setsid "$(PATH=$PATH:/usr/sbin command -v pgbouncer)" -q "$home/pgbouncer.ini" </dev/null >>"$home/pgbouncer.log" 2>&1 &
    echo $! >"$home/pgbouncer.pid"
    for ((rounds = seconds_to_start * 50; rounds > 0; rounds--)); do
        if [[ -S $socket/.s.PGSQL.$pooler_port ]]; then
            return
        fi
        sleep "$pause"
    done
    tail -n 20 "$home/pgbouncer.log" >&2
    die "PgBouncer did not start"
}

stop_pooler() {
    local rounds
    if pooler_runs; then
        kill -TERM "$pooler"
    fi
    for ((rounds = seconds_to_stop * 50; rounds > 0; rounds--)); do
        if ! pooler_runs; then
            return
        fi
        sleep "$pause"
    done
    kill -KILL "$pooler"
}

remove_socket() {
    if [[ $1 == /tmp/jwtd-postgres.* ]]; then
        rm -rf "$1"
    fi
}

start_server() {
    local socket options=() setting
    # If they are there still, a crash has left them: runs() has looked.
    remove_socket "$(pid_file_line 5)"
    rm -f "$data/postmaster.pid"
    socket=$(as_owner mktemp -d /tmp/jwtd-postgres.XXXXXX)
    for setting in listen_addresses= unix_socket_directories="$socket" "$@"; do
        options+=(-c "$setting")
    done
    # In a session of its own, where no Ctrl-C reaches it.
    become_owner setsid "$bin/postgres" -D "$data" -p 5432 "${options[@]}" </dev/null >>"$home/log" 2>&1 &
    wait_until_ready $!
}

apply_roles() {
    local script=$root/config/roles.sql
    if [[ $home/prepared -nt $script ]]; then
        return
    fi
    "$bin/psql" -X -q -v ON_ERROR_STOP=1 -d "$(print_url postgres postgres)" -f "$script" >/dev/null
    touch "$home/prepared"
}

start() {
    find_programs
    make_home
    create
    if ! runs; then
        start_server "$@"
    fi
    apply_roles
}

stop() {
    local socket
    find_home
    if ! runs; then
        return
    fi
    stop_pooler
    socket=$(pid_file_line 5)
    kill -INT "$pid"
    wait_until_stopped
    remove_socket "$socket"
}

remove() {
    if [[ -d $dir ]]; then
        stop
        rm -rf "$home" "$dir"
    fi
}

print_url() {
    echo "host=$(pid_file_line 5) port=${3-$(pid_file_line 4)} user=$1 dbname=$2"
}

command=${1-}
dir=${2-$root/.local/postgres}
case $command in
start) start "${@:3}" ;;
stop) stop ;;
url) find_home; runs || die "the database does not run"; print_url "${3-jwtd}" jwtd ;;
pool) start_pooler ;;
pool-url) find_home; pooler_runs || die "no pooler runs"; print_url "${3-jwtd}" jwtd "$pooler_port" ;;
bin) find_programs; echo "$bin" ;;
remove) remove ;;
*) sed -n '2,/^set/{/^set/d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
