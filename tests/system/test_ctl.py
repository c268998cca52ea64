"""coppicectl: who is there, what can be done about them, and how it reads."""
import json
import os
import pty
import re
import select
import subprocess
import time

from lab import BUILD, HOST, SCRATCH, NotHere, Server, check, coppiced_only, same, wait_until


def rows(server, *words, status=0):
    r = server.ctl(*words, "--json")
    same(r.returncode, status, "status of coppicectl %s (%r)" % (" ".join(words), r.stderr))
    got = json.loads(r.stdout)
    check(isinstance(got, list), "not an array", got)
    return got


def of_kind(found, kind):
    return [r for r in found if r["kind"] == kind]


class Terminal:
    """ssh -tt on a pty of its own; what it prints is kept."""

    def __init__(self, server, user="alice", *command, **more):
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(server.argv(user, *command, flags=("-tt",), **more), stdin=slave, stdout=slave, stderr=slave,
                                        start_new_session=True)
        os.close(slave)
        self.text = b""

    def read(self, seconds=0.05):
        end = time.monotonic() + seconds
        while select.select([self.master], [], [], max(0, end - time.monotonic()))[0]:
            try:
                block = os.read(self.master, 65536)
            except OSError:
                return
            if not block:
                return
            self.text += block

    def until(self, pattern, seconds=15):
        def seen():
            self.read()
            return re.search(pattern, self.text)
        return wait_until(seen, seconds, 0.01, "the terminal does not show %r" % pattern)

    def type(self, data):
        os.write(self.master, data)

    def close(self):
        self.process.kill()
        self.process.wait()
        os.close(self.master)


@coppiced_only
def test_ctl_try():
    with Server() as s:
        t = Terminal(s)
        t.until(rb"\$ ")
        p = s.popen("bob", "cat")
        wait_until(lambda: len([x for x in rows(s, "who") if x["what"]]) == 2)
        for words in (("who",), ("who", "-v"), ("status",), ("stats",), ("loglevel",), ("message", "all", "hello \x1b[2J wörld"), ("loglevel", "DEBUG"), ("kick", "bob", "out", "you", "go"), ("who", "nobody"), ("tree",), ("help", "kick"), ("kick",)):
            r = s.ctl(*words)
            print("$ coppicectl", *words, "->", r.returncode)
            print(r.stdout.decode(), r.stderr.decode())
        print(json.dumps(rows(s, "who", "-v")))
        print(p.wait(), p.stderr.read())
        t.read(0.5)
        print(t.text)
        print(s.log()[-3000:])
        t.close()
