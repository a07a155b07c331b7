# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# The tree of the image, assembled as by the Dockerfile and run by chroot with what the Dockerfile says: its user, environment, entry point and
# health check; the root file system read-only, and /var/lib/jwtd a directory of the user's.
size_max=$((20 * 1024 * 1024))
tree=$work/tree
state=$work/state
image_port=$(free_port)
ops_port=$(free_port)

# instruction NAME: what the last stage of the Dockerfile says, a JSON list one element a line.
instruction() {
    awk -v name="$1" '/^FROM/ { found = "" } $1 == name { sub("^" name " +", ""); found = $0 } END { print found }' Dockerfile |
        python3 -c '
import json, re, sys
text = sys.stdin.read().strip()
lists = re.search(r"\[.*\]$", text)
print("\n".join(json.loads(lists.group())) if lists else text)'
}

environment() {
    awk '/^FROM/ { count = 0 } $1 == "ENV" { line[count++] = $2 } END { for (i = 0; i < count; i++) print line[i] }' Dockerfile
}

# run_in_image [NAME=VALUE...] -- WORDS...: in the place of this shell, with the directories of `mounts` (FROM:TO) in it, read-only.
mounts=()
run_in_image() {
    local variables=()
    mapfile -t variables < <(environment)
    while [[ $1 != -- ]]; do
        variables+=("$1")
        shift
    done
    shift
    # shellcheck disable=SC2016 # the inner shell's own
    exec env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin "${variables[@]}" unshare --mount --propagation private bash -euc '
        tree=$1 state=$2 user=$3
        shift 3
        mount --bind "$tree" "$tree"
        mount --bind "$state" "$tree/var/lib/jwtd"
        while [[ $1 != -- ]]; do
            mount --bind "${1%:*}" "$tree${1#*:}"
            mount -o remount,bind,ro "$tree${1#*:}"
            shift
        done
        shift
        mount -t proc proc "$tree/proc"
        mount --bind /dev "$tree/dev"
        mount -o remount,bind,ro "$tree"
        exec chroot --userspec="$user" --groups="${user#*:}" "$tree" "$@"' bash "$tree" "$state" "$(instruction USER)" "${mounts[@]}" -- "$@"
}

# start_image [NAME=VALUE...]: the service, with what the Dockerfile runs, on free ports, in the background; $service is its process.
start_image() {
    local words=()
    mapfile -t words < <(instruction ENTRYPOINT; instruction CMD)
    run_in_image "JWTD_SERVER_LISTEN=0.0.0.0:$image_port" "JWTD_OPS_LISTEN=0.0.0.0:$ops_port" "$@" -- "${words[@]}" >>"$work/image.log" 2>&1 &
    service=$!
    disown "$service"
    for ((rounds = 200; rounds > 0; rounds--)); do
        if curl -fs -o /dev/null "http://127.0.0.1:$image_port/health/ready"; then
            return
        fi
        kill -0 "$service" || break
        sleep 0.05
    done
    tail -n 5 "$work/image.log"
    return 1
}

stop_image() {
    kill -TERM "$service"
    tail --pid="$service" -f /dev/null
}

make_tree() {
    tools/image_tree.sh "$BUILD/jwtd" "$tree"
    install -d -o "$(instruction USER | cut -d : -f 1)" -m 700 "$state"
    install -d "$tree/var/lib/jwtd"
}

is_small() {
    du -sb "$tree"
    [[ $(du -sb "$tree" | cut -f 1) -lt $size_max ]]
}

has_one_program() {
    local found
    found=$(cd "$tree" && find . -type f -perm /111 ! -name '*.so*')
    echo "$found"
    [[ $found == ./usr/bin/jwtd ]]
}

belongs_to_root() {
    local found
    found=$(find "$tree" ! -user root -o -perm /022 ! -type l)
    echo "$found"
    [[ -z $found ]]
}

finds_its_libraries() {
    local found
    found=$(run_in_image -- /usr/bin/jwtd --version)
    [[ $found == "jwtd "* ]]
}

# entrypoint URL WORDS...: as `docker run`
entrypoint() {
    local words=()
    mapfile -t words < <(instruction ENTRYPOINT)
    (run_in_image "JWTD_DATABASE_URL=$1" -- "${words[@]}" "${@:2}")
}

migrates_and_makes_keys() {
    entrypoint "$owner_url" migrate
    entrypoint "$url" keygen --if-missing
    [[ -n $(find "$state/keys" -name '*.hs256' -user 10001 -perm 600) ]]
}

post() {
    curl -fsS --max-time 10 -H "Content-Type: application/json" -d "$2" "http://127.0.0.1:$image_port$1"
}

checks_its_health() {
    local words=()
    mapfile -t words < <(instruction HEALTHCHECK)
    (run_in_image "JWTD_SERVER_LISTEN=0.0.0.0:$image_port" "JWTD_OPS_LISTEN=0.0.0.0:$ops_port" -- "${words[@]}")
}

serves() {
    local token
    start_image "JWTD_DATABASE_URL=$url"
    post /auth/register '{"email":"ada@example.com","password":"a long walk by the sea"}'
    token=$(post /auth/login '{"email":"ada@example.com","password":"a long walk by the sea"}' | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
    curl -fsS --max-time 10 -o /dev/null -H "Authorization: Bearer $token" "http://127.0.0.1:$image_port/auth/me"
    grep -q '^Uid:.10001.10001.10001.10001$' "/proc/$service/status"
    grep -q '^Groups:.10001 $' "/proc/$service/status"
    grep -q '^CapEff:.0*$' "/proc/$service/status"
    curl -fsS --max-time 10 "http://127.0.0.1:$ops_port/metrics" | grep -q '^jwtd_build_info'
    awk '$2 == "/" { print $4 }' "/proc/$service/mounts" | grep -q '^ro'
    checks_its_health
    stop_image
    ! checks_its_health
}

if ! unshare --mount true 2>/dev/null; then
    skip "mount namespaces cannot be made here"
else
    tools/database.sh start "$work/postgres" "listen_addresses=127.0.0.1" "port=$(free_port)"
    database_port=$(sed -n 4p "$work/postgres/data/postmaster.pid")
    url=postgres://jwtd@localhost:$database_port/jwtd
    owner_url=postgres://jwtd_owner@localhost:$database_port/jwtd
    expect "its tree can be assembled" make_tree
    expect "it is smaller than 20 MiB" is_small
    expect "there is no program in it but jwtd" has_one_program
    expect "all of it belongs to root, and nobody else may write it" belongs_to_root
    expect "the program finds its libraries in it" finds_its_libraries
    expect "it migrates a database, and makes keys in its volume" migrates_and_makes_keys
    expect "it serves, as its user, without capabilities, on a read-only root, and its HEALTHCHECK tells" serves
fi
