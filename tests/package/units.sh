# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# The units of systemd: judged by systemd-analyze, and the socket used as systemd uses it.
exposure_max=20 # tenths of systemd-analyze's score

is_little_exposed() {
    local score
    systemd-analyze security --offline=true --no-pager config/jwtd.service | tail -n 1
    score=$(systemd-analyze security --offline=true --no-pager config/jwtd.service | sed -n 's/.*exposure level for [^:]*: \([0-9]*\)\.\([0-9]\).*/\1\2/p')
    ((10#${score:-99} < exposure_max))
}

# The program must be where the units say.
are_right() {
    local root=$work/units-root
    make -s install DESTDIR="$root" PREFIX=/usr SYSCONFDIR=/etc UNITDIR=/usr/lib/systemd/system >/dev/null
    mkdir -p "$root/bin"
    install -m 755 /bin/sh "$root/bin/sh"
    cp -d /usr/lib/systemd/system/*.target "$root/usr/lib/systemd/system/"
    systemd-analyze verify --man=no --root="$root" jwtd.service jwtd.socket 2>&1 | tee "$work/units.log"
    ! grep -E 'jwtd\.(service|socket)' "$work/units.log"
}

# answers PORT: within a minute, since the machine may be full
answers() {
    curl -fsS --max-time 60 "http://127.0.0.1:$1/health/live" >/dev/null
}

# listens PORT PROCESS: within a minute, as long as the process runs
listens() {
    local tries
    for ((tries = 3000; tries > 0; tries--)); do
        ! grep -qi ":$(printf '%04X' "$1") 00000000:0000 0A" /proc/net/tcp || return 0
        kill -0 "$2" || return 1
        sleep 0.02
    done
    return 1
}

# systemd holds the socket while no service runs: each round starts it with a connection and stops it again.
starts_with_the_first_connection() {
    local port activator="" began round
    trap 'kill "${activator-}" 2>/dev/null || true' EXIT
    port=$(free_port)
    "$BUILD/jwtd" --set "token.keys_dir=$work/units/keys" --set "token.refresh_key_file=$work/units/refresh.key" keygen >/dev/null
    for round in 1 2 3; do
        systemd-socket-activate --listen="127.0.0.1:$port" "$BUILD/jwtd" --set "token.keys_dir=$work/units/keys" \
            --set "token.refresh_key_file=$work/units/refresh.key" --set ops.listen= serve &
        activator=$!
        listens "$port" "$activator"
        [[ $(<"/proc/$activator/comm") == systemd-socket* ]]
        began=$(date +%s%3N)
        answers "$port"
        echo "round $round: answered after $(($(date +%s%3N) - began)) ms"
        [[ $(<"/proc/$activator/comm") == jwtd ]]
        answers "$port"
        kill -TERM "$activator"
        wait "$activator"
        activator=
    done
}

mkdir -p "$work/units"
expect "systemd-analyze security scores the service under 2.0" is_little_exposed
expect "systemd-analyze verify finds nothing wrong in either unit" are_right
expect "a connection to systemd's socket starts the service, which answers it" starts_with_the_first_connection
