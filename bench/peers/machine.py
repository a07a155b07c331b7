"""What was measured, and where: for the line above a table."""
import datetime
import os
import pathlib
import re
import subprocess


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
        return f"Gin {pinned('gin/go.mod', r'gin-gonic/gin v(.+)')} (Go {pinned('gin/go.mod', r'^go ([0-9.]+)')})"
    if service == "axum":
        return f"axum {pinned('axum/Cargo.toml', r'^axum = .*?([0-9][0-9.]+)')} ({' '.join(first_line('rustc', '--version').split()[:2])})"
    if service == "fastapi":
        return f"FastAPI {pinned('fastapi/requirements.txt', r'^fastapi==([0-9.]+)')} ({first_line('python3', '--version')})"
    return service


def describe():
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = re.search(r"^model name.*: (.*)", info.read(), re.MULTILINE)
    postgres = first_line(first_line("tools/database.sh", "bin") + "/postgres", "--version")
    version = re.search(r"\d[\d.]*", postgres)
    return (f"{datetime.date.today()}, {os.cpu_count()} cores of {model[1] if model else 'an unknown kind'}, Linux {os.uname().release}, "
            f"PostgreSQL {version[0] if version else 'unknown'}")
