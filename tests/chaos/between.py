"""
SIGKILL of the supervisor between any two of its system calls: a tracer counts them from where a phase of its life begins, and kills
before the N-th is done. Then the next supervisor is started, and whatever N was: sessions that check every byte go on, the
port was never refused and each address is listened on once, a command ran once or not at all, and processes, descriptors (of the
supervisor and of the keeper), terminals and files are those of before.
"""
import collections
import glob
import os
import re
import signal
import subprocess
import time

import lab
from lab import HOST, Server, check, same, status, wait_until
from movers import Exec, Master, Sftp, Shell, moving
from harm import harm
from watch import OURS, fds, ptys

QUIET = 0.3         # seconds that still belong to a phase after its visible end
THIRD = "127.0.0.3"
HERE = os.path.dirname(os.path.abspath(__file__))
PHASES = {}


def phase(function):
    """A generator of (ground): begins it and yields what tells its end; goes on when a supervisor serves again."""
    PHASES[function.__name__.replace("_", " ")] = function
    return function


# ---- the tracer -------------------------------------------------------------------------------------

class Tracer:
    """The tracer on a process that exists; it kills before the n-th system call from here on is done, or counts when n is 0."""

    @staticmethod
    def make():
        lab.sh("cc", "-O2", "-o", lab.SCRATCH + "/between", HERE + "/between.c", "-lseccomp")

    def __init__(self, pid, n):
        self.process = subprocess.Popen([lab.SCRATCH + "/between", str(pid), str(n)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
        same(self.process.stdout.readline(), "attached\n", "the tracer's first word")

    def end(self):
        """How many system calls it saw, and the names of the last ones."""
        self.process.terminate()
        with self.process.stdout as out:
            count, *names = out.read().split()
        self.process.wait(20)
        return int(count), " ".join(names)


# ---- what must be as before ---------------------------------------------------------------------------

def population():
    """Processes of daemons and of their users, by name; clients are root's, and auth's children come and go."""
    found = collections.Counter()
    for pid, parent in lab.processes().items():
        name, uid = status(pid, "Name"), status(pid, "Uid")
        if (name in OURS or (uid is not None and uid.split()[0] != "0")) and status(parent, "Name") != "auth":
            found[name] += 1
    return found


def descriptors(pid):
    """By kind; a page of last events stays as long as one connection of its nursery does, so it says nothing until all are gone."""
    return collections.Counter({kind: n for kind, n in fds(pid).items() if "coppice-box" not in kind})


def listening(port):
    """Addresses listened on at a port, each as often as there are sockets."""
    found = []
    with open("/proc/net/tcp") as f:
        for line in f.readlines()[1:]:
            fields = line.split()
            address, at = fields[1].split(":")
            if fields[3] == "0A" and int(at, 16) == port:
                found.append(".".join(str(b) for b in reversed(bytes.fromhex(address))))
    return sorted(found)


def difference(now, before):
    more, less = now - before, before - now
    return ["%s +%d" % x for x in sorted(more.items())] + ["%s -%d" % x for x in sorted(less.items())]


class Ground:
    """A daemon with sessions of each kind, alone in its room, and a second one for what must begin from nothing."""

    def __init__(self):
        # Helpers are killed in one phase until their group gives up; the daemon itself must not.
        self.server = Server("LogLevel VERBOSE", "MaxStartups 100:30:200", "Supervise coppiced intensity=1000 period=1d")
        self.fresh = Server("LogLevel VERBOSE", wait=False)
        self.server.crash_expected = self.fresh.crash_expected = lab.sanitized()
        self.plain = list(self.server.lines)
        self.master = Master(self.server, 1)
        self.movers = [moving(kind(self.server, n, control=control)) for n, kind, control in
                       ((1, Exec, self.master.path), (1, Shell, self.master.path), (2, Exec, None), (3, Shell, None), (4, Sftp, None))]
        self.rounds = self.kills = 0
        # A keeper that is filled anew does not hold the order sockets of programs that run: begin with such a one.
        same(self.server.ctl("upgrade", timeout=60).returncode, 0, "an upgrade")
        time.sleep(1.5)
        self.recover()                  # what a taken over daemon occupies is what they are compared with
        self.before = None
        time.sleep(1)
        self.before = self.state()
        self.settled()

    # -- looking

    def state(self):
        """name -> Counter of what is there now."""
        keeper = [p for p in lab.below(self.server.pid) + lab.below(1) if status(p, "Name") == "keeper"]
        files = (re.sub(r".*/", "", p) for s in (self.server, self.fresh) for p in glob.glob(s.dir + "/*"))
        return {"processes": population(), "descriptors of the supervisor": descriptors(self.server.pid),
                "descriptors of the keeper": descriptors(keeper[0]) if keeper else collections.Counter(), "terminals": collections.Counter(pty=ptys()),
                "files": collections.Counter(f for f in files if not f.startswith(("sftp-", "log", "ran", "crashes"))),
                "listening": collections.Counter(listening(self.server.port) + listening(self.fresh.port))}

    def unlike(self):
        now = self.state()
        return ["%s: %s" % (what, ", ".join(difference(now[what], self.before[what])[:6])) for what in now if now[what] != self.before[what]]

    def settled(self, seconds=20):
        last = []

        def same_again():
            last[:] = self.unlike()
            return not last

        try:
            wait_until(same_again, seconds, 0.05)
        except lab.Failure:
            check(False, "not as before: " + "; ".join(last))

    def unharmed(self):
        was = {m: m.progress for m in self.movers}

        def moved():
            bad = [m.fault for m in self.movers if m.fault]
            check(not bad, "; ".join(bad))
            return all(m.progress > was[m] for m in self.movers if not isinstance(m, Sftp))

        wait_until(moved, 30, 0.01, "sessions stand still")

    # -- doing

    def dead(self, server):
        return server.process.poll() is not None

    def recover(self):
        """The supervisor is dead, or dies now: the port takes a client, who is greeted as soon as there is another one."""
        if not self.dead(self.server):
            self.server.process.kill()
            self.server.process.wait()
        with self.server.connect(20) as client:
            self.server.start()
            check(client.recv(4) == b"SSH-", "a client who came between two supervisors was dropped")

    def kill_within(self, name, n):
        """One kill at the n-th system call of a phase; 0: none. How many calls there were; 0 when the phase was over before."""
        server = self.fresh if name in ("start", "stop") else self.server
        steps = PHASES[name](self)
        begin = next(steps)
        tracer = Tracer(server.pid, n)
        done = begin()
        wait_until(lambda: done() or self.dead(server), 60, 0.005, "it does not end")
        if not self.dead(server):
            time.sleep(QUIET)
        calls, last = tracer.end()
        killed = self.dead(server) and server.process.returncode == -signal.SIGKILL
        self.rounds, self.kills = self.rounds + 1, self.kills + killed
        try:
            if self.dead(server) and server is self.server:
                check(killed, "the supervisor ended with %s" % server.process.returncode)
                self.recover()
            for _ in steps:
                pass
            self.unharmed()
            self.settled()
        except Exception as e:
            raise lab.Failure("%s call %d of %s (%s), exit status now %s: %s" % ("killed before" if killed else "never reached" if n else "counted up to", n or calls, name, last, server.process.poll(), e))
        return calls if killed or not n else 0

    def end(self):
        for m in self.movers:
            m.finish()
        self.master.finish()
        check(not [m.fault for m in self.movers if m.fault], "faults", [m.fault for m in self.movers if m.fault])
        self.server.stop()
        wait_until(lambda: not population(), 20, text="left behind: %s" % population())


@harm("kill supervisor between calls", logins=True, doors=True)
def kill_between(field):
    """Wherever it falls, with everything else going on; the sweep, with each phase by itself, is "figures BUILD between"."""
    if not os.path.exists(lab.SCRATCH + "/between"):
        Tracer.make()
    field.watcher.adopting = True
    for _ in range(6):
        tracer = Tracer(field.server.pid, field.rng.randrange(1, 600))
        wait_until(lambda: field.server.process.poll() is not None, 60, 0.002, "it made no system calls")
        tracer.end()
        same(field.server.process.returncode, -signal.SIGKILL, "its end")
        field.server.start()
        field.load.moving()
        same(listening(field.server.port), [HOST, "127.0.0.2"], "addresses")


# ---- the phases of its life ------------------------------------------------------------------------------

def ran(ground):
    path = "/home/alice/ran"
    if not os.path.exists(path):
        return 0
    with open(path) as f:
        return len(f.readlines())


def command(ground, argv):
    """A command that must run once when its client says so, and never twice."""
    if os.path.exists("/home/alice/ran"):
        os.unlink("/home/alice/ran")
    client = []

    def begin():
        client.append(subprocess.Popen(argv + ["echo x >> /home/alice/ran; echo in; exit 3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return lambda: client[0].poll() is not None

    yield begin
    try:
        out, err = client[0].communicate(timeout=60)
    except subprocess.TimeoutExpired:
        client[0].kill()
        raise lab.Failure("the client hangs")
    same((client[0].returncode, out, ran(ground)), (3, b"in\n", 1), "what a command said, and how often it ran (%r)" % err[-200:])


@phase
def login(ground):
    """A connection, a login, a command, its end."""
    yield from command(ground, ground.server.argv("alice"))


@phase
def terminal(ground):
    """The same with a terminal."""
    def begin():
        client.append(ground.server.popen("alice", "test -t 0 && exit 5", flags=("-tt",), stdin=subprocess.DEVNULL))
        return lambda: client[0].poll() is not None

    client = []
    yield begin
    out, err = client[0].communicate(timeout=60)
    same(client[0].returncode, 5, "status of a program at a terminal (%r %r)" % (out, err[-200:]))


@phase
def channel(ground):
    """A command more on a connection that exists."""
    if os.path.exists("/home/bob/ran"):
        os.unlink("/home/bob/ran")
    argv = ["ssh", "-S", ground.master.path, "x@" + HOST]
    client = []

    def begin():
        client.append(subprocess.Popen(argv + ["echo x >> /home/bob/ran; echo in; exit 3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE))
        return lambda: client[0].poll() is not None

    yield begin
    out, err = client[0].communicate(timeout=60)
    with open("/home/bob/ran") as f:
        same((client[0].returncode, out, f.read()), (3, b"in\n", "x\n"), "a command on an old connection (%r)" % err[-200:])


@phase
def leaving(ground):
    """A client vanishes: its programs are hung up, its terminal is given back."""
    client = ground.server.popen("alice", "echo ready; exec sleep 1000", flags=("-tt",))
    check(client.stdout.readline().strip() == b"ready", "no session")

    def begin():
        client.kill()
        client.wait()
        return lambda: population()["sleep"] == ground.before["processes"]["sleep"]

    yield begin


def reloads(ground, lines, addresses):
    def begin():
        ground.server.write(*lines)
        os.kill(ground.server.pid, signal.SIGHUP)
        return lambda: listening(ground.server.port) == addresses

    yield begin
    r = ground.server.ctl("reload")
    same(r.returncode, 0, "a reload afterwards (%r)" % r.stderr)
    wait_until(lambda: listening(ground.server.port) == addresses, 10, text="addresses: %s" % listening(ground.server.port))


@phase
def reload(ground):
    """Another address, other limits."""
    yield from reloads(ground, ground.plain + ["ListenAddress " + THIRD, "MaxSessions 7", "Banner none"], [HOST, THIRD])
    ground.server.write(*ground.plain)
    same(ground.server.ctl("reload").returncode, 0, "the reload back")


@phase
def reload_back(ground):
    """An address less."""
    ground.server.write(*(ground.plain + ["ListenAddress " + THIRD]))
    same(ground.server.ctl("reload").returncode, 0, "the reload before")
    yield from reloads(ground, ground.plain, [HOST])


def asks(ground, *words):
    """A command of coppicectl, which hears its answer or that nobody is there to give it."""
    asked = []

    def begin():
        asked.append(subprocess.Popen([lab.BUILD + "/bin/coppicectl", "-s", ground.server.control] + list(words), stdin=subprocess.DEVNULL,
                                      stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=ground.server.env()))
        return lambda: asked[0].poll() is not None

    yield begin
    asked[0].communicate(timeout=60)
    wait_until(lambda: ground.server.ctl("tree").returncode == 0, 20, text="coppicectl is not answered")


@phase
def upgrade(ground):
    """Another program takes over."""
    yield from asks(ground, "upgrade")


@phase
def handoff(ground):
    """Connections move to fresh processes."""
    yield from asks(ground, "handoff")


@phase
def crash(ground):
    """A helper of ours dies and is replaced."""
    old = ground.server.pid_of("auth")

    def begin():
        os.kill(old, signal.SIGKILL)
        return lambda: any(status(p, "Name") == "auth" for p in lab.below(ground.server.pid) if p != old)

    yield begin
    wait_until(lambda: ground.server.pid_of("auth") not in (0, None, old) and ground.server.node("auth")["state"] == "up", 20, text="auth did not come back")


# ---- those that begin with its first system call ------------------------------------------------------------

def stopped_at_birth(server):
    """A process that is about to execute the daemon, and waits for SIGCONT."""
    server.launch("sh", "-c", 'kill -STOP $$; exec "$@"', "sh")
    wait_until(lambda: (status(server.pid, "State") or "T").startswith("T"), 10, 0.002)


@phase
def resume(ground):
    """The next one takes over."""
    ground.server.process.kill()
    ground.server.process.wait()
    before = ground.server.log().count("ev=resume from")
    stopped_at_birth(ground.server)

    def begin():
        os.kill(ground.server.pid, signal.SIGCONT)
        return lambda: ground.server.log().count("ev=resume from") > before and ground.server.answers()

    yield begin


def ends_cleanly(ground):
    """A supervisor that finds whatever a killed one left serves, stops with 0, and nothing is left of either."""
    server = ground.fresh
    if not ground.dead(server):
        server.stop()
        return
    server.start()
    same(listening(server.port), [HOST], "addresses")
    server.ssh("alice", "true", ok=True)
    server.stop()


@phase
def start(ground):
    """From nothing."""
    server = ground.fresh
    server.stopped = False
    stopped_at_birth(server)

    def begin():
        os.kill(server.pid, signal.SIGCONT)
        return server.answers

    yield begin
    ends_cleanly(ground)


@phase
def stop(ground):
    """SIGTERM with a session."""
    server = ground.fresh
    server.stopped = False
    server.start()
    session = server.popen("alice", "cat")
    session.stdin.write(b"in\n")
    session.stdin.flush()
    check(session.stdout.readline() == b"in\n", "no session")

    def begin():
        server.process.terminate()
        return lambda: ground.dead(server)

    yield begin
    check(server.process.returncode in (0, -signal.SIGKILL), "the supervisor ended with %s" % server.process.returncode)
    ends_cleanly(ground)
    try:
        session.communicate(timeout=20)
    except subprocess.TimeoutExpired:
        session.kill()
        raise lab.Failure("a session of a stopped daemon goes on")
