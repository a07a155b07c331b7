#!/bin/bash
# bench/peers/articles.sh: the comparison of FastAPI and Gin that the two articles made, by failpoint: both at 100 requests a second
# for 10,000 requests, then each scaled until it fails. Writes docs/comparison.md and the reports below docs/comparison/.
#
#   REQUESTS=10000   of the first part
#   FIND=            options for failpoint find: "--no-overload --precision 20" for a glance
#   PEERS="fastapi gin"   which two
#
# With other values than these the result stays in build/comparison.
# shellcheck source=tools/private_server.sh
source "$(dirname "$0")/../../tools/private_server.sh"

export BUILD port REQUESTS=${REQUESTS:-10000} FIND=${FIND-}
read -ra peers <<<"${PEERS:-fastapi gin}"
[[ ${#peers[@]} -eq 2 ]] || die "PEERS must name two of gin, axum, fastapi; here: ${PEERS-}"

tools/packages.sh run
build "$BUILD/jwtd" "$BUILD/probe" "$BUILD/failpoint"
bench/peers/build.sh "${peers[@]}"
for name in "${peers[@]}"; do
    [[ -x $BUILD/peers/$name/server ]] || die "$name is needed"
done
ulimit -n "$(ulimit -Hn)"
make_work_directory articles
export work
rm -rf "$BUILD/comparison"
mkdir -p "$BUILD/comparison"
python3 -B bench/peers/articles.py "$BUILD/comparison" "${peers[@]}"
if [[ "${peers[*]} $REQUESTS $FIND" == "fastapi gin 10000 " ]]; then
    rm -rf docs/comparison
    mkdir docs/comparison
    cp "$BUILD"/comparison/*.html docs/comparison
    cp "$BUILD/comparison/comparison.md" docs
fi
