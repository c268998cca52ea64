"""Live connections move to other processes (coppicectl handoff), under load: no client and no program notices."""
import hashlib
import json
import os
import random
import signal
import socket
import subprocess
import threading
import time

import lab
from lab import HOST, SCRATCH, Server, alive, below, check, connections, coppiced_only, limit, same, status, wait_until
from movers import Exec, Master, Mover, Sftp, Shell, moving, pattern

ROUNDS = max(30, lab.ROUNDS)
BIG = (64 if lab.ROUNDS > 24 else 8) << 20
PLAIN = ("Ciphers=aes128-ctr", "MACs=hmac-sha2-256")      # where half a packet is decrypted before the rest is there
WITH_PLAIN = "MACs +hmac-sha2-256"                        # for its server


def handoff(server, *session, code=0):
    r = server.ctl("--json", "handoff", *session, timeout=60)
    same(r.returncode, code, "status of coppicectl handoff (%r)" % r.stderr)
    return json.loads(r.stdout) if r.returncode == 0 else None


class Later(threading.Thread):
    """coppicectl handoff, which takes its time because somebody is stopped."""

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server, self.rows, self.error = server, None, None
        self.start()

    def run(self):
        try:
            self.rows = handoff(self.server)
        except Exception as e:          # told by result()
            self.error = e

    def result(self):
        self.join(60)
        check(self.error is None and self.rows is not None, "coppicectl handoff: %r" % self.error)
        return self.rows


def children(server, name):
    return [p for p in below(server.pid) if status(p, "Name") == name]


def stopped(pid):
    with open("/proc/%d/stat" % pid) as f:
        return f.read().rpartition(")")[2].split()[0] == "T"


class Stopped:
    """A process that hears nothing for a while."""

    def __init__(self, pid):
        self.pid = pid

    def __enter__(self):
        os.kill(self.pid, signal.SIGSTOP)
        wait_until(lambda: stopped(self.pid))
        return self

    def __exit__(self, *how):
        try:
            os.kill(self.pid, signal.SIGCONT)
        except ProcessLookupError:
            pass


def descriptors(server):
    out = {}
    for name in ("coppiced", "keysign", "nursery", "acceptor", "reporter"):      # (auth keeps helpers for a while)
        pids = [server.pid] if name == "coppiced" else children(server, name)
        out[name] = sum(len(os.listdir("/proc/%d/fd" % p)) for p in pids)
    return out


def zombies(server):
    found = []
    for p in os.listdir("/proc"):
        if p.isdigit():
            try:
                with open("/proc/%s/stat" % p) as f:
                    fields = f.read().rpartition(")")[2].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            if fields[0] == "Z" and int(fields[1]) == server.pid:
                found.append(int(p))
    return found


class Cat:
    """One session with a program that sends lines back."""

    def __init__(self, server, user="alice", options=(), command="cat"):
        self.server = server
        known = set(connections(server))
        self.p = server.popen(user, command, options=options)
        self.line("hello")
        self.session = (set(connections(server)) - known).pop()

    def line(self, text):
        self.p.stdin.write(text.encode() + b"\n")
        self.p.stdin.flush()
        same(self.p.stdout.readline(), text.encode() + b"\n", "what came back")

    @property
    def pid(self):
        return connections(self.server).get(self.session)

    def end(self, code=0):
        self.line("bye")
        self.p.stdin.close()
        same(self.p.wait(20), code, "exit status (%r)" % self.p.stderr.read())


# ---- a daemon full of work ---------------------------------------------------------------------------------


class Work(threading.Thread):
    """Something with one end, right or wrong; runs beside the others."""

    def __init__(self, server, *more):
        super().__init__(daemon=True)
        self.server, self.more, self.error, self.done = server, more, None, False
        self.start()

    def run(self):
        try:
            self.work(*self.more)
            self.done = True
        except Exception as e:
            self.error = e

    def finish(self):
        self.join(120)
        check(self.done, "%s%r: %r" % (type(self).__name__, self.more, self.error))


def feed(pipe, total):
    for at in range(0, total, 1 << 16):
        pipe.write(pattern(at, min(1 << 16, total - at)))
    pipe.close()


def digest(total):
    h = hashlib.sha256()
    for at in range(0, total, 1 << 16):
        h.update(pattern(at, min(1 << 16, total - at)))
    return h.hexdigest().encode()


class Put(Work):
    def work(self, options, wait=""):
        p = self.server.popen("bob", wait + "sha256sum; exit 5", options=options)
        feed(p.stdin, BIG)
        same(p.stdout.read().split()[0], digest(BIG), "sum of what arrived")
        same(p.wait(30), 5, "exit status")


class Get(Work):
    def work(self, options, hold=None):
        p = self.server.popen("bob", "cat /home/bob/big; exit 6", options=options)
        if hold:
            hold.wait()                 # the client is stopped by its full stdout meanwhile
        h = hashlib.sha256()
        while True:
            block = p.stdout.read1(1 << 16)
            if not block:
                break
            h.update(block)
        same(h.hexdigest().encode(), digest(BIG), "sum of what came")
        same(p.wait(30), 6, "exit status")


class HalfClosed(Work):
    """Our end of file is said; the program goes on, much later it answers."""

    def work(self, go):
        p = self.server.popen("bob", "cat >/dev/null; while ! [ -e %s ]; do sleep 0.05; done; echo out; echo err >&2; exit 7" % go, options=PLAIN)
        p.stdin.write(b"x" * 100)
        p.stdin.close()
        same(p.stdout.read(), b"out\n")
        check(b"err\n" in p.stderr.read(), "stderr is lost")
        same(p.wait(30), 7, "exit status")


class OtherWay(Work):
    """The program closed its output; we go on sending, and it counts."""

    def work(self, go):
        p = self.server.popen("bob", "exec 1>&-; wc -c >%s.count; exit 8" % go)
        feed(p.stdin, 100000)
        same(p.stdout.read(), b"")
        same(p.wait(60), 8, "exit status")
        with open(go + ".count") as f:
            same(f.read().strip(), "100000")


class BigSftp(Work):
    def work(self):
        name = self.server.dir + "/bigfile"
        with open(name, "wb") as f:
            feed(f, BIG)
        self.server.sftp("bob", "put %s big.sftp\nget big.sftp %s.back\nls -l\n" % (name, name))
        with open(name + ".back", "rb") as f:
            same(hashlib.sha256(f.read()).hexdigest().encode(), digest(BIG), "sum of the file that came back")


class Python(Work):
    """paramiko and asyncssh: a command with input and output, and a status."""

    def work(self, stop):
        import asyncio
        import asyncssh
        import paramiko

        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(HOST, self.server.port, "alice", key_filename=lab.key("ed25519"), allow_agent=False, look_for_keys=False)

        async def other():
            async with asyncssh.connect(HOST, self.server.port, username="bob", client_keys=[lab.key("ed25519")], known_hosts=None) as c:
                while not stop.is_set():
                    r = await c.run("cat; exit 3", input="y" * 300000)
                    same((len(r.stdout), r.exit_status, r.exit_signal), (300000, 3, None), "asyncssh")
        faults = []

        def run():
            try:
                asyncio.run(other())
            except Exception as e:
                faults.append(e)
        t = threading.Thread(target=run)
        t.start()
        while not stop.is_set():
            i, o, e = client.exec_command("cat; exit 4")
            i.write("z" * 300000)
            i.channel.shutdown_write()
            same(o.read(), b"z" * 300000, "paramiko")
            same(o.channel.recv_exit_status(), 4, "paramiko's exit status")
        client.close()
        t.join(60)
        check(not faults, "asyncssh", *faults)


class Quick(Mover):
    """A mover with options of its own."""


def quick(kind, server, number, *options):
    class One(kind):
        def options(self):
            return super().options() + options
    One.__name__ = kind.__name__
    return One(server, number)


@coppiced_only
@limit(900)
def test_thirty_moves_of_twenty_sessions():
    with Server("MaxStartups 100:30:100", "LogLevel INFO", "ClientAliveInterval 1", WITH_PLAIN) as server:
        with open("/home/bob/big", "wb") as f:
            feed(f, BIG)
        before = descriptors(server)
        go, hold, stop = server.dir + "/go", threading.Event(), threading.Event()
        master = Master(server, 90)
        movers = [Exec(server, 1), Shell(server, 2), Sftp(server, 3), quick(Exec, server, 4, "RekeyLimit=1M"), quick(Exec, server, 5, *PLAIN),
                  quick(Shell, server, 6, "Ciphers=aes256-gcm@openssh.com"), quick(Exec, server, 7, "Ciphers=aes128-ctr", "MACs=hmac-sha2-512-etm@openssh.com", "RekeyLimit=1M")]
        movers += [kind(server, 90, control=master.path) for kind in (Exec, Shell, Sftp)]
        idle = Cat(server)
        os.chmod(server.dir, 0o777)
        works = [Put(server, ()), Put(server, PLAIN), Put(server, ("RekeyLimit=1M",), "while ! [ -e %s ]; do sleep 0.05; done; " % go), Get(server, ()),
                 Get(server, PLAIN + ("RekeyLimit=1M",)), Get(server, (), hold), HalfClosed(server, go), OtherWay(server, go), BigSftp(server), Python(server, stop)]
        stranger = socket.create_connection((HOST, server.port))        # never logs in
        for m in movers:
            moving(m)
        moved, reasons = {}, set()
        for i in range(ROUNDS):
            for row in handoff(server):
                if row["result"] == "moved":
                    moved[row["session"]] = moved.get(row["session"], 0) + 1
                    check(row["pid"] != row["from"], "pids", row)
                else:
                    reasons.add((row["result"], row["why"]))
            faults = [m.fault for m in movers if m.fault] + [repr(w.error) for w in works if w.error]
            check(not faults, "after move %d: %s" % (i, "; ".join(faults)))
            if i == ROUNDS // 2:
                with open(go, "w"):
                    hold.set()
        now = connections(server)
        check(moved.get(idle.session, 0) >= ROUNDS - 2, "the idle session moved %r times in %d" % (moved.get(idle.session), ROUNDS), reasons)
        check(sum(moved.values()) > ROUNDS * 8, "too few moved", moved, reasons)
        check(("later", "login not finished") in reasons, "the one that did not log in", reasons)
        check(not [r for r in reasons if r[0] == "stays"], "some could not be read", reasons)
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] or m.fault for m in movers), 40, text="some stand still")
        stop.set()
        for m in movers:
            m.finish()
        master.finish()
        for w in works:
            w.finish()
        check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        check(now, "no sessions")
        idle.end()
        stranger.close()
        wait_until(lambda: not connections(server), 20, text="sessions that do not end")
        wait_until(lambda: not children(server, "connection"), 20, text="connection processes that are nobody's")
        wait_until(lambda: not zombies(server), 10, text="zombies")
        wait_until(lambda: {k: v for k, v in descriptors(server).items() if v > before[k]} == {}, 20, text="descriptors: %r, %r before" % (descriptors(server), before))


# ---- not now ---------------------------------------------------------------------------------------------


@coppiced_only
def test_a_key_exchange_under_way_moves_later():
    with Server() as server:
        p = server.popen("alice", "cat", options=("RekeyLimit=64K",))
        p.stdin.write(b"begin\n")
        p.stdin.flush()
        same(p.stdout.readline(), b"begin\n")
        with Stopped(children(server, "keysign")[0]):
            p.stdin.write(b"x" * 80000 + b"\n")
            p.stdin.flush()

            def under_way():
                return [r["why"] for r in handoff(server)] == ["key exchange under way"]
            wait_until(under_way, 10, text="no key exchange is open")
            session, pid = list(connections(server).items())[0]
        same(len(p.stdout.readline()), 80001)
        wait_until(lambda: connections(server)[session] != pid, 10, text="it does not move later")
        p.stdin.close()
        same(p.wait(20), 0)


@coppiced_only
def test_a_login_under_way_moves_later():
    """Nobody asks again: the daemon remembers that it is to move."""
    with Server() as server:
        with Stopped(children(server, "auth")[0]):
            p = server.popen("alice", "cat")
            rows = wait_until(lambda: [r for r in handoff(server) if r["why"] == "login not finished"], 10, text="no login is under way")
            same([r["result"] for r in rows], ["later"])
        p.stdin.write(b"hello\n")
        p.stdin.flush()
        same(p.stdout.readline(), b"hello\n")
        session = rows[0]["session"]
        wait_until(lambda: connections(server)[session] != rows[0]["from"], 15, text="it never moved")
        p.stdin.close()
        same(p.wait(20), 0)


@coppiced_only
def test_only_the_one_that_was_named():
    with Server() as server:
        one, two = Cat(server), Cat(server)
        pids = one.pid, two.pid
        rows = handoff(server, str(one.session))
        same([r["session"] for r in rows], [one.session])
        check(one.pid != pids[0] and two.pid == pids[1], "who moved", pids, one.pid, two.pid)
        handoff(server, "999999", code=1)
        handoff(server, "nonsense", code=1)
        for c in (one, two):
            c.end()
        wait_until(lambda: not connections(server), 10)
        same(handoff(server), [])


# ---- what may go wrong -----------------------------------------------------------------------------------


@coppiced_only
def test_the_nursery_dies_over_it():
    with Server() as server:
        server.crash_expected = True
        cat = Cat(server)
        pid, nursery = cat.pid, children(server, "nursery")[0]
        with Stopped(nursery):
            later = Later(server)
            wait_until(lambda: os.readlink("/proc/%d/exe" % nursery) and later.is_alive())
            time.sleep(0.1)             # FORK lies in its socket; nothing but time shows that
            os.kill(nursery, signal.SIGKILL)
            rows = later.result()
        check(rows[0]["result"] in ("later", "moved"), "result", rows)
        cat.line("still here")
        wait_until(lambda: cat.pid != pid, 10, text="the next nursery did not take it")
        cat.end()


@coppiced_only
def test_the_nursery_sleeps():
    """The deadline: the predecessor goes on, and moves when there is somebody to move to."""
    with Server() as server:
        cat = Cat(server)
        pid = cat.pid
        with Stopped(children(server, "nursery")[0]):
            rows = handoff(server)
            same(rows[0]["result"], "later")
            cat.line("not moved")
            same(cat.pid, pid)
        wait_until(lambda: cat.pid != pid, 15, text="it never moved")
        cat.line("moved")
        wait_until(lambda: len(children(server, "connection")) == 1, 10, text="the successor that came too late is there")
        cat.end()


@coppiced_only
def test_a_connection_that_sleeps():
    """It is asked once, and again when it has answered."""
    with Server() as server:
        cat = Cat(server)
        pid, before = cat.pid, descriptors(server)["coppiced"]
        with Stopped(pid):
            same(handoff(server)[0]["why"], "it took too long")
            for _ in range(5):
                same(handoff(server)[0]["why"], "it does not answer")
            # coppicectl's own connection may be a moment from closed
            wait_until(lambda: descriptors(server)["coppiced"] <= before, 2, text="descriptors that stay: %r, %r before" % (descriptors(server), before))
        cat.line("awake")
        wait_until(lambda: cat.pid != pid, 15, text="it never moved")
        cat.end()


@coppiced_only
def test_the_successor_dies_before_it_may_serve():
    with Server() as server:
        server.crash_expected = True
        cat = Cat(server)
        pid, nursery = cat.pid, children(server, "nursery")[0]
        with Stopped(nursery):
            later = Later(server)
            time.sleep(0.2)
            with Stopped(server.pid):
                os.kill(nursery, signal.SIGCONT)
                new = wait_until(lambda: [p for p in children(server, "connection") if p != pid], 10, text="no successor")[0]
                os.kill(new, signal.SIGKILL)
                wait_until(lambda: not alive(new))
        rows = later.result()
        check(rows[0]["result"] == "later" and rows[0]["pid"] == pid, "result", rows)
        cat.line("as if nothing had been")
        wait_until(lambda: cat.pid != pid, 15, text="it never moved")
        cat.end()


@coppiced_only
def test_the_predecessor_dies_over_it():
    with Server() as server:
        server.crash_expected = True
        cat, other = Cat(server), Cat(server, "bob")
        nursery = children(server, "nursery")[0]
        with Stopped(nursery):
            later = Later(server)
            time.sleep(0.1)
            os.kill(cat.pid, signal.SIGKILL)
            check(cat.p.wait(15) != 0, "its client sees an end")
        same({r["session"]: r["result"] for r in later.result()}[cat.session], "ended")
        other.line("does not notice")
        other.end()
        wait_until(lambda: not connections(server), 10)
        wait_until(lambda: not children(server, "connection"), 10, text="a successor without a session")


@coppiced_only
def test_it_ends_meanwhile():
    """An exit status and a guard's death that happen during the move reach the successor."""
    with Server() as server:
        server.crash_expected = True
        go = server.dir + "/go"
        p = server.popen("alice", "echo ready; while ! [ -e %s ]; do sleep 0.02; done; echo over; exit 9" % go, options=("RekeyLimit=64K",))
        same(p.stdout.readline(), b"ready\n")
        keysign = children(server, "keysign")[0]
        with Stopped(children(server, "nursery")[0]):
            later = Later(server)
            time.sleep(0.1)
            with open(go, "w"):
                pass
            os.kill(keysign, signal.SIGKILL)
            wait_until(lambda: [k for k in children(server, "keysign") if k != keysign], 10)
            wait_until(lambda: not [q for q in below(server.pid) if status(q, "Name") == "sleep"], 5)
        same(p.stdout.read(), b"over\n")
        same(p.wait(20), 9, "exit status")
        check(later.result()[0]["result"] in ("moved", "later"), "result")


@coppiced_only
def test_the_daemon_stops_over_it():
    with Server() as server:
        cat = Cat(server)
        with Stopped(children(server, "nursery")[0]):
            later = Later(server)
            time.sleep(0.1)
            server.process.send_signal(signal.SIGTERM)
            check(cat.p.wait(20) != 0, "the session ended with the daemon")
        server.process.wait(20)
        later.join(20)
        server.stopped = True
        check(not children(server, "connection"), "left behind")


@coppiced_only
def test_a_rekey_after_many_moves():
    """keysign knows the successor for one that is logged in: it may have as many rekeys signed as ever."""
    with Server() as server:
        p = server.popen("alice", "cat", options=("RekeyLimit=16K",))
        sent = 0
        for i in range(12):
            p.stdin.write(b"%07d\n" % i + b"r" * 40000 + b"\n")
            p.stdin.flush()
            same(p.stdout.readline(), b"%07d\n" % i)
            same(len(p.stdout.readline()), 40001)
            sent += any(r["result"] == "moved" for r in handoff(server))
        check(sent >= 6, "only %d moves" % sent)
        p.stdin.close()
        same(p.wait(20), 0)


@coppiced_only
@limit(300)
def test_helpers_die_while_all_move():
    """Nursery and keysign killed again and again under moves: no session is lost, each moves at last."""
    with Server("MaxStartups 100:30:100", "LogLevel INFO", WITH_PLAIN) as server:
        server.crash_expected = True
        rng = random.Random(lab.SEED)
        movers = [Exec(server, 1), quick(Exec, server, 2, "RekeyLimit=512K"), Shell(server, 3), quick(Exec, server, 4, *PLAIN), Sftp(server, 5), Exec(server, 6)]
        for m in movers:
            moving(m)
        for i in range(6):              # (more would be too many restarts for the tree)
            rounds = [Later(server) for _ in range(3)]
            time.sleep(rng.random() * 0.05)
            victim = rng.choice(["nursery", "nursery", "keysign"])
            for pid in children(server, victim):
                os.kill(pid, signal.SIGKILL)
            for r in rounds:
                r.result()
            wait_until(lambda: server.node(victim)["state"] == "up", 20, text=victim + " does not come back")
            check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] or m.fault for m in movers), 40, text="some stand still")
        before = connections(server)
        handoff(server)
        wait_until(lambda: all(connections(server).get(s) != p for s, p in before.items()), 20, text="some do not move any more")
        for m in movers:
            m.finish()
        check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        wait_until(lambda: not children(server, "connection"), 20, text="connection processes that are nobody's")
