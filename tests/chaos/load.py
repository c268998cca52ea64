"""The load under which things are broken: sessions of every kind that check each byte, new logins, knocks at the door."""
import socket
import subprocess
import threading
import time

from lab import HOST, check, wait_until
from movers import Exec, Sftp, Shell

SECOND = "127.0.0.2"


class Typist(Shell):
    """A person at a terminal: ten small writes a second."""
    block, pause = 64, 0.1


class Idler(Exec):
    """Says one line now and then; must still be there."""
    block, pause = 16, 2.0


class Rekeyer(Exec):
    """New keys every megabyte."""

    def options(self):
        return super().options() + ("RekeyLimit=1M",)


class Bulk(Exec):
    """As fast as it goes, until told to stop."""
    block, pause = 65536, 0.002


KINDS = ((Sftp, 8), (Exec, 6), (Bulk, 2), (Typist, 8), (Idler, 10), (Rekeyer, 8))


class Prober(threading.Thread):
    """Knocks at every door all the time: is the connection refused, and how long does the greeting take?"""

    def __init__(self, doors, pause=0.05):
        super().__init__(daemon=True)
        self.doors, self.pause, self.stopping = doors, pause, False
        self.refused, self.dropped, self.waits = [], [], []     # (when, door), (when, door), (when, seconds)
        self.start()

    def knock(self, door):
        began = time.monotonic()
        try:
            with socket.create_connection(door, 30) as s:
                if s.recv(4) == b"SSH-":
                    self.waits.append((began, time.monotonic() - began))
                else:
                    self.dropped.append((began, door))
        except ConnectionRefusedError:
            self.refused.append((began, door))
        except OSError:
            self.dropped.append((began, door))

    def run(self):
        while not self.stopping:
            for door in self.doors:
                self.knock(door)
            time.sleep(self.pause)

    def longest(self, since):
        waits = [w for began, w in self.waits if began + w >= since]
        return max(waits) if waits else 0.0

    def since(self, what, when):
        return [x for x in what if x[0] >= when]


class Visitor(threading.Thread):
    """Logs in, says one thing, leaves; again and again. A login that fails is remembered with its time."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number, self.stopping = server, number, False
        self.visits, self.failed = 0, []
        self.start()

    def run(self):
        while not self.stopping:
            began, word = time.monotonic(), "visit-%d-%d" % (self.number, self.visits)
            try:
                r = self.server.ssh("alice", "echo " + word, options=("BindAddress=127.2.0.%d" % self.number,), timeout=90)
                good, text = (r.returncode, r.stdout) == (0, word.encode() + b"\n"), "%d %r" % (r.returncode, r.stderr[-200:])
            except subprocess.TimeoutExpired:
                good, text = False, "no answer in 90 s"
            if not good and not self.stopping:
                self.failed.append((began, time.monotonic(), text))
            self.visits += 1
            time.sleep(0.2)


class Stalls(threading.Thread):
    """How long each session ever stood still."""

    def __init__(self, load):
        super().__init__(daemon=True)
        self.load, self.stopping, self.seen, self.longest = load, False, {}, {}
        self.start()

    def run(self):
        while not self.stopping:
            now = time.monotonic()
            for m in list(self.load.movers):
                if isinstance(m, Idler):
                    continue
                was, when = self.seen.get(m.name, (-1, now))
                if m.progress != was:
                    self.seen[m.name] = (m.progress, now)
                else:
                    self.longest[m.name] = max(self.longest.get(m.name, 0.0), now - when)
            time.sleep(0.1)

    def forget(self):
        self.seen.clear()


class Load:
    """All of it, on one server. size: sessions (50 is the full load)."""

    def __init__(self, server, size, visitors=1, kinds=KINDS):
        self.server, self.number, self.movers = server, 0, []
        whole = sum(share for _, share in kinds)
        for kind, share in kinds:
            for _ in range(max(1, share * size // whole)):
                self.add(kind)
        self.moving()
        self.prober = Prober([(HOST, server.port), (SECOND, server.port)])
        self.visitors = [Visitor(server, i + 1) for i in range(visitors)]
        self.stalls = Stalls(self)

    def add(self, kind):
        self.number += 1
        mover = kind(self.server, self.number)
        self.movers.append(mover)
        return mover

    def moving(self, seconds=60):
        was = {m: m.progress for m in self.movers}

        def all_moved():
            self.unharmed()
            return all(m.progress > was[m] for m in self.movers)

        wait_until(all_moved, seconds, 0.05, "stand still: " + " ".join(m.name for m in self.movers if m.progress <= was[m]))

    def unharmed(self):
        bad = [m.fault for m in self.movers if m.fault]
        check(not bad, "sessions that should have gone on: " + "; ".join(bad[:5]))

    def end(self):
        self.stalls.stopping = self.prober.stopping = True
        for v in self.visitors:
            v.stopping = True
        for m in self.movers:
            m.finish()
        for v in self.visitors:
            v.join(95)
        self.unharmed()
