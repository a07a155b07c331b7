#!/bin/bash
# tools/soak.sh: runs the service for SOAK (10m; 72h works the same) under a mix of 278 requests a second, which is a million an hour, on a
# PostgreSQL of its own, and fails when memory, descriptors, threads or latency grow more than their noise explains. The record and the
# page are build/soak.json and build/soak.html.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/private_server.sh"

duration=${SOAK:-10m}

tools/packages.sh run
build "$BUILD/jwtd" "$BUILD/failpoint"
make_work_directory soak
start_database
start_server --set log.level=warn
"$BUILD/failpoint" soak "http://127.0.0.1:$port" --scenario mixed --rate 278 --duration "$duration" --accounts 1000 \
    --pg "$(tools/database.sh url "$work/postgres" postgres)" --out "$BUILD/soak.json" --html "$BUILD/soak.html"
