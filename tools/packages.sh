#!/bin/bash
# tools/packages.sh PURPOSE...: installs the Debian packages that are missing for each PURPOSE. This is the only list, which
# tools/packages.sh list PURPOSE... prints.
set -euo pipefail

declare -A packages=(
    [build]="gcc libc6-dev make libmicrohttpd-dev libjwt-dev libssl-dev libcurl4-openssl-dev libsodium-dev libjson-c-dev libjansson-dev libpq-dev libinih-dev libunistring-dev
           python3-zxcvbn curl ca-certificates"
    [run]="postgresql"
    [deb]="build-essential debhelper"
    [package-check]="lintian debootstrap systemd docker-compose python3-yaml golang-go python3-venv procps"
    [arm64]="gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static"
    [test]="check pkg-config man-db pgbouncer haproxy nginx-light caddy python3-venv valgrind slowhttptest
            chromium nodejs npm prometheus python3-prometheus-client"
    [languages]="python3-venv golang-go nodejs npm cargo-web default-jdk-headless maven"
    [lint]="clang-format clang-tidy cppcheck shellcheck mandoc"
    [fuzz]="clang libclang-rt-14-dev"
    [coverage]="gcovr"
    [production]="debootstrap systemd-container dpkg-dev binutils"
    [bench]="wrk nginx-light procps"
)

packages[run]="${packages[build]} ${packages[run]}"

# These tools may come from elsewhere than Debian; then the package is not needed, or would drive them out.
declare -A command_of=([npm]=npm [golang-go]=go [cargo-web]=cargo [default-jdk-headless]=javac [maven]=mvn)

missing=()
temporary=() # files that are there while packages are installed

find_missing() {
    local wanted=() installed name
    for purpose in "$@"; do
        # shellcheck disable=SC2206 # a list of words
        wanted+=(${packages[$purpose]?there is no purpose $purpose})
    done
    installed=$(dpkg-query -W -f '${db:Status-Status} ${Package}\n' "${wanted[@]}" 2>/dev/null || true)
    for name in "${wanted[@]}"; do
        [[ -n ${command_of[$name]-} ]] && command -v "${command_of[$name]}" >/dev/null && continue
        [[ $'\n'$installed$'\n' == *$'\n'"installed $name"$'\n'* ]] || missing+=("$name")
    done
}

# PostgreSQL without a cluster: its package would create and start one, which is not needed. No service that a package brings (nginx, HAProxy,
# Caddy) is started: that is what policy-rc.d, which invoke-rc.d asks, is for.
install_as_root() {
    local no_cluster=/etc/postgresql-common/createcluster.d/jwtd.conf no_services=/usr/sbin/policy-rc.d
    trap 'rm -f "${temporary[@]}"' EXIT
    if ! command -v pg_ctlcluster >/dev/null; then
        mkdir -p "${no_cluster%/*}"
        echo 'create_main_cluster = false' >"$no_cluster"
        temporary+=("$no_cluster")
    fi
    if [[ ! -e $no_services ]]; then
        printf '#!/bin/sh\nexit 101\n' >"$no_services"
        chmod +x "$no_services"
        temporary+=("$no_services")
    fi
    export DEBIAN_FRONTEND=noninteractive
    # An update that fails may still leave lists that are good enough.
    apt-get -qq -o Acquire::Retries=3 update || true
    apt-get -qq -y -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 --no-install-recommends install "${missing[@]}"
}

if [[ ${1-} == list ]]; then
    for purpose in "${@:2}"; do
        # shellcheck disable=SC2086 # a list of words
        printf '%s\n' ${packages[$purpose]?there is no purpose $purpose}
    done
    exit
fi
find_missing "$@"
[[ ${#missing[@]} -gt 0 ]] || exit 0
if [[ $EUID -eq 0 ]]; then
    echo "Installing ${missing[*]}" >&2
    install_as_root >&2
elif command -v sudo >/dev/null && { [[ -t 0 ]] || sudo -n true 2>/dev/null; }; then
    exec sudo -- "$BASH" "$(realpath "$0")" "$@"
else
    printf '%s\n' "Some packages are missing. As root, type this and try again:" \
        "apt-get update && apt-get install --no-install-recommends ${missing[*]}" >&2
    exit 1
fi
