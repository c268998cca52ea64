"""
Where the time goes: the daemon under perf(1) or strace(1), which follow whatever it forks, while one figure is taken.
perf: samples of the processor's clock by role, and of each role by function, beside the same of the floor program.
strace: system calls by role, and of the calls that move data how many bytes each moved.
"""
import collections
import glob
import os
import re
import shutil
import signal
import subprocess

import figures
import lab
import server

HZ = "5000"
MOVES = ("read", "readv", "write", "writev")
SHOWN = 24
LEAST = 0.4                                 # per cent; functions below it are summed up
NOT_OURS = ("perf", "usage", "head", "cat")


class Traced(server.Measured):
    """The daemon started by another program."""

    def __init__(self, under, variant="", more=()):
        super().__init__("coppiced", variant, more)
        self.under = under

    def launch(self, *under):
        super().launch(*self.under)

    def daemon(self):
        return next(p for p in self.pids() if lab.status(p, "Name") == "coppiced")

    def finish(self):
        """The daemon ends, and whoever watched it writes down what it saw."""
        os.kill(self.daemon(), signal.SIGTERM)
        self.process.wait(60)


# ---- perf --------------------------------------------------------------------------------------------

def samples(data):
    """(command, pid, library, function) of each sample."""
    out = lab.sh("perf", "script", "-i", data, "-F", "comm,pid,ip,sym,dso", text=True)
    for line in out.splitlines():
        m = re.match(r"\s*(.+?)\s+(\d+)\s+[0-9a-f]+ (.*?) \((.*?)\)\s*$", line)
        if m:
            dso = os.path.basename(m.group(4)).strip("[]").replace("kernel.kallsyms", "kernel")
            symbol = m.group(3)
            yield m.group(1), int(m.group(2)), dso, "" if symbol == "[unknown]" else symbol


def by_function(rows, per, unit):
    rows = list(rows)
    if not rows:
        return ["(no samples)"]
    count, libs = collections.Counter(), collections.Counter()
    for _, _, dso, symbol in rows:
        libs[dso] += 1
        count[(dso, symbol)] += 1
    scale = 1.0 / float(HZ) / per
    lines = ["    %9.4f %s in all: %s" % (len(rows) * scale, unit, ", ".join("%s %.4f" % (k, v * scale) for k, v in libs.most_common(7)))]
    for (dso, symbol), n in count.most_common(SHOWN):
        if n * 100.0 / len(rows) >= LEAST:
            lines.append("    %9.4f %5.1f %%  %s %s" % (n * scale, n * 100.0 / len(rows), dso, symbol))
    return lines


def perf(job, name):
    data = lab.SCRATCH + "/perf-" + name
    s = Traced(("perf", "record", "-q", "-e", "cpu-clock", "-F", HZ, "-o", data), "-perf-" + name)
    try:
        s.begin()
        first = len(s.pids())               # what came before is start-up
        mark = max(s.pids())
        take(job, s, name)
        s.finish()
    finally:
        s.end()
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows, lines = [], ["%s under perf, %d processes before" % (name, first)]
    for row in samples(data):
        rows.append(row)
    roles = collections.Counter(r[0] for r in rows)
    for role, n in roles.most_common():
        if role in NOT_OURS or n < len(rows) / 200:
            continue
        lines += ["", "  " + role] + by_function((r for r in rows if r[0] == role), per, unit)
    del mark
    return lines


def take(job, s, name):
    if name == "login":
        figures.login(job, [s])
    else:
        {"down": figures.down, "up": figures.up}[name](job, s, ("Ciphers=" + job["cipher"][0],))


def perf_floor(job, name):
    data = lab.SCRATCH + "/perf-floor-" + name
    way = {"down": ("send", job["bytes"], figures.PACKET), "up": ("recv", job["bytes"], figures.PACKET), "login": ("login", job["logins"])}[name]
    lab.sh("perf", "record", "-q", "-e", "cpu-clock", "-F", HZ, "-o", data, job["build"] + "/tests/bench/bench_floor", *(str(a) for a in way))
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows = [r for r in samples(data) if r[0] not in ("feeder", "swallow")]
    return ["", "  floor"] + by_function(rows, per, unit)


# ---- strace ------------------------------------------------------------------------------------------

def strace(job, name):
    where = lab.SCRATCH + "/strace-" + name
    os.mkdir(where)
    s = Traced(("strace", "-ff", "-qq", "-o", where + "/t", "-e", "signal=none"), "-strace-" + name)
    try:
        s.begin()
        before = set(glob.glob(where + "/t.*"))
        sizes = {p: os.path.getsize(p) for p in before}
        take(job, s, name)
        s.finish()
    finally:
        s.end()
    if os.environ.get("BENCH_KEEP"):
        shutil.copytree(where, os.environ["BENCH_KEEP"], dirs_exist_ok=True)
    del sizes
    return [where]


def bench(job):
    lines = []
    for name in job["figures"]:
        if name in ("login", "down", "up"):
            if job["profile"] == "perf":
                lines += perf(job, name) + perf_floor(job, name) + [""]
            else:
                lines += strace(job, name)
    return "\n".join(lines)
