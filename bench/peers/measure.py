"""measure.py SAMPLES SERVICE...: runs the rounds and writes every sample; bench.sh prepares what it needs."""
import concurrent.futures
import contextlib
import json
import os
import re
import resource
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request

from services import (BUILD, URL, WORK, Database, Service, cpu_seconds, forget_peak, peak_mib, proportional_mib, resident_mib,
                      run)

SECONDS, ROUNDS = float(os.environ["SECONDS_EACH"]), int(os.environ["ROUNDS"])
ACCOUNTS, SESSIONS = 5000, 64
PASSWORD = "failpoint walks along the sea wall"  # of failpoint's accounts, which login.lua knows, too
SPARE_DESCRIPTORS = 500

# failpoint knows no scenario for it: a login that is a GET of /health/live.
LIVE_API = {"login": {"method": "GET", "path": "/health/live", "fields": {"email": "", "password": ""},
                      "reply": {"access_token": "", "refresh_token": "", "expires_in": ""}}}

samples, errors = [], []


def note(service, round_number, **figures):
    for what, value in figures.items():
        if value is not None:
            samples.append({"service": service.name, "round": round_number, "what": what, "value": value})


# ---- the load ----


def wrk(*arguments, seconds=SECONDS, **environment):
    """What wrk counted: replies that were 2xx per second and in all, those that were not, and what was not answered."""
    out = run("wrk", "-t1", f"-d{seconds:g}s", *arguments, env=os.environ | environment)
    replies, took, unit = re.search(r"(\d+) requests in ([\d.]+)([sm])", out).groups()
    failed = sum(map(int, re.findall(r"Non-2xx or 3xx responses: (\d+)", out)))
    lost = sum(map(int, re.findall(r"(?:connect|read|write) (\d+)", out)))  # what wrk calls a timeout was only slow
    ok = int(replies) - failed
    return {"ok": ok, "per_second": ok / float(took) / (60 if unit == "m" else 1), "failed": failed + lost}


class Failpoint:
    """failpoint hold with options; `result` waits for its record."""

    def __init__(self, name, *options):
        self.record = f"{WORK}/{name}.json"
        command = [f"{BUILD}/failpoint", "hold", URL, "--quiet", "--seeded", "--email", "crowd-{}@example.org",
                   "--out", self.record, "--html", f"{WORK}/{name}.html", *options]
        with contextlib.suppress(FileNotFoundError):
            os.remove(self.record)
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def result(self):
        said = self.process.communicate(timeout=120)[0]
        try:
            with open(self.record, encoding="utf-8") as file:
                step = json.load(file)["steps"][0]
        except (FileNotFoundError, IndexError):
            raise RuntimeError(f"failpoint: {said}") from None
        classes = {}
        for endpoint in step["endpoints"].values():
            for name, count in endpoint["classes"].items():
                classes[name] = classes.get(name, 0) + count
        return step["figures"], classes


def unanswered(classes):
    return sum(classes[name] for name in ("refused", "reset", "timeout"))


def wrong(classes):
    return sum(classes[name] for name in ("client", "server", "bad reply", "local"))


# ---- sessions ----


def post(path, body):
    request = urllib.request.Request(URL + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as reply:
        return json.load(reply)


def log_in(number):
    """A busy machine may have it refused: this is no measurement yet."""
    for _ in range(20):
        try:
            return post("/auth/login", {"email": f"crowd-{number}@example.org", "password": PASSWORD})
        except urllib.error.HTTPError as error:
            if error.code != 503:
                raise
            time.sleep(0.5)
    raise RuntimeError("no login succeeds")


def open_sessions():
    """One of each of SESSIONS users: files of their access tokens and of their refresh tokens."""
    with concurrent.futures.ThreadPoolExecutor(2) as threads:
        sessions = list(threads.map(log_in, range(1, SESSIONS + 1)))
    files = []
    for token in ("access_token", "refresh_token"):
        files.append(f"{WORK}/{token}s")
        with open(files[-1], "w", encoding="ascii") as file:
            file.writelines(session[token] + "\n" for session in sessions)
    return files


def check_replies():
    """Who answers quickly but wrongly is not measured. failpoint checks the body of each reply; wrk only its status."""
    session = log_in(SESSIONS + 1)
    bearer = {"Authorization": "Bearer " + session["access_token"]}
    with urllib.request.urlopen(urllib.request.Request(URL + "/auth/me", headers=bearer), timeout=5) as reply:
        assert json.load(reply)["email"] == f"crowd-{SESSIONS + 1}@example.org"
    with urllib.request.urlopen(urllib.request.Request(URL + "/auth/verify", headers=bearer), timeout=5) as reply:
        assert reply.headers["X-Auth-Subject"]
    assert post("/auth/refresh", {"refresh_token": session["refresh_token"]})["refresh_token"] != session["refresh_token"]
    for path in ("/auth/me", "/auth/verify"):
        try:
            bad = urllib.request.Request(URL + path, headers={"Authorization": bearer["Authorization"][:-4] + "AAAA"})
            urllib.request.urlopen(bad, timeout=5)
            raise AssertionError(f"{path} accepts a token with a wrong signature")
        except urllib.error.HTTPError as error:
            assert error.code == 401


# ---- what is measured ----


def settle(service, database):
    """Until the work that the last load has left is done, or ten seconds have passed."""
    for _ in range(40):
        before = cpu_seconds(service.pid) + cpu_seconds(database.pid)
        time.sleep(0.25)
        if cpu_seconds(service.pid) + cpu_seconds(database.pid) - before < 0.02:
            return


def measure_cost(service, database, *arguments, **environment):
    """Microseconds of processor time for each request that was answered well."""
    server, postgres = cpu_seconds(service.pid), cpu_seconds(database.pid)
    load = wrk(*arguments, **environment)
    server, postgres = cpu_seconds(service.pid) - server, cpu_seconds(database.pid) - postgres
    each = 1e6 / max(load["ok"], 1)
    return {"server_us": server * each, "database_us": postgres * each, "us": (server + postgres) * each,
            "per_second": load["per_second"], "failed": load["failed"]}


def measure_idle(service, round_number):
    time.sleep(1)
    note(service, round_number, idle_rss=resident_mib(service.pid), idle_pss=proportional_mib(service.pid))


def measure_connections(service, round_number):
    """Idle connections: the memory of each, and whether the service still answers beside them."""
    wanted = min(10000, resource.getrlimit(resource.RLIMIT_NOFILE)[0] - SPARE_DESCRIPTORS)
    before = resident_mib(service.pid)
    idle = subprocess.Popen([f"{BUILD}/failpoint", "idle", URL, "--quiet", "--connections", str(wanted), "--duration", "2s",
                             "--pid", str(service.pid), "--out", f"{WORK}/idle.json", "--html", f"{WORK}/idle.html"],
                            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    most, answered = before, False
    while idle.poll() is None:
        time.sleep(0.3)
        most = max(most, resident_mib(service.pid))
        answered = service.answers("/health/live") if idle.poll() is None else answered
    said = idle.communicate()[0]
    held = int((re.search(r"(\d+) there after", said) or [0, 0])[1])
    note(service, round_number, connections_wanted=wanted, connections_held=held,
         connections_survived=int(answered and idle.returncode == 0), connection_kib=(most - before) * 1024 / wanted, connections_rss=most)


def measure_requests(service, database, round_number):
    access_tokens, refresh_tokens = open_sessions()
    for what, path in ("verify", "/auth/verify"), ("me", "/auth/me"):
        cost = measure_cost(service, database, "-c32", "-s", "bench/peers/bearer.lua", URL + path, BENCH_TOKENS=access_tokens)
        note(service, round_number, **{f"{what}_{name}": value for name, value in cost.items()})
    cost = measure_cost(service, database, "-c16", "-s", "tests/bench/refresh.lua", URL, BENCH_TOKENS=refresh_tokens)
    note(service, round_number, **{f"refresh_{name}": value for name, value in cost.items()})


def measure_logins(service, database, round_number):
    """At 16 connections; then at 100, with GET /health/live at 200 per second beside them and a look at the memory."""
    script = ("-s", "bench/peers/login.lua", URL)
    load = wrk("-c16", *script, seconds=2 * SECONDS, BENCH_ACCOUNTS=str(ACCOUNTS))
    note(service, round_number, login16=load["per_second"], login16_failed=load["failed"])
    settle(service, database)
    forget_peak(service.pid)
    with concurrent.futures.ThreadPoolExecutor(1) as thread:
        seconds = 2 * SECONDS
        load = thread.submit(wrk, "-c100", *script, seconds=seconds + 1, BENCH_ACCOUNTS=str(ACCOUNTS))
        time.sleep(0.5)
        live = Failpoint("live", "--api", f"{WORK}/live.json.api", "--scenario", "login", "--accounts", "16",
                         "--rate", "200", "--duration", f"{seconds - 0.5:g}s")
        time.sleep(seconds / 2)
        note(service, round_number, load_pss=proportional_mib(service.pid))
        figures, classes = live.result()
        load = load.result()
    note(service, round_number, login100=load["per_second"], login100_failed=load["failed"], live_p50=figures["p50"],
         live_p99=figures["p99"], live_failed=unanswered(classes) + wrong(classes), load_rss=peak_mib(service.pid))


def measure_storm(service, database, round_number):
    """5,000 users log in at once and go on for ten seconds, each as Retry-After says; beside it, GET /auth/me at 50 per second."""
    settle(service, database)
    accounts = ("--accounts", str(ACCOUNTS))
    best, _ = Failpoint("best", "--scenario", "login", "--users", "16", *accounts, "--duration", f"{SECONDS:g}s").result()
    settle(service, database)
    forget_peak(service.pid)
    probe = Failpoint("probe", "--scenario", "me", "--rate", "50", "--accounts", "4", "--sessions", "4", "--duration", "12s")
    time.sleep(2)
    figures, classes = Failpoint("storm", "--scenario", "login", "--users", "5000", *accounts, "--connections", "6000",
                                 "--duration", "10s", "--retry-after", "honour").result()
    note(service, round_number, storm_logins=figures["served"], storm_goodput=figures["served"] / max(best["served"], 0.1),
         storm_unanswered=unanswered(classes), storm_wrong=wrong(classes), storm_refused=classes["shed"],
         storm_rss=peak_mib(service.pid))
    figures, classes = probe.result()
    note(service, round_number, storm_me_p99=figures["p99"],
         storm_me_failed=unanswered(classes) + wrong(classes) + classes["shed"])


# ---- rounds ----


def is_whole(round_number):
    """What takes longest is measured in every second round."""
    return round_number % 2 == 0


def take_turn(name, round_number):
    database = Database()
    try:
        service = Service(name, database)
        measure_service(service, database, round_number)
    finally:
        database.remove()


def measure_service(service, database, round_number):
    try:
        note(service, round_number, start_ms=service.ms_to_first_200())
        service.start()
        measure_idle(service, round_number)
        if is_whole(round_number):
            measure_connections(service, round_number)
        service.stop()
        service.start()
        database.seed(ACCOUNTS)
        check_replies()
        measure_requests(service, database, round_number)
        measure_logins(service, database, round_number)
        if is_whole(round_number):
            measure_storm(service, database, round_number)
    finally:
        service.stop()


def write(file, names):
    with open(file, "w", encoding="ascii") as out:
        json.dump({"seconds": SECONDS, "rounds": ROUNDS, "services": names, "samples": samples, "errors": errors}, out, indent=0)


def minutes_for(services):
    """Roughly: seconds of the load, and of a cluster, a start and the accounts of a turn."""
    turns = (8 * SECONDS + 45 if is_whole(number) else 7 * SECONDS + 12 for number in range(ROUNDS))
    return max(1, round(services * sum(turns) / 60))


def main():
    for number in signal.SIGINT, signal.SIGTERM:
        signal.signal(number, lambda received, _: sys.exit(128 + received))
    file, names = sys.argv[1], sys.argv[2:]
    print(f"about {minutes_for(len(names))} min", file=sys.stderr)
    with open(f"{WORK}/live.json.api", "w", encoding="ascii") as api:
        json.dump(LIVE_API, api)
    for round_number in range(ROUNDS):
        shift = round_number % len(names)
        for name in names[shift:] + names[:shift]:
            begin = time.monotonic()
            what, failure = f"round {round_number + 1} of {ROUNDS}: {name}", None
            print(what, end=", ", file=sys.stderr, flush=True)
            try:
                take_turn(name, round_number)
            except (AssertionError, OSError, RuntimeError, subprocess.SubprocessError) as error:
                failure = f"{what}: {error!r}"  # the others go on
                errors.append(failure)
            print(f"{time.monotonic() - begin:.0f} s", *filter(None, [failure]), sep="\n", file=sys.stderr)
            write(file, names)


main()
