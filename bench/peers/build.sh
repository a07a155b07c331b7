#!/bin/bash
# bench/peers/build.sh [gin] [axum] [fastapi]: builds these peers, or those of PEERS, or all, each to $BUILD/peers/NAME/server. What they
# need comes from the Go proxy, crates.io and PyPI, in the versions of go.sum, Cargo.lock and requirements.txt. Go and cargo keep what they
# have downloaded where their user has it, everything else is below $BUILD/peers. A peer whose toolchain or registry is missing is skipped,
# with the reason; one that does not compile is an error.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/../../tools/common.sh"
# shellcheck source=bench/peers/peer.sh
source bench/peers/peer.sh

seconds_to_download=150
go_version=1.26
rust_version=1.94
python_version=3.11

# skip NAME REASON
skip() {
    echo "skipped: $1 ($2)" >&2
    rm -f "$(peer_program "$1")"
}

build_gin() {
    local version
    version=$(go env GOVERSION 2>/dev/null) || { skip gin "no go"; return; }
    is_version "$go_version" "${version#go}" || { skip gin "go $go_version is needed, here is ${version#go}"; return; }
    export GOTOOLCHAIN=local CGO_ENABLED=0
    (cd bench/peers/gin && timeout "$seconds_to_download" go mod download) || { skip gin "the Go proxy does not answer"; return; }
    (cd bench/peers/gin && go build -mod=readonly -trimpath -ldflags='-s -w' -o "$output/gin/server" .)
}

build_axum() {
    local version
    version=$(cargo --version 2>/dev/null) || { skip axum "no cargo"; return; }
    version=$(cut -d ' ' -f 2 <<<"$version")
    is_version "$rust_version" "$version" || { skip axum "cargo $rust_version is needed, here is $version"; return; }
    (cd bench/peers/axum && timeout "$seconds_to_download" cargo fetch --quiet --locked) || { skip axum "crates.io does not answer"; return; }
    [[ -x $output/axum/target/release/axum-peer ]] || echo "axum: compiling, some minutes" >&2
    CARGO_TARGET_DIR=$output/axum/target cargo build --quiet --locked --release --manifest-path bench/peers/axum/Cargo.toml
    cp "$output/axum/target/release/axum-peer" "$output/axum/server"
}

build_fastapi() {
    local python environment=$output/fastapi/venv wanted=bench/peers/fastapi/requirements.txt
    python=$(find_python "$python_version") || { skip fastapi "no python $python_version with venv"; return; }
    if ! cmp -s "$wanted" "$environment/requirements.txt"; then
        rm -rf "$environment"
        "$python" -m venv "$environment"
        timeout "$seconds_to_download" "$environment/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: --no-deps \
            -r "$wanted" ||
            { skip fastapi "PyPI does not answer"; return; }
        cp "$wanted" "$environment"
    fi
    printf '#!/bin/sh\nexport PYTHONPATH="%s" PYTHONDONTWRITEBYTECODE=1\nexec "%s/bin/python" -m peer\n' \
        "$PWD/bench/peers/fastapi" "$environment" >"$output/fastapi/server"
    chmod +x "$output/fastapi/server"
}

output=$(realpath -m "$BUILD/peers")
names=("$@")
[[ $# -gt 0 ]] || read -ra names <<<"${PEERS:-${peers[*]}}"
for name in "${names[@]}"; do
    [[ $name != jwtd ]] || continue
    [[ " ${peers[*]} " == *" $name "* ]] || die "there is no peer $name: ${peers[*]}"
    mkdir -p "$output/$name"
    "build_$name"
    ! peer_is_built "$name" || echo "$name: $(peer_program "$name")"
done
