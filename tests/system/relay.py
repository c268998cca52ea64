"""A relay between clients and one server: hands every byte on, in order, when it is due. What else happens on the way is for who inherits."""
import collections
import copy
import socket
import threading
import time

import lab


class Way:
    """One direction of one connection, two threads: bytes come in and get their time, and go out when it has come."""

    def __init__(self, relay, source, sink, inwards):
        self.relay, self.source, self.sink, self.inwards = relay, source, sink, inwards
        self.came = 0                           # bytes
        self.due = 0.0                          # of the last ones
        self.waiting, self.size, self.changed, self.over = collections.deque(), 0, threading.Condition(), False
        for work in (self.take, self.give):
            threading.Thread(target=work, daemon=True).start()

    def take(self):
        data = True
        while data and not self.over:
            try:
                data = self.relay.change(self, self.source.recv(self.relay.PIECE))
            except OSError:
                data = b""
            self.came += len(data)
            self.due = max(self.due, self.relay.when())     # in order: it is a stream
            with self.changed:
                while self.size > self.relay.UNDER_WAY and not self.over:
                    self.changed.wait()
                self.waiting.append((self.due, data))
                self.size += len(data)
                self.changed.notify_all()

    def give(self):
        data = True
        while data:
            with self.changed:
                while not self.waiting:
                    self.changed.wait()
                due, data = self.waiting.popleft()
            time.sleep(max(0.0, due - time.monotonic()))
            try:
                if data:
                    self.relay.send(self.sink, data)
                else:
                    self.sink.shutdown(socket.SHUT_WR)
            except OSError:
                data = b""
            with self.changed:
                self.size -= len(data)
                self.over = not data
                self.changed.notify_all()


class Relay(threading.Thread):
    """delay: seconds, one way."""

    UNDER_WAY = 64 << 20                        # bytes, before it reads no more
    PIECE = 256 << 10

    def __init__(self, server, delay=0.0):
        super().__init__(daemon=True)
        self.server, self.delay = server, delay
        self.listener = socket.create_server((lab.HOST, 0))
        self.start()

    def far(self):
        """The server as its clients see it from behind the relay."""
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
            Way(self, near, other, True)
            Way(self, other, near, False)

    def when(self):
        """When what came now is due."""
        return time.monotonic() + self.delay

    def change(self, way, data):
        """What goes on instead of data, which is as long."""
        return data

    def send(self, sink, data):
        sink.sendall(data)

    def close(self):
        self.listener.close()
