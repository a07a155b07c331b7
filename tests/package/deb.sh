# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# The Debian packages: lintian, and an installation, the service in it, and its removal, in a root that debootstrap made. The root is kept in
# build, as a tar archive.
root=$work/root
base=build/debootstrap-bookworm.tar

builds() {
    tools/deb.sh
    [[ $(sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog) == "$("$BUILD/jwtd" --version | cut -d ' ' -f 2)" ]]
}

has_no_errors() {
    lintian --fail-on error --tag-display-limit 0 build/deb/*.deb
}

# The commands of README.Debian are those of docs/production.md, which the part production runs as they are.
says_what_production_says() {
    local commands
    commands=$(sed -n 's/^       //p' debian/jwtd.README.Debian)
    [[ $(wc -l <<<"$commands") -gt 5 ]]
    # shellcheck disable=SC2016 # Markdown's own
    ! grep -v -x -F -f <(sed -n '/^```sh$/,/^```$/p' docs/production.md) <<<"$commands"
}

# What the package asks systemd for when it is removed, and when it is upgraded.
stops_what_it_removes() {
    local prerm=$work/prerm
    dpkg-deb --ctrl-tarfile build/deb/jwtd_*.deb | tar -xO ./prerm | sed "s|/run/systemd/system|$work|" >"$prerm"
    # shellcheck disable=SC2317 # called by the script
    asked() {
        deb-systemd-invoke() { echo "$*"; }
        export -f deb-systemd-invoke
        bash "$prerm" "$@"
    }
    [[ $(asked remove) == "stop jwtd.socket jwtd.service" ]]
    [[ -z $(asked upgrade 9) ]]
}

make_root() {
    if [[ ! -e $base ]]; then
        # shellcheck disable=SC2016 # apt's own
        debootstrap --variant=minbase bookworm "$root" "$(apt-get indextargets --format '$(SITE)' "Codename: bookworm" "Component: main" | head -n 1)"
        rm -rf "$root"/var/cache/apt/archives/*.deb
        tar -C "$root" -cf "$base.new" .
        mv "$base.new" "$base"
    else
        mkdir -p "$root"
        tar -C "$root" -xf "$base"
    fi
    printf '#!/bin/sh\nexit 101\n' >"$root/usr/sbin/policy-rc.d"
    chmod +x "$root/usr/sbin/policy-rc.d"
    cp /etc/resolv.conf "$root/etc/" 2>/dev/null || true
}

# In the place of this shell.
run_in_root() {
    exec chroot "$root" /usr/bin/env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin DEBIAN_FRONTEND=noninteractive LC_ALL=C "$@"
}

in_root() {
    (run_in_root "$@")
}

apt_in_root() {
    in_root apt-get -qq -y -o Dpkg::Use-Pty=0 -o Acquire::Retries=3 "$@"
}

# Everything but what apt and dpkg remember.
list_root() {
    (cd "$root" && find . \( -path ./proc -o -path ./var/lib/apt -o -path ./var/lib/dpkg -o -path ./var/cache -o -path ./var/log -o -path ./tmp \) -prune -o -print | sort)
}

installs() {
    mkdir "$root/packages"
    cp "${programs[@]/#\/packages/build/deb}" "$root/packages/"
    apt_in_root update
    apt_in_root install --no-install-recommends "${programs[@]}"
    in_root jwtd --version
    in_root failpoint --help >/dev/null
    [[ $(stat -c %a:%U "$root/etc/jwtd.conf") == 600:root ]]
    [[ ! -e $root/etc/systemd/system/multi-user.target.wants/jwtd.service ]]
}

# As the unit does: keys in /var/lib/private/jwtd, the configuration of the package.
serves_from_the_package() {
    local port process words
    port=$(free_port)
    mkdir -p "$root/var/lib/private/jwtd"
    words=(jwtd --config /etc/jwtd.conf --set "server.listen=127.0.0.1:$port" --set ops.listen= --set token.keys_dir=/var/lib/private/jwtd/keys
        --set token.refresh_key_file=/var/lib/private/jwtd/refresh.key)
    in_root "${words[@]}" keygen --if-missing
    run_in_root "${words[@]}" serve &
    process=$!
    curl -fsS --retry 50 --retry-delay 1 --retry-connrefused --max-time 20 "http://127.0.0.1:$port/health/live"
    in_root "${words[@]}" health
    kill -TERM "$process"
    wait "$process"
}

# A first removal leaves the libraries that it needs, and what dpkg makes for itself.
purges() {
    in_root dpkg --purge jwtd failpoint
    list_root >"$work/before"
    apt_in_root install --no-install-recommends "${programs[@]}"
    list_root >"$work/installed"
    ! cmp -s "$work/before" "$work/installed"
    mkdir -p "$root/var/lib/private/jwtd/keys"
    in_root dpkg --purge jwtd failpoint
    list_root | diff "$work/before" -
    [[ ! -e $root/etc/jwtd.conf && ! -e $root/var/lib/private/jwtd ]]
}

# A removal keeps the configuration and the keys, an upgrade the configuration.
keeps_what_is_the_operators() {
    apt_in_root install --no-install-recommends "${programs[0]}"
    echo '# ours' >>"$root/etc/jwtd.conf"
    mkdir -p "$root/var/lib/private/jwtd/keys"
    apt_in_root install --reinstall --no-install-recommends "${programs[0]}"
    apt_in_root remove jwtd
    grep -q '^# ours$' "$root/etc/jwtd.conf"
    [[ -d $root/var/lib/private/jwtd/keys ]]
    apt_in_root purge jwtd
    [[ ! -e $root/etc/jwtd.conf && ! -e $root/var/lib/private/jwtd ]]
}

# What a sibling service compiles against; in this machine's own root, where the compiler is.
has_the_library() {
    local unpacked=$work/library include
    for archive in build/deb/libjwtd-verify1_*.deb build/deb/libjwtd-verify-dev_*.deb; do
        dpkg-deb --extract "$archive" "$unpacked"
    done
    include=$(echo "$unpacked"/usr/lib/*/)
    gcc -std=c11 -D_GNU_SOURCE "-I$unpacked/usr/include" -pthread -o "$work/sibling" examples/sibling.c "-L$include" -ljwtd-verify -lmicrohttpd
    LD_LIBRARY_PATH=$include ldd "$work/sibling" | grep "libjwtd-verify.so.1 => $unpacked"
}

expect "make deb builds the packages, in the program's version" builds
programs=("/packages/$(basename build/deb/jwtd_*.deb)" "/packages/$(basename build/deb/failpoint_*.deb)")
expect "lintian finds no error in them" has_no_errors
expect "a removal stops the service and its socket, an upgrade neither" stops_what_it_removes
expect "README.Debian's commands are those that docs/production.md runs" says_what_production_says
expect "libjwtd-verify-dev has what a sibling compiles against" has_the_library
if [[ $EUID -ne 0 ]]; then
    skip "only root can make a root file system"
elif ! make_root >"$work/debootstrap" 2>&1; then
    [[ ${CI-} != true ]] || tail -n 5 "$work/debootstrap"
    skip "debootstrap made no root file system"
else
    expect "they install in a root of debootstrap, and nothing is started" installs
    expect "the installed program serves" serves_from_the_package
    expect "a removal keeps the configuration and the keys" keeps_what_is_the_operators
    expect "a purge leaves nothing behind" purges
fi
