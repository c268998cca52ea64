"""Stock ssh in a pty of ours, as a person sits before it."""
import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import termios
import time

from lab import check, same


class Terminal:
    """text is all it showed; expect() goes on behind what it found the last time."""

    def __init__(self, server, user="alice", *command, rows=24, cols=80, setup=None, options=(), term="xterm-test"):
        self.master, slave = pty.openpty()
        self.size(rows, cols)
        if setup:
            setup(slave)
        env = dict(os.environ, TERM=term)
        self.process = subprocess.Popen(server.argv(user, *command, flags=("-tt",), options=options), stdin=slave, stdout=slave, stderr=slave, env=env,
                                        start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0))
        os.close(slave)
        self.text, self.at = b"", 0

    def size(self, rows, cols):
        fcntl.ioctl(self.master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, cols, cols * 8, rows * 16))

    def type(self, text):
        os.write(self.master, text.encode() if isinstance(text, str) else text)

    def read(self, seconds):
        """Whether there was anything within that time; False also at the end."""
        if not select.select([self.master], [], [], seconds)[0]:
            return False
        try:
            got = os.read(self.master, 65536)
        except OSError:
            got = b""
        self.text += got
        return got != b""

    def search(self, pattern, at, seconds):
        pattern = pattern.encode() if isinstance(pattern, str) else pattern
        end = time.monotonic() + seconds
        while True:
            m = re.compile(pattern).search(self.text, at)
            if m:
                return m
            check(time.monotonic() < end, "the terminal does not show %r" % pattern, self.text[at:])
            check(self.read(0.2) or self.process.poll() is None or self.read(0), "the terminal closed before %r" % pattern, self.text[at:])

    def until(self, pattern, seconds=20):
        """Reads until the pattern was seen, now or before."""
        return self.search(pattern, 0, seconds)

    def expect(self, pattern, seconds=20):
        """Reads until the pattern was seen behind what was expected before; returns the match."""
        m = self.search(pattern, self.at, seconds)
        self.at = m.end()
        return m

    def end(self, status=None):
        """Reads to the end of it."""
        while self.read(20):
            pass
        code = self.process.wait(20)
        os.close(self.master)
        if status is not None:
            same(code, status, "status")
        return code

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)
