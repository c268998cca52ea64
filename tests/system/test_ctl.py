"""coppicectl: who is there, what can be done about them, and how it reads."""
import json
import os
import pty
import re
import select
import subprocess
import time

from lab import BUILD, HOST, SCRATCH, Failure, NotHere, Server, check, coppiced_only, same, wait_until


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



class Tmux:
    """A terminal of a size, of which one can see what is on the screen."""

    def __init__(self, server, *words, width=80, height=24, term=None, env=None):
        self.name = "%s/tmux-%d" % (SCRATCH, os.getpid() * 1000 + Server.number)
        if os.path.exists(self.name):
            os.unlink(self.name)
        env = dict(server.env(), **(env or {}))
        prefix = ["env", "TERM=" + term] if term else []
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                 *prefix, BUILD + "/bin/coppicectl", "-s", server.control, *words, env=env)
        self.run("set-option", "-g", "remain-on-exit", "on")

    def run(self, *words, env=None):
        return subprocess.run(["tmux", "-S", self.name, *words], check=True, stdout=subprocess.PIPE, timeout=20, env=env).stdout.decode()

    def screen(self):
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def colours(self):
        """escape sequences of the screen as it is, attributes included"""
        return self.run("capture-pane", "-p", "-e")

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def until(self, pattern, seconds=20):
        def seen():
            self.last = self.screen()
            return re.search(pattern, "\n".join(self.last))
        try:
            return wait_until(seen, seconds, 0.05)
        except Failure:
            raise Failure("the screen does not show %r\n%s" % (pattern, "\n".join(self.last)))

    def ended(self):
        return wait_until(lambda: self.run("display-message", "-p", "#{pane_dead}").strip() == "1", 15, text="top does not end")

    def status(self):
        return self.run("display-message", "-p", "#{pane_dead_status}").strip()

    def close(self):
        self.run("kill-server")


@coppiced_only
def test_top_try():
    with Server() as s:
        t = Terminal(s)
        t.until(rb"\$ ")
        p = s.popen("bob", "cat /dev/zero", stdout=subprocess.DEVNULL)
        wait_until(lambda: len([x for x in rows(s, "who") if x["what"]]) == 2)
        print(s.ctl("top", "--once").stdout.decode())
        print(s.ctl("top", "--once", "--tree").stdout.decode())
        print(s.ctl("--json", "top", "--once").stdout.decode())
        for term in (None, "vt100", "dumb"):
            m = Tmux(s, "top", "-d", "0.3", term=term)
            try:
                m.until("SESS|dumb|cannot")
                time.sleep(1)
                print("\n".join(m.screen()))
                m.keys("v"); m.until("NODE|cannot"); time.sleep(0.5)
                print("\n".join(m.screen()))
                m.keys("v"); m.keys("k"); time.sleep(0.5)
                print("\n".join(m.screen()))
                m.keys("q"); m.keys("q"); m.ended(); print(m.status())
            finally:
                m.close()
        t.close()
        p.kill()
