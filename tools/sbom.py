#!/usr/bin/python3
"""tools/sbom.py PROGRAM: prints a CycloneDX 1.5 document of PROGRAM: the Debian packages of the shared libraries that it loads, and of those
that are linked into it, what of npm and PyPI is embedded, each with version, purl and licences, and which needs which.

Licences of a Debian package are those that its /usr/share/doc/PACKAGE/copyright states for what is not its packaging, so more than a library
alone may have; where that file is not in the machine-readable format they stand here, in LICENCES. Run on the machine that built PROGRAM."""

import hashlib
import json
import os
import pathlib
import re
import subprocess
import sys
import uuid

# linked statically or embedded: see the Makefile and tools/common_passwords.sh
BY_NAME = ("libcurl.so.4",)  # loaded when traces are sent (src/trace/curl_library.c)
STATIC_PACKAGES = ("libsodium-dev", "libjson-c-dev")
WORD_LIST_PACKAGE = "python3-zxcvbn"
VERSION_HEADER = "include/jwtd/version.h"
SWAGGER_SCRIPT = "tools/swagger_ui.sh"

# Debian's names that differ from those of SPDX
SPDX = {
    "Expat": "MIT", "BSD-2-clause": "BSD-2-Clause", "BSD-3-clause": "BSD-3-Clause", "BSD-3-Clause": "BSD-3-Clause",
    "BSD-4-clause": "BSD-4-Clause", "GPL-2": "GPL-2.0-only", "GPL-2+": "GPL-2.0-or-later", "GPL-2.0+": "GPL-2.0-or-later", "GPL-3": "GPL-3.0-only",
    "GPL-3+": "GPL-3.0-or-later", "GPLv3+": "GPL-3.0-or-later", "LGPL-2": "LGPL-2.0-only", "LGPL-2+": "LGPL-2.0-or-later", "LGPL-2.1": "LGPL-2.1-only", "LGPL-2.1+": "LGPL-2.1-or-later",
    "LGPLv2.1+": "LGPL-2.1-or-later", "LGPL-3": "LGPL-3.0-only", "LGPL-3+": "LGPL-3.0-or-later", "LGPLv3+": "LGPL-3.0-or-later", "MPL-2.0": "MPL-2.0", "Apache-2": "Apache-2.0", "Apache-2.0": "Apache-2.0",
    "zlib": "Zlib", "Zlib": "Zlib", "ISC": "ISC", "MIT": "MIT", "PostgreSQL": "PostgreSQL", "CC0": "CC0-1.0", "CC0-1.0": "CC0-1.0", "curl": "curl", "OpenLDAP-2.8": "OLDAP-2.8",
    "GFDL-1.3+": "GFDL-1.3-or-later", "GFDL-1.3+-no-invariant": "GFDL-1.3-no-invariants-or-later", "GPL-1+": "GPL-1.0-or-later", "Artistic": "Artistic-1.0-Perl",
}

# by source package, where the copyright file is prose
LICENCES = {
    "glibc": ["LGPL-2.1+"], "krb5": ["MIT Kerberos"], "gnutls28": ["LGPL-2.1+"], "libtasn1-6": ["LGPL-2.1+"], "rtmpdump": ["LGPL-2.1+"],
    "libgcrypt20": ["LGPL-2.1+"], "libgpg-error": ["LGPL-2.1+"], "libssh2": ["BSD-3-clause"], "gcc-12": ["GPL-3.0-or-later WITH GCC-exception-3.1"],
}


def run(*words):
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def fields_of(package):
    """The package as dpkg knows it."""
    names = ("Package", "Version", "Architecture", "source:Package", "source:Version", "Homepage")
    lines = run("dpkg-query", "--show", "--showformat=" + "".join("${%s}\\n" % name for name in names), package).split("\n")
    return dict(zip(names, lines))


def owner_of(path):
    """The package that a file is of; the database of dpkg may know it by its path before directories were merged."""
    for candidate in (path, os.path.realpath(path), "/usr" + path, re.sub("^/usr", "", os.path.realpath(path))):
        found = subprocess.run(["dpkg-query", "--search", candidate], check=False, capture_output=True, text=True)
        if found.returncode == 0:
            return found.stdout.split(":")[0]
    sys.exit(f"tools/sbom.py: no package has {path}")


def path_of(name):
    """Where the loader finds a library that the program loads by its name."""
    return re.search(r"^\s*%s .*=> (\S+)" % re.escape(name), run("/sbin/ldconfig", "-p"), re.MULTILINE)[1]


def loaded_by(program):
    """Names and paths of the libraries that the loader would load."""
    by_name = {name: path_of(name) for name in BY_NAME}
    lines = run("ldd", program, *by_name.values()).splitlines()
    return by_name | {os.path.basename(match[1]): match[1] for match in (re.search(r"(/\S+) \(0x", line) for line in lines) if match}


def needed_by(path):
    return re.findall(r"NEEDED +(\S+)", run("objdump", "-p", path))


def short_names(package):
    """The licences of a machine-readable copyright file (DEP 5), without those of the packaging."""
    text = pathlib.Path("/usr/share/doc", package, "copyright").read_text(encoding="utf-8", errors="replace")
    if not re.match(r"Format:", text, re.IGNORECASE):
        return None
    names = set()
    for paragraph in re.split(r"\n\s*\n", text):
        files, licence = (re.search(r"^%s:[ \t]*((?:.*)(?:\n[ \t]+\S+)*)" % name, paragraph, re.MULTILINE) for name in ("Files", "License"))
        if files and licence and not all(file.startswith("debian/") for file in files[1].split()):
            names.update(re.split(r",? (?:and|or|and/or) |, ", licence[1].split("\n")[0].strip()))
    return sorted(name.split(" with ")[0] for name in names if name)


def licences_of(package, source):
    names = LICENCES.get(source) or short_names(package)
    if not names:
        sys.exit(f"tools/sbom.py: which licences has {package} (of {source})? Write them into LICENCES")
    found = []
    for name in names:
        licence = {"license": {"id": SPDX[name]} if name in SPDX else {"name": name}}
        if licence not in found:
            found.append(licence)
    return found


def debian_component(package, how):
    fields = fields_of(package)
    release = re.search(r'^VERSION_ID="?(\w+)', pathlib.Path("/etc/os-release").read_text(), re.MULTILINE)
    purl = "pkg:deb/debian/%s@%s?arch=%s&distro=debian-%s" % (
        fields["Package"], fields["Version"].replace("+", "%2B").replace(":", "%3A"), fields["Architecture"], release[1] if release else "")
    return {
        "type": "library", "bom-ref": purl, "name": fields["Package"], "version": fields["Version"], "purl": purl,
        "licenses": licences_of(fields["Package"], fields["source:Package"]),
        "properties": [{"name": "jwtd:linked", "value": how}, {"name": "jwtd:source", "value": fields["source:Package"] + " " + fields["source:Version"]}],
    }


def swagger_component():
    script = pathlib.Path(SWAGGER_SCRIPT).read_text()
    version, digest = (re.search(r"^%s=(\S+)" % name, script, re.MULTILINE)[1] for name in ("version", "sha512"))
    purl = "pkg:npm/swagger-ui-dist@" + version
    return {
        "type": "library", "bom-ref": purl, "name": "swagger-ui-dist", "version": version, "purl": purl,
        "hashes": [{"alg": "SHA-512", "content": digest}], "licenses": [{"license": {"id": "Apache-2.0"}}],
        "properties": [{"name": "jwtd:linked", "value": "embedded: the page /docs"}],
    }


def components_of(program):
    """The components by bom-ref, and the dependencies of each."""
    paths = loaded_by(program)
    found = {name: debian_component(owner_of(path), "dynamically") for name, path in paths.items()}
    references = {name: component["bom-ref"] for name, component in found.items()}
    needs = {}
    for name, path in paths.items():
        others = needs.setdefault(references[name], set())
        others.update(references[other] for other in needed_by(path) if other in references and references[other] != references[name])
    own = [debian_component(package, "statically") for package in STATIC_PACKAGES]
    own += [debian_component(WORD_LIST_PACKAGE, "embedded: its list of common passwords"), swagger_component()]
    components = {component["bom-ref"]: component for component in [*found.values(), *own]}
    root = {references[name] for name in [*needed_by(program), *BY_NAME] if name in references} | {component["bom-ref"] for component in own}
    return components, needs, root


def main(program):
    version = re.search(r'JWTD_VERSION "(.*)"', pathlib.Path(VERSION_HEADER).read_text())[1]
    components, needs, root = components_of(program)
    this = {"type": "application", "bom-ref": "jwtd@" + version, "name": "jwtd", "version": version,
            "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(pathlib.Path(program).read_bytes()).hexdigest()}]}
    dependencies = [{"ref": this["bom-ref"], "dependsOn": sorted(root)}]
    dependencies += [{"ref": reference, "dependsOn": sorted(needs.get(reference, ()))} for reference in sorted(components)]
    document = {"metadata": {"component": this}, "components": [components[reference] for reference in sorted(components)], "dependencies": dependencies}
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(document, sort_keys=True))
    print(json.dumps({"$schema": "http://cyclonedx.org/schema/bom-1.5.schema.json", "bomFormat": "CycloneDX", "specVersion": "1.5",
                      "serialNumber": f"urn:uuid:{serial}", "version": 1, **document}, indent=1))


main(sys.argv[1])
