#!/bin/bash
# tools/typed_example.sh URL: compiles examples/spa-typed, in build/examples, with types made of the API of the jwtd at URL.
# shellcheck source=tools/common.sh
source "$(dirname "$0")/common.sh"

output=build/examples
mkdir -p "$output"
exec {lock}>"$output/lock"
flock "$lock"
cp -r examples/spa examples/spa-typed "$output/"
cd "$output/spa-typed"
if ! cmp -s package-lock.json installed; then
    npm ci --no-audit --no-fund --silent || die "npm cannot install what the typed example uses"
    cp package-lock.json installed
fi
JWTD=$1 npm run --silent types
npm run --silent check
