#!/bin/bash
# tools/coverage.sh: runs the tests with the program instrumented for gcov, TESTS="pool config" for some, and writes a page for each
# source file below build/coverage/index.html. Prints lines and branches by directory, and for all of src/; fails when a test does.
#
# A process counts when it exits, as the service does when a test stops it by SIGTERM. What is done by one that a test kills
# (SIGKILL: in the suites crashes, refresh, store and keyring), that Check kills for its time, or that ends with _exit (failpoint's
# workers) is lost.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"
BUILD=build/coverage
export COVERAGE=yes
export CK_TIMEOUT_MULTIPLIER=${CK_TIMEOUT_MULTIPLIER-5}

print_directories() {
    awk -F, '
        function line(name, i) {
            printf "%-24s %6d of %6d lines %5.1f %%  %6d of %6d branches %5.1f %%\n", name, lines_run[i], lines[i],
                lines[i] ? 100 * lines_run[i] / lines[i] : 100, branches_run[i], branches[i],
                branches[i] ? 100 * branches_run[i] / branches[i] : 100
        }
        function add(i) { lines[i] += $2; lines_run[i] += $3; branches[i] += $5; branches_run[i] += $6 }
        NR == 1 { next }
        { directory = $1; sub(/\/[^\/]*$/, "", directory); top = $1; sub(/\/.*/, "", top); if (!(directory in lines)) order[++count] = directory }
        { add(directory); add("all of " top "/"); tops[top] }
        END { for (i = 1; i <= count; i++) line(order[i], order[i]); for (top in tops) line("all of " top "/", "all of " top "/") }
    ' "$1"
}

tools/packages.sh run test coverage
find "$BUILD" -name '*.gcda' -delete 2>/dev/null || true
status=0
env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u BUILD make test || status=$?
rm -rf "$BUILD/html"
gcovr --root . --object-directory "$BUILD" --filter src/ --filter loadtest/ --exclude-unreachable-branches --exclude-throw-branches \
    --html-details "$BUILD/index.html" --csv "$BUILD/coverage.csv" "$BUILD"
print_directories "$BUILD/coverage.csv"
exit "$status"
