"""
A line with a long way: a relay that hands every byte on a fixed time after it came, in order, with no limit of its own that
matters (64 MiB under way). The figure asks for 100 ms there and back.
"""
import collections
import copy
import socket
import subprocess
import threading
import time

import figures
import lab

UNDER_WAY = 64 << 20
PIECE = 256 << 10


class OneWay:
    """Two threads: bytes come in and get their time, and go out when it has come."""

    def __init__(self, source, sink, delay):
        self.source, self.sink, self.delay = source, sink, delay
        self.waiting, self.size, self.changed = collections.deque(), 0, threading.Condition()
        for work in (self.take, self.give):
            threading.Thread(target=work, daemon=True).start()

    def take(self):
        while True:
            try:
                data = self.source.recv(PIECE)
            except OSError:
                data = b""
            with self.changed:
                while self.size > UNDER_WAY:
                    self.changed.wait()
                self.waiting.append((time.monotonic() + self.delay, data))
                self.size += len(data)
                self.changed.notify_all()
            if not data:
                return

    def give(self):
        while True:
            with self.changed:
                while not self.waiting:
                    self.changed.wait()
                due, data = self.waiting.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if not data:
                    self.sink.shutdown(socket.SHUT_WR)
                    return
                self.sink.sendall(data)
            except OSError:
                return
            with self.changed:
                self.size -= len(data)
                self.changed.notify_all()


class Relay(threading.Thread):
    """Between clients and one server."""

    def __init__(self, server, round_trip):
        super().__init__(daemon=True)
        self.server, self.delay = server, round_trip / 2
        self.listener = socket.create_server((lab.HOST, 0))
        self.start()

    def far(self):
        far = copy.copy(self.server)
        far.port = self.listener.getsockname()[1]
        return far

    def run(self):
        while True:
            try:
                near, _ = self.listener.accept()
            except OSError:
                return
            other = socket.create_connection((lab.HOST, self.server.port))
            for s in (near, other):
                s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            OneWay(near, other, self.delay)
            OneWay(other, near, self.delay)

    def close(self):
        self.listener.close()


def seconds(client, **more):
    """Of one transfer without its login, which is some round trips of its own and timed by the caller."""
    began = time.monotonic()
    lab.same(client.wait(), 0, "status of ssh")
    return time.monotonic() - began


def rate(job, far, way):
    """MB/s of one transfer, less the time of a login that moves nothing."""
    command = {"up": "cat >/dev/null", "down": "head -c %d /dev/zero" % job["far_bytes"]}[way]
    empty = seconds(far.client("true", options=figures.CIPHER))
    if way == "up":
        with subprocess.Popen(["head", "-c", str(job["far_bytes"]), "/dev/zero"], stdout=subprocess.PIPE) as source:
            took = seconds(far.client(command, options=figures.CIPHER, stdin=source.stdout))
    else:
        took = seconds(far.client(command, options=figures.CIPHER))
    return job["far_bytes"] / 1e6 / max(took - empty, 0.001)


def figure(job, servers):
    """{server: {far_up_mb_s, far_down_mb_s}}"""
    relays = {s: Relay(s, job["far_ms"] / 1e3) for s in servers}
    try:
        return {s: {"far_%s_mb_s" % way: rate(job, relays[s].far(), way) for way in ("up", "down")} for s in servers}
    finally:
        for r in relays.values():
            r.close()
