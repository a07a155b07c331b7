#!/bin/bash
# tools/arm64.sh: cross-compiles the program, the verifier library and the unit tests for ARM64, with Debian's compiler and the libraries of
# Debian's arm64 packages, and runs the unit tests under qemu. The packages are unpacked into build/arm64-sysroot, and not installed. TESTS
# names some suites, as in make test; without it all are run, two at a time. What a test cannot do under qemu it says itself, as "skipped:"
# or "left out:". The last line is "N passed, M failed".
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

target=aarch64-linux-gnu
sysroot=$PWD/build/arm64-sysroot
jobs=2
seconds_each=900 # of a suite; a test has 20 times as long as on this machine itself
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
# shellcheck disable=SC2206 # a list of words
suites=(${TESTS:-$(find tests/unit -name 'test_*.c' | sed 's|.*/test_||; s|\.c$||' | sort)})

# run_suite NAME: what it prints, when it has ended, so that two do not mix.
run_suite() {
    local status=0
    # shellcheck disable=SC2086 # a list of words
    CK_TIMEOUT_MULTIPLIER=20 TEST_IS_EMULATED=yes timeout "$seconds_each" nice -n 19 $emulator "$output/unit_tests" "$1" >"$work/$1" 2>&1 || status=$?
    if [[ $status -eq 0 ]]; then
        grep -E '^(skipped|left out): |processor time$' "$work/$1"
    else
        cat "$work/$1"
        [[ $status -ne 124 ]] || echo "$1: not finished in $seconds_each s"
    fi
}

work=$(mktemp -d /tmp/jwtd-arm64.XXXXXX)
trap 'rm -rf "$work"' EXIT
for suite in "${suites[@]}"; do
    while (($(jobs -rp | wc -l) >= jobs)); do
        wait -n || true
    done
    run_suite "$suite" &
done
wait
# A suite without its last line, which a signal or its time has ended, counts as one failure.
counts=$(for suite in "${suites[@]}"; do
    tail -n 1 "$work/$suite" | grep -E '^[0-9]+ passed, [0-9]+ failed$' || echo "0 passed, 1 failed"
done | awk '{ passed += $1; failed += $3 } END { print passed " passed, " failed " failed" }')
echo "$counts"
[[ $counts == *", 0 failed" ]]
