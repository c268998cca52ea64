"""What must hold whatever is broken: the process table seen from outside, and the invariants of the plan."""
import glob
import os
import re
import threading
import time

import lab
from lab import alive, processes, status, wait_until

OURS = ("coppiced", "keysign", "auth", "nursery", "acceptor", "reporter", "keeper", "connection")
# role -> (runs as root, seccomp filter, no new privileges); nobody else of ours has more
PRIVILEGES = {
    "keysign": (False, 2, 1), "nursery": (False, 2, 1), "acceptor": (False, 2, 1), "reporter": (False, 2, 1), "connection": (False, 2, 1),
}


def role_of(pid):
    name = status(pid, "Name")
    return name if name in OURS else None


def fds(pid):
    """What each descriptor is, without the numbers that differ from one to the next."""
    out = {}
    for path in glob.glob("/proc/%d/fd/*" % pid):
        try:
            kind = re.sub(r"\d+", "N", os.readlink(path))
        except OSError:
            continue
        out[kind] = out.get(kind, 0) + 1
    return out


def ptys():
    return len([n for n in os.listdir("/dev/pts") if n.isdigit()])


class Snapshot:
    """What a server occupies when only its tree runs."""

    def __init__(self, server):
        self.fds = fds(server.pid)
        self.ptys = ptys()
        self.sockets = len(glob.glob(server.dir + "/*"))
        self.memory = lab.rss(server.pid)
        # auth's own children look accounts up; they come and go
        roles = sorted(filter(None, (role_of(p) for p, parent in processes().items() if role_of(parent) != "auth")))
        self.roles, self.connections = [r for r in roles if r != "connection"], roles.count("connection")

    def difference(self, before):
        out = []
        more = {k: n - before.fds.get(k, 0) for k, n in self.fds.items() if n > before.fds.get(k, 0)}
        if more:
            out.append("descriptors of the supervisor: " + ", ".join("%s +%d" % x for x in sorted(more.items())))
        if self.ptys > before.ptys:
            out.append("%d ptys" % (self.ptys - before.ptys))
        if self.connections:
            out.append("%d connections" % self.connections)
        if self.roles != before.roles:
            out.append("processes %s, were %s" % (self.roles, before.roles))
        return out


def settled(server, before, seconds=30):
    """Sessions are over: is everything given back? The list of what is not."""
    last = []

    def clean():
        last[:] = Snapshot(server).difference(before)
        return not last

    try:
        wait_until(clean, seconds, 0.2)
    except lab.Failure:
        pass
    return last


class Watcher(threading.Thread):
    """Five times a second: zombies that stay, orphans of ours, privileges that rose, processor time of the supervisor."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.stopping = server, False
        self.zombies, self.orphans, self.rises, self.samples = {}, {}, set(), 0
        self.lasting_zombies, self.lasting_orphans = set(), set()
        self.adopting = False           # the supervisor was killed: its children are nobody's for a while
        self.start()

    def run(self):
        while not self.stopping:
            self.look()
            time.sleep(0.2)

    def look(self):
        now = time.monotonic()
        zombies, orphans = {}, {}
        for path in glob.glob("/proc/[0-9]*/stat"):
            pid = int(path.split("/")[2])
            try:
                with open(path) as f:
                    head, _, rest = f.read().rpartition(")")
            except (FileNotFoundError, ProcessLookupError):
                continue
            name, fields = head.partition("(")[2], rest.split()
            if fields[0] == "Z" and int(fields[1]) == self.server.pid:
                zombies[pid] = self.zombies.get(pid, now)
                if now - zombies[pid] > 5:
                    self.lasting_zombies.add("%s %d" % (name, pid))
            if name in OURS and name != "coppiced":
                self.privileges(pid, name)
                if int(fields[1]) == 1 and not self.adopting and fields[0] != "Z":
                    orphans[pid] = self.orphans.get(pid, now)
        self.zombies, self.orphans = zombies, orphans
        self.samples += 1

    def privileges(self, pid, name):
        want = PRIVILEGES.get(name)
        if want is None or lab.sanitized():
            return
        uid, seccomp, nnp = status(pid, "Uid"), status(pid, "Seccomp"), status(pid, "NoNewPrivs")
        if None in (uid, seccomp, nnp) or seccomp == "0":       # gone, or not locked yet
            return
        if (uid.split()[0] == "0") != want[0] or int(seccomp) != want[1] or int(nnp) != want[2] or int(status(pid, "CapEff") or "0", 16) != 0:
            self.rises.add("%s: uid %s seccomp %s nnp %s" % (name, uid.split()[0], seccomp, nnp))

    def findings(self):
        return sorted(self.lasting_zombies) + sorted(self.rises)


def deaths_logged(log, pids):
    """Each death by our hand has exactly one report with its pid; those that have none, or more."""
    return [pid for pid in pids if len(re.findall(r"ev=exit [^\n]*\bpid=%d\b" % pid, log)) != 1]


def secrets_in(server, words):
    """Files of the server and its log that hold one of the secrets typed."""
    found = []
    for path in glob.glob(server.dir + "/**", recursive=True):
        if os.path.isfile(path) and not path.endswith("_key") and os.path.getsize(path) < (64 << 20):
            with open(path, "rb") as f:
                text = f.read()
            found += [path for word in words if word.encode() in text]
    return found


def cpu_seconds(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            fields = f.read().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        return 0.0


def gone(pid):
    return not alive(pid)
