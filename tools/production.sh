#!/bin/bash
# tools/production.sh [PACKAGE]: runs docs/production.md as it is written. It makes a bare Debian 12 (kept in build), puts the package into it,
# or that of `make deb`, boots it by systemd-nspawn without a network, and runs each block of the page there, in order, in one shell. The
# package in next/, to which the page upgrades, is the same with a later version and one migration more. Needs root. The last line is
# "N passed, M failed", of the blocks; the whole log is build/production/log.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

page=docs/production.md
work=build/production
debian=build/debootstrap-bookworm.tar
base=$work/base # Debian with systemd, and in apt's cache what the page installs: there is no network in the host
host=$work/host
memory=$work/memory
next=$work/next
seconds_max=600

fetch_debian() {
    local root=$work/debian
    [[ ! -e $debian ]] || return 0
    rm -rf "$root"
    # shellcheck disable=SC2016 # apt's own form
    debootstrap --variant=minbase bookworm "$root" "$(apt-get indextargets --format '$(SITE)' "Codename: bookworm" "Component: main" | head -n 1)"
    rm -rf "$root"/var/cache/apt/archives/*.deb
    tar -C "$root" -cf "$debian.new" .
    mv "$debian.new" "$debian"
    rm -rf "$root"
}

in_base() {
    chroot "$base" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

# Without a cluster and without a service: the page's own installation makes and starts them.
make_base() {
    local wanted
    wanted="curl postgresql $(dpkg-deb -f "$1" Depends | tr , '\n' | sed 's/^ *\([^ ]*\).*/\1/' | tr '\n' ' ')"
    if [[ -e $base.packages && $(<"$base.packages") == "$wanted" ]]; then
        return
    fi
    fetch_debian
    rm -rf "$base" "$base.packages"
    mkdir -p "$base"
    tar -C "$base" -xf "$debian"
    cp /etc/resolv.conf "$base/etc/"
    in_base apt-get -qq -o Acquire::Retries=3 update
    in_base apt-get -qq -y --no-install-recommends install systemd systemd-sysv dbus libnss-systemd ca-certificates
    # shellcheck disable=SC2086 # a list of words
    in_base apt-get -qq -y install --download-only $wanted
    echo "$wanted" >"$base.packages"
}

# The program of the next version. What is built already need not be built again.
build_next() {
    local version
    rm -rf "$next"
    mkdir -p "$next/build"
    git ls-files -z | xargs -0 cp -a --parents -t "$next"
    cp -a build/src build/generated build/web build/swagger-ui "$next/build/"
    printf -- '-- migrate:up\nCREATE TABLE next_version (id bigint PRIMARY KEY);\n-- migrate:down\nDROP TABLE next_version;\n' \
        >"$next/migrations/9000_next_version.sql"
    version=$(sed -n 's/^#define JWTD_VERSION "\(.*\)"$/\1/p' include/jwtd/version.h)
    sed -i "s/^#define JWTD_VERSION .*/#define JWTD_VERSION \"$version+next\"/" "$next/include/jwtd/version.h"
    env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD make -s -C "$next" -j"$(nproc)" build/jwtd
}

# repack PACKAGE OUT_DIRECTORY: the package with the next program.
repack() {
    local tree=$next/package
    rm -rf "$tree"
    dpkg-deb -R "$1" "$tree"
    strip -o "$tree/usr/bin/jwtd" "$next/build/jwtd"
    sed -i 's/^Version: \(.*\)/Version: \1+next/' "$tree/DEBIAN/control"
    rm -f "$tree/DEBIAN/md5sums"
    mkdir -p "$2"
    dpkg-deb --root-owner-group -b "$tree" "$2" >/dev/null
}

# Each block, behind a line that says where in the page it is.
# shellcheck disable=SC2016 # variables of that script
print_script() {
    echo 'set -Eeuo pipefail; trap '\''echo "FAILED: $block"'\'' ERR; cd /root; export DEBIAN_FRONTEND=noninteractive'
    awk -v page="$page" '
        /^```sh$/ { inside = 1; printf "block=%s:%d; printf \"\\n==== $block\\n\"\n", page, FNR + 1; count++; next }
        /^```$/ { inside = 0 }
        inside { print }
        END { print "printf \"\\n==== end of the page\\n\"" }' "$page"
}

# What the host writes stays in memory, where it need not wait for a disk.
mount_host() {
    mkdir -p "$host" "$memory"
    mount -t tmpfs -o size=3g,mode=755 tmpfs "$memory"
    mkdir "$memory/upper" "$memory/work"
    mount -t overlay overlay -o "lowerdir=$base,upperdir=$memory/upper,workdir=$memory/work" "$host"
    cp "$1" "$host/root/"
    repack "$1" "$host/root/next"
    print_script >"$host/root/page.sh"
    cat >"$host/etc/systemd/system/page.service" <<'UNIT'
[Unit]
Description=runs the page, then powers off
After=multi-user.target
[Service]
Type=exec
ExecStart=/bin/bash -c '/bin/bash /root/page.sh >/root/page.log 2>&1; journalctl -u jwtd --no-pager >>/root/page.log; exec systemctl --no-block poweroff'
UNIT
    mkdir -p "$host/etc/systemd/system/multi-user.target.wants"
    ln -s ../page.service "$host/etc/systemd/system/multi-user.target.wants/page.service"
}

unmount_host() {
    local directory
    for directory in "$host" "$memory"; do
        if mountpoint -q "$directory"; then
            umount "$directory"
        fi
        rm -rf --one-file-system "$directory"
    done
}

[[ $EUID -eq 0 ]] || die "needs root"
tools/packages.sh production
[[ $# -gt 0 ]] || build deb
package=${1:-$(echo build/deb/jwtd_*.deb)}
mkdir -p "$work"
unmount_host
make_base "$package" >"$work/base.log" 2>&1 || { tail -n 20 "$work/base.log" >&2; die "there is no Debian to run the page in"; }
build_next
trap unmount_host EXIT
mount_host "$package"
timeout --kill-after=10 "$seconds_max" systemd-nspawn --quiet --boot --directory="$host" --register=no --keep-unit --private-network --console=pipe \
    </dev/null >"$work/boot.log" 2>&1 || tail -n 20 "$work/boot.log" >&2
cp "$host/root/page.log" "$work/log"
blocks=$(grep -c '^```sh$' "$page")
begun=$(grep -c "^==== $page" "$work/log" || true)
if grep -q '^==== end of the page$' "$work/log"; then
    echo "$blocks passed, 0 failed"
else
    tail -n 60 "$work/log"
    echo "$((begun - 1)) passed, 1 failed"
    exit 1
fi
