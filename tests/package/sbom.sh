# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# The bill of materials: read by CycloneDX's own library, and compared with what the program really loads.
sbom=$work/sbom.json
validator=build/sbom-validator

is_written() {
    /usr/bin/python3 tools/sbom.py "$BUILD/jwtd" >"$sbom"
}

# install_validator: into an environment of its own; what has not changed is not installed again
install_validator() {
    local python
    cmp -s tests/package/sbom-requirements.txt "$validator/installed" && return
    python=$(find_python 3.9) || return
    rm -rf "$validator"
    "$python" -m venv "$validator"
    timeout 150 "$validator/bin/pip" install --quiet --disable-pip-version-check -r tests/package/sbom-requirements.txt || return
    cp tests/package/sbom-requirements.txt "$validator/installed"
}

is_cyclonedx() {
    "$validator/bin/python" - "$sbom" <<'PYTHON'
import pathlib, sys
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
error = JsonStrictValidator(SchemaVersion.V1_5).validate_str(pathlib.Path(sys.argv[1]).read_text())
sys.exit(repr(error) if error else 0)
PYTHON
}

names_every_library() {
    /usr/bin/python3 - "$sbom" "$BUILD/jwtd" <<'PYTHON'
import json, os, re, subprocess, sys
components = json.load(open(sys.argv[1]))["components"]
names = {component["name"] for component in components}
text = subprocess.run(["ldd", sys.argv[2]], check=True, capture_output=True, text=True).stdout
for path in re.findall(r"(/\S+) \(0x", text):
    for candidate in (path, "/usr" + path, os.path.realpath(path)):
        found = subprocess.run(["dpkg-query", "-S", candidate], capture_output=True, text=True)
        if found.returncode == 0:
            break
    assert found.stdout.split(":")[0] in names, path
assert {"libsodium-dev", "libjson-c-dev", "swagger-ui-dist", "python3-zxcvbn"} <= names, names
assert all(component["licenses"] for component in components)
PYTHON
}

is_reproducible() {
    /usr/bin/python3 tools/sbom.py "$BUILD/jwtd" | cmp - "$sbom"
}

expect "make sbom writes it" is_written
if ! install_validator >"$work/validator" 2>&1; then
    [[ ${CI-} != true ]] || cat "$work/validator"
    skip "CycloneDX's library cannot be had: PyPI does not answer"
else
    expect "CycloneDX's own library finds it valid" is_cyclonedx
fi
expect "it names the package of each library that is loaded, and what is linked or embedded, with licences" names_every_library
expect "made twice it is the same" is_reproducible
