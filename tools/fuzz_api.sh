#!/bin/bash
# tools/fuzz_api.sh: Schemathesis against a private server, for FUZZ_SECONDS (60): for each operation of /openapi.json, requests that its
# schema allows and ones that it does not, checked against what the document says of the replies. FUZZ_SEED=1 is another run. A finding
# is printed with a curl command that shows it again, and fails the script, as an error in the server's log does.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/private_server.sh"

version=4.32.5
environment=build/schemathesis
password="another long passphrase"
email=fuzzer@example.org

# What has not changed is not installed again.
install() {
    local python
    if [[ $(cat "$environment/version" 2>/dev/null) != "$version" ]]; then
        python=$(find_python 3.10) || die "a python3 of 3.10 or later with venv is needed"
        rm -rf "$environment"
        "$python" -m venv "$environment"
        "$environment/bin/pip" install --quiet --disable-pip-version-check "schemathesis==$version"
        echo "$version" >"$environment/version"
    fi
}

jwtd() {
    "$BUILD/jwtd" --set "token.keys_dir=$work/keys" --set "services.credentials_file=$work/services.credentials" "$@"
}

tools/packages.sh run test
build "$BUILD/jwtd"
install
make_work_directory fuzz-api
start_database
secret=$(jwtd service add fuzzer)
jwtd user add --role admin "$email" <<<"$password" >/dev/null
start_server --set "services.credentials_file=$work/services.credentials" --set password.memory=8KiB --set password.operations=1 \
    --set password.allow_weak=true --set admin.enabled=true # the document has /admin whether it is there or not
export FUZZ_EMAIL=$email FUZZ_PASSWORD=$password FUZZ_SERVICE=fuzzer FUZZ_SECRET=$secret
root=$PWD
export SCHEMATHESIS_HOOKS=$root/tests/openapi/schemathesis_hooks.py
# it leaves files where it runs
(cd "$work" && "$root/$environment/bin/schemathesis" --config-file "$root/tests/openapi/schemathesis.toml" run \
    "http://127.0.0.1:$port/openapi.json" --max-time "${FUZZ_SECONDS:-60}" --seed "${FUZZ_SEED:-0}")
stop_server
! grep '"level":"error"' "$work/log" || die "the server has logged this"
