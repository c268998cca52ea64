#!/usr/bin/python3
"""
handoff.py [BUILD_DIR] [--moves N] - how long a session pauses while its connection moves to another process.

BUILD_DIR is a release build (default build/release). Two figures for each kind of session: the supervisor's, from its
first word to the predecessor to its last to the successor, and the client's, the slowest answer around a move.
Everything happens in namespaces of its own and is gone afterwards. Nothing is asserted about speed.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))
sys.dont_write_bytecode = True

import room  # noqa: E402


def part(values, p):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * p))]


def told(name, values, unit, more=""):
    print("%-34s p50 %8.2f  p99 %8.2f  max %8.2f %s%s" % (name, part(values, .5), part(values, .99), max(values), unit, more))


class Echo(threading.Thread):
    """A byte at a time, back and forth: (when, how long it took)."""

    def __init__(self, process):
        super().__init__(daemon=True)
        self.p, self.trips, self.stopping = process, [], False
        seen = b""
        while not seen.endswith(b"READY\n"):
            seen += process.stdout.read(1)
        self.start()

    def run(self):
        while not self.stopping:
            began = time.monotonic()
            self.p.stdin.write(b"x")
            self.p.stdin.flush()
            if self.p.stdout.read(1) != b"x":
                return
            self.trips.append((began, time.monotonic() - began))
            time.sleep(0.001)


def move(server, n, pause):
    """n moves of all sessions: rows by session."""
    rows, times = {}, []
    while len(times) < n:
        began = time.monotonic()
        r = server.ctl("--json", "handoff", timeout=60)
        times.append((began, time.monotonic()))
        for row in json.loads(r.stdout):
            if row["result"] == "moved":
                rows.setdefault(row["session"], []).append(row)
        time.sleep(pause)
    return rows, times


def measure():
    import lab
    lab.furnish()
    n = int(os.environ["LAB_MOVES"])
    with lab.Server("LogLevel INFO") as server:
        echo = Echo(server.popen("bob", "stty raw -echo; echo READY; exec cat", flags=("-tt",), options=("EscapeChar=none",), bufsize=0))
        time.sleep(2)
        still = [t for _, t in echo.trips]
        rows, times = move(server, n, 0.01)
        time.sleep(0.5)
        told("one round trip, nothing moves", [t * 1e3 for t in still], "ms")
        for session, r in rows.items():
            told("a terminal: supervisor's pause", [x["pause_us"] / 1e3 for x in r], "ms", "  (%d moves, %d bytes of state)" % (len(r), part([x["bytes"] for x in r], .5)))
        slowest = [max([t for at, t in echo.trips if at + t >= a and at <= b], default=0) * 1e3 for a, b in times]
        told("a terminal: slowest round trip", slowest, "ms")
        echo.stopping = True
        echo.p.kill()
        lab.wait_until(lambda: not [x for x in server.tree() if x["name"] == "connection"])
        for name, command, stdin in (("download", "cat /dev/zero", subprocess.DEVNULL), ("upload", "cat >/dev/null", open("/dev/zero", "rb"))):
            p = server.popen("bob", command, options=("Ciphers=aes128-gcm@openssh.com",), stdin=stdin, stdout=open("/dev/null", "wb"))
            lab.wait_until(lambda: [x for x in server.tree() if x["name"].startswith("exec")])
            rows, times = move(server, n, 0.05)
            for session, r in rows.items():
                told("a full-speed %s: pause" % name, [x["pause_us"] / 1e3 for x in r], "ms", "  (%d moves, %d KiB of state)" % (len(r), part([x["bytes"] for x in r], .5) >> 10))
            p.kill()
            p.wait()
            lab.wait_until(lambda: not [x for x in server.tree() if x["name"] == "connection"])
    return 0


def main():
    if "LAB_MOVES" in os.environ:
        return room.reap_for(measure)
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("build", nargs="?", default=os.path.join(ROOT, "build/release"))
    parser.add_argument("--moves", type=int, default=200)
    args = parser.parse_args()
    return room.inside(os.path.abspath(__file__), [], args.build, moves=args.moves, server="coppiced", rounds=24, seed=1)


sys.exit(main())
