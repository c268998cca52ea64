"""The supervisor is killed in the middle of a step: before each system call of a move or an upgrade that says something to somebody."""
import os
import random
import re
import subprocess

import lab
from lab import SEED, Server, alive, check, connections, coppiced_only, limit, same, status, wait_until
from movers import Exec, Shell, moving
from test_handoff import Cat
from test_resume import kill_supervisor, ours, resume

ROUNDS = lab.ROUNDS


class Doom:
    """strace on the supervisor, which gets SIGKILL when it enters that system call for the nth time from now."""

    def __init__(self, server, call, n):
        self.server = server
        self.tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=" + call, "-e", "inject=%s:signal=KILL:when=%d" % (call, n),
                                        "-p", str(server.pid)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        wait_until(lambda: status(server.pid, "TracerPid") != "0" or self.tracer.poll() is not None, 10, text="strace did not attach")

    def struck(self, seconds=3):
        """Did it die? If not, it is not traced any more."""
        try:
            self.server.process.wait(seconds)
        except subprocess.TimeoutExpired:
            pass
        if self.server.process.poll() is None:
            self.tracer.terminate()
        self.tracer.wait(10)
        return self.server.process.poll() is not None


def ctl(server, *words):
    return subprocess.Popen([lab.BUILD + "/bin/coppicectl", "-s", server.control] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                            stderr=subprocess.DEVNULL, env=server.env())


def pids(server):
    return sorted(connections(server).values())


class Stage:
    """Sessions of which each must live on, once."""

    def __init__(self, *lines):
        self.server = Server("LogLevel VERBOSE", "MaxStartups 100:30:200", *lines)
        self.server.crash_expected = True
        self.cats = [Cat(self.server), Cat(self.server, "bob")]
        self.movers = [moving(Exec(self.server, 1)), moving(Shell(self.server, 2))]
        self.turn = 0

    def each_lives_once(self, what):
        self.turn += 1
        for c in self.cats:
            c.line("%d %s" % (self.turn, what))
        was = {m: m.progress for m in self.movers}
        wait_until(lambda: all(m.progress > was[m] or m.fault for m in self.movers), 20, text="sessions stand still after " + what)
        check(not [m.fault for m in self.movers if m.fault], what, [m.fault for m in self.movers if m.fault])
        wait_until(lambda: sorted(ours().get("connection", ())) == pids(self.server) and len(pids(self.server)) == 4, 15,
                   text="connections after %s: processes %s, in the tree %s" % (what, ours().get("connection"), pids(self.server)))

    def end(self):
        for c in self.cats:
            c.end()
        for m in self.movers:
            m.finish()
        check(not [m.fault for m in self.movers if m.fault], "faults", [m.fault for m in self.movers if m.fault])
        wait_until(lambda: "connection" not in ours() and "channel" not in ours(), 10, text="something is left: %s" % ours())
        self.server.stop()


@coppiced_only
@limit(600)
def test_killed_before_each_word_of_a_move():
    """HANDOFF, FORK with ADOPT before it, the keeper's words, SERVE, LEAVE: whichever it is that is never said."""
    stage = Stage()
    struck = 0
    for call in ("sendmsg", "recvmsg", "shutdown"):
        for n in range(1, 60, 1 if ROUNDS > 24 else 2 if call == "sendmsg" else 5):
            doom = Doom(stage.server, call, n)
            move = ctl(stage.server, "handoff", str(stage.cats[0].session))
            struck += doom.struck(1.5)
            move.kill()
            move.wait()
            if stage.server.process.poll() is None:
                break
            resume(stage.server)
            stage.each_lives_once("death at %s %d" % (call, n))
    print("killed %d times" % struck)
    check(struck >= 10, "killed only %d times" % struck)
    was = pids(stage.server)
    same(stage.server.ctl("handoff", timeout=60).returncode, 0, "a move after all that")
    wait_until(lambda: not set(was) & set(pids(stage.server)), 20, text="some do not move any more: %s, %s" % (was, pids(stage.server)))
    stage.each_lives_once("moves after it")
    stage.end()


@coppiced_only
@limit(600)
def test_killed_in_the_middle_of_an_upgrade():
    """At any word before the exec, between it and the end of the replacements, and of the moves behind them: logins under way succeed, sessions live on."""
    stage, rng = Stage(), random.Random(SEED)
    struck = 0
    for turn in range(max(8, ROUNDS // 2)):
        call, n = rng.choice(("sendmsg", "sendmsg", "recvmsg", "clone", "shutdown", "close")), rng.randrange(1, 60)
        doom = Doom(stage.server, call, n)
        print("turn %d: %s %d" % (turn, call, n), flush=True)
        logins = [stage.server.popen("alice", "echo %d; exit %d" % (i, i)) for i in range(4)]
        upgrade = ctl(stage.server, "upgrade")
        died = doom.struck(3)
        struck += died
        if died:
            resume(stage.server)
        for i, p in enumerate(logins):
            out, err = p.communicate(timeout=30)
            same((p.returncode, out), (i, b"%d\n" % i), "login %d beside a death at %s %d (%r)" % (i, call, n, err))
        upgrade.kill()
        upgrade.wait()
        stage.each_lives_once("death at %s %d of an upgrade" % (call, n))
        wait_until(lambda: {k: len(v) for k, v in ours().items() if k not in ("connection", "channel", "auth")} ==       # (auth has helpers of its own)
                   {"coppiced": 1, "keysign": 1, "nursery": 1, "acceptor": 1, "reporter": 1, "keeper": 1}, 20, text="helpers: %s" % ours())
    check(struck >= 4, "killed only %d times" % struck)
    same(stage.server.ctl("upgrade", timeout=60).returncode, 0, "an upgrade after all that")
    stage.each_lives_once("the last upgrade")
    stage.end()
