"""What was measured, and where: for the line above a table."""
import datetime
import os
import pathlib
import re
import subprocess

BUILD = os.environ.get("BUILD", "build")


def first_line(*command):
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[0]
    except (OSError, subprocess.CalledProcessError, IndexError):
        return ""


def pinned(file, pattern):
    try:
        match = re.search(pattern, pathlib.Path("bench/peers", file).read_text(encoding="utf-8"), re.MULTILINE)
    except OSError:
        return ""
    return match[1] if match else ""


def version_of(service):
    if service == "jwtd":
        return "jwtd " + first_line("git", "describe", "--always", "--dirty")
    if service == "gin":
        framework, language = pinned("gin/go.mod", r"gin-gonic/gin v(.+)"), first_line("go", "env", "GOVERSION").removeprefix("go")
        return f"Gin {framework} (Go {language})"
    if service == "axum":
        framework, language = pinned("axum/Cargo.toml", r'^axum = .*?"([0-9][0-9.]+)"'), first_line("rustc", "--version").split()
        return f"axum {framework} (Rust {' '.join(language[1:2])})"
    if service == "fastapi":
        framework = pinned("fastapi/requirements.txt", r"^fastapi==([0-9.]+)")
        return f"FastAPI {framework} ({first_line(f'{BUILD}/peers/fastapi/venv/bin/python', '--version')})"
    return service


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = re.search(r"^model name.*: (.*)", info.read(), re.MULTILINE)
    postgres = first_line(first_line("tools/database.sh", "bin") + "/postgres", "--version")
    version = re.search(r"\d[\d.]*", postgres)
    cores = f"{os.cpu_count()} cores of {model[1] if model else 'an unknown kind'}"
    return (f"{datetime.date.today()}, {cores}, Linux {os.uname().release}, "
            f"PostgreSQL {version[0] if version else 'unknown'}")
