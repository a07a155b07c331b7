# shellcheck shell=bash
# shellcheck disable=SC2154 # shared with the other parts
# The page for production, in a booted Debian.

runs_as_written() {
    if compgen -G "build/deb/jwtd_*.deb" >/dev/null && [[ " $parts " == *" deb "* ]]; then
        tools/production.sh "$(echo build/deb/jwtd_*.deb)"
    else
        tools/production.sh
    fi
}

if [[ $EUID -ne 0 ]]; then
    skip "only root can boot a container"
else
    expect "docs/production.md runs as it is written" runs_as_written
fi
