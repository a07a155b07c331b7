#!/bin/bash
# bench/peers/lint.sh: the checkers of the languages of the peers and of docs/verify, where they are at hand.
set -euo pipefail
cd "$(dirname "$0")"

findings=0

# run_in DIRECTORY COMMAND...
run_in() {
    local directory=$1
    shift
    (cd "$directory" && "$@") || findings=$((findings + 1))
}

# gofmt lists files and succeeds.
check_gofmt() {
    [[ -z $(gofmt -l . | tee /dev/stderr) ]]
}

if command -v gofmt >/dev/null; then
    run_in gin check_gofmt
    run_in ../../docs/verify/go check_gofmt
fi
# It needs what the build has compiled, with the same flags.
if command -v go >/dev/null && [[ -x ../../${BUILD:-build}/peers/gin/server ]]; then
    CGO_ENABLED=0 GOTOOLCHAIN=local run_in gin go vet -trimpath ./...
fi
if command -v cargo-fmt >/dev/null; then
    run_in axum cargo fmt --check
    run_in ../../docs/verify/rust cargo fmt --check
fi
if command -v ruff >/dev/null; then
    run_in fastapi ruff check --quiet --no-cache
    run_in fastapi ruff format --quiet --no-cache --check
fi
[[ $findings -eq 0 ]]
