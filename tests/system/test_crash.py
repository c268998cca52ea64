"""SIGKILL for everything in turn, while sessions move data: only the victim ends, everything else goes on."""
import os
import random
import signal
import socket
import threading
import time

from lab import HOST, ROUNDS, SEED, Failure, Server, alive, below, check, coppiced_only, limit, same, status, wait_until
from movers import Exec, Master, Sftp, Shell

SECOND = "127.0.0.2"
# One life of a daemon: kills of each kind, few enough that no intensity of the table is exceeded.
LIFE = ["keysign"] * 2 + ["auth"] * 2 + ["nursery"] * 2 + ["reporter"] * 2 + ["acceptor 0"] * 3 + ["acceptor 1"] * 3 + \
       ["connection"] * 3 + ["shell"] * 2 + ["exec"] * 3 + ["sftp"] * 3


class Prober(threading.Thread):
    """Knocks at both doors all the time."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.refused, self.dropped, self.knocks, self.stopping = server, [], [], 0, False
        self.start()

    def run(self):
        while not self.stopping:
            for host in (HOST, SECOND):
                self.knocks += 1
                try:
                    with socket.create_connection((host, self.server.port), 15) as s:
                        if s.recv(4) != b"SSH-":
                            self.dropped.append(time.monotonic())
                except ConnectionRefusedError:
                    self.refused.append(time.monotonic())
                except OSError:
                    self.dropped.append(time.monotonic())
            time.sleep(0.05)


class Field:
    """A daemon with twenty connections full of sessions."""

    def __init__(self):
        self.server = Server("ListenAddress " + SECOND, "MaxStartups 300:30:400", "LogLevel INFO")
        self.server.crash_expected = True
        self.masters, self.movers = [], []
        self.prober = None
        self.number = 0
        for _ in range(4):
            master = self.master()
            for kind in (Exec, Exec, Shell, Sftp):
                self.movers.append(kind(self.server, master.number, control=master.path))
        for kind in [Exec] * 8 + [Shell] * 4 + [Sftp] * 4:
            self.movers.append(kind(self.server, self.next()))
        self.prober = Prober(self.server)

    def next(self):
        self.number += 1
        return self.number

    def master(self):
        master = Master(self.server, self.next())
        self.masters.append(master)
        return master

    def faults(self):
        bad = [m.fault for m in self.movers if m.fault]
        check(not bad, "sessions that should have gone on: " + "; ".join(bad))
        check(not self.prober.refused, "the port refused %d of %d connections" % (len(self.prober.refused), self.prober.knocks))

    def all_go_on(self, seconds=40):
        was = {m: m.progress for m in self.movers}

        def moved():
            self.faults()
            return all(m.progress > was[m] for m in self.movers)

        try:
            wait_until(moved, seconds, 0.05)
        except Failure:
            self.faults()
            raise Failure("these stand still: " + " ".join(m.name for m in self.movers if m.progress <= was[m]))

    def session(self, address):
        """connection and workers of the client at that address: {"connection": [pid], "exec": [pid] ...}"""
        nodes = self.server.tree()
        top = [n for n in nodes if str(n.get("peer", "")).startswith(address + ":")]
        check(top, "no session of %s in the tree" % address)
        found = {}
        for n in nodes:
            if n["path"][:len(top[0]["path"])] == top[0]["path"] and n.get("pid"):
                found.setdefault(kind_of(n), []).append(n["pid"])
        return found

    def end(self):
        self.prober.stopping = True
        for m in self.movers:
            m.finish()
        for m in self.masters:
            m.finish()
        self.faults()


def kind_of(node):
    """What a worker node is: its own name says so."""
    for kind in ("connection", "shell", "exec", "sftp"):
        if node["name"].startswith(kind):
            return kind
    return node["name"]


# ---- kills --------------------------------------------------------------------------------------------

def kill_session_part(field, rng, kind):
    """A connection takes its own sessions with it and nobody else's; a worker only its channel."""
    like = {"connection": (Exec, Shell, Sftp), "shell": Shell, "exec": Exec, "sftp": Sftp}[kind]
    target = rng.choice([m for m in field.movers if isinstance(m, like)])
    parts = field.session(target.address)
    check(parts.get(kind), "no %s in the session of %s" % (kind, target.name), parts)
    pid = rng.choice(parts[kind])
    same_client = [m for m in field.movers if m.address == target.address]
    victims = same_client if kind == "connection" else [m for m in same_client if isinstance(m, like)]
    for m in victims:
        m.excused = True            # its end is no fault
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    want = len(victims) if kind == "connection" else 1
    wait_until(lambda: sum(m.ended() for m in victims) >= want, 15, 0.005, "the client of the killed %s does not end" % kind)
    took = time.monotonic() - began
    check(not alive(pid), "it is still there")
    gone = [m for m in victims if m.ended()]
    same(len(gone), want, "ended clients")
    for m in gone:
        check(m.process.returncode != 0, "%s ended with status 0 after a SIGKILL" % m.name)
        field.movers.remove(m)
        m.finish()
    for m in victims:
        m.excused = False           # a sibling of the same kind: it goes on
    if kind == "connection":
        others = [p for k, pids in parts.items() if k != "connection" for p in pids]
        wait_until(lambda: not any(alive(p) for p in others), 15, text="workers of a dead connection live on")
        for master in [m for m in field.masters if m.address == target.address]:
            field.masters.remove(master)
            master.finish()
    replace(field, gone, kind)
    return took


def replace(field, dead, kind):
    control = number = None
    if dead[0].control:
        if kind == "connection":
            master = field.master()
            control, number = master.path, master.number
        else:
            control, number = dead[0].control, int(dead[0].address.rpartition(".")[2])
    for m in dead:
        field.movers.append(type(m)(field.server, number or field.next(), control=control))


def kill_named(field, rng, kind):
    """A part of the tree that serves all: it comes back, and logins that were under way succeed."""
    name, _, which = kind.partition(" ")
    nodes = [n for n in field.server.tree() if n["name"].startswith(name) and n.get("pid")]
    node = nodes[int(which or 0)]
    # (an acceptor may hold a client that nobody else knows yet; keysign has a test of its own for this)
    login = field.server.popen("alice", "echo in") if name not in ("acceptor", "keysign") else None
    time.sleep(rng.random() * 0.05)
    began = time.monotonic()
    os.kill(node["pid"], signal.SIGKILL)

    def back():
        now = [n for n in field.server.tree() if n["path"] == node["path"]]
        return now and now[0]["pid"] not in (0, None, node["pid"]) and now[0]["restarts"] > node["restarts"]

    wait_until(back, 20, 0.02, "%s was not restarted in the tree" % kind)
    took = time.monotonic() - began
    if login:
        out, err = login.communicate(timeout=30)
        same((login.returncode, out), (0, b"in\n"), "login under way while %s was killed (%r)" % (kind, err))
    return took


def one_round(field, rng, kind):
    if kind in ("connection", "shell", "exec", "sftp"):
        took = kill_session_part(field, rng, kind)
    else:
        took = kill_named(field, rng, kind)
    r = field.server.ssh("alice", "echo hello")
    same((r.returncode, r.stdout), (0, b"hello\n"), "a login after the kill of %s (%r)" % (kind, r.stderr))
    field.all_go_on()
    return took


@coppiced_only
@limit(7200)
def test_kill_everything_in_turn():
    rng = random.Random(SEED)
    done, slowest = 0, {}
    while done < ROUNDS:
        field = Field()
        field.all_go_on()
        plan = list(LIFE)
        rng.shuffle(plan)
        for kind in plan[:ROUNDS - done]:
            try:
                took = one_round(field, rng, kind)
            except Failure as e:
                raise Failure("round %d of seed %d, %s: %s" % (done, SEED, kind, e))
            slowest[kind] = max(slowest.get(kind, 0), took)
            done += 1
        log = field.server.log()
        check("how=signal:KILL" in log or "reporter" not in slowest, "no report of a kill in the log")
        field.end()
        field.server.stop()
    print("     %d kills; slowest: %s" % (done, ", ".join("%s %.2f s" % (k, v) for k, v in sorted(slowest.items()))))


def logins_under_way(kind, lives, kills):
    """Ten logins in every stage when the guard dies: none may fail or be let in wrongly."""
    rng = random.Random(SEED)
    for life in range(lives):
        with Server("MaxStartups 300:30:400", "LogLevel DEBUG1") as s:
            s.crash_expected = True
            for kill in range(kills):
                pid = s.pid_of(kind)
                good, bad = [], []
                for _ in range(8):
                    good.append(s.popen("alice", "echo in"))
                    time.sleep(rng.random() * 0.03)
                for _ in range(2):
                    bad.append(s.popen("alice", "echo in", key_name="stranger"))
                time.sleep(rng.random() * 0.03)
                os.kill(pid, signal.SIGKILL)
                for p in good:
                    out, err = p.communicate(timeout=60)
                    same((p.returncode, out), (0, b"in\n"), "kill %d of life %d, seed %d: a login under way (%r)" % (kill, life, SEED, err))
                for p in bad:
                    out, err = p.communicate(timeout=60)
                    same((p.returncode, out), (255, b""), "a login with a foreign key")
                wait_until(lambda: s.pid_of(kind) not in (0, pid), 20, text="%s did not come back" % kind)


@coppiced_only
@limit(600)
def test_logins_under_way_while_keysign_dies():
    logins_under_way("keysign", max(2, ROUNDS // 12), 4)


@coppiced_only
@limit(600)
def test_logins_under_way_while_auth_dies():
    logins_under_way("auth", max(2, ROUNDS // 12), 4)


@coppiced_only
@limit(600)
def test_logins_under_way_while_the_nursery_dies():
    logins_under_way("nursery", max(2, ROUNDS // 12), 4)


@coppiced_only
@limit(600)
def test_logins_under_way_while_the_reporter_dies():
    logins_under_way("reporter", max(2, ROUNDS // 12), 4)


def ready_again(server, name, pid):
    """Only the death of what was ready counts for intensity."""
    wait_until(lambda: (lambda n: n["state"] == "up" and n["pid"] != pid)(server.node(name)), 20, text="%s did not come back" % name)


@coppiced_only
@limit(120)
def test_a_guard_beyond_its_intensity_takes_the_guards_along():
    with Server() as s:
        s.crash_expected = True
        session = s.popen("bob", "exec cat")
        session.stdin.write(b"before\n")
        session.stdin.flush()
        same(session.stdout.readline(), b"before\n", "echo")
        auth = s.pid_of("auth")
        for i in range(5):
            pid = s.pid_of("auth")
            os.kill(pid, signal.SIGKILL)
            ready_again(s, "auth", pid)
        keysign, guards = s.pid_of("keysign"), s.node("guards")["restarts"]
        pid = s.pid_of("auth")
        os.kill(pid, signal.SIGKILL)        # the sixth within 60 s: one too many for guards, one for the root
        wait_until(lambda: s.pid_of("keysign") not in (0, keysign) and s.pid_of("auth") not in (0, pid), 20, text="the guards were not restarted")
        check(s.node("guards")["restarts"] > guards or s.node("coppiced")["restarts"] > 0, "the tree does not show it")
        check(auth, "no auth")
        session.stdin.write(b"after\n")
        session.stdin.flush()
        same(session.stdout.readline(), b"after\n", "echo of a session through it all")
        session.stdin.close()
        same(session.wait(20), 0, "status of the session")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(120)
def test_beyond_the_roots_intensity_the_daemon_ends_in_order():
    s = Server()
    s.crash_expected = True
    session = s.popen("bob", "exec sleep 1000")
    wait_until(lambda: [n for n in s.tree() if n["name"].startswith("exec")], 20, text="no session")
    family = []
    for i in range(11):
        family = below(s.pid)
        pid = s.pid_of("nursery")
        os.kill(pid, signal.SIGKILL)
        if i < 10:
            ready_again(s, "nursery", pid)
    code = s.process.wait(30)
    s.stopped = True
    check(code not in (0, None) and code > 0, "exit status %r" % code)
    wait_until(lambda: not [p for p in family if alive(p) and status(p, "Name") not in (None, "sleep")], 15, text="processes are left")
    session.wait(20)


@coppiced_only
@limit(60)
def test_the_nursery_is_fresh_after_a_worker_crash():
    """security.md: a crash must not be a look at the layout of the next worker."""
    with Server() as s:
        s.crash_expected = True
        session = s.popen("bob", "exec cat")
        node = wait_until(lambda: [n for n in s.tree() if n["name"].startswith("connection") and n.get("user") == "bob"], 20, text="no session")[0]
        nursery = s.pid_of("nursery")
        os.kill(node["pid"], signal.SIGSEGV)
        same(session.wait(20), 255, "status of the client")
        wait_until(lambda: s.pid_of("nursery") not in (0, nursery), 20, text="the nursery is still the old one")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_the_supervisor_killed_takes_everything_along():
    """Without a keeper nothing of ours may go on without the one who reaps it."""
    s = Server("KeeperTime 0")
    session = s.popen("bob", "exec sleep 1000")
    wait_until(lambda: [n for n in s.tree() if n["name"].startswith("exec")], 20, text="no session")
    wait_until(lambda: "sleep" in [status(p, "Name") for p in below(s.pid)], 20, text="the program does not run")
    family = below(s.pid)
    s.process.kill()
    s.process.wait()
    s.stopped = True
    ours = [p for p in family if status(p, "Name") != "sleep"]
    try:
        wait_until(lambda: not [p for p in ours if alive(p)], 15)
    except Failure:
        raise Failure("processes are left: " + ", ".join("%s (%s)" % (status(p, "Name"), status(p, "State")) for p in ours if alive(p)))
    same(session.wait(20), 255, "status of the client")


@coppiced_only
@limit(120)
def test_a_guard_dies_with_more_clients_than_a_link_holds():
    """Everybody is introduced to its successor, a few at a time: a link's queue ends at 256."""
    with Server("MaxStartups 2000", "LoginGraceTime 600") as s:
        s.crash_expected = True
        held = [s.connect() for _ in range(700)]
        for c in held:
            check(c.recv(4) == b"SSH-", "no greeting")
        for kind in ("keysign", "auth"):
            pid = s.pid_of(kind)
            os.kill(pid, signal.SIGKILL)
            wait_until(lambda: s.pid_of(kind) not in (0, pid), 20, text="%s did not come back" % kind)
            s.ssh("alice", "true", ok=True)
            same(s.node(kind)["restarts"], 1 if kind == "keysign" else 2, "restarts of " + kind)     # auth goes with keysign
        check("ev=broken-rules" not in s.log() and "no link between" not in s.log(), "a link overflowed")
        for c in held:
            c.close()
