#!/bin/bash
# tools/image_tree.sh PROGRAM DIRECTORY: assembles in DIRECTORY, which must not exist, the whole file system of the image: PROGRAM without its
# symbols, the shared libraries that it loads, the certificates of public authorities, the migrations (which the program has in itself;
# these are for reading), and what names the user of the service. For the Dockerfile, and for the test, which runs it by chroot.
set -euo pipefail
cd "$(dirname "$0")/.."

user=10001 # as in the Dockerfile

# A quarter of the image would be GnuTLS and what only GnuTLS needs. libmicrohttpd and libldap are linked to it, but nothing calls it: this
# service speaks no TLS of its own (src/http/no_tls.c), and libpq speaks OpenSSL's. So it is replaced by a library of that name, in which every
# function ends the process.
unused=libgnutls.so.30

[[ $# -eq 2 && -x $1 && ! -e $2 ]] || { echo "usage: $0 PROGRAM DIRECTORY, which must not exist" >&2; exit 2; }
program=$1
tree=$2
# loaded by name, when traces are sent (src/trace/curl_library.c)
curl=$(/sbin/ldconfig -p | awk '$1 == "libcurl.so.4" { print $NF; exit }')
copied=()
declare -A paths=()

# NAME of each library that a file needs.
needed_by() {
    objdump -p "$1" | awk '$1 == "NEEDED" { print $2 }'
}

# The paths under which the loader finds libraries; its own first.
find_libraries() {
    local name path
    while read -r name path; do
        paths[$name]=$path
    done < <(ldd "$program" "$curl" | sed -n -e 's|^\s*\(/\S*/\)\(\S*\) (0x[0-9a-f]*)$|\2 \1\2|p' -e 's|^\s*\(\S*\) => \(/\S*\) (0x[0-9a-f]*)$|\1 \2|p')
}

# copy_libraries FILE: those that it needs, and what these need.
copy_libraries() {
    local name
    for name in $(needed_by "$1"); do
        if [[ $name == "$unused" || " ${copied[*]} " == *" $name "* ]]; then
            continue
        fi
        copied+=("$name")
        install -D -m 755 "${paths[$name]}" "$tree${paths[$name]}"
        copy_libraries "${paths[$name]}"
    done
}

# The functions of the unused library that the others name, each in its version.
write_unused() {
    local source
    [[ -n ${paths[$unused]-} ]] || return 0
    source=$(mktemp -d)
    find "$tree" -name '*.so*' -exec objdump -T {} + | sed -n 's/.*\*UND\*.*(\(GNUTLS_[A-Z0-9_]*\)) *\(\S*\)$/\1 \2/p' | sort -u >"$source/names"
    awk '{ print "void " $2 "(void);\nvoid " $2 "(void) { __builtin_trap(); }" }' "$source/names" >"$source/unused.c"
    awk '{ names[$1] = names[$1] " " $2 ";" } END { for (version in names) print version " { global:" names[version] " };" }' "$source/names" >"$source/versions"
    gcc -shared -fPIC -O2 -o "$tree${paths[$unused]}" "$source/unused.c" -Wl,-soname,"$unused" -Wl,--version-script="$source/versions" \
        -Wl,-z,relro,-z,now,-z,noexecstack -Wl,--strip-all
    rm -r "$source"
}

install -D -m 755 "$program" "$tree/usr/bin/jwtd"
strip --strip-unneeded "$tree/usr/bin/jwtd"
find_libraries
copy_libraries "$program"
install -D -m 755 "$curl" "$tree$curl"
copy_libraries "$curl"
write_unused
install -D -m 644 /etc/ssl/certs/ca-certificates.crt "$tree/etc/ssl/certs/ca-certificates.crt"
install -D -m 644 config/image.conf "$tree/etc/jwtd/jwtd.conf"
install -d "$tree/usr/share/jwtd/migrations" "$tree/dev" "$tree/proc" "$tree/var/lib"
install -m 644 migrations/*.sql "$tree/usr/share/jwtd/migrations"
echo "jwtd:x:$user:$user:jwtd:/var/lib/jwtd:/sbin/nologin" >"$tree/etc/passwd"
echo "jwtd:x:$user:" >"$tree/etc/group"
printf '%s\n' "127.0.0.1 localhost" "::1 localhost" >"$tree/etc/hosts" # an engine mounts its own there
echo "hosts: files dns" >"$tree/etc/nsswitch.conf"
