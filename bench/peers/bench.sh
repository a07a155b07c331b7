#!/bin/bash
# bench/peers/bench.sh: measures jwtd and its peers (bench/peers/README.md) side by side in one run. In each round every service has a
# turn, in an order that rotates; each turn has a PostgreSQL cluster of its own, made with the same settings and the same 5,000 accounts.
# wrk and failpoint make the load, on the same machine.
#
#   SECONDS_EACH=2   length of one measurement     ROUNDS=5   rounds     PEERS="jwtd axum gin fastapi"   which services
#
# build/peers/samples.json has every sample; build/peers/table.md is the table, which also goes into docs/peers.md when all four services
# were measured in three rounds or more. A benchmark and no test: nothing fails when a target is missed.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/../../tools/private_server.sh"

export BUILD port SECONDS_EACH=${SECONDS_EACH:-2} ROUNDS=${ROUNDS:-5}
read -ra wanted <<<"${PEERS:-jwtd axum gin fastapi}"

tools/packages.sh run bench
build "$BUILD/jwtd" "$BUILD/probe" "$BUILD/failpoint"
mkdir -p "$BUILD/peers"
services=()
for name in "${wanted[@]}"; do
    # what cannot be built for want of a toolchain says so, and is left out
    [[ $name == jwtd ]] || bench/peers/build.sh "$name"
    if [[ $name == jwtd || -x $BUILD/peers/$name/server ]]; then
        services+=("$name")
    fi
done
# 10,000 connections need as many descriptors, in the server and in the load.
ulimit -n "$(ulimit -Hn)"
make_work_directory peers
export work
python3 -B bench/peers/measure.py "$BUILD/peers/samples.json" "${services[@]}"
python3 -B bench/peers/table.py "$BUILD/peers/samples.json" "$BUILD/peers/table.md" docs/peers.md
