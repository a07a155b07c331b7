# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# compose.yaml: read by Debian's docker-compose, and its commands by the program. No engine runs here.
is_understood() {
    docker-compose --file compose.yaml config
}

# The words that it gives jwtd are commands and options that there are, and its health check is the image's, but for readiness.
names_commands() {
    /usr/bin/python3 - "$BUILD/jwtd" <<'PYTHON'
import pathlib, subprocess, sys, yaml
services = yaml.safe_load(pathlib.Path("compose.yaml").read_text())["services"]
ours = {name: service for name, service in services.items() if service["image"] == "jwtd"}
assert set(ours) == {"migrate", "keys", "jwtd"}
for service in ours.values():
    assert service["read_only"] and service["cap_drop"] == ["ALL"]
    words = service.get("command", ["serve"])
    subprocess.run([sys.argv[1], *words, "--help"], check=True)
test = ours["jwtd"]["healthcheck"]["test"]
assert test[0] == "CMD"
subprocess.run([sys.argv[1], *test[4:], "--help"], check=True)
for service in services.values():
    for volume in service.get("volumes", []):
        source = volume.split(":")[0]
        assert not source.startswith(".") or pathlib.Path(source).is_file(), source
PYTHON
}

expect "docker-compose understands it" is_understood
expect "it runs commands that jwtd has, and mounts files that there are" names_commands
