#!/bin/bash
# tools/report.sh: measures docs/run.json, the record of the README's run of failpoint, and draws docs/report.png, the top of its page: a
# search for the limit of login, against a private server. Some three to five minutes; the machine should do nothing else meanwhile.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/private_server.sh"

tools/packages.sh run test
tools/browser.sh
build "$BUILD/jwtd" "$BUILD/failpoint"
make_work_directory report
start_database
# shellcheck disable=SC2119 # no settings of its own
start_server
"$BUILD/failpoint" find "http://127.0.0.1:$port" --out "$BUILD/run.json" --html "$BUILD/report.html"
stop_server
cp "$BUILD/run.json" docs/run.json
node build/browser/shot.mjs "$BUILD/report.html" docs/report.png 1100 1000
