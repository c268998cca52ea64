"""SurviveCrash: connection processes are killed at any instruction, and their sessions go on."""
import os
import random
import re
import signal
import time

import lab
from lab import Server, alive, check, coppiced_only, limit, same, wait_until
from movers import Exec, Master, Sftp, Shell, moving
from test_handoff import Cat, Get, Put, children, connections, descriptors, feed, zombies

KILLS = max(24, lab.ROUNDS)


def kill(pid, how=signal.SIGKILL):
    try:
        os.kill(pid, how)
    except ProcessLookupError:
        pass


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
def test_xup():
    with Server("SurviveCrash yes") as server:
        w = Put(server, ())
        try:
            w.finish()
        finally:
            os.system("cat %s/log" % server.dir)
