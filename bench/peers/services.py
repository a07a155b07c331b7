"""The services that are measured: how each is started, and what /proc says of its processes."""
import os
import signal
import subprocess
import time
import urllib.error
import urllib.request

BUILD, WORK, PORT = os.environ["BUILD"], os.environ["work"], int(os.environ["port"])
URL = f"http://127.0.0.1:{PORT}"
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


def run(*command, **options):
    return subprocess.run(command, check=True, capture_output=True, text=True, **options).stdout


# ---- processes ----


def stat_of(pid):
    """The fields of /proc/PID/stat behind the name, which may contain anything; None when the process has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="latin-1") as file:
            return file.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None


def tree_of(root):
    """The process and all below it."""
    children = {}
    for name in os.listdir("/proc"):
        stat = stat_of(name) if name.isdigit() else None
        if stat is not None:
            children.setdefault(int(stat[1]), []).append(int(name))
    tree = [root]
    for pid in tree:
        tree.extend(children.get(pid, []))
    return tree


def cpu_seconds(root):
    """Processor time, user and system, of a tree; with that of children that it has waited for, so that it never falls."""
    stats = [stat_of(pid) for pid in tree_of(root)]
    return sum(sum(int(ticks) for ticks in stat[11:15]) for stat in stats if stat is not None) / TICKS_PER_SECOND


def sum_of_lines(root, file, name):
    """MiB: the sum over a tree of a line like "VmRSS:   1234 kB"; None when only root may read it (jwtd is not dumpable)."""
    kib = 0
    for pid in tree_of(root):
        try:
            with open(f"/proc/{pid}/{file}", encoding="latin-1") as lines:
                kib += sum(int(line.split()[1]) for line in lines if line.startswith(name + ":"))
        except PermissionError:
            return None
        except (FileNotFoundError, ProcessLookupError):
            pass
    return kib / 1024


def resident_mib(root):
    return sum_of_lines(root, "status", "VmRSS")


def proportional_mib(root):
    """Pages that processes share are divided among them."""
    return sum_of_lines(root, "smaps_rollup", "Pss")


def peak_mib(root):
    """The highest resident memory since forget_peak, of several processes the sum of their highest."""
    return sum_of_lines(root, "status", "VmHWM")


def forget_peak(root):
    for pid in tree_of(root):
        try:
            with open(f"/proc/{pid}/clear_refs", "w", encoding="latin-1") as file:
                file.write("5")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            pass


# ---- the database ----


class Database:
    """A cluster of its own in $work, migrated; what a script leaves, private_server.sh removes."""

    def __init__(self, name="postgres"):
        self.directory = f"{WORK}/{name}"
        run("tools/database.sh", "start", self.directory)
        with open(f"{self.directory}/data/postmaster.pid", encoding="ascii") as file:
            lines = file.read().splitlines()
        self.pid, self.socket = int(lines[0]), lines[4]
        run(f"{BUILD}/jwtd", "migrate", env=os.environ | {"JWTD_DATABASE_URL": self.conninfo("jwtd_owner")})

    def conninfo(self, role):
        return f"host={self.socket} port=5432 user={role} dbname=jwtd"

    def seed(self, accounts):
        """Through a service that runs: it registers one account, whose hash all others get."""
        run(f"{BUILD}/failpoint", "seed", URL, "--pg", self.conninfo("jwtd_owner"), "--accounts", str(accounts),
            "--email", "crowd-{}@example.org")
        psql = run("tools/database.sh", "bin").strip() + "/psql"
        run(psql, "-X", "-q", "-d", self.conninfo("postgres"), "-c", "VACUUM ANALYZE", "-c", "CHECKPOINT")

    def remove(self):
        run("tools/database.sh", "remove", self.directory)


# ---- a service ----


class Service:
    def __init__(self, name, database, port=PORT):
        self.name, self.port, self.url, self.process = name, port, f"http://127.0.0.1:{port}", None
        self.conninfo = database.conninfo("jwtd")
        if name == "jwtd":
            self.command, self.environment = self.own_command(), {"JWTD_DATABASE_URL": self.conninfo}
        else:
            self.command, self.environment = [f"{BUILD}/peers/{name}/server"], {
                "LISTEN": f"127.0.0.1:{port}",
                "DATABASE_URL": f"postgres:///jwtd?host={database.socket}&port=5432&user=jwtd",
                "JWT_SECRET": "a secret of the benchmark for access tokens",
                "REFRESH_SECRET": "a secret of the benchmark for refresh tokens",
            }
        self.environment = os.environ | self.environment

    def own_command(self):
        keys = ["--set", f"token.keys_dir={WORK}/keys", "--set", f"token.refresh_key_file={WORK}/refresh.key"]
        run(f"{BUILD}/jwtd", *keys, "keygen", "--if-missing")
        # No peer limits rates, and 10,000 idle connections are to leave one for the question whether it still answers.
        settings = [f"server.listen=127.0.0.1:{self.port}", "ops.listen=127.0.0.1:0", "log.level=warn", "limit.enabled=false",
                    "server.max_connections=12000", "server.max_connections_per_address=0"]
        return [f"{BUILD}/jwtd", *keys, *(word for setting in settings for word in ("--set", setting)), "serve"]

    def ms_to_first_200(self):
        """Starts it, waits until it is ready, and ends it."""
        probe = [f"{BUILD}/probe", "start", str(self.port), "/health/ready", *self.command]
        with open(f"{WORK}/log", "a", encoding="utf-8") as log:
            return float(subprocess.run(probe, env=self.environment, stdout=subprocess.PIPE, stderr=log, timeout=60,
                                        check=True).stdout)

    def start(self):
        """In a session of its own, so that the scheduler treats it, the database and the load as three groups."""
        with open(f"{WORK}/log", "a", encoding="utf-8") as log:
            self.process = subprocess.Popen(self.command, env=self.environment, stdout=log, stderr=log, start_new_session=True)
        deadline = time.monotonic() + 20
        while not self.answers("/health/ready"):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(f"{WORK}/log", encoding="utf-8", errors="replace") as log:
                    raise RuntimeError(f"{self.name} does not start: {log.read()[-1000:]}")
            time.sleep(0.02)

    @property
    def pid(self):
        return self.process.pid

    def answers(self, path):
        try:
            with urllib.request.urlopen(self.url + path, timeout=2) as reply:
                return reply.status == 200
        except (OSError, urllib.error.URLError):
            return False

    def stop(self):
        """What is still at work after a few seconds (a queue of logins whose clients are gone) is killed."""
        if self.process is None:
            return
        self.process.terminate()
        try:
            self.process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self.process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self.process.wait()
        self.process = None
