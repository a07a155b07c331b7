"""table.py SAMPLES TABLE [DOCUMENT]: the samples of measure.py as tables in Markdown; in DOCUMENT they replace the marked block."""
import json
import pathlib
import statistics
import sys

import machine

LESS, MORE = min, max

# what is shown, its samples, digits behind the point, what is better
ROWS = [
    ("**Logins**", None, 0, None),
    ("`/auth/login`, 16 connections, per s", "login16", 0, MORE),
    ("`/auth/login`, 100 connections, per s", "login100", 0, MORE),
    ("`/health/live` beside the 100, p50, ms", "live_p50", 1, LESS),
    ("`/health/live` beside the 100, p99, ms", "live_p99", 1, LESS),
    ("**Processor time of a request**, us", None, 0, None),
    ("`/auth/verify`, server + PostgreSQL", "verify_us", 1, LESS),
    ("`/auth/me`, server + PostgreSQL", "me_us", 1, LESS),
    ("`/auth/me`, server", "me_server_us", 1, LESS),
    ("`/auth/me`, PostgreSQL", "me_database_us", 1, LESS),
    ("`/auth/refresh`, server + PostgreSQL", "refresh_us", 0, LESS),
    ("`/auth/refresh`, server", "refresh_server_us", 0, LESS),
    ("`/auth/refresh`, PostgreSQL", "refresh_database_us", 0, LESS),
    ("**Requests per s** at that, the load on the same cores", None, 0, None),
    ("`/auth/verify`, 32 connections", "verify_per_second", 0, MORE),
    ("`/auth/me`, 32 connections", "me_per_second", 0, MORE),
    ("`/auth/refresh`, 16 connections", "refresh_per_second", 0, MORE),
    ("**5,000 users log in at once, for 10 s**", None, 0, None),
    ("logins per s / those of 16 users", "storm_goodput", 2, MORE),
    ("logins per s", "storm_logins", 0, MORE),
    ("without an answer in 5 s", "storm_unanswered", 0, LESS),
    ("answered wrongly (neither 200 nor 429 nor 503)", "storm_wrong", 0, LESS),
    ("refused with 429 or 503 at once", "storm_refused", 0, None),
    ("`/auth/me` beside them at 50 per s, p99, ms", "storm_me_p99", 1, LESS),
    ("`/auth/me` beside them: not answered with 200", "storm_me_failed", 0, LESS),
    ("**Start**", None, 0, None),
    ("to the first 200 of `/health/ready`, ms", "start_ms", 1, LESS),
    ("**Memory**, MiB, all processes of the service", None, 0, None),
    ("idle, resident", "idle_rss", 1, LESS),
    ("idle, proportional (PSS)", "idle_pss", 1, LESS),
    ("100 connections log in, highest resident", "load_rss", 1, LESS),
    ("100 connections log in, PSS", "load_pss", 1, LESS),
    ("5,000 users log in, highest resident", "storm_rss", 1, LESS),
    ("10,000 idle connections, resident", "connections_rss", 1, LESS),
    ("10,000 idle connections, each, KiB", "connection_kib", 1, LESS),
    ("10,000 idle connections: held", "connections_held", 0, MORE),
    ("10,000 idle connections: held, and answered beside them (1: yes)", "connections_survived", 0, MORE),
    ("**Replies that were not 2xx, or lost**", None, 0, None),
    ("`/auth/login`, 16 connections", "login16_failed", 0, LESS),
    ("`/auth/login`, 100 connections", "login100_failed", 0, LESS),
    ("`/health/live` beside the 100", "live_failed", 0, LESS),
    ("`/auth/verify`", "verify_failed", 0, LESS),
    ("`/auth/me`", "me_failed", 0, LESS),
    ("`/auth/refresh`", "refresh_failed", 0, LESS),
]

REFERENCE = "axum"
# what is compared, its samples, at least or at most, the target
TARGETS = [
    ("logins per s, 16 connections", "login16", ">=", 1.8),
    ("logins per s, 100 connections", "login100", ">=", 1.8),
    ("`/auth/verify`, processor time", "verify_us", "<=", 0.75),
    ("`/auth/me`, processor time", "me_us", "<=", 0.55),
    ("`/auth/refresh`, processor time", "refresh_us", "<=", 0.65),
    ("`/health/live` beside 100 logins, p99", "live_p99", "<=", 1),
    ("memory: idle, resident", "idle_rss", "<", 1),
    ("memory: idle, PSS", "idle_pss", "<", 1),
    ("memory: 100 connections log in, resident", "load_rss", "<", 1),
    ("memory: 100 connections log in, PSS", "load_pss", "<", 1),
    ("memory: 5,000 users log in, resident", "storm_rss", "<", 1),
    ("memory: 10,000 idle connections, resident", "connections_rss", "<", 1),
    ("memory: an idle connection", "connection_kib", "<", 1),
]
IS_MET = {">=": lambda a, b: a >= b, "<=": lambda a, b: a <= b, "<": lambda a, b: a < b}
BEGIN, END = "<!-- begin of what make bench-peers writes -->\n", "<!-- end of what make bench-peers writes -->\n"


class Samples:
    def __init__(self, file):
        with open(file, encoding="ascii") as records:
            record = json.load(records)
        self.seconds, self.rounds, self.services = record["seconds"], record["rounds"], record["services"]
        self.errors = record["errors"]
        self.values = {}
        for sample in record["samples"]:
            self.values.setdefault((sample["service"], sample["what"]), {})[sample["round"]] = sample["value"]

    def of(self, service, what):
        return list(self.values.get((service, what), {}).values())

    def ratios(self, service, reference, what):
        """Of the two in each round: what the machine does meanwhile falls on both."""
        own, other = self.values.get((service, what), {}), self.values.get((reference, what), {})
        return [own[number] / other[number] for number in own if other.get(number)]


def shown(number, digits):
    return f"{number:,.{digits}f}"


def spread(values, digits):
    low, middle, high = (shown(number, digits) for number in (min(values), statistics.median(values), max(values)))
    return middle, "" if low == high else f" ({low} to {high})"


def cells_of(samples, what, digits, better):
    """The median, and from where to where; in bold what is best, or as good as it when rounded."""
    medians = {name: statistics.median(samples.of(name, what)) for name in samples.services if samples.of(name, what)}
    best = shown(better(medians.values()), digits) if better and medians else None
    if len({shown(median, digits) for median in medians.values()}) < 2:
        best = None
    for name in samples.services:
        if name not in medians:
            yield "not measured"
            continue
        middle, rest = spread(samples.of(name, what), digits)
        yield (f"**{middle}**" if middle == best else middle) + rest


def table_of(samples):
    yield "| | " + " | ".join(samples.services) + " |"
    yield "|---|" + "---|" * len(samples.services)
    for text, what, digits, better in ROWS:
        cells = cells_of(samples, what, digits, better) if what else [""] * len(samples.services)
        yield f"| {text} | " + " | ".join(cells) + " |"


def targets_of(samples):
    yield f"| jwtd / {REFERENCE} | ratio | target | |"
    yield "|---|---|---|---|"
    for text, what, sign, target in TARGETS:
        ratios = samples.ratios("jwtd", REFERENCE, what)
        if not ratios:
            continue
        middle, rest = spread(ratios, 2)
        met = "met" if IS_MET[sign](statistics.median(ratios), target) else "**missed**"
        yield f"| {text} | {middle}{rest} | {sign} {target} | {met} |"


def describe(samples):
    settings = [f"{name}={value:g}" for name, value, usual in
                (("ROUNDS", samples.rounds, 5), ("SECONDS_EACH", samples.seconds, 2)) if value != usual]
    if samples.services != ["jwtd", "axum", "gin", "fastapi"]:
        settings.append(f'PEERS="{" ".join(samples.services)}"')
    yield f"`{' '.join(['make bench-peers', *settings])}`: {machine.describe()};"
    yield f"{', '.join(map(machine.version_of, samples.services))}. Load and PostgreSQL on the same cores."
    yield (f"Rounds: {samples.rounds}; of 5,000 users and of idle connections every second one. Median (lowest to highest), the best of a "
           "row in bold.")


def main():
    samples, table = Samples(sys.argv[1]), pathlib.Path(sys.argv[2])
    lines = [*describe(samples), "", *table_of(samples)]
    if {"jwtd", REFERENCE} <= set(samples.services):
        lines += ["", *targets_of(samples)]
    lines += [f"\nNot measured: {error}" for error in samples.errors]
    text = "\n".join(lines) + "\n"
    table.write_text(text, encoding="utf-8")
    print(text, end="")
    document = pathlib.Path(sys.argv[3]) if len(sys.argv) > 3 else None
    if document is None or samples.rounds < 3 or len(samples.services) < 4:
        return
    old = document.read_text(encoding="utf-8")
    before, _, rest = old.partition(BEGIN)
    _, _, after = rest.partition(END)
    document.write_text(before + BEGIN + text + END + after, encoding="utf-8")


main()
