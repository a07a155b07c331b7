#!/bin/bash
# tools/deb.sh: makes the Debian packages of debian/control in build/deb, from a copy of the sources and of what is built already.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

output=build/deb
source=$output/source

[[ $BUILD == build ]] || die "the packages are made of the build without sanitizers"
# The sources by name, since what a developer leaves beside them is none of the package's.
copy_sources() {
    local built
    mkdir -p "$source/build"
    cp -a --parents .dockerignore Dockerfile Makefile README.md CHANGELOG.md compose.yaml config debian docs examples include loadtest man migrations \
        src tests tools web "$source/"
    if [[ -d downloads ]]; then
        cp -a downloads "$source/"
    fi
    for built in src loadtest web generated pic swagger-ui jwtd failpoint jwtd-verify.o libjwtd-verify.so libjwtd-verify.so.1 libjwtd-verify.a docs_page man; do
        if [[ -e build/$built ]]; then
            cp -a "build/$built" "$source/build/"
        fi
    done
}

tools/packages.sh build deb
build build/jwtd failpoint library
rm -rf "$output"
copy_sources
cd "$source"
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD dpkg-buildpackage --build=binary --no-sign -j"$(nproc)" >../log 2>&1 || {
    tail -n 40 ../log >&2
    die "dpkg-buildpackage failed; the whole log is $output/log"
}
cd ..
rm -rf source
ls ./*.deb
