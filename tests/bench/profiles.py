"""
Where the time goes: the daemon under perf(1) or strace(1), which follow whatever it forks, while one figure is taken.
perf: samples of the processor's clock by role, and of each role by function, beside the same of the floor program.
strace: system calls by role, and of the calls that move data how many bytes each moved.
"""
import collections
import glob
import os
import re
import signal
import subprocess

import figures
import lab
import server

HZ = "5000"
MOVES = ("read", "readv", "write", "writev")
BLOCK = figures.BLOCK
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
        take(job, s, name)
        s.finish()
    finally:
        s.end()
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows, lines = [], ["%s under perf, start and end of the daemon and one login more included" % name]
    for row in samples(data):
        rows.append(row)
    roles = collections.Counter(r[0] for r in rows)
    for role, n in roles.most_common():
        if role in NOT_OURS or n < len(rows) / 200:
            continue
        lines += ["", "  " + role] + by_function((r for r in rows if r[0] == role), per, unit)
    return lines


def take(job, s, name):
    if name == "login":
        figures.login(job, [s])
    else:
        {"down": figures.down, "up": figures.up}[name](job, s, ("Ciphers=" + (job["cipher"] or ["aes128-gcm@openssh.com"])[0],))


def perf_floor(job, name):
    data = lab.SCRATCH + "/perf-floor-" + name
    way = {"down": ("send", job["bytes"], figures.PACKET), "up": ("recv", job["bytes"], figures.PACKET), "login": ("login", job["logins"])}[name]
    lab.sh("perf", "record", "-q", "-e", "cpu-clock", "-F", HZ, "-o", data, job["build"] + "/tests/bench/bench_floor", *(str(a) for a in way))
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows = [r for r in samples(data) if r[0] not in ("feeder", "swallow")]
    return ["", "  floor"] + by_function(rows, per, unit)


# ---- strace ------------------------------------------------------------------------------------------

def calls(path):
    """(call, result) of each line of one process."""
    with open(path, errors="replace") as f:
        for line in f:
            m = re.match(r"(\w+)\(.* = (-?\d+)", line)
            if m:
                yield m.group(1), int(m.group(2))


def role(path):
    """The name a process gave itself last, or the program it is."""
    name = "coppiced"
    with open(path, errors="replace") as f:
        for line in f:
            m = re.match(r'prctl\(PR_SET_NAME, "([^"]*)"', line) or re.match(r'execve(?:at)?\([^"]*"[^"]*?([^/"]*)", .* = 0', line)
            name = m.group(1) or name if m else name
    return name


def strace(job, name):
    """Calls by role; of those that move data how many moved how much."""
    where = lab.SCRATCH + "/strace-" + name
    os.mkdir(where)
    s = Traced(("strace", "-ff", "-qq", "-s", "64", "-o", where + "/t", "-e", "signal=none"), "-strace-" + name)
    try:
        s.begin()
        take(job, s, name)
        s.finish()
    finally:
        s.end()
    count, sizes = {}, {}
    for path in glob.glob(where + "/t.*"):
        who = role(path)
        for call, result in calls(path):
            count.setdefault(who, collections.Counter())[call] += 1
            if who == "connection" and call in MOVES and result > 0:
                part = next(x for x in (4096, 65536, BLOCK, 1 << 62) if result < x or x == 1 << 62)
                sizes.setdefault(call, collections.Counter())[part] += result
    lines = ["%s under strace, start and end of the daemon and one login more included" % name]
    for who, c in sorted(count.items(), key=lambda x: -sum(x[1].values())):
        lines.append("  %-12s %6d: %s" % (who, sum(c.values()), ", ".join("%s %d" % x for x in c.most_common(12))))
    for call, c in sorted(sizes.items()):
        lines.append("  connection, %s, bytes by the size of the call: < 4 KiB %d, < 64 KiB %d, < 256 KiB %d, 256 KiB and more %d" %
                     (call, c[4096], c[65536], c[BLOCK], c[1 << 62]))
    return lines


def bench(job):
    lines = []
    for name in job["figures"]:
        if name in ("login", "down", "up"):
            lines += perf(job, name) + perf_floor(job, name) + [""] if job["profile"] == "perf" else strace(job, name)
    return "\n".join(lines)
