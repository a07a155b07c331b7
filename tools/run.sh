#!/bin/bash
# tools/run.sh: from a fresh clone to a service that answers. Sets up what is missing, builds, starts this checkout's own PostgreSQL
# (.local/postgres), migrates it, makes the keys (.local/keys, .local/refresh.key) and serves until Ctrl-C. Settings of the
# environment hold: JWTD_SERVER_LISTEN=127.0.0.1:8081 JWTD_OPS_LISTEN= make run.
#
# For development only: as root, jwtd runs as root here (PostgreSQL does not). config/jwtd.service is for production.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

database=.local/postgres
jwtd=$BUILD/jwtd
server=

# The defaults of this script; the log goes through a pipe here, which is no terminal for jwtd.
set_defaults() {
    export JWTD_TOKEN_KEYS_DIR=${JWTD_TOKEN_KEYS_DIR-.local/keys}
    export JWTD_TOKEN_REFRESH_KEY_FILE=${JWTD_TOKEN_REFRESH_KEY_FILE-.local/refresh.key}
    export JWTD_SERVICES_CREDENTIALS_FILE=${JWTD_SERVICES_CREDENTIALS_FILE-.local/services.credentials}
    # All clients of a development server have one address.
    export JWTD_LIMIT_ENABLED=${JWTD_LIMIT_ENABLED-false}
    export JWTD_SERVER_MAX_CONNECTIONS_PER_ADDRESS=${JWTD_SERVER_MAX_CONNECTIONS_PER_ADDRESS-0}
    export JWTD_ADMIN_ENABLED=${JWTD_ADMIN_ENABLED-true}
    if [[ -t 2 ]]; then
        export JWTD_LOG_FORMAT=${JWTD_LOG_FORMAT-text}
    fi
}

# Held until this script ends, however it ends.
lock_checkout() {
    mkdir -p .local || die "this directory belongs to $(stat -c %U .)"
    [[ -w .local ]] || die ".local belongs to $(stat -c %U .local), who ran this before"
    exec {lock}>.local/lock
    flock -n "$lock" || die "make run is running here already"
}

prepare_database() {
    tools/database.sh start "$database" {lock}>&-
    JWTD_DATABASE_URL=$(tools/database.sh url "$database" jwtd_owner) "$jwtd" migrate
    JWTD_DATABASE_URL=$(tools/database.sh url "$database" jwtd)
    export JWTD_DATABASE_URL
}

make_keys() {
    local kid
    kid=$("$jwtd" keygen --if-missing)
    if [[ -n $kid ]]; then
        echo "made signing key $kid in $JWTD_TOKEN_KEYS_DIR"
    fi
}

# The address as curl takes it: a socket's path, or something to connect to where the server listens on every address.
curl_address() {
    case $1 in
    unix:*) echo "--unix-socket ${1#unix:} http://localhost" ;;
    *) echo "$1" | sed -e 's|//0\.0\.0\.0:|//127.0.0.1:|' -e 's|//\[::\]:|//[::1]:|' ;;
    esac
}

greet() {
    local address json rounds
    address=$(curl_address "$1")
    json='-H "Content-Type: application/json"'
    for ((rounds = 0; rounds < 500; rounds++)); do
        # shellcheck disable=SC2086 # an option and its value
        if curl -fs --max-time 1 -o /dev/null $address/health/ready; then
            break
        fi
        sleep 0.02
    done
    cat <<HELLO

jwtd serves on $1. Ctrl-C stops it. Register, log in, and ask who you are:

curl -s $address/auth/register $json -d '{"email":"ada@example.com","password":"a long walk by the sea"}'
token=\$(curl -s $address/auth/login $json -d '{"email":"ada@example.com","password":"a long walk by the sea"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -s $address/auth/me -H "Authorization: Bearer \$token"

The API is at $1/docs. For $1/admin make her an administrator:

JWTD_DATABASE_URL='$JWTD_DATABASE_URL' $jwtd user set-roles ada@example.com admin

HELLO
}

# Prints the log, and finds in its first lines where the server listens, or why it does not.
read_log() {
    local line
    trap '' INT TERM HUP # its last lines are written while we are stopped
    while IFS= read -r line; do
        printf '%s\n' "$line" >&2
        if [[ $line =~ listening.*[\ ,\"]url\"?[=:]\"?([^\"\ ]+) ]]; then
            (greet "${BASH_REMATCH[1]}" &)
            break
        elif [[ $line == *listen_failed* ]]; then
            echo "Another address may be free: make run JWTD_SERVER_LISTEN=127.0.0.1:8081 JWTD_OPS_LISTEN=127.0.0.1:9465 (port 0 finds one)" >&2
        fi
    done
    exec cat >&2
}

# In a session of its own, so that Ctrl-C reaches this script alone: a second signal would end the server at once.
serve() {
    local log reader status interrupted
    exec {log}> >(read_log)
    reader=$!
    setpriv --pdeathsig TERM setsid "$jwtd" serve </dev/null 2>&"$log" {log}>&- {lock}>&- &
    server=$!
    exec {log}>&-
    trap 'interrupted=yes; kill -TERM "$server" 2>/dev/null' INT TERM HUP
    until
        interrupted=no
        wait "$server" && status=0 || status=$?
        [[ $interrupted == no ]]
    do :; done
    wait "$reader" || true
    return "$status"
}

stop_database() {
    trap '' INT TERM HUP
    if [[ -d $database/data ]]; then
        tools/database.sh stop "$database"
    fi
}

tools/packages.sh run
lock_checkout
trap stop_database EXIT
trap 'exit 130' INT TERM HUP
build "$jwtd"
set_defaults
prepare_database
make_keys
serve
