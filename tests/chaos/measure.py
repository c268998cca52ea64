"""The inside of the room for the long figures."""
import glob
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]

import lab  # noqa: E402
import room  # noqa: E402
from between import PHASES, Ground, Tracer  # noqa: E402
from lab import HOST, Failure, Server, alive, below, check, same, wait_until  # noqa: E402
from load import KINDS, SECOND, Load  # noqa: E402
from watch import Snapshot, Watcher, settled  # noqa: E402

SIZE = int(os.environ.get("LAB_SIZE", "20"))


def percentile(values, part):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


def spread(values):
    return "p50 %.3f s, p99 %.3f s, longest %.3f s (%d)" % (percentile(values, 0.5), percentile(values, 0.99), max(values), len(values))


class Stage:
    """A daemon under load, with what must hold at the end."""

    def __init__(self, *lines, visitors=1, kinds=KINDS):
        self.server = Server("ListenAddress " + SECOND, "MaxStartups 300:30:400", "LogLevel INFO", *lines)
        self.server.crash_expected = True
        self.server.ssh("alice", "true", ok=True)
        self.before = Snapshot(self.server)
        self.watcher = Watcher(self.server)
        self.load = Load(self.server, SIZE, visitors, kinds)

    def refused(self):
        doors = self.load.prober
        check(not doors.refused, "%d of %d connections were refused" % (len(doors.refused), len(doors.waits)))

    def end(self):
        self.load.end()
        self.refused()
        left = settled(self.server, self.before)
        check(not left, "left behind: " + "; ".join(left))
        check(not self.watcher.findings(), "; ".join(self.watcher.findings()[:5]))
        self.watcher.stopping = True
        doors = self.load.prober
        print("  knocks %d, refused 0, dropped before the greeting %d; greeting %s" % (len(doors.waits), len(doors.dropped), spread([w for _, w in doors.waits])))
        visits, failed = sum(v.visits for v in self.load.visitors), sum(len(v.failed) for v in self.load.visitors)
        print("  logins by the way %d, failed %d" % (visits, failed))
        check(failed == 0, "failed logins: %r" % [v.failed[:2] for v in self.load.visitors])
        stalls = list(self.load.stalls.longest.values())
        if stalls:
            print("  longest standstill of each session: " + spread(stalls))
        self.server.stop()


# ---- 10,000 workers -----------------------------------------------------------------------------------

class Victims:
    """Sessions that exist to be killed: eight at any time, each on a connection of its own."""

    def __init__(self, server, rng):
        self.server, self.rng, self.standing, self.lock, self.stopping = server, rng, [], threading.Lock(), False
        self.thread = threading.Thread(target=self.fill, daemon=True)
        self.thread.start()

    def fill(self):
        number = 0
        while not self.stopping:
            if len(self.standing) >= 8:
                time.sleep(0.005)
                continue
            number += 1
            process = self.server.popen("bob", "echo $$; exec sleep 1000", stderr=subprocess.DEVNULL)
            word = process.stdout.readline().split()
            if word:
                with self.lock:
                    self.standing.append((process, int(word[0])))
            else:
                process.kill()
                process.wait()

    def take(self):
        wait_until(lambda: self.standing, 30, 0.002, "no session can be made")
        with self.lock:
            return self.standing.pop(self.rng.randrange(len(self.standing)))


def connection_pids(server):
    return [p for p in below(server.pid) if lab.status(p, "Name") == "connection"]


def workers(n, rng):
    stage = Stage()
    victims = Victims(stage.server, rng)
    took, connections = [], 0
    for i in range(n):
        client, program = victims.take()
        began = time.monotonic()
        try:
            os.kill(program, signal.SIGKILL if i % 2 else signal.SIGSEGV)
        except ProcessLookupError:
            pass
        code = client.wait(30)
        took.append(time.monotonic() - began)
        check(code != 0, "the client of a killed program ended with 0")
        if i % 10 == 9:
            kill_a_connection(stage.server, victims)
            connections += 1
        if i % 200 == 199:
            stage.load.moving()
            stage.refused()
    victims.stopping = True
    victims.thread.join(30)
    for client, _ in victims.standing:
        client.kill()
        client.wait()
    print("workers: %d programs and %d connections killed; the client ends after %s" % (n, connections, spread(took)))
    stage.end()


def kill_a_connection(server, victims):
    """That of a victim which still stands, never one of the load's or of a login by the way."""
    wait_until(lambda: victims.standing, 30, 0.002, "no session can be made")
    tree = {n["id"]: n for n in server.tree()}
    with victims.lock:
        standing = {program for _, program in victims.standing}
    above = {n["parent"] for n in tree.values() if n["pid"] in standing}
    above |= {tree[v]["parent"] for v in above if v in tree}
    pids = [n["pid"] for n in tree.values() if n["name"] == "connection" and n["parent"] in above and n["pid"]]
    check(pids, "no connection of a victim")
    os.kill(victims.rng.choice(pids), signal.SIGKILL)


# ---- connections that go on --------------------------------------------------------------------------------

def connections(n, rng):
    stage = Stage("SurviveCrash yes")
    known = lab.connections(stage.server)
    time.sleep(3)
    known = known.keys() & lab.connections(stage.server).keys()      # those who log in by the way have left
    took, seen, i = [], {}, 0
    while i < n:
        pids, now = lab.connections(stage.server), lab.packets(stage.server)
        for s in known & now.keys():
            seen.setdefault(s, now[s] - 1)
        ripe = [s for s in sorted(known & now.keys() & pids.keys()) if now[s] > seen[s]]    # once per packet position
        if not ripe:
            stage.load.unharmed()
            continue
        session = rng.choice(ripe)
        time.sleep(rng.random() * 0.02)
        began, pid = time.monotonic(), pids[session]
        os.kill(pid, signal.SIGSEGV if i % 4 == 3 and not lab.sanitized() else signal.SIGKILL)
        wait_until(lambda: lab.connections(stage.server).get(session) not in (None, 0, pid) or stage.load.unharmed(), 20, 0.002, "no successor after %d kills" % i)
        took.append(time.monotonic() - began)
        seen[session] = wait_until(lambda: lab.packets(stage.server).get(session), 20, 0.002, "a successor that does not answer")
        i += 1
        if i % 100 == 0:
            stage.load.moving()
            stage.refused()
    stage.load.moving()
    print("connections: %d killed, every session went on; a successor after %s" % (n, spread(took)))
    stage.end()


# ---- 1,000 supervisors ------------------------------------------------------------------------------------

def supervisor(n, rng):
    stage = Stage()
    took = []
    stage.watcher.adopting = True
    for i in range(n):
        time.sleep(rng.random() * 0.3)
        began = time.monotonic()
        stage.server.process.kill()
        stage.server.process.wait()
        stage.server.start()
        took.append(time.monotonic() - began)
        stage.load.moving()
        stage.refused()
        if i % 10 == 9:
            stage.server.ssh("alice", "true", ok=True)
    print("supervisor: %d kills, greeting a new client again after %s" % (n, spread(took)))
    stage.end()


def upgrades(n, rng):
    stage = Stage()
    pid, took = stage.server.pid, []
    for i in range(n):
        old = set(connection_pids(stage.server))
        began = time.monotonic()
        r = stage.server.ctl("upgrade", timeout=120)
        took.append(time.monotonic() - began)
        same(r.returncode, 0, "upgrade %d (%r)" % (i, r.stderr))
        stage.load.moving()
        stage.refused()
        same(stage.server.pid, pid, "pid of the supervisor")
    names = {m.name for m in stage.load.movers}
    wait_until(lambda: not old & set(connection_pids(stage.server)), 120, 0.2, "connections of the old program are left")
    print("upgrades: %d with %d sessions, 0 disconnects; one takes %s" % (n, len(names), spread(took)))
    stage.end()


# ---- the death of each role -----------------------------------------------------------------------------------

def again(n, rng):
    """From the kill to the next complete login, and to the next greeting."""
    for role in ("acceptor", "nursery", "keysign", "auth", "reporter", "supervisor"):
        logins, greetings = [], []
        while len(logins) < n:
            with Server("MaxStartups 300:30:400", "LogLevel INFO") as s:
                s.crash_expected = True
                for _ in range(min(4, n - len(logins))):
                    began = strike(s, role)
                    with s.connect() as c:
                        check(c.recv(4) == b"SSH-", "no greeting")
                    greetings.append(time.monotonic() - began)
                    s.ssh("alice", "true", ok=True)
                    logins.append(time.monotonic() - began)
        print("again: %-10s greeting %s; login %s" % (role, spread(greetings), spread(logins)), flush=True)


def strike(server, role):
    if role == "supervisor":
        began = time.monotonic()
        server.process.kill()
        server.process.wait()
        server.start()
        return began
    pid = wait_until(lambda: server.pid_of(role), 20)
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 10, 0.001)
    return began


# ---- between any two system calls --------------------------------------------------------------------------------

def between(n, rng):
    """n kills of each phase, at every system call when it has no more."""
    failed = kills = 0
    Tracer.make()
    ground = Ground()
    for name in PHASES:
        if os.environ.get("LAB_ONLY", "") not in name:
            continue
        calls = ground.kill_within(name, 0)
        places = sorted(rng.sample(range(1, calls + 1), min(n, calls)))
        if os.environ.get("LAB_AT"):
            first, _, last = os.environ["LAB_AT"].partition("-")
            places = range(int(first), int(last or first) + 1)
        bad, began = 0, time.monotonic()
        for at in places:
            try:
                kills += ground.kill_within(name, at) > 0
            except Failure as e:
                bad += 1
                print("FAIL " + str(e)[:1500], flush=True)
                lab.show_logs(name)
                lab.end_of_test(failed=True)
                ground = Ground()
        failed += bad
        print("between: %-12s %4d system calls, killed before %d of them, %d wrong, %.0f s" % (name, calls, len(places), bad, time.monotonic() - began), flush=True)
    ground.end()
    print("between: %d kills, %d wrong" % (kills, failed))
    check(not failed, "%d kills broke something" % failed)


# ---- idle, soak ---------------------------------------------------------------------------------------------------

def pss(pid):
    with open("/proc/%d/smaps_rollup" % pid) as f:
        return next(int(x.split()[1]) for x in f if x.startswith("Pss:"))


def switches(pid):
    return sum(int(lab.status(pid, x) or 0) for x in ("voluntary_ctxt_switches", "nonvoluntary_ctxt_switches"))


def idle(seconds, rng):
    with Server("LogLevel INFO", "ListenAddress " + SECOND) as s:
        s.ssh("alice", "true", ok=True)
        time.sleep(3)
        pids = [s.pid] + below(s.pid)
        before = {p: switches(p) for p in pids}
        time.sleep(seconds)
        after = {p: switches(p) for p in pids}
        for p in pids:
            print("idle: %-12s %6d KiB PSS, %6.1f wake-ups a minute" % (lab.status(p, "Name"), pss(p), (after[p] - before[p]) * 60 / seconds))
        print("idle: %d processes, %d KiB PSS, %.1f wake-ups a minute" % (len(pids), sum(map(pss, pids)), sum(after[p] - before[p] for p in pids) * 60 / seconds))


def soak(n, rng):
    with Server("MaxStartups 300:30:400", "LogLevel ERROR", "LoginGraceTime 20") as s:
        knock(s, 2000)
        before = lab.rss(s.pid)
        began = time.monotonic()
        for part in range(10):
            knock(s, n // 10)
            print("soak: %d connections, supervisor %d KiB (%+d), %d descriptors, %.0f s" % ((part + 1) * (n // 10), lab.rss(s.pid), lab.rss(s.pid) - before,
                  len(glob.glob("/proc/%d/fd/*" % s.pid)), time.monotonic() - began), flush=True)
        check(lab.sanitized() or lab.rss(s.pid) - before <= 1024, "the supervisor grew by %d KiB" % (lab.rss(s.pid) - before))
        s.ssh("alice", "true", ok=True)


def knock(server, n, together=16):
    """Connections that hear the greeting and leave."""
    for at in range(0, n, together):
        socks = [socket.create_connection((HOST, server.port), 30) for _ in range(min(together, n - at))]
        for c in socks:
            check(c.recv(4) == b"SSH-", "no greeting")
            c.close()


def runner():
    lab.furnish()
    name, n = sys.argv[1], int(sys.argv[2])
    try:
        globals()[name](n, random.Random(int(os.environ["LAB_SEED"])))
    except Failure as e:
        print("FAIL %s: %s" % (name, e))
        lab.show_logs(name)
        lab.end_of_test(failed=True)
        return 1
    return 0


sys.exit(room.reap_for(runner))
