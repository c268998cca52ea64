"""More than one machine: PROXY headers, drain and its words, HAProxy before two daemons, fail2ban on our log lines."""
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from lab import (BUILD, HOST, SCRATCH, Server, alive, authorize, below, check, coppiced_only, key, limit, public, rows, same, sh,
                 wait_until)
from terminal import Terminal

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
CLIENT, INSIDE = "203.0.113.7", "192.0.2.1"

# A ProxyCommand: connects from SOURCE, sends the header in pieces of PIECE bytes, then is a pipe.
PIPE = r"""
import os, select, socket, sys, time
host, port, source, header, piece = sys.argv[1], int(sys.argv[2]), sys.argv[3], bytes.fromhex(sys.argv[4]), int(sys.argv[5])
s = socket.create_connection((host, port), source_address=(source, 0))
s.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
for i in range(0, len(header), piece):
    s.sendall(header[i:i + piece])
    time.sleep(0.001 if piece < len(header) else 0)
ends = {s.fileno(): 1, 0: s.fileno()}
while True:
    for fd in select.select(list(ends), [], [])[0]:
        data = os.read(fd, 65536)
        if not data:
            sys.exit(0)
        while data:
            data = data[os.write(ends[fd], data):]
"""


def v1(peer=CLIENT, port=50001):
    return b"PROXY TCP4 %s %s %d 22\r\n" % (peer.encode(), INSIDE.encode(), port)


def v2(peer=CLIENT, port=50001, command=0x21, more=b""):
    if command == 0x20:
        return SIGNATURE + b"\x20\0\0\0"
    if ":" in peer:
        block = socket.inet_pton(socket.AF_INET6, peer) + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack(">HH", port, 22)
    else:
        block = socket.inet_aton(peer) + socket.inet_aton(INSIDE) + struct.pack(">HH", port, 22)
    return SIGNATURE + bytes([command, 0x21 if ":" in peer else 0x11]) + struct.pack(">H", len(block + more)) + block + more


class Proxied(Server):
    """Asked whether it answers from an address no proxy has."""

    def answers(self):
        try:
            with socket.create_connection((HOST, self.port), 5, source_address=("127.0.0.9", 0)) as s:
                return s.recv(4) == b"SSH-"
        except OSError:
            return False

    def through(self, header, *command, source=HOST, piece=1 << 16, user="alice", **more):
        path = SCRATCH + "/pipe.py"
        if not os.path.exists(path):
            with open(path, "w") as f:
                f.write(PIPE)
        pipe = "ProxyCommand=python3 %s %s %d %s %s %d" % (path, HOST, self.port, source, header.hex() or "''", piece)
        return self.ssh(user, *command, options=(pipe,), **more)

    def raw(self, data, source=HOST, wait=True):
        """What is said to somebody who sends this and no more."""
        with socket.create_connection((HOST, self.port), 20, source_address=(source, 0)) as s:
            s.sendall(data)
            if not wait:
                return b""
            s.shutdown(socket.SHUT_WR)
            got = b""
            try:
                for block in iter(lambda: s.recv(4096), b""):
                    got += block
            except ConnectionResetError:
                pass
            return got


TRUST = "ProxyProtocolFrom 127.0.0.1"


@coppiced_only
@limit(90)
def test_proxy_headers_of_a_trusted_source():
    with Proxied("ProxyProtocol yes", TRUST) as s:
        authorize("alice", raw='from="203.0.113.7,2001:db8::7" %s\n' % public("ed25519"))
        try:
            for header, piece, ends in ((v1(), 1, "203.0.113.7 50001 192.0.2.1 22"), (v2(), 3, "203.0.113.7 50001 192.0.2.1 22"),
                                        (v2("2001:db8::7", 7), 99, "2001:db8::7 7 2001:db8::1 22")):
                r = s.through(header, "echo $SSH_CONNECTION", piece=piece, ok=True)
                same(r.stdout.decode().strip(), ends, "SSH_CONNECTION")
                s.logged(r"Accepted publickey for alice from %s port %s ssh2" % tuple(ends.split()[:2]))
            s.through(v2("203.0.113.8"), "true", ok=False)        # from= sees the client, not the proxy
            s.logged(r"Connection closed by authenticating user alice 203.0.113.8 port 50001 \[preauth\]")
            s.logged(r"PROXY header version 2 from 127.0.0.1 port \d+")
            s.through(b"", "true", ok=False)                       # its own address is not in from=
        finally:
            authorize("alice", "ed25519", "ecdsa", "rsa")
        same(s.through(b"", "echo $SSH_CLIENT").stdout.split()[0], b"127.0.0.1", "without a header the source itself")
        same(s.through(v2(command=0x20), "echo $SSH_CLIENT").stdout.split()[0], b"127.0.0.1", "LOCAL")
        # whoever is not trusted has no header to give
        s.through(v2(), "true", source="127.0.0.9", ok=False)
        s.through(v1(), "true", source="127.0.0.9", ok=False)
        s.logged(r"banner exchange: Connection from 127.0.0.9 port \d+: invalid format")
        check("203.0.113.9" not in s.log())


@coppiced_only
@limit(60)
def test_proxy_headers_where_they_are_required():
    with Proxied("ProxyProtocol required", TRUST, "LogLevel INFO") as s:
        silent = socket.create_connection((HOST, s.port), 20)
        began = time.monotonic()
        s.through(v1(), "true", ok=True)
        s.ssh("alice", "true", ok=False)
        s.logged(r"Bad PROXY header from 127.0.0.1 port \d+: there is none \[preauth\]")
        same(s.raw(v2()[:20]), b"", "said to half a header")
        s.logged(r"Bad PROXY header from 127.0.0.1 port \d+: cut short")
        same(s.raw(v2(more=b"\3\0\4abcd")), b"", "said to a wrong checksum")
        s.logged(r"Bad PROXY header from 127.0.0.1 port \d+: wrong checksum")
        check(s.raw(v2() + b"SSH-2.0-x\r\n").startswith(b"SSH-2.0-"), "nothing said to a good one")
        s.ssh("alice", "true", options=("BindAddress=127.0.0.9",), ok=True)       # not a proxy: a client
        # checks: connect and close, and LOCAL, leave no line
        wait_until(lambda: not [n for n in s.tree() if n["name"].startswith("connection")], 15, text="sessions are left")
        s.ssh("carol", "true", options=("BindAddress=127.0.0.9",), ok=True)
        s.logged("Disconnected from user carol")        # whatever was said before it is in the log
        before = s.log()
        for _ in range(20):
            s.raw(b"")
            check(s.raw(v2(command=0x20)).startswith(b"SSH-2.0-"), "nothing said to a check")
        s.ssh("bob", "true", options=("BindAddress=127.0.0.9",), ok=True)
        s.logged("Accepted publickey for bob")
        noise = [x for x in s.log()[len(before):].splitlines() if "127.0.0.9" not in x]
        check(not noise, "checks fill the log", *noise)
        same(silent.recv(1), b"", "said to the silent one")
        check(4 < time.monotonic() - began < 15, "the silent one was let go after %.1f s" % (time.monotonic() - began))


@coppiced_only
def test_proxy_settings_that_make_no_sense():
    s = Server("ProxyProtocol yes", wait=False)
    r = subprocess.run([s.program(), "-t", "-f", s.conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=s.env())
    same(r.returncode, 255, "status")
    check(b"ProxyProtocolFrom" in r.stdout, "no sentence", r.stdout)


# ---- drain ----------------------------------------------------------------------------------------

def word(port):
    try:
        with socket.create_connection((HOST, port), 5) as s:
            return s.recv(100).decode(errors="replace")
    except OSError as e:
        return e.strerror


def refused(s):
    try:
        socket.create_connection((HOST, s.port), 5).close()
        return False
    except ConnectionRefusedError:
        return True


class Cat:
    """A session that answers until it is told to end."""

    def __init__(self, server, user="bob", **more):
        self.p = server.popen(user, "exec cat", **more)
        self.echo("hello")

    def echo(self, text):
        self.p.stdin.write(text.encode() + b"\n")
        self.p.stdin.flush()
        same(self.p.stdout.readline(), text.encode() + b"\n", "echo (%r)" % (self.p.poll() is not None and self.p.stderr.read()))

    def end(self):
        self.p.stdin.close()
        same(self.p.wait(20), 0, "status of a session")


def ask(s, *words):
    return s.ctl("--", *words)          # options behind a command are the command's own


@coppiced_only
@limit(90)
def test_drain_and_undrain():
    health = 2900
    with Server("HealthListen 127.0.0.1:%d" % health) as s:
        wait_until(lambda: word(health) == "ready\n", text="health is %r" % word(health))
        cat = Cat(s)
        r = ask(s, "drain", "--grace", "1")
        same(r.returncode, 0, "status of drain (%r)" % r.stderr)
        same(word(health), "drain\n", "health in the grace")
        s.ssh("alice", "true", ok=True)                            # the port answers until the grace is over
        wait_until(lambda: refused(s), text="the port answers still")
        s.logged(r"Server no longer listening on 127.0.0.1 port %d" % s.port)
        same(word(health), "drain\n", "health when drained")
        cat.echo("still here")
        check(not [n for n in s.tree() if n["name"].startswith("listener")], "a listener is left in the tree")
        s.process.send_signal(signal.SIGHUP)                        # a reload opens nothing behind the drain's back
        s.logged("Configuration 2 in force|in force")
        check(refused(s), "a reload opened the port")
        same(ask(s, "undrain").returncode, 0, "undrain")
        s.ssh("alice", "true", ok=True)
        wait_until(lambda: word(health) == "ready\n", text="health after undrain")
        cat.echo("and here")
        same(ask(s, "undrain").returncode, 1, "undrain of a daemon that is not draining")
        for _ in range(5):                                          # undone while the sockets are closing
            same(ask(s, "drain", "--grace", "0").returncode, 0, "drain")
            same(ask(s, "undrain").returncode, 0, "undrain")
            wait_until(s.answers, text="the port stays closed")
        # --wait answers when the last session has ended
        waiting = subprocess.Popen([BUILD + "/bin/coppicectl", "-s", s.control, "--json", "--", "drain", "--grace", "0", "--wait"], stdout=subprocess.PIPE, env=s.env())
        wait_until(lambda: refused(s), text="the port answers still")
        check(waiting.poll() is None, "drain --wait did not wait")
        cat.end()
        out = waiting.communicate(timeout=20)[0]
        same(waiting.returncode, 0, "status of drain --wait")
        check(b"drained" in out and b"draining" in out, "no progress", out)
        same(ask(s, "drain", "--soon").returncode, 1, "a word nobody knows")


@coppiced_only
@limit(90)
def test_drain_tells_users_and_status():
    with Server() as s:
        cat, terminal = Cat(s), Terminal(s)
        terminal.until(rb"\$ ")
        status, = rows(s, "status")                                  # no drain: no row of it
        same((status["state"], status["ready"]), ("serving", True))
        row, = rows(s, "drain", "--grace", "1h", "--message", "Back", "at", "noon;\x1b]0;x\x07")
        same((row["state"], row["ready"], row["sessions"], row["listening"]), ("draining", False, 2, 1), "drain")
        terminal.until(rb"\r\nMessage from root: Back at noon;\?]0;x\?\r\n")
        cat.echo("nothing else came")
        status, row = rows(s, "status")
        same((status["kind"], status["state"], status["ready"], status["listeners"]), ("status", "draining", False, "%s:%d" % (HOST, s.port)))
        same((row["kind"], row["state"], row["sessions"]), ("drain", "draining", 2))
        check(3000 < row["closes_in_s"] <= 3600, "the end of the grace", row)
        text = ask(s, "status").stdout.decode()
        check(re.search(r"(?m)^ready: +no$", text) and re.search(r"(?m)^STATE +READY +SESSIONS +LISTENING +CLOSES-IN-S\ndraining +no +2 +1 +\d+$", text), "as text", text)
        # the sockets close; later the sessions are ended, and hear why
        same(ask(s, "drain", "--grace", "0", "--timeout", "1h").returncode, 0, "other words")
        wait_until(lambda: rows(s, "status")[1]["listening"] == 0, text="the socket did not close")
        status, row = rows(s, "status")
        same((status["listeners"], row["sessions"]), ("", 2), "closed")
        check(3000 < row["ends_in_s"] <= 3600, "the end of the sessions", row)
        same(ask(s, "drain", "--timeout", "0", "--message", "Gone", "till", "noon").returncode, 0, "end them")
        terminal.until(rb"Received disconnect from \S+ port \d+:11: Gone till noon")
        same(cat.p.wait(20), 255, "status of a session that was ended")
        check(b":11: Gone till noon" in cat.p.stderr.read(), "the client was not told why")
        wait_until(lambda: rows(s, "status")[1]["state"] == "drained", text="sessions are left")
        same(ask(s, "undrain").returncode, 0, "undrain")
        wait_until(lambda: len(rows(s, "status")) == 1, text="a row is left")
        status, = rows(s, "status")
        same((status["state"], status["ready"]), ("serving", True))
        terminal.close()


@coppiced_only
@limit(60)
def test_drain_to_the_end():
    s = Server("HealthListen unix:%s/health" % SCRATCH)
    with socket.socket(socket.AF_UNIX) as u:
        u.connect(SCRATCH + "/health")
        check(u.recv(100) in (b"ready\n", b"drain\n"), "no health on a path")
    cat = Cat(s)
    same(ask(s, "drain", "--grace", "0", "--timeout", "1", "--exit").returncode, 0, "drain")
    same(cat.p.wait(20), 255, "status of a session that was ended")
    check(b":11: this server is taken out of service" in cat.p.stderr.read(), "the client was not told why")
    same(s.process.wait(20), 0, "status of the daemon")
    s.stopped = True
    check("Drained; terminating." in s.log())
    s.healthy()


@coppiced_only
@limit(60)
def test_one_listener_stops_and_starts():
    second = 2950
    with Server("ListenAddress 127.0.0.1:%d" % second) as s:
        cat = Cat(s)
        mine = "127.0.0.1:%d" % s.port
        r = ask(s, "stop-listener", "127.0.0.1:1")
        same(r.returncode, 1, "a listener that is not there")
        check(mine.encode() in r.stdout, "the others are not named", r.stdout)
        same(ask(s, "stop-listener", mine).returncode, 0, "stop-listener")
        wait_until(lambda: refused(s), text="the port answers still")
        same(word(second)[:4], "SSH-", "the other one")
        cat.echo("still here")
        same(ask(s, "stop-listener", mine).returncode, 1, "once more")
        same(ask(s, "start-listener", mine).returncode, 0, "start-listener")
        s.ssh("alice", "true", ok=True)
        same(ask(s, "start-listener", mine).returncode, 1, "once more")
        cat.end()


@coppiced_only
@limit(60)
def test_who_waited_in_the_queue_is_served():
    """While acceptors stand still clients come; stop-listener must not turn them away."""
    with Server() as s:
        acceptor = [n for n in s.tree() if n["name"] == "acceptor"][0]["pid"]
        os.kill(acceptor, signal.SIGSTOP)
        waiting = [socket.create_connection((HOST, s.port), 20) for _ in range(8)]
        same(ask(s, "stop-listener", "%s:%d" % (HOST, s.port)).returncode, 0, "stop-listener")
        os.kill(acceptor, signal.SIGCONT)
        for w in waiting:
            same(w.recv(4), b"SSH-", "said to one who waited")
        wait_until(lambda: refused(s), text="the port answers still")
        for w in waiting:
            w.close()


# ---- HAProxy -----------------------------------------------------------------------------------------

class Balancer:
    """The example of examples/haproxy, its addresses replaced."""

    def __init__(self, port, servers, health):
        self.port, self.dir = port, SCRATCH + "/haproxy"
        os.makedirs(self.dir, exist_ok=True)
        with open(ROOT + "/examples/haproxy/haproxy.cfg") as f:
            text = f.read()
        for old, new in (("bind :22", "bind 127.0.0.1:%d" % port), ("inter 2s", "inter 150ms"), ("agent-port 9022 ", ""),
                         ("balance leastconn", "balance roundrobin"), ("192.0.2.11:22", "127.0.0.1:%d agent-port %d" % (servers[0].port, health[0])),
                         ("192.0.2.12:22", "127.0.0.1:%d agent-port %d" % (servers[1].port, health[1])),
                         ("maxconn 4000", "maxconn 200\n\tstats socket %s/admin mode 600 level admin" % self.dir)):
            check(old in text, "the example has no " + old)
            text = text.replace(old, new)
        with open(self.dir + "/haproxy.cfg", "w") as f:
            f.write(text)
        self.log = open(self.dir + "/log", "wb")
        self.process = subprocess.Popen(["haproxy", "-db", "-f", self.dir + "/haproxy.cfg"], stdout=self.log, stderr=self.log)

    def states(self):
        """server -> status, as HAProxy sees it"""
        try:
            with socket.socket(socket.AF_UNIX) as u:
                u.settimeout(5)
                u.connect(self.dir + "/admin")
                u.sendall(b"show stat\n")
                text = b"".join(iter(lambda: u.recv(65536), b"")).decode()
        except OSError:
            return {}
        lines = [x.split(",") for x in text.splitlines() if x]
        status = lines[0].index("status")
        return {x[1]: x[status] for x in lines[1:] if x[0] == "coppice" and x[1] != "BACKEND"}

    def end(self):
        self.process.terminate()
        self.process.wait(10)


def behind(health):
    with open(ROOT + "/examples/haproxy/coppiced.conf") as f:
        lines = [x.strip() for x in f if x.strip() and not x.startswith(("#", "HostKey"))]
    text = "\n".join(lines).replace("192.0.2.10", HOST).replace("192.0.2.11:9022", "%s:%d" % (HOST, health))
    return Proxied(*text.split("\n"), "LogLevel INFO", "MaxStartups 100")


class Front:
    """Logins through the balancer, from an address of the client's own."""

    def __init__(self, port, inner):
        self.port, self.inner = port, inner

    def popen(self, user, *command, **more):
        argv = self.inner.argv(user, *command, options=("BindAddress=127.0.0.55",))
        argv[argv.index("-p") + 1] = str(self.port)
        return subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def login(self):
        p = self.popen("alice", "echo in")
        out, err = p.communicate(timeout=60)
        same((p.returncode, out), (0, b"in\n"), "a login through the balancer (%r)" % err)


def accepted(s):
    return len(re.findall(r"Accepted publickey for alice from 127.0.0.55 port", s.log()))


@coppiced_only
@limit(120)
def test_haproxy_before_two_daemons():
    health = (2981, 2982)
    one, two = behind(health[0]), behind(health[1])
    balancer = Balancer(2980, (one, two), health)
    front = Front(2980, one)
    try:
        wait_until(lambda: balancer.states() == {"one": "UP", "two": "UP"}, 20, text="HAProxy: %r" % balancer.states())
        authorize("alice", raw='from="127.0.0.55" %s\n' % public("ed25519"))
        # spread, and with the client's own address
        for _ in range(6):
            front.login()
        for s in (one, two):
            wait_until(lambda: accepted(s) == 3, 10, text="%d logins at one of two" % accepted(s))
        cats = [Cat(front), Cat(front)]
        # drained: new ones go to the other, old ones live
        same(ask(one, "drain", "--grace", "2").returncode, 0, "drain")
        wait_until(lambda: "DRAIN" in balancer.states().get("one", ""), 10, text="HAProxy did not hear of the drain: %r" % balancer.states())
        for _ in range(4):
            front.login()
        wait_until(lambda: refused_from(one), 10, text="the port answers still")
        for _ in range(4):
            front.login()
        wait_until(lambda: accepted(two) == 11, 10, text="%d logins at the other" % accepted(two))
        same(accepted(one), 3, "logins at the one that is drained")
        for c in cats:
            c.echo("through it all")
        same(ask(one, "undrain").returncode, 0, "undrain")
        wait_until(lambda: balancer.states() == {"one": "UP", "two": "UP"}, 20, text="HAProxy: %r" % balancer.states())
        # killed, all of it at once
        where = [n for n in two.tree() if n.get("user") == "bob" and n["name"] == "connection"]
        check(len(where) == 1, "sessions are not spread", where)
        quiet = two.log()
        family = below(two.pid)
        for p in [two.pid] + family:
            try:
                os.kill(p, signal.SIGKILL)
            except ProcessLookupError:
                pass
        two.process.wait()
        two.stopped = True
        wait_until(lambda: "DOWN" in balancer.states().get("two", ""), 20, text="HAProxy: %r" % balancer.states())
        for _ in range(4):
            front.login()
        wait_until(lambda: accepted(one) == 7, 10, text="%d logins at the one that is left" % accepted(one))
        live = [c for c in cats if c.p.poll() is None]
        wait_until(lambda: len([c for c in cats if c.p.poll() is None]) == 1, 20, text="sessions that live: %d" % len(live))
        live = [c for c in cats if c.p.poll() is None][0]
        live.echo("on the one that is left")
        live.end()
        # dozens of checks went on all the time
        for text in (one.log(), quiet):
            noise = [x for x in text.splitlines() if "127.0.0.1 port" in x and "Server" not in x and "listening" not in x]
            check(not noise, "checks fill the log", *noise[:5])
    finally:
        authorize("alice", "ed25519", "ecdsa", "rsa")
        balancer.end()


def refused_from(s):
    try:
        socket.create_connection((HOST, s.port), 5, source_address=("127.0.0.9", 0)).close()
        return False
    except ConnectionRefusedError:
        return True


# ---- fail2ban ---------------------------------------------------------------------------------------------

class Syslog(threading.Thread):
    """A /dev/log of this room's own, and what a syslog daemon makes of it in its file."""

    def __init__(self, path):
        super().__init__(daemon=True)
        own_dev()
        self.file = open(path, "w", buffering=1)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("/dev/log")
        os.chmod("/dev/log", 0o666)
        self.start()

    def run(self):
        while True:
            line = self.socket.recv(8192).decode(errors="replace")
            if line == "enough":
                return
            m = re.match(r"<\d+>(\w{3} [ \d]\d \d\d:\d\d:\d\d) (.*)", line, re.S)
            self.file.write("%s machine %s\n" % (m.group(1), m.group(2).rstrip("\n")) if m else line)

    def end(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as s:
            s.sendto(b"enough", "/dev/log")
        self.join(10)
        self.socket.close()
        self.file.close()
        sh("umount", "-l", "/dev")


def own_dev():
    """/dev belongs to the machine: one of our own lies over it."""
    place = SCRATCH + "/dev"
    os.makedirs(place)
    sh("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", place)
    for name in ("null", "zero", "full", "random", "urandom", "tty", "ptmx"):
        with open(place + "/" + name, "w"):
            pass
        sh("mount", "--bind", "/dev/" + name, place + "/" + name)
    os.mkdir(place + "/pts")
    sh("mount", "--bind", "/dev/pts", place + "/pts")
    sh("mount", "--rbind", place, "/dev")


class ToSyslog(Server):
    """As a service runs it: not -e."""

    def start(self):
        self.process = subprocess.Popen([self.program(), "-D", "-f", self.conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL, env=self.env(), cwd="/", start_new_session=True)
        wait_until(lambda: self.answers() or self.process.poll() is not None, 20, text="the daemon does not answer")
        check(self.process.poll() is None, "the daemon ended at once with %s" % self.process.returncode)
        return self


BAD = {  # from this address: what it does
    "127.0.1.1": "wrong password", "127.0.1.2": "unknown user", "127.0.1.3": "too many", "127.0.1.4": "leaves",
    "127.0.1.5": "another cipher", "127.0.1.6": "no SSH", "127.0.1.7": "not allowed", "127.0.1.8": "a name like a line",
}


def misbehave(s):
    source = lambda a: ("BindAddress=" + a,)
    s.password("alice", "not it", "true", options=source("127.0.1.1"))
    s.password("nobody-here", "x", "true", options=source("127.0.1.2"))
    keys = [x for n in ("stranger", "host_ed25519", "host_rsa") for x in ("-i", key(n))]
    s.ssh("carol", "true", key_name="stranger", options=source("127.0.1.3"), flags=keys)
    with socket.create_connection((HOST, s.port), 10, source_address=("127.0.1.4", 0)) as c:
        c.recv(100)
        c.sendall(b"SSH-2.0-leaves\r\n")
    s.ssh("alice", "true", options=source("127.0.1.5") + ("Ciphers=3des-cbc",))
    with socket.create_connection((HOST, s.port), 10, source_address=("127.0.1.6", 0)) as c:
        c.sendall(b"GET / HTTP/1.0\r\n\r\n")
        try:
            while c.recv(1000):
                pass
        except ConnectionResetError:
            pass
    s.ssh("bob", "true", options=source("127.0.1.7"))
    # a name that tries to ban somebody else
    s.ssh("x from 198.51.100.1 port 22 ssh2", "true", options=source("127.0.1.8"))
    s.ssh("y 198.51.100.2 port 22 [preauth]", "true", options=source("127.0.1.8"))
    for _ in range(2):
        s.ssh("alice", "true", options=source("127.0.1.99"), ok=True)
    s.password("alice", "correct horse 1", "true", options=source("127.0.1.99"))


SETTINGS = ("MaxAuthTries 2", "DenyUsers bob", "LogLevel INFO")


SENTENCES = (
    r"Failed password for alice from 127\.0\.1\.1 port \d+ ssh2$",
    r"Connection closed by authenticating user alice 127\.0\.1\.1 port \d+ \[preauth\]$",
    r"Invalid user nobody-here from 127\.0\.1\.2 port \d+$",
    r"Failed password for invalid user nobody-here from 127\.0\.1\.2 port \d+ ssh2$",
    r"Connection closed by invalid user nobody-here 127\.0\.1\.2 port \d+ \[preauth\]$",
    r"maximum authentication attempts exceeded for carol from 127\.0\.1\.3 port \d+ ssh2 \[preauth\]$",
    r"Disconnecting authenticating user carol 127\.0\.1\.3 port \d+: Too many authentication failures \[preauth\]$",
    r"Connection (closed|reset) by 127\.0\.1\.4 port \d+ \[preauth\]$",
    r"Unable to negotiate with 127\.0\.1\.5 port \d+: no matching cipher found\. Their offer: 3des-cbc \[preauth\]$",
    r"banner exchange: Connection from 127\.0\.1\.6 port \d+: invalid format$",
    r"User bob from 127\.0\.1\.7 not allowed because listed in DenyUsers$",
    r"Connection closed by invalid user bob 127\.0\.1\.7 port \d+ \[preauth\]$",
    r"Invalid user x from 198\.51\.100\.1 port 22 ssh2 from 127\.0\.1\.8 port \d+$",
    r"Unable to negotiate with 127\.0\.1\.9 port \d+: no matching key exchange method found\. Their offer: diffie-hellman-group1-sha1\S* \[preauth\]$",
    r"Unable to negotiate with 127\.0\.1\.9 port \d+: no matching host key type found\. Their offer: ssh-dss \[preauth\]$",
    r"Unable to negotiate with 127\.0\.1\.9 port \d+: no matching MAC found\. Their offer: hmac-md5 \[preauth\]$",
    r"Accepted publickey for alice from 127\.0\.1\.99 port \d+ ssh2: ED25519 SHA256:\S+$",
    r"Received disconnect from 127\.0\.1\.99 port \d+:11: disconnected by user$",
    r"Disconnected from user alice 127\.0\.1\.99 port \d+$",
)


@limit(60)
def test_sentences_are_those_of_sshd():
    """Tools know them; the same test holds for sshd."""
    with Server(*SETTINGS) as s:
        misbehave(s)
        for option in ("KexAlgorithms=diffie-hellman-group1-sha1", "HostKeyAlgorithms=ssh-dss", "MACs=hmac-md5"):
            more = ("Ciphers=aes128-ctr",) if option.startswith("MACs") else ()
            s.ssh("alice", "true", options=("BindAddress=127.0.1.9", option) + more)
        for sentence in SENTENCES:
            s.logged("(?m)" + sentence)


def found(path, mode):
    """address -> how many lines fail2ban-regex takes as failures of it"""
    out = {}
    r = subprocess.run(["fail2ban-regex", "-o", "ip", path, ROOT + "/examples/fail2ban/filter.d/coppiced.conf[mode=%s]" % mode],
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)
    same(r.returncode, 0, "status of fail2ban-regex (%r)" % r.stderr)
    for ip in r.stdout.decode().split():
        out[ip] = out.get(ip, 0) + 1
    return out


def judge(path):
    normal, aggressive = found(path, "normal"), found(path, "aggressive")
    for ip in ("127.0.1.1", "127.0.1.2", "127.0.1.3", "127.0.1.7", "127.0.1.8"):
        check(normal.get(ip), "%s (%s) is not matched" % (ip, BAD[ip]), normal, open(path).read())
    for ip in BAD:
        check(aggressive.get(ip), "%s (%s) is not matched in the aggressive mode" % (ip, BAD[ip]), aggressive, open(path).read())
    for f in (normal, aggressive):
        f.pop(HOST, None)                   # where the test itself looks whether the port answers
        check(not set(f) - set(BAD), "matched, and is no offender", f, open(path).read())


@coppiced_only
@limit(120)
def test_fail2ban_reads_our_lines():
    """As the daemon writes them itself, and as syslog has them; then fail2ban itself bans whom it should."""
    with Server(*SETTINGS) as s:
        misbehave(s)
        s.logged("Accepted password for alice")
        judge(s.log_path)
        bans(s.log_path)


@coppiced_only
@limit(120)
def test_fail2ban_reads_syslog():
    path = SCRATCH + "/auth.log"
    log = Syslog(path)
    try:
        s = ToSyslog(*SETTINGS, wait=False)
        s.log_path = path
        with s.start():
            misbehave(s)
            s.logged("Accepted password for alice")
            judge(path)
    finally:
        log.end()


def bans(path):
    """The example jail with an action that writes down whom it bans."""
    conf, banned = SCRATCH + "/fail2ban", SCRATCH + "/banned"
    for name in ("filter.d", "jail.d", "action.d"):
        os.makedirs(conf + "/" + name)
    sh("cp", "/etc/fail2ban/filter.d/common.conf", ROOT + "/examples/fail2ban/filter.d/coppiced.conf", conf + "/filter.d/")
    sh("cp", ROOT + "/examples/fail2ban/jail.d/coppiced.conf", conf + "/jail.d/")
    for name, text in (("fail2ban.conf", "[Definition]\nloglevel = INFO\nlogtarget = %s/log\nsyslogsocket = auto\nsocket = %s/socket\npidfile = %s/pid\n"
                        "dbfile = None\ndbpurgeage = 1d\n" % (conf, conf, conf)),
                       ("jail.conf", "[DEFAULT]\nignoreself = false\nusedns = no\n"),
                       ("jail.local", "[coppiced]\nfilter = coppiced[mode=aggressive]\nbackend = polling\nlogpath = %s\nmaxretry = 1\naction = mark\n" % path),
                       ("action.d/mark.conf", "[Definition]\nactionban = echo <ip> >> %s\nactionunban = true\n" % banned)):
        with open(conf + "/" + name, "w") as f:
            f.write(text)
    with open(conf + "/out", "wb") as out:
        p = subprocess.Popen(["fail2ban-server", "-f", "-c", conf, "-s", conf + "/socket", "-p", conf + "/pid", "start"], stdout=out, stderr=out)

    def who():
        try:
            with open(banned) as f:
                return set(f.read().split())
        except FileNotFoundError:
            return set()

    try:
        wait_until(lambda: who() >= set(BAD), 30, text="banned: %s of %s" % (sorted(who()), sorted(BAD)))
        same(who() - {HOST}, set(BAD), "whom fail2ban bans")
    finally:
        p.terminate()
        p.wait(20)
