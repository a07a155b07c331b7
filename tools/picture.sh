#!/bin/bash
# tools/picture.sh: prints docs/architecture.svg, the picture of the layers, drawn from the sources: a band for each layer from the top down, with
# the headers that others include and the libraries that only this layer knows; an arc for each layer that includes headers of another, the
# thicker the more. tools/layers.sh keeps it up to date.
set -euo pipefail
shopt -s inherit_errexit
cd "$(dirname "$0")/.."

# "layer FILE LAYER", "library HEADER LAYER" and "order LAYER..." of tools/check_rules.sh, then "include FILE HEADER".
print_facts() {
    tools/check_rules.sh facts
    find include src -name '*.[ch]' -print0 | sort -z | xargs -0 grep -H '^#include "jwtd/' | sed 's|^\([^:]*\):#include "\(jwtd/[^"]*\)".*|include \1 include/\2|'
}

print_facts | awk '
    function escape(text) { gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); return text }
    function label(x, y, class, text) { printf "<text x=\"%d\" y=\"%d\" class=\"%s\">%s</text>\n", x, y, class, escape(text) }
    # The names of a layer in lines of at most 84 characters; returns how many lines.
    function wrap(layer,   count, names, i, line, lines) {
        count = split(headers[layer], names, " ")
        lines = 0; line = ""
        for (i = 1; i <= count; i++) {
            if (length(line) + length(names[i]) > 84) { text[layer, lines++] = line; line = "" }
            line = line (line == "" ? "" : "  ") names[i]
        }
        if (line != "") text[layer, lines++] = line
        return lines
    }
    $1 == "order" { count = NF - 1; for (i = 2; i <= NF; i++) { name[i - 1] = $i; height_of[$i] = i - 1 } }
    $1 == "layer" { layer_of[$2] = $3 }
    $1 == "layer" && $2 ~ /^include/ { base = $2; sub(/.*\//, "", base); sub(/\.h$/, "", base); headers[$3] = headers[$3] " " base }
    $1 == "library" { libraries[$3] = libraries[$3] " " $2 }
    $1 == "include" { from = layer_of[$2]; to = layer_of[$3]; if (from != to && from != "" && to != "") uses[from " " to]++ }
    END {
        y = 46
        for (i = count; i >= 1; i--) {
            lines = wrap(name[i])
            parts = split(libraries[name[i]], part, " ")
            if (lines < parts) lines = parts
            top[name[i]] = y; size[name[i]] = lines * 17 + 14; middle[name[i]] = y + size[name[i]] / 2
            y += size[name[i]] + 8
        }
        printf "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 1180 %d\" font-family=\"sans-serif\">\n", y + 10
        print "<style>.layer{font-size:17px;font-weight:bold}.name{font-size:12.5px}.head{font-size:13px;fill:#555}"
        print ".band{fill:#f3f5f8;stroke:#c4ccd6}.arc{fill:none;stroke:#2b6cb0;stroke-opacity:.45}.uses{font-size:12px;fill:#8a4b08}</style>"
        printf "<rect width=\"1180\" height=\"%d\" fill=\"#fff\"/>\n", y + 10
        label(24, 28, "head", "layer"); label(150, 28, "head", "headers that others may include"); label(720, 28, "head", "libraries known here only")
        label(905, 28, "head", "who includes whom: only ever downwards")
        for (i = count; i >= 1; i--) {
            layer = name[i]
            printf "<rect class=\"band\" x=\"10\" y=\"%d\" width=\"890\" height=\"%d\" rx=\"6\"/>\n", top[layer], size[layer]
            label(24, top[layer] + 21, "layer", layer)
            for (j = 0; (layer, j) in text; j++) label(150, top[layer] + 20 + j * 17, "name", text[layer, j])
            parts = split(libraries[layer], part, " ")
            for (j = 1; j <= parts; j++) label(720, top[layer] + 20 + (j - 1) * 17, "uses", part[j])
        }
        for (i = count; i >= 1; i--) for (j = i - 1; j >= 1; j--) {
            n = uses[name[i] " " name[j]]
            if (n == 0) continue
            width = n > 60 ? 5 : n > 20 ? 3.5 : n > 5 ? 2 : 1
            from = middle[name[i]] + 6; to = middle[name[j]] - 6; reach = 902 + 30 + (to - from) * 0.36
            printf "<path class=\"arc\" stroke-width=\"%s\" d=\"M902 %d C%d %d %d %d 902 %d\"><title>%s includes %s</title></path>\n", \
                width, from, reach, from, reach, to, to, name[i], name[j]
        }
        print "</svg>"
    }'
