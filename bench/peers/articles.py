"""articles.py DIRECTORY A B: compares two peers as the articles did; the pages and comparison.md go into DIRECTORY."""
import contextlib
import itertools
import os
import re
import shlex
import signal
import subprocess
import sys

import machine
from services import BUILD, PORT, Database, Service

RATE, REQUESTS = 100, int(os.environ["REQUESTS"])
FIND = shlex.split(os.environ["FIND"])
STEPS, MINUTES_TO_FIND = 5, 3
steps_begun = itertools.count(1)


def say_step(what):
    print(f"step {next(steps_begun)} of {STEPS}: {what}", file=sys.stderr)


class Page:
    """comparison.md: what was run, and what failpoint said."""

    def __init__(self, directory):
        self.directory, self.lines = directory, []

    def add(self, *lines):
        self.lines += lines
        with open(f"{self.directory}/comparison.md", "w", encoding="utf-8") as file:
            file.write("\n".join(self.lines) + "\n")

    def run(self, name, services, *arguments):
        """Runs failpoint. It names services by their address; the page by their name."""
        command = [f"{BUILD}/failpoint", *arguments, "--quiet", "--out", f"{self.directory}/{name}.json",
                   "--html", f"{self.directory}/{name}.html"]
        said = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout
        shown = shlex.join(["failpoint", *arguments])
        for service in services:
            for what, short in (service.url, service.name), (shlex.quote(service.conninfo), "$DATABASE"):
                shown, said = (text.replace(what, short) for text in (shown, said))
        # the last line names the record and the page
        said = re.sub(r"^.*\.html.*\n?", "", said, flags=re.MULTILINE).strip("\n")
        print(said, file=sys.stderr)
        self.add("```", f"$ {shown}", said, "```", "", f"[The report](comparison/{name}.html).", "")


@contextlib.contextmanager
def serving(name, port):
    """A service that runs, on a database of its own."""
    database = Database(f"postgres-{name}-{port}")
    service = Service(name, database, port)
    try:
        service.start()
        yield service
    finally:
        service.stop()
        database.remove()


def main():
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    directory, names = sys.argv[1], sys.argv[2:]
    versions = [machine.version_of(name) for name in names]
    titles = [version.split()[0] for version in versions]
    print(f"about {round(2 * REQUESTS / RATE / 60 + MINUTES_TO_FIND * 2 * len(names))} min", file=sys.stderr)
    page = Page(directory)
    page.add(f"# {' and '.join(titles)}", "",
             "The comparison of the two articles, repeated by [failpoint](../loadtest/README.md): written by `make compare-articles`,",
             "not by hand. Both peers are in [bench/peers](../bench/peers/README.md); both have the same tables, the same argon2id,",
             f"the same number of connections to a PostgreSQL of their own. A is {titles[0]}, B is {titles[1]}.", "",
             f"{machine.describe()}; {', '.join(versions)}.",
             "Load and PostgreSQL on the same cores.", "",
             f"## {RATE} requests a second for {REQUESTS:,} requests each", "",
             "90 % `/auth/me`, 8 % `/auth/refresh`, 2 % `/auth/login`, in slices of the order ABBA, so that what else the machine does",
             "falls on both.", "")
    say_step(f"{titles[0]} and {titles[1]} at {RATE} requests a second")
    with serving(names[0], PORT) as a, serving(names[1], PORT + 1) as b:
        page.run("compare", (a, b), "compare", a.url, b.url, "--scenario", "mixed", "--rate", str(RATE), "--duration",
                 f"{2 * REQUESTS / RATE:g}s")
    for scenario, title, arguments in (
            ("mixed", "More of the same requests until it fails", ()),
            ("users", "More users who log in until it fails", ("--by", "users"))):
        page.add(f"## {title}", "")
        for number, name in enumerate(names):
            say_step(f"{titles[number]}: {title[0].lower()}{title[1:]}")
            with serving(name, PORT + number) as service:
                page.run(f"{scenario}-{'ab'[number]}-{name}", (service,), "find", service.url, "--scenario",
                         "login" if arguments else "mixed", *arguments, *FIND, "--pg", service.conninfo)


main()
