#!/bin/bash
# tools/check_rules.sh: the rules of this project that a script can check. Prints FILE:LINE: RULE for each breach; fails if there is one.
# tools/check_rules.sh facts: prints, for other scripts, the layers from the bottom up, the layer of each file, and that of each library.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

# Layers, from the bottom up: an include of another directory goes down only. The verifier library (verify) is no part of the program:
# nothing above uses it.
layers="base pool limit password token verify store trace services http api server cli"

# Headers of include/jwtd/ whose layer is not that of the source file of the same name.
header_layers="jwtd-verify.h:verify cli.h:cli version.h:base status.h:base macros.h:base services.h:services executor.h:services route.h:http request.h:http http_server.h:http server.h:server"

# What a library is called, and the only layers that know it, separated by commas.
libraries="
microhttpd.h:http
libpq-fe.h:store
jwt.h:token
jansson.h:token
json-c/json.h:base
ini.h:base
curl/curl.h:verify,trace
unicase.h:base
uninorm.h:base
unistr.h:base
"

# Calls that no file makes: no bound on the target, no way to see an error, or state shared between threads.
banned="strcpy|strcat|stpcpy|sprintf|vsprintf|gets|strtok|atoi|atol|atoll|atof|gmtime|localtime|ctime|asctime|tmpnam|mktemp"

# of the program and the load tester; tests may have twice as much
function_lines_max=40
file_lines_max=500
table_of_routes=src/api/routes.c # one row after the other: as long as there are endpoints

mapfile -t program < <(find include src -name '*.[ch]' | sort)
mapfile -t load_tester < <(find loadtest -name '*.[ch]' | sort)
mapfile -t outside_password < <(printf '%s\n' "${program[@]}" | grep -v '^src/password/')
mapfile -t tests < <(find tests -name '*.[ch]' | sort)
mapfile -t outside_macros < <(printf '%s\n' "${program[@]}" "${load_tester[@]}" "${tests[@]}" | grep -v '^include/jwtd/macros.h$')
mapfile -t everything < <(find include src loadtest tests examples web man -name '*.[ch]' | sort)

layer_of_header() {
    local known source
    for known in $header_layers; do
        if [[ $known == "$1":* ]]; then
            echo "${known#*:}"
            return
        fi
    done
    source=$(echo src/*/"${1%.h}.c")
    source=${source#src/}
    echo "${source%%/*}"
}

# A table for awk: the layer of each file, and of each header as it is included.
print_layers() {
    local file layer
    for file in "${program[@]}"; do
        case $file in
        src/main.c) layer=cli ;;
        src/*) layer=${file#src/} layer=${layer%%/*} ;;
        *) layer=$(layer_of_header "${file##*/}") ;;
        esac
        echo "$file $layer"
    done
}

print_facts() {
    local library layer
    echo "order $layers"
    print_layers | sed 's/^/layer /'
    for library in $libraries; do
        for layer in $(tr , ' ' <<<"${library#*:}"); do
            echo "library ${library%%:*} $layer"
        done
    done
}

check_includes() {
    awk -v layers="$layers" -v libraries="$libraries" '
        BEGIN {
            count = split(layers, names, " ")
            for (i = 1; i <= count; i++) height_of[names[i]] = i
            count = split(libraries, rows)
            for (i = 1; i <= count; i++) { split(rows[i], row, ":"); known_in[row[1]] = "," row[2] "," }
        }
        FILENAME == "-" { layer_of[$1] = $2; if (!($2 in height_of)) print $1 ":1: belongs to no layer (" $2 ")"; next }
        !/^#include/ { next }
        { name = $2; gsub(/[<">]/, "", name); layer = layer_of[FILENAME] }
        name in known_in && index(known_in[name], "," layer ",") == 0 { print FILENAME ":" FNR ": " name " is known in" known_in[name] " only" }
        $2 ~ /^"jwtd\// && height_of[layer_of["include/" name]] > height_of[layer] {
            print FILENAME ":" FNR ": " layer " includes upwards " layer_of["include/" name] " (" name ")"
        }
        $2 ~ /^"/ && $2 !~ /^"jwtd\// && name ~ /\// { print FILENAME ":" FNR ": a header of another layer goes through include/jwtd" }
    ' - "${program[@]}" < <(print_layers)
    check_load_tester
    forbid 'crypto_pwhash' 'crypto_pwhash is known in password only' "${outside_password[@]}"
}

# The load tester has its own headers, and of the service those of base only.
check_load_tester() {
    awk 'FILENAME == "-" { layer_of[$1] = $2; next }
        /^#include "jwtd\// && layer_of["include/" substr($2, 2, length($2) - 2)] != "base" {
            print FILENAME ":" FNR ": the load tester knows of the server include/jwtd headers of base only"
        }' - "${load_tester[@]}" < <(print_layers)
    local library
    for library in openssl/:transport.c libpq-fe.h:'\(probes_database\|seed\).c'; do
        { grep -Hn "#include <${library%%:*}" "${load_tester[@]}" || true; } | { grep -v "loadtest/${library#*:}:" || true; } |
            sed 's|^\([^:]*:[0-9]*\):.*|\1: a library that another file wraps|'
    done
}

# `what` for each line that matches; a comment that names it must be worded differently.
forbid() {
    local pattern=$1 what=$2
    shift 2
    { grep -nHP "$pattern" "$@" || true; } | sed "s|^\([^:]*:[0-9]*\):.*|\1: $what|"
}

check_words() {
    forbid "\\b($banned)\\s*\\(" "a banned function (see tools/check_rules.sh)" "${everything[@]}"
    forbid '\b(TODO|FIXME|XXX)\b' "unfinished" "${everything[@]}" tools/packages.sh tools/run.sh tools/test.sh Makefile
    forbid '\bsizeof\b[^;,]*/\s*sizeof\b' "ARRAY_LEN (macros.h) by hand" "${outside_macros[@]}"
    forbid '"/(home|root|work)/' "a path of one machine" "${everything[@]}"
}

# check_sizes FACTOR FILE...
check_sizes() {
    local factor=$1
    shift
    awk -v function_max="$((function_lines_max * factor))" -v file_max="$((file_lines_max * factor))" -v table="$table_of_routes" '
        FNR == 1 { begin = 0 }
        FNR == file_max + 1 && FILENAME != table { print FILENAME ":" FNR ": more than " file_max " lines" }
        /^[A-Za-z_].*\) \{$/ { begin = FNR }
        /^}/ {
            if (begin > 0 && FNR - begin + 1 > function_max) print FILENAME ":" begin ": a function of " FNR - begin + 1 " lines"
            begin = 0
        }
    ' "$@"
}

if [[ ${1-} == facts ]]; then
    print_facts
    exit
fi
breaches=$(check_includes; check_words; check_sizes 1 "${program[@]}" "${load_tester[@]}"; check_sizes 2 "${tests[@]}")
if [[ -n $breaches ]]; then
    printf '%s\n' "$breaches"
    exit 1
fi
