"""
Where the time goes: the daemon under perf(1) or strace(1), which follow whatever it forks, while one figure is taken.
perf: samples of the processor's clock by role, and of each role by function, beside the same of the floor program.
strace: system calls by role (a child is its parent, "forked", until it gets a name of its own), and of the calls that
move data how many bytes each moved. Users' programs are left alone in down and up, so that they are as fast as ever; the
daemon is not, so more may be there to read at once. Hence
calls: without any of that, how much one read and one write of the connection moved on the average, by /proc/PID/io.
"""
import collections
import glob
import os
import re
import shutil
import signal
import subprocess
import threading

import figures
import lab
import server

HZ = "5000"
MOVES = ("read", "readv", "recvmsg", "recvfrom", "splice", "write", "writev", "sendmsg", "sendto")
FORKS = ("clone", "clone3", "fork", "vfork")
FORKED = ", forked"
SMALL = 1 << 20                             # bytes; calls that moved less in all are no bulk
BLOCK = figures.BLOCK
EVERY = 0.02                                # seconds between two looks at /proc/PID/io
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


def keep_raw(job, path):
    """What was recorded, where --raw wants it."""
    if job["raw"] and os.path.isdir(path):
        shutil.copytree(path, os.path.join(job["raw"], os.path.basename(path)), dirs_exist_ok=True)
    elif job["raw"]:
        shutil.copy(path, job["raw"])


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
    keep_raw(job, data)
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows, lines = [], ["%s under perf, start and end of the daemon and one login more included" % name]
    for row in samples(data):
        rows.append(row)
    roles = collections.Counter(r[0] for r in rows)
    for role, n in roles.most_common():
        if role in NOT_OURS or n < len(rows) / 200:
            continue
        lines += ["", "  " + role] + by_function((r for r in rows if r[0] == role), per, unit)
    return lines + perf_floor(job, name) + [""]


def take(job, s, name):
    if name == "login":
        figures.login(job, [s])
    else:
        figures.WAYS[name](job, s, ("Ciphers=" + (job["cipher"] or list(figures.CIPHERS))[0],))


def perf_floor(job, name):
    data = lab.SCRATCH + "/perf-floor-" + name
    cipher = (job["cipher"] or list(figures.CIPHERS))[0]
    way = {"down": ("send", cipher, job["bytes"], figures.PACKET), "up": ("recv", cipher, job["bytes"], figures.PACKET),
           "login": ("login", job["logins"], "curve25519-sha256")}[name]
    lab.sh("perf", "record", "-q", "-e", "cpu-clock", "-F", HZ, "-o", data, job["build"] + "/tests/bench/bench_floor", *(str(a) for a in way))
    keep_raw(job, data)
    per, unit = (job["logins"] / 1e3, "ms a login") if name == "login" else (job["bytes"] / 1e9, "s per GB")
    rows = [r for r in samples(data) if r[0] not in ("feeder", "swallow")]
    return ["", "  floor"] + by_function(rows, per, unit)


# ---- strace ------------------------------------------------------------------------------------------

LINE = re.compile(r"(\d+\.\d+) (\w+)\((.*) = (-?\d+|\?)(?: |$)")


def renamed(call, arguments, result):
    """Who a process is from this call on, if that changes: helpers are executed by descriptor, argv[0] names them."""
    if call == "prctl":
        m = re.match(r'PR_SET_NAME, "([^"]*)"', arguments)
    elif call in ("execve", "execveat") and result == 0:
        m = re.match(r'(?:\w+(?:<[^>]*>)?, )?"([^"]+)"', arguments) or re.search(r'\["([^"]*)"', arguments)
    else:
        return None
    return m and os.path.basename(m.group(1)).removeprefix("coppice: ")


def lines_of(path):
    """(seconds, call, arguments, result) of one process; a call that never came back has none."""
    with open(path, errors="replace") as f:
        for line in f:
            m = LINE.match(line)
            if m and m.group(4) != "?":
                yield float(m.group(1)), m.group(2), m.group(3), int(m.group(4))


class Trace:
    """What strace -ff -ttt wrote: each process by the role it has at each moment, which starts as its parent's."""

    def __init__(self, where, names):
        """names: {pid: role} of the processes it was attached to"""
        self.files = {int(p.rpartition(".")[2]): p for p in glob.glob(where + "/t.*")}
        self.calls = []                     # (seconds, role, pid, call, arguments, result)
        waiting = names
        while waiting:                      # these, then whoever they forked
            waiting = {child: role for pid, first in waiting.items() for child, role in self.read(pid, first)}

    def read(self, pid, role):
        """(child, its role) of each process that this one forked"""
        children = []
        for when, call, arguments, result in lines_of(self.files[pid]):
            role = renamed(call, arguments, result) or role
            self.calls.append((when, role, pid, call, arguments, result))
            if call in FORKS and result in self.files:
                same = "CLONE_THREAD" in arguments or role.endswith(FORKED)
                children.append((result, role if same else role + FORKED))
        return children


def by_role(calls, per):
    """A row for each role: how many calls, by how many processes."""
    count, pids = {}, {}
    for _, role, pid, call, _, _ in calls:
        count.setdefault(role, collections.Counter())[call] += 1
        pids.setdefault(role, set()).add(pid)
    for role, c in sorted(count.items(), key=lambda x: -sum(x[1].values())):
        yield "  %-20s %9.1f by %.1f processes: %s" % (role, sum(c.values()) / per, len(pids[role]) / per, ", ".join("%s %.1f" % (x, n / per) for x, n in c.most_common(14)))


def by_size(calls):
    """Of the calls by which the connection moves data how many moved how much, from and to what."""
    sizes = {}
    for _, role, _, call, arguments, result in calls:
        m = role == "connection" and call in MOVES and result > 0 and re.match(r"\d+<(\w+)", arguments)
        if m:
            sizes.setdefault((call, m.group(1)), []).append(result)
    for (call, what), s in sorted(sizes.items(), key=lambda x: -sum(x[1])):
        if sum(s) < SMALL:
            continue
        parts, least = [], 0
        for most, text in ((4096, "< 4 KiB"), (65536, "< 64 KiB"), (BLOCK, "< 256 KiB"), (1 << 62, "256 KiB and more")):
            within = [x for x in s if least <= x < most]
            parts.append("%s: %d calls, %.1f %% of the bytes" % (text, len(within), 100.0 * sum(within) / sum(s)))
            least = most
        yield "  connection, %s of a %s, %.1f KiB a call: %s" % (call, what, sum(s) / len(s) / 1024, "; ".join(parts))


def roles(s):
    """{pid: role} of a server at rest; a helper may have forked already."""
    names = dict(s.names())
    return {pid: name + FORKED if names.get(int(lab.status(pid, "PPid"))) == name else name for pid, name in names.items()}


def attach(s, where, *more):
    """strace on every process of the server and whatever they fork."""
    pids = s.pids()
    tracer = subprocess.Popen(["strace", "-ff", "-qq", "-y", "-ttt", "-s", "64", "-o", where + "/t", "-e", "signal=none", *more] + ["-p%d" % p for p in pids],
                              stdin=subprocess.DEVNULL)
    lab.wait_until(lambda: all(lab.status(p, "TracerPid") != "0" for p in pids) or tracer.poll() is not None, 20, text="strace does not attach")
    lab.check(tracer.poll() is None, "strace ended with %s" % tracer.returncode)
    return tracer


def strace(job, name):
    """Calls by role."""
    where = lab.SCRATCH + "/strace-" + name
    os.mkdir(where)
    s = server.Measured("coppiced", "-strace-" + name)
    try:
        s.begin()
        names = roles(s)
        tracer = attach(s, where, *(() if name == "login" else ("-b", "execve")))   # our programs are executed by execveat
        take(job, s, name)
        tracer.send_signal(signal.SIGINT)   # it lets go of them
        tracer.wait(20)
    finally:
        s.end()
    keep_raw(job, where)
    got = Trace(where, names).calls
    per, each = (job["logins"], "a login") if name == "login" else (1, "in all, the login too")
    return ["%s under strace: system calls %s" % (name, each)] + list(by_role(got, per)) + list(by_size(got))


# ---- calls -------------------------------------------------------------------------------------------

class Watch(threading.Thread):
    """What the kernel counted for the connection process of a server; the last look before its end."""

    def __init__(self, s):
        super().__init__(daemon=True)
        self.s, self.seen, self.over = s, {}, threading.Event()
        self.start()

    def run(self):
        while not self.over.wait(EVERY):
            for pid in self.s.pids():
                try:
                    if lab.status(pid, "Name") == "connection":
                        with open("/proc/%d/io" % pid) as f:
                            self.seen = {k: int(v) for k, v in (x.split(":") for x in f)}
                except OSError:
                    pass                    # it ended

    def end(self):
        self.over.set()
        self.join()
        return self.seen


def calls(job, name):
    if name == "login":
        return []
    lines, s = [], server.Measured("coppiced", "-calls-" + name)
    try:
        s.begin()
        for cipher in job["cipher"] or figures.CIPHERS:
            watch = Watch(s)
            figures.WAYS[name](job, s, ("Ciphers=" + cipher,))
            io = watch.end()
            lab.check(io.get("rchar", 0) > job["bytes"] / 2, "too short to be looked at", io)
            lines.append("%s, %s: %.1f KiB a read (%d reads), %.1f KiB a write (%d writes)" % (name, cipher, io["rchar"] / io["syscr"] / 1024, io["syscr"],
                                                                                              io["wchar"] / io["syscw"] / 1024, io["syscw"]))
    finally:
        s.end()
    return lines


def bench(job):
    lines = []
    for name in job["figures"]:
        if name in ("login", "down", "up"):
            lines += {"perf": perf, "strace": strace, "calls": calls}[job["profile"]](job, name)
    return "\n".join(lines)
