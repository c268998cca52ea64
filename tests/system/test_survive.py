"""SurviveCrash: connection processes are killed at any instruction, and their sessions go on."""
import json
import os
import random
import signal
import socket
import threading
import time

import lab
from lab import HOST, Server, check, coppiced_only, limit, same, wait_until
from movers import Exec, Master, Sftp, Shell, moving
import test_handoff
import test_report
import test_resume
from test_handoff import PLAIN, Cat, Get, Put, Stopped, children, connections, descriptors, feed, handoff, zombies

CHACHA = ("Ciphers=chacha20-poly1305@openssh.com",)
KILLS = max(24, lab.ROUNDS)


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


@coppiced_only
def test_an_idle_session_outlives_its_process():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        kill(was)
        c.line("after")
        check(c.pid not in (None, was), "no successor", c.pid)
        was = c.pid
        kill(was, signal.SIGSEGV)
        c.line("after another")
        check(c.pid != was, "no successor", c.pid)
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
    with Server("SurviveCrash yes", "MaxStartups 100:30:100") as server:
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


def ends(server, c, why):
    """Its process is killed, and the session with it."""
    kill(c.pid)
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
def test_not_during_a_key_exchange():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        c = Cat(server)
        c.end()
        c = Cat(server, options=("RekeyLimit=64K",))
        signer = children(server, "keysign")[0]
        with Stopped(signer):
            # Without line ends, so that nothing comes back that nobody reads.
            threading.Thread(target=lambda: (c.p.stdin.write(b"x" * 300000), c.p.stdin.flush()), daemon=True).start()
            wait_until(lambda: handoff(server, str(c.session))[0]["why"] == "key exchange under way", 20, text="no key exchange")
            kill(c.pid)
            same(c.p.wait(20), 255, "status of ssh")
        with open(server.log_path) as f:
            check("no successor: its books were closed" in f.read(), "the log does not say why")


@coppiced_only
def test_not_before_login_and_not_without_the_keyword():
    with Server("SurviveCrash yes") as server:
        server.crash_expected = True
        with socket.create_connection((HOST, server.port)) as s:
            s.recv(100)
            pid = wait_until(lambda: children(server, "connection"), 10)[0]
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
        was = c.pid
        with open("/proc/%d/status" % was) as f:
            locked = [line.split() for line in f if line.startswith("VmLck:")][0]
        check(int(locked[1]) > 0, "its keys may be swapped out", locked)
        kill(was)
        c.line("after")
        wait_until(lambda: test_report.crashes(server), 10, text="no crash report")
        report = test_report.crashes(server)[0]
        same((report["pid"], report["signal"], report["action"]), (was, "SIGKILL", "revive"), "the crash report")
        shown = json.loads(server.ctl("--json", "stats").stdout)
        text = json.dumps(shown)
        check("revivals" in text, "no counter", text)
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
        was = c.pid
        kill(was)
        c.line("after")
        check(c.pid not in (None, 0, was), "no successor", c.pid)
        c.end()


@coppiced_only
def test_an_upgrade_then_a_crash():
    with Server("SurviveCrash yes", "LogLevel VERBOSE") as server:
        server.crash_expected = True
        c = Cat(server)
        was = c.pid
        same(server.ctl("upgrade", timeout=60).returncode, 0, "status of coppicectl upgrade")
        wait_until(lambda: c.pid not in (None, 0, was), 10, text="it was not moved")
        was = c.pid
        kill(was)
        c.line("after")
        check(c.pid not in (None, 0, was), "no successor", c.pid)
        c.end()
