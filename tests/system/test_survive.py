"""SurviveCrash: connection processes are killed at any instruction, and their sessions go on."""
import fcntl
import os
import pty
import random
import signal
import socket
import struct
import subprocess
import termios
import threading
import time

import lab
from lab import HOST, Server, check, coppiced_only, limit, same, wait_until
from movers import Exec, Master, Sftp, Shell, moving, pattern
import test_handoff
import test_report
import test_resume
from test_ctl import rows
from test_handoff import PLAIN, WITH_PLAIN, Cat, Get, Put, Stopped, children, connections, descriptors, feed, handoff, zombies

CHACHA = ("Ciphers=chacha20-poly1305@openssh.com",)
KILLS = max(24, lab.ROUNDS)
FAULT = signal.SIGTRAP if lab.sanitized() else signal.SIGSEGV       # a sanitizer makes an exit status of the latter


def kill(pid, how=signal.SIGKILL):
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


def came(pid):
    """Bytes that this process has read; a successor begins at 0."""
    try:
        with open("/proc/%d/io" % pid) as f:
            return int(f.read().split()[1])
    except (FileNotFoundError, ProcessLookupError):
        return 0


def goes_on(c, how=signal.SIGKILL):
    """Its process is killed, and it answers. Which process that was."""
    was = c.pid
    kill(was, how)
    c.line("after %d" % was)
    check(c.pid not in (None, 0, was), "no successor", c.pid)
    return was


@coppiced_only
def test_an_idle_session_outlives_its_process():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        goes_on(c)
        goes_on(c, FAULT)
        c.end()
        wait_until(lambda: not connections(server), 20, text="sessions that do not end")



@coppiced_only
@limit(900)
def test_sessions_that_move_data_outlive_their_processes():
    with Server("SurviveCrash yes", "MaxStartups 100:30:100", "LogLevel VERBOSE") as server:
        server.crash_expected = True
        before = descriptors(server)
        rng = random.Random(lab.SEED)
        master = Master(server, 90)
        movers = [Exec(server, 1), Shell(server, 2), Sftp(server, 3)] + [kind(server, 90, control=master.path) for kind in (Exec, Shell, Sftp)]
        idle = Cat(server)
        for m in movers:
            moving(m)
        killed = 0
        while killed < KILLS:
            session, pid = rng.choice(sorted(connections(server).items()))
            if session == idle.session and pid:
                idle.line("x" * 2000)
            if not pid or came(pid) < 1000:     # once per packet position: the next kill has to find another one
                continue
            time.sleep(rng.random() * 0.02)
            kill(pid)
            killed += 1
            wait_until(lambda: connections(server).get(session) not in (None, 0, pid), 10, text="no successor of session %d after %d kills" % (session, killed))
            was = {m: m.progress for m in movers}
            faults = [m.fault for m in movers if m.fault]
            check(not faults, "after kill %d: %s" % (killed, "; ".join(faults)))
        wait_until(lambda: all(m.progress > was[m] or m.fault for m in movers if not isinstance(m, Sftp)), 20, text="some stand still after %d kills" % killed)
        wait_until(lambda: all(m.progress > was[m] or m.fault for m in movers), 40, text="some stand still")
        for m in movers:
            m.finish()
        master.finish()
        check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        idle.end()
        wait_until(lambda: not connections(server), 20, text="sessions that do not end")
        wait_until(lambda: not children(server, "connection"), 20, text="connection processes that are nobody's")
        wait_until(lambda: not zombies(server), 10, text="zombies")
        wait_until(lambda: {k: v for k, v in descriptors(server).items() if v > before[k]} == {}, 20, text="descriptors: %r, %r before" % (descriptors(server), before))


@coppiced_only
@limit(900)
def test_bulk_transfers_outlive_their_processes():
    with Server("SurviveCrash yes", "MaxStartups 100:30:100", WITH_PLAIN) as server:
        server.crash_expected = True
        test_handoff.BIG = 48 << 20
        with open("/home/bob/big", "wb") as f:
            feed(f, test_handoff.BIG)
        rng = random.Random(lab.SEED)
        killed = rounds = 0
        while killed < KILLS:
            rounds += 1
            kind, options = [(Put, ()), (Get, ()), (Put, PLAIN), (Get, PLAIN), (Get, CHACHA), (Put, CHACHA)][rounds % 6]
            known = set(connections(server))
            w = kind(server, options)
            wait_until(lambda: set(connections(server)) - known or w.done or w.error, 10)
            wait_until(lambda: children(server, "sh") or w.done or w.error, 10, text="no program")
            while not (w.done or w.error):
                for session, pid in connections(server).items():
                    if pid and session not in known and came(pid) >= (100000 if kind is Put else 6 << 20):     # a packet has to come between two
                        kill(pid)
                        killed += 1
                time.sleep(rng.random() * 0.02)
            w.finish()
            wait_until(lambda: not connections(server), 20)


# ---- what is said and heard, and channels that come and go ------------------------------------------------

class Shorts(threading.Thread):
    """Short programs on one connection, one behind the other: each runs once, its output and its exit status are what they should be."""

    INPUT = pattern(0, 200000)

    def __init__(self, server, control, number, seed):
        super().__init__(daemon=True)
        self.server, self.number = server, number
        self.options = ("ControlPath=" + control, "ControlMaster=no")
        self.rng = random.Random(seed)
        self.ran = "/home/bob/ran-%d" % number
        self.stopping, self.fault, self.done = False, None, 0
        self.start()

    def launch(self, command):
        return self.server.popen("bob", command, options=self.options)

    def program(self, tag, status):
        """A command, its input, and what has to come back."""
        n = self.rng.randrange(len(self.INPUT))
        say = "echo %s >>%s; exit %d" % (tag, self.ran, status)
        return self.rng.choice([
            ("echo out %s; echo err %s >&2; %s" % (tag, tag, say), b"", b"out %s\n" % tag.encode(), b"err %s\n" % tag.encode()),
            ("cat; " + say, self.INPUT[:n], self.INPUT[:n], b""),
            ("cat >&2; " + say, self.INPUT[:n // 8], b"", self.INPUT[:n // 8]),
            ("exec >&- 2>&-; sleep 0.01; " + say, b"", b"", b""),
            ("exec <&-; " + say, self.INPUT[:n], b"", b""),
            (say, b"", b"", b""),
        ])

    def run(self):
        try:
            while not self.stopping and self.fault is None:
                self.done += 1
                if self.rng.random() < 0.1:
                    self.leave("%d-%d" % (self.number, self.done))
                else:
                    self.one("%d-%d" % (self.number, self.done), self.rng.randrange(200))
        except Exception as e:          # told by the test
            self.fault = self.fault or repr(e)

    def one(self, tag, status):
        command, given, out, err = self.program(tag, status)
        p = self.launch(command)
        got = p.communicate(given, timeout=60)
        if (p.returncode, got[0], got[1]) != (status, out, err):
            self.fault = "%s: %r: status %d, not %d; %d and %d bytes, not %d and %d: %r" % (
                tag, command, p.returncode, status, len(got[0]), len(got[1]), len(out), len(err), got[1][:300])
        with open(self.ran) as f:
            lines = f.read().split("\n")
        if lines.count(tag) != 1:
            self.fault = "%s ran %d times" % (tag, lines.count(tag))

    def leave(self, tag):
        """A client that goes away: its program sees the end of its input."""
        p = self.launch("echo here; exec cat >/dev/null")
        if self.rng.random() < 0.5 and p.stdout.readline() != b"here\n":
            self.fault = tag + ": no program"
        p.kill()
        p.communicate()

    def finish(self):
        self.stopping = True
        self.join(90)
        check(not self.is_alive(), "a program never ended")


class Resized(threading.Thread):
    """A terminal whose size changes: the program hears of each change once, and sees each notice at most once."""

    PROGRAM = ("exec python3 -uc 'import os, signal\nn = 0\ndef winch(*a):\n    global n\n    n += 1\n"
               "    print(\"size %d %d %d.\" % ((n,) + tuple(os.get_terminal_size(0))))\n"
               "signal.signal(signal.SIGWINCH, winch)\nprint(\"size 0.\")\nwhile True:\n    signal.pause()\n'")

    def __init__(self, server, control):
        super().__init__(daemon=True)
        self.master, slave = pty.openpty()
        self.size(80, 24)
        self.p = server.popen("bob", self.PROGRAM, options=("ControlPath=" + control, "ControlMaster=no"), flags=("-tt",), stdin=slave, stdout=subprocess.PIPE,
                              stderr=subprocess.DEVNULL)
        os.close(slave)
        self.text, self.done, self.stopping, self.fault = b"", 0, False, None
        threading.Thread(target=self.read, daemon=True).start()
        wait_until(lambda: b"size 0." in self.text, 20, text="no terminal")
        self.start()

    def size(self, cols, rows):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, 0, 0))

    def read(self):
        while True:
            got = self.p.stdout.read1(1 << 16)
            if not got:
                return
            self.text += got

    def run(self):
        while not self.stopping and self.fault is None:
            self.done += 1
            cols, rows = 80 + self.done % 50, 24 + self.done % 7
            self.size(cols, rows)
            self.p.send_signal(signal.SIGWINCH)
            want, end = b"size %d %d %d." % (self.done, cols, rows), time.monotonic() + 30
            while want not in self.text and time.monotonic() < end:
                time.sleep(0.002)
            if want not in self.text or b"size %d " % (self.done + 1) in self.text:
                self.fault = "after %d changes: %r" % (self.done, self.text[-200:])

    def finish(self):
        self.stopping = True
        self.join(60)
        self.p.kill()
        self.p.wait()
        os.close(self.master)


def said(server, session):
    """Packets of its client."""
    return wait_until(lambda: lab.packets(server).get(session), 20, text="its process does not answer")


@coppiced_only
@limit(1200)
def test_nothing_is_said_or_heard_twice():
    with Server("SurviveCrash yes", "MaxStartups 100:30:100", "ClientAliveInterval 1", "ClientAliveCountMax 0") as server:
        server.crash_expected = True
        before = descriptors(server)
        rng = random.Random(lab.SEED)
        master = Master(server, 91)
        session = list(connections(server))[0]
        resized = Resized(server, master.path)
        shorts = [Shorts(server, master.path, i, rng.random()) for i in range(4)]
        killed, notices = 0, {}
        while killed < KILLS:
            pid = connections(server).get(session)
            from_here = 0
            while from_here == 0 or said(server, session) < from_here:       # once per packet position: the next kill has to find another one
                from_here = from_here or said(server, session) + 2
            time.sleep(rng.random() * rng.choice((0.001, 0.01, 0.05)))
            if rng.random() < 0.1:
                name = "notice-%d." % len(notices)
                notices[name] = subprocess.Popen([lab.BUILD + "/bin/coppicectl", "-s", server.control, "message", "all", name],
                                                 stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=server.env())
                time.sleep(rng.random() * 0.01)
            kill(pid)
            killed += 1
            wait_until(lambda: connections(server).get(session) not in (None, 0, pid), 10, text="no successor after %d kills" % killed)
            faults = [x.fault for x in shorts + [resized] if x.fault]
            check(not faults, "after kill %d: %s" % (killed, "; ".join(faults)))
        for x in shorts + [resized]:
            x.finish()
        check(not any(x.fault for x in shorts + [resized]), "; ".join(x.fault for x in shorts + [resized] if x.fault))
        check(resized.done > 3 and all(x.done > 3 for x in shorts), "too little happened", resized.done, [x.done for x in shorts])
        for name, p in notices.items():
            told = p.communicate(timeout=30)[0]
            count = resized.text.count(name.encode())
            check(count == 1 or (count == 0 and b"shown" not in told), "%s was shown %d times" % (name, count), told)
        master.finish()
        wait_until(lambda: not connections(server), 20, text="sessions that do not end")
        wait_until(lambda: not children(server, "cat") and not children(server, "sh"), 20, text="programs that do not end")
        wait_until(lambda: not zombies(server), 10, text="zombies")
        wait_until(lambda: {k: v for k, v in descriptors(server).items() if v > before[k]} == {}, 20, text="descriptors: %r, %r before" % (descriptors(server), before))


def ends(server, c, why, how=signal.SIGKILL):
    """Its process is killed, and the session with it."""
    kill(c.pid, how)
    same(c.p.wait(20), 255, "status of ssh")
    wait_until(lambda: not connections(server), 20, text="sessions that do not end")
    with open(server.log_path) as f:
        text = f.read()
    check(why in text, "the log does not say why", text[-2000:])


@coppiced_only
def test_not_twice_at_one_packet():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        kill(was)
        wait_until(lambda: c.pid not in (None, 0, was) and "goes on as" in open(server.log_path).read(), 10, text="no successor")
        ends(server, c, "no successor: the last one died at the same packet")


@coppiced_only
def test_not_crash_after_crash():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        for _ in range(10):
            goes_on(c, FAULT)
            goes_on(c)                      # not its own fault
        ends(server, c, "no successor: it crashes again and again", FAULT)


@coppiced_only
def test_in_the_middle_of_a_key_exchange():
    """It waits for its host key's signature when it is killed; the successor asks for it again."""
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        c.end()
        c = Cat(server, options=("RekeyLimit=64K",))
        for i in range(5):
            was = c.pid
            with Stopped(children(server, "keysign")[0]):
                c.p.stdin.write(b"x" * 200000 + b"\n")
                c.p.stdin.flush()
                wait_until(lambda: handoff(server, str(c.session))[0]["why"] == "key exchange under way", 20, text="no key exchange")
                kill(was)
                wait_until(lambda: not os.path.exists("/proc/%d" % was), 10)
            # a fresh nursery needs keysign, too
            wait_until(lambda: c.pid not in (None, 0, was), 20, text="no successor")
            same(len(c.p.stdout.readline()), 200001, "what came back")
            c.line("on %d" % i)
        c.end()
        check("no successor" not in server.log(), "a session ended", server.log()[-2000:])


class Rekeying(Exec):
    """Changes its keys all the time."""

    def options(self):
        return super().options() + ("RekeyLimit=200K",)


@coppiced_only
@limit(900)
def test_sessions_that_change_keys_outlive_their_processes():
    for line in ("", "RekeyLimit 150K"):
        with Server("SurviveCrash yes", "MaxStartups 100:30:100", line) as server:
            server.crash_expected = True
            rng = random.Random(lab.SEED)
            movers = [Rekeying(server, i) for i in range(3)]
            for m in movers:
                moving(m)
            for killed in range(KILLS // 2):
                ripe = []
                while not ripe:         # once per packet position
                    ripe = [(s, p) for s, p in sorted(connections(server).items()) if p and came(p) >= 1000]
                session, pid = rng.choice(ripe)
                time.sleep(rng.random() * 0.01)
                kill(pid)
                wait_until(lambda: connections(server).get(session) not in (None, 0, pid), 10, text="no successor after %d kills" % (killed + 1))
                faults = [m.fault for m in movers if m.fault]
                check(not faults, "after kill %d: %s" % (killed + 1, "; ".join(faults)))
            was = {m: m.progress for m in movers}
            wait_until(lambda: all(m.progress > was[m] or m.fault for m in movers), 20, text="some stand still")
            wait_until(lambda: sum(r["value"] for r in rows(server, "stats") if r["counter"] == "rekeys") > KILLS // 2, 60, text="few keys were exchanged")
            for m in movers:
                m.finish()
            check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
            wait_until(lambda: not connections(server), 20, text="sessions that do not end")


@coppiced_only
def test_not_before_login_and_not_without_the_keyword():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        with socket.create_connection((HOST, server.port)) as s:
            s.recv(100)
            pid = wait_until(lambda: len(found := children(server, "connection")) == 1 and found, 10, text="the first probe is still there")[0]
            kill(pid)
            s.settimeout(20)
            try:
                while s.recv(1000):
                    pass
            except ConnectionResetError:
                pass
        wait_until(lambda: not children(server, "connection"), 10, text="somebody went on")
    with Server("SurviveCrash no") as server:
        server.crash_expected = True
        c = Cat(server)
        kill(c.pid)
        same(c.p.wait(20), 255, "status of ssh")


@coppiced_only
def test_a_revival_is_told():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        with open("/proc/%d/status" % c.pid) as f:
            locked = [line.split() for line in f if line.startswith("VmLck:")][0]
        check(int(locked[1]) > 0, "its keys may be swapped out", locked)
        was = goes_on(c)
        wait_until(lambda: test_report.crashes(server), 10, text="no crash report")
        report = test_report.crashes(server)[0]
        same((report["pid"], report["signal"], report["action"]), (was, "SIGKILL", "revive"), "the crash report")
        same(sorted(r["value"] for r in rows(server, "stats") if r["counter"].startswith("revivals")), [0, 1], "revivals that failed, and that did not")
        c.end()


@coppiced_only
def test_the_nursery_dies_before_the_successor_is_made():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        nursery = children(server, "nursery")[0]
        with Stopped(nursery):
            kill(was)
            wait_until(lambda: "a fresh process takes over" in open(server.log_path).read(), 10, text="nobody noticed")
            kill(nursery)
        c.line("after")
        check(c.pid not in (None, 0, was), "no successor", c.pid)
        c.end()
        wait_until(lambda: not connections(server), 20, text="sessions that do not end")
        wait_until(lambda: not children(server, "connection"), 20, text="connection processes that are nobody's")


@coppiced_only
def test_first_the_supervisor_then_the_connection():
    with Server("SurviveCrash yes", "LogLevel VERBOSE") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        test_resume.kill_supervisor(server)
        test_resume.resume(server)
        wait_until(lambda: c.pid not in (None, 0, was), 10, text="it stays in a process that is not the new supervisor's child")
        c.line("resumed")
        goes_on(c)
        c.end()


@coppiced_only
def test_an_upgrade_then_a_crash():
    with Server("SurviveCrash yes", "LogLevel VERBOSE") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        same(server.ctl("upgrade", timeout=60).returncode, 0, "status of coppicectl upgrade")
        wait_until(lambda: c.pid not in (None, 0, was), 10, text="it was not moved")
        goes_on(c)
        c.end()
