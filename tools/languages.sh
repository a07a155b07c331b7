#!/bin/bash
# tools/languages.sh [NAME...]: builds the verifiers of docs/verify, these or all, each in a copy below build/languages, and writes
# build/languages/NAME/verify, which runs it. What has not changed since is not built again. The libraries come from PyPI, the Go proxy,
# npm, crates.io and Maven Central, in the versions that the manifests name; what was downloaded stays where each tool keeps it.
#
# A language whose tools are missing or too old is skipped, with the reason, and has no build/languages/NAME/verify. So is one whose
# registry does not answer, but not in CI (CI=true), where that is an error.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

output=$(realpath -m build/languages)
seconds_to_download=300

# skip NAME REASON
skip() {
    echo "skipped: $1 ($2)"
    rm -f "$output/$1/verify"
}

# skip_without_network NAME REGISTRY
skip_without_network() {
    [[ ${CI-} != true ]] || die "$1: its libraries cannot be had: $2 does not answer"
    skip "$1" "$2 does not answer"
}

# write_program NAME COMMAND
write_program() {
    printf '#!/bin/sh\nexec %s "$@"\n' "$2" >"$output/$1/verify.new"
    chmod +x "$output/$1/verify.new"
    mv "$output/$1/verify.new" "$output/$1/verify"
}

build_python() {
    local python
    python=$(find_python 3.9) || { skip python "no Python 3.9 or later with venv"; return; }
    rm -rf venv
    "$python" -m venv venv
    timeout "$seconds_to_download" venv/bin/pip install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
        -r requirements.txt || { skip_without_network python PyPI; return; }
    write_program python "'$PWD/venv/bin/python' '$PWD/verify.py'"
}

build_go() {
    local version
    version=$(go env GOVERSION 2>/dev/null) || { skip go "no go"; return; }
    is_version 1.18 "${version#go}" || { skip go "go 1.18 is needed, here is ${version#go}"; return; }
    export GOTOOLCHAIN=local GOFLAGS=-mod=readonly CGO_ENABLED=0
    timeout "$seconds_to_download" go mod download || { skip_without_network go "the Go proxy"; return; }
    go build -o program .
    write_program go "'$PWD/program'"
}

build_node() {
    local version
    version=$(command -v npm >/dev/null && node --version) 2>/dev/null || { skip node "no node with npm"; return; }
    is_version 18 "${version#v}" || { skip node "node 18 is needed, here is ${version#v}"; return; }
    timeout "$seconds_to_download" npm ci --no-audit --no-fund --silent || { skip_without_network node "the npm registry"; return; }
    # Node 18, which Debian 12 has, offers WebCrypto on request only.
    if is_version 20 "${version#v}"; then
        write_program node "node '$PWD/verify.mjs'"
    else
        write_program node "node --experimental-global-webcrypto '$PWD/verify.mjs'"
    fi
}

build_rust() {
    local version
    version=$(cargo --version 2>/dev/null) || { skip rust "no cargo"; return; }
    version=$(cut -d ' ' -f 2 <<<"$version")
    is_version 1.88 "$version" || { skip rust "cargo 1.88 is needed, here is $version"; return; }
    timeout "$seconds_to_download" cargo fetch --quiet --locked || { skip_without_network rust crates.io; return; }
    CARGO_TARGET_DIR=target CARGO_PROFILE_DEV_DEBUG=0 cargo build --quiet --locked
    write_program rust "'$PWD/target/debug/verify'"
}

build_java() {
    local version
    version=$(command -v mvn >/dev/null && javac -version) 2>/dev/null || { skip java "no javac with mvn"; return; }
    is_version 17 "${version#javac }" || { skip java "Java 17 is needed, here is ${version#javac }"; return; }
    timeout "$seconds_to_download" mvn --quiet --batch-mode dependency:copy-dependencies -DoutputDirectory=target/libraries ||
        { skip_without_network java "Maven Central"; return; }
    timeout "$seconds_to_download" mvn --quiet --batch-mode compile
    write_program java "java -XX:TieredStopAtLevel=1 -cp '$PWD/target/classes:$PWD/target/libraries/*' Verify"
}

# Of the sources, and of this script.
hash_of() {
    find "docs/verify/$1" tools/languages.sh -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum
}

build_language() {
    local hash
    hash=$(hash_of "$1")
    if [[ -x $output/$1/verify && $(cat "$output/$1/built" 2>/dev/null) == "$hash" ]]; then
        return
    fi
    mkdir -p "$output/$1"
    cp -a "docs/verify/$1/." "$output/$1/"
    (cd "$output/$1" && "build_$1")
    echo "$hash" >"$output/$1/built"
}

names=("$@")
[[ $# -gt 0 ]] || names=(python go node rust java)
renice -n 10 $$ >/dev/null # beside tests that measure time
mkdir -p "$output"
exec {lock}>"$output/lock"
flock "$lock"
for name in "${names[@]}"; do
    [[ -d docs/verify/$name ]] || die "there is no docs/verify/$name"
    build_language "$name"
done
