#!/bin/sh
# tools/common_passwords.sh OUT.c: writes the list of common passwords as a C file (src/password/common_passwords.h).
#
# The list is "passwords" of Dropbox's zxcvbn: the 30,000 most frequent of Mark Burnett's ten million leaked passwords. Debian
# brings it in python3-zxcvbn under the MIT licence; the notice goes into the generated file.
set -eu

[ $# -eq 1 ] || { echo "usage: $0 OUT.c" >&2; exit 2; }
lists=/usr/lib/python3/dist-packages/zxcvbn/frequency_lists.py
[ -r "$lists" ] || { echo "$0: $lists is missing: apt-get install python3-zxcvbn" >&2; exit 1; }

mkdir -p "$(dirname "$1")"
/usr/bin/python3 - "$lists" "$1" <<'PYTHON'
import os
import runpy
import sys

NOTICE = """\
/*
 * Made by tools/common_passwords.sh from the list "passwords" of zxcvbn (Debian package python3-zxcvbn); not to be edited.
 *
 * Copyright (c) 2012-2013 Dropbox, Inc., 2016 Daniel Wolf
 *
 * Permission is hereby granted, free of charge, to any person obtaining a copy of this software and associated documentation
 * files (the "Software"), to deal in the Software without restriction, including without limitation the rights to use, copy,
 * modify, merge, publish, distribute, sublicense, and/or sell copies of the Software, and to permit persons to whom the Software is
 * furnished to do so, subject to the following conditions: The above copyright notice and this permission notice shall be
 * included in all copies or substantial portions of the Software.
 *
 * THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES
 * OF MERCHANTABILITY, FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE AUTHORS OR COPYRIGHT HOLDERS BE
 * LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN
 * CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE SOFTWARE.
 */
#include <stddef.h>

extern const char common_passwords[];
extern const size_t common_passwords_len;

/* Apart from constants that the start reads, so that these take fewer pages (tools/embed_assets.sh). */
const char common_passwords[] __attribute__((section(".large_rodata"))) =
"""

source, output = sys.argv[1:]
words = set(word.casefold() for word in runpy.run_path(source)["FREQUENCY_LISTS"]["passwords"])
# Printable ASCII only: then the order of the bytes is the order of the words, and C needs no more than three escapes.
words = sorted(word for word in words if word.isascii() and word.isprintable())
if len(words) < 10000:
    sys.exit("%s: only %d passwords" % (source, len(words)))
escapes = str.maketrans({"\\": "\\\\", '"': '\\"', "?": "\\?"})
with open(output + ".new", "w", encoding="ascii") as file:
    file.write(NOTICE)
    for word in words:
        file.write('    "%s\\n"\n' % word.translate(escapes))
    file.write("    ;\n\nconst size_t common_passwords_len = sizeof common_passwords - 1;\n")
os.replace(output + ".new", output)
PYTHON
