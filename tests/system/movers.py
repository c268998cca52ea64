"""Sessions that move checked data without end, so that a lost, doubled or changed byte is seen at once."""
import os
import random
import subprocess
import threading
import time

from lab import HOST, check, wait_until

BLOCK = 8192
PAUSE = 0.03
PATTERN = random.Random(4711).randbytes(1 << 20)


def pattern(offset, n):
    at = offset % len(PATTERN)
    out = PATTERN[at:at + n]
    while len(out) < n:
        out += PATTERN[:n - len(out)]
    return out


class Mover:
    """What all have: an address of its own, by which the daemon's tree tells it; progress; the first fault."""

    def __init__(self, server, number, user="bob", control=None):
        self.server, self.user, self.control = server, user, control
        self.address = "127.1.0.%d" % number
        self.name = "%s-%d" % (type(self).__name__.lower(), number)
        self.stopping = self.excused = False
        self.progress = 0
        self.fault = None
        self.process = None

    def options(self):
        out = ["BindAddress=" + self.address, "ServerAliveInterval=0"]
        if self.control:
            out += ["ControlPath=" + self.control, "ControlMaster=no"]
        return tuple(out)

    def wrong(self, text):
        if self.fault is None and not self.stopping and not self.excused:
            self.fault = "%s: %s (after %d)" % (self.name, text, self.progress)

    def ended(self):
        return self.process is not None and self.process.poll() is not None


class Stream(Mover):
    """Bytes to a program that sends them back, compared as they come."""

    block, pause = BLOCK, PAUSE

    def __init__(self, server, number, **more):
        super().__init__(server, number, **more)
        self.sent = 0
        self.begin()

    def launch(self):
        raise NotImplementedError

    def begin(self):
        self.launch()
        self.threads = [threading.Thread(target=self.write, daemon=True), threading.Thread(target=self.read, daemon=True)]
        for t in self.threads:
            t.start()

    def write(self):
        try:
            while not self.stopping:
                if self.sent - self.progress < (1 << 20):
                    self.process.stdin.write(pattern(self.sent, self.block))
                    self.process.stdin.flush()
                    self.sent += self.block
                time.sleep(self.pause)
            self.process.stdin.close()
        except (BrokenPipeError, ValueError, OSError):
            self.wrong("cannot write")

    def read(self):
        out = self.process.stdout
        while True:
            got = out.read1(1 << 16)
            if not got:
                break
            if got != pattern(self.progress, len(got)):
                self.wrong("other bytes came back")
                break
            self.progress += len(got)
        self.wrong("ended")

    def finish(self):
        self.stopping = True
        if not self.ended():
            for t in self.threads:
                t.join(30)
            if not self.tail():
                self.process.kill()
            self.process.wait()

    def tail(self):
        """After our end of file everything must have come back."""
        if self.fault is None and self.progress != self.sent:
            self.fault = "%s: %d bytes sent, %d came back" % (self.name, self.sent, self.progress)
        return False


class Exec(Stream):
    def launch(self):
        self.process = self.server.popen(self.user, "exec cat", options=self.options(), stderr=subprocess.DEVNULL)


class Shell(Stream):
    """The same through a login shell and a pty, both made transparent."""

    def launch(self):
        self.process = self.server.popen(self.user, options=self.options() + ("EscapeChar=none",), flags=("-tt",), stderr=subprocess.DEVNULL)
        self.process.stdin.write(b"PS1=; stty raw -echo; printf '\\n%s%s\\n' RE ADY; exec cat\n")
        self.process.stdin.flush()
        seen = b""
        while not seen.endswith(b"READY\n"):
            got = self.process.stdout.read1(1)
            check(got, "the shell ended before it was ready", seen)
            seen += got

    def finish(self):
        self.stopping = True
        if not self.ended():
            self.threads[0].join(30)
            end = time.monotonic() + 30
            while self.progress < self.sent and time.monotonic() < end and not self.ended():
                time.sleep(0.02)
            self.tail()
            self.process.kill()
            self.process.wait()


class Sftp(Mover):
    """A file put and taken back, again and again, by one stock client."""

    SIZE = 1 << 20

    def __init__(self, server, number, **more):
        super().__init__(server, number, **more)
        self.local = "%s/sftp-%s" % (server.dir, self.name)
        self.remote = "/home/%s/sftp-%s-%d" % (self.user, self.name, server.port)
        with open(self.local, "wb") as f:
            f.write(pattern(number * 1000, self.SIZE))
        argv = ["sftp", "-b", "-", "-P", str(server.port), "-l", "16000"] + server.options("ed25519", *self.options()) + ["%s@%s" % (self.user, HOST)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def command(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        self.process.stdin.flush()

    def work(self):
        try:
            while not self.stopping:
                for command in ("put %s %s" % (self.local, self.remote), "get %s %s.back" % (self.remote, self.local), "!echo done"):
                    self.command(command)
                while True:
                    line = self.process.stdout.readline()
                    if not line:
                        return self.wrong("ended")
                    if line == b"done\n":
                        break
                with open(self.local, "rb") as a, open(self.local + ".back", "rb") as b:
                    if a.read() != b.read():
                        return self.wrong("another file came back")
                self.progress += 1
            self.command("bye")
        except (BrokenPipeError, ValueError, OSError):
            self.wrong("cannot write")

    def finish(self):
        self.stopping = True
        self.thread.join(60)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.fault = self.fault or self.name + ": bye did not end it"
            self.process.kill()
            self.process.wait()
        for path in (self.local, self.local + ".back", self.remote):
            if os.path.exists(path):
                os.unlink(path)


class Master:
    """One connection that carries several movers."""

    def __init__(self, server, number, user="bob"):
        self.number, self.path = number, "%s/master-%d" % (server.dir, number)
        self.address = "127.1.0.%d" % number
        self.process = server.popen(user, options=("BindAddress=" + self.address, "ControlPath=" + self.path, "ControlMaster=yes"), flags=("-N",),
                                    stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        end = time.monotonic() + 30
        while not os.path.exists(self.path):
            check(self.process.poll() is None and time.monotonic() < end, "the master did not come up")
            time.sleep(0.02)

    def finish(self):
        """ssh of Debian 12 may go to sleep on a signal that comes just before its poll(): say it again."""
        for _ in range(20):
            self.process.terminate()
            try:
                self.process.wait(1)
                return
            except subprocess.TimeoutExpired:
                pass
        self.process.kill()
        self.process.wait()


def moving(mover):
    """The same mover, once it is logged in and moves."""
    wait_until(lambda: mover.progress > 0 or mover.fault, 30, text=mover.name + " does not begin")
    check(not mover.fault, mover.fault)
    return mover

