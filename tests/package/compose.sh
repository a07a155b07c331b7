# shellcheck shell=bash
# shellcheck disable=SC2034,SC2154 # shared with the other parts: tools/package_check.sh reads them in turn
# compose.yaml: read by Debian's docker-compose, and its commands by the program. No engine runs here.
is_understood() {
    docker-compose --file compose.yaml config
}

# A login rush hashes on as many threads as there are cores, at 19 MiB each: cpus bounds them, and mem_limit must hold them.
bounds_memory() {
    /usr/bin/python3 - <<'PYTHON'
import pathlib, yaml
jwtd = yaml.safe_load(pathlib.Path("compose.yaml").read_text())["services"]["jwtd"]
connections_mib = 10000 * 12 / 1024
base_mib = 64
limit_mib = int(jwtd["mem_limit"].removesuffix("m"))
assert jwtd["cpus"] * 19 + connections_mib + base_mib <= limit_mib, (jwtd["cpus"], limit_mib)
PYTHON
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
expect "the memory holds what as many threads as it pays for take" bounds_memory
expect "it runs commands that jwtd has, and mounts files that there are" names_commands
