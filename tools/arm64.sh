#!/bin/bash
# tools/arm64.sh: cross-compiles the program, the verifier library and the unit tests for ARM64, with Debian's compiler and the libraries of
# Debian's arm64 packages, and runs the unit tests under qemu. The packages are unpacked into build/arm64-sysroot, and not installed. TESTS
# names some tests, as in make test; without it all are run but those of `left_out`. The last line is "N passed, M failed".
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

target=aarch64-linux-gnu
sysroot=$PWD/build/arm64-sysroot
# What measures its own time or memory, or what /proc says of it, measures qemu; jwks makes RSA keys for minutes.
left_out="follower jwks limiter log log_writer metrics"
packages=$(tools/packages.sh list build test | grep -E '^lib.*-dev$|^check$')

# An apt of its own, to which nothing is installed yet, and which knows no other machine.
foreign_apt() {
    apt-get -qq -o Dir::State="$sysroot.apt" -o Dir::State::status="$sysroot.apt/status" -o Dir::Cache="$sysroot.apt/cache" \
        -o APT::Architecture=arm64 -o APT::Architectures=arm64 -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Debug::NoLocking=1 "$@"
}

# What has not changed is not downloaded again.
make_sysroot() {
    local archive
    if [[ $(cat "$sysroot/packages" 2>/dev/null) == "$packages" ]]; then
        return
    fi
    rm -rf "$sysroot" "$sysroot.apt"
    mkdir -p "$sysroot" "$sysroot.apt/lists/partial" "$sysroot.apt/cache/archives/partial"
    touch "$sysroot.apt/status"
    foreign_apt update
    # shellcheck disable=SC2086 # a list of words
    foreign_apt -y --no-install-recommends --download-only install libc6-dev $packages
    for archive in "$sysroot.apt"/cache/archives/*.deb; do
        dpkg-deb --extract "$archive" "$sysroot"
    done
    rm -rf "$sysroot.apt"
    echo "$packages" >"$sysroot/packages"
}

tools/packages.sh build arm64
make_sysroot
# not qemu's own -L, which takes the root directory of a program for that of the libraries
emulator="qemu-aarch64-static $sysroot/lib/ld-linux-aarch64.so.1 --library-path $sysroot/lib/$target:$sysroot/usr/lib/$target"
output=build/$target
build TARGET="$target" SYSROOT="$sysroot" EMULATOR="$emulator" "$output/jwtd" "$output/unit_tests" "$output/libjwtd-verify.so"
$emulator "$output/jwtd" --version
suites=${TESTS:-$(find tests/unit -name 'test_*.c' | sed 's|.*/test_||; s|\.c$||' | grep -v -x -F "${left_out// /$'\n'}" | sort)}
echo "left out: $left_out"
# shellcheck disable=SC2086 # a list of words
CK_TIMEOUT_MULTIPLIER=20 $emulator "$output/unit_tests" $suites
