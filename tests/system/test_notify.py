"""The daemon and a service manager that this file plays itself: a datagram socket, and sockets passed on descriptors 3 and up."""
import array
import contextlib
import fcntl
import os
import re
import select
import signal
import socket
import subprocess
import time

from lab import (HOST, Failure, Server, alive, below, check, coppiced_only, limit, same, status, wait_until)


class Manager:
    """$NOTIFY_SOCKET: keeps every message, with its sender's pid and its descriptors."""

    def __init__(self, path):
        self.path, self.seen, self.fds = path, [], []
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind("\0" + path[1:] if path[0] == "@" else path)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        self.socket.setblocking(False)

    def read(self):
        while True:
            try:
                text, more, _, _ = self.socket.recvmsg(65536, 4096)
            except BlockingIOError:
                return self.seen
            got = {}
            for level, kind, data in more:
                numbers = array.array("i")
                numbers.frombytes(data[:len(data) - len(data) % 4])
                if kind == socket.SCM_CREDENTIALS:
                    got["pid"] = numbers[0]
                elif kind == socket.SCM_RIGHTS:
                    self.fds += numbers
            got["at"] = time.monotonic()
            for line in text.decode().split("\n"):
                name, _, value = line.partition("=")
                got[name] = value
            self.seen.append(got)

    def wait(self, what, seconds=10, after=0):
        """The first message from number after on for which what(message) is true."""
        def look():
            return next((m for m in self.read()[after:] if what(m)), None)
        return wait_until(look, seconds, text="the manager was not told; it heard %r" % self.seen[-8:])

    def close(self):
        self.socket.close()
        for fd in self.fds:
            os.close(fd)
        self.fds = []


def launch(s, env, fds=(), pid="self"):
    """Starts the server as a manager does: fds become 3, 4, ...; LISTEN_PID is its own pid."""
    keep = {i: fcntl.fcntl(fd, fcntl.F_DUPFD, 500) for i, fd in enumerate(fds)}     # out of the way of 3, 4, ...

    def wire():
        for i, fd in keep.items():
            os.dup2(fd, 3 + i)
            os.close(fd)

    words = ["%s=%s" % x for x in env.items()]
    script = 'export LISTEN_PID=%s WATCHDOG_PID=$$; exec env "$@"' % ("$$" if pid == "self" else pid)
    s.log_file = open(s.log_path, "ab")
    s.process = subprocess.Popen(["sh", "-c", script, "sh"] + words + [s.program(), "-D", "-e", "-f", s.conf] + s.args, stdin=subprocess.DEVNULL,
                                 stdout=s.log_file, stderr=s.log_file, env=s.env(), cwd="/", start_new_session=True, close_fds=False, preexec_fn=wire)
    for fd in keep.values():
        os.close(fd)
    return s


@contextlib.contextmanager
def managed(*lines, abstract=False, env=(), wait=True, **more):
    s = Server(*lines, wait=False, **more)
    m = Manager(("@coppice-test-%d-%d" % (os.getpid(), Server.number)) if abstract else s.dir + "/notify")
    try:
        launch(s, dict({"NOTIFY_SOCKET": m.path}, **dict(env)))
        if wait:
            m.wait(lambda x: x.get("READY") == "1", 30)
        yield s, m
        if not s.stopped:
            s.stop()
    finally:
        m.close()


def environment(pid):
    try:
        with open("/proc/%d/environ" % pid, "rb") as f:
            return f.read().split(b"\0")
    except (FileNotFoundError, ProcessLookupError):
        return []


# ---- messages -----------------------------------------------------------------------------------

@coppiced_only
def test_ready_and_stop():
    for abstract in (False, True):
        with managed(abstract=abstract) as (s, m):
            ready = next(x for x in m.seen if x.get("READY") == "1")
            same(ready["MAINPID"], str(s.pid), "MAINPID")
            same(ready["pid"], s.pid, "sender")
            check(re.match(r"0 sessions, 0 authenticating, 0 restarts", ready["STATUS"]), "STATUS", ready)
            check(s.answers(), "READY, but nobody answers")
            for p in below(s.pid):
                left = [x for x in environment(p) if x.startswith((b"NOTIFY_", b"WATCHDOG_", b"LISTEN_"))]
                check(not left, "a child inherited %r" % left)
            s.ssh("alice", "env | grep -E 'NOTIFY|WATCHDOG|LISTEN'; true", ok=True)
            s.stop()
            m.wait(lambda x: x.get("STOPPING") == "1")


@coppiced_only
def test_status_of_sessions():
    with managed() as (s, m):
        at = len(m.read())
        client = s.popen("alice", "exec cat")
        m.wait(lambda x: x.get("STATUS", "").startswith("1 sessions, 0 auth"), after=at)
        os.kill(s.pid_of("auth"), signal.SIGKILL)
        s.crash_expected = True
        m.wait(lambda x: "1 restarts" in x.get("STATUS", ""), after=at)
        client.stdin.close()
        client.wait(20)
        m.wait(lambda x: x.get("STATUS", "").startswith("0 sessions, 0 auth"), after=at)
        for _ in range(12):
            s.ssh("alice", "true", ok=True)
        last = lambda: [x for x in m.read() if "STATUS" in x][-1]["STATUS"]
        wait_until(lambda: last().startswith("0 sessions, 0 auth"), 10, text="the last STATUS is " + last())
        client = s.popen("alice", "exec cat")
        wait_until(lambda: last().startswith("1 sessions, 0 auth"), 10, text="a STATUS is missing")
        client.stdin.close()
        client.wait(20)
        told = [x for x in m.read() if "STATUS" in x]
        for a, b in zip(told, told[1:]):        # ours is the time of reading, which can only be later
            check(a["STATUS"] != b["STATUS"], "told twice", a, b)
        check(len(told) <= 3 + told[-1]["at"] - told[0]["at"], "more than one STATUS a second", told)


@coppiced_only
def test_reload_good_and_bad():
    with managed() as (s, m):
        at = len(m.read())
        s.process.send_signal(signal.SIGHUP)
        first = m.wait(lambda x: x.get("RELOADING") == "1", after=at)
        clock = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        check(clock - 60e6 < int(first["MONOTONIC_USEC"]) <= clock, "MONOTONIC_USEC", first, clock)
        ready = m.wait(lambda x: x.get("READY") == "1", after=at)
        check(m.seen.index(ready) > m.seen.index(first) and "fail" not in ready["STATUS"], "the end of a good reload", m.seen[at:])
        at = len(m.read())
        with open(s.conf, "a") as f:
            f.write("Nonsense yes\n")
        s.process.send_signal(signal.SIGHUP)
        m.wait(lambda x: x.get("RELOADING") == "1", after=at)
        bad = m.wait(lambda x: x.get("READY") == "1", after=at)
        check(re.match(r"reload failed: .*Nonsense.*, old configuration kept", bad["STATUS"]), "STATUS of a bad reload", bad)
        check(s.answers(), "nobody answers after a bad reload")
        s.write()
        at = len(m.read())
        s.process.send_signal(signal.SIGHUP)
        good = m.wait(lambda x: x.get("READY") == "1", after=at)
        check("fail" not in good["STATUS"], "the old complaint", good)


@coppiced_only
def test_start_that_fails():
    with managed("Nonsense yes", wait=False) as (s, m):
        same(s.process.wait(20), 255, "exit status")
        said = m.wait(lambda x: "EXIT_STATUS" in x)
        same(said["EXIT_STATUS"], "255", "EXIT_STATUS")
        check("Nonsense" in said["STATUS"], "STATUS", said)
        check(not [x for x in m.seen if "READY" in x], "READY without a configuration", m.seen)
        s.stopped = True


@coppiced_only
def test_sessions_end_with_more_time():
    with managed() as (s, m):
        client = s.popen("alice", "trap '' HUP; echo here; sleep 1000 & wait; sleep 1000")
        same(client.stdout.readline().strip(), b"here", "its first line")
        at = len(m.read())
        s.stop()
        m.wait(lambda x: x.get("STOPPING") == "1", after=at)
        more = m.wait(lambda x: "EXTEND_TIMEOUT_USEC" in x, after=at)
        check(int(more["EXTEND_TIMEOUT_USEC"]) >= 5000000, "EXTEND_TIMEOUT_USEC", more)
        client.kill()
        client.wait()


@coppiced_only
def test_manager_that_does_not_listen():
    # its socket is full: READY comes as soon as there is room; sessions never wait for it
    s = Server(wait=False)
    m = Manager(s.dir + "/notify")
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            filler.sendto(b"STATUS=full", m.path)
    launch(s, {"NOTIFY_SOCKET": m.path})
    wait_until(s.answers, 20, text="the daemon waits for its manager")
    s.ssh("alice", "true", ok=True)
    m.wait(lambda x: x.get("READY") == "1")
    m.close()                       # and now it is gone
    os.unlink(m.path)
    s.process.send_signal(signal.SIGHUP)
    s.logged(r"does not take our messages", 10)
    s.ssh("alice", "true", ok=True)
    s.stop()


@coppiced_only
def test_no_manager():
    for path in ("relative", "@", "vsock:2:1", "/" + "x" * 200):
        s = launch(Server(wait=False), {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "x"})
        wait_until(s.answers, 20, text="NOTIFY_SOCKET=%s" % path)
        s.stop()


# ---- watchdog -------------------------------------------------------------------------------------

@coppiced_only
def test_watchdog_messages():
    with managed("WatchdogInterval 1", env={"WATCHDOG_USEC": "1000000"}) as (s, m):
        s.crash_expected = True
        at = len(m.read())
        for _ in range(3):
            m.wait(lambda x: x.get("WATCHDOG") == "1", after=at)
            at = len(m.seen)
        victim = s.pid_of("keysign")
        os.kill(victim, signal.SIGSTOP)
        s.logged(r"how=hung", 20)
        lines = [x for x in s.log().splitlines() if "how=hung" in x]
        check(len(lines) == 1 and "node=guards/keysign" in lines[0], "the report", lines)
        check(not alive(victim), "it is still there")
        wait_until(lambda: s.pid_of("keysign") not in (None, victim), 10, text="no new keysign")
        at = len(m.read())
        m.wait(lambda x: x.get("WATCHDOG") == "1", after=at)
        s.ssh("alice", "true", ok=True)


@coppiced_only
def test_watchdog_of_somebody_else():
    s = Server(wait=False)
    m = Manager(s.dir + "/notify")
    # env comes after sh: what it says is what counts
    launch(s, {"NOTIFY_SOCKET": m.path, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    m.wait(lambda x: x.get("READY") == "1", 30)
    for _ in range(3):
        s.ssh("alice", "true", ok=True)
    check(not [x for x in m.read() if "WATCHDOG" in x], "WATCHDOG for another process", m.seen)
    s.stop()
    m.close()


@coppiced_only
@limit(120)
def test_hung_helpers_are_replaced():
    with Server("WatchdogInterval 1") as s:
        s.crash_expected = True
        client = s.popen("alice", "exec cat")
        wait_until(lambda: [n for n in s.tree() if n.get("user") == "alice"], 10)
        victims = {name: s.pid_of(name) for name in ("auth", "nursery", "reporter", "acceptor")}
        for victim in victims.values():
            os.kill(victim, signal.SIGSTOP)
        s.connect().close()         # somebody asks for something: it is noticed soon
        for name, victim in victims.items():
            wait_until(lambda: not alive(victim), 20, text="%s hangs on" % name)
            wait_until(lambda: s.pid_of(name) not in (None, victim), 10, text="no new %s" % name)
        wait_until(s.answers, 10, text="nobody answers with the new ones")
        s.ssh("alice", "true", ok=True)
        client.stdin.write(b"still here\n")
        client.stdin.flush()
        same(client.stdout.readline(), b"still here\n", "the session")
        client.stdin.close()
        client.wait(20)


@coppiced_only
def test_sleeping_supervisor_kills_nobody():
    with Server("WatchdogInterval 1") as s:
        before = {n["name"]: n["pid"] for n in s.tree() if n["kind"] == "worker" and n["name"] != "connection"}
        s.connect().close()
        s.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: status(s.pid, "State").startswith("T"), 5)
        end = time.monotonic() + 4          # the time is what is tested
        wait_until(lambda: time.monotonic() > end, 10)
        s.process.send_signal(signal.SIGCONT)
        s.ssh("alice", "true", ok=True)
        same({n["name"]: n["pid"] for n in s.tree() if n["kind"] == "worker" and n["name"] in before}, before, "helpers")
        check("ev=hung" not in s.log(), "somebody was killed")


# ---- sockets that were passed -----------------------------------------------------------------------

def listening(family=socket.AF_INET, at=(HOST, 0)):
    s = socket.socket(family, socket.SOCK_STREAM)
    if family == socket.AF_INET6:
        s.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    s.bind(at)
    s.listen(20)
    return s


def greets(family, at):
    with socket.socket(family, socket.SOCK_STREAM) as c:
        c.settimeout(20)
        c.connect(at)
        return c.recv(4) == b"SSH-"


def passed(s, fds, names=None, pid="self"):
    env = {"LISTEN_FDS": len(fds)}
    if names is not None:
        env["LISTEN_FDNAMES"] = names
    return launch(s, env, [f.fileno() for f in fds], pid)


@coppiced_only
def test_passed_sockets():
    four, six = listening(), listening(socket.AF_INET6, ("::1", 0))
    s = Server(wait=False, plain=True)
    path = s.dir + "/socket"
    local = listening(socket.AF_UNIX, path)
    port = four.getsockname()[1]
    passed(s, [four, six, local], "ssh:admin:box")
    where = [(socket.AF_INET, (HOST, port)), (socket.AF_INET6, six.getsockname()[:2]), (socket.AF_UNIX, path)]
    for family, at in where:
        check(greets(family, at), "no answer at %r" % (at,))
    for sock in (four, six, local):
        sock.close()
    names = [n["name"] for n in s.tree()]
    for name in ("listener ssh", "listener admin", "listener box"):
        check(name in names, "no node %s" % name, names)
    s.logged(r"Server listening on 127\.0\.0\.1 port %d\." % port)
    s.logged(r"Server listening on %s\." % re.escape(path))
    s.port = port
    s.ssh("alice", "true", ok=True)
    proxy = "ProxyCommand=python3 -c 'import os,socket,sys,threading,shutil\ns=socket.socket(socket.AF_UNIX); s.connect(\"%s\")\n" \
            "def up():\n while True:\n  b=os.read(0,65536)\n  if not b: break\n  s.sendall(b)\nthreading.Thread(target=up,daemon=True).start()\n" \
            "while True:\n b=s.recv(65536)\n if not b: break\n os.write(1,b)'" % path
    script = s.dir + "/pipe.py"
    with open(script, "w") as f:
        f.write(proxy.split("-c '", 1)[1][:-1])
    r = s.ssh("alice", "echo $SSH_CONNECTION", options=("ProxyCommand=python3 " + script,), ok=True)
    same(r.stdout.strip(), b"UNKNOWN 65535 UNKNOWN 65535", "SSH_CONNECTION over a Unix socket")
    s.logged(r"Accepted publickey for alice from UNKNOWN port 65535")
    pids = {n["name"]: n["pid"] for n in s.tree() if n["name"] == "acceptor"}
    s.process.send_signal(signal.SIGHUP)
    s.logged(r"Configuration 2 in force")
    for family, at in where:
        check(greets(family, at), "no answer after a reload at %r" % (at,))
    same({n["name"]: n["pid"] for n in s.tree() if n["name"] == "acceptor"}, pids, "acceptors")
    s.crash_expected = True
    for n in s.tree():
        if n["name"] == "acceptor":
            os.kill(n["pid"], signal.SIGKILL)
    for family, at in where:
        check(greets(family, at), "no answer after the acceptors died at %r" % (at,))
    for p in below(s.pid):
        check(not [x for x in environment(p) if x.startswith(b"LISTEN_")], "LISTEN_* in a child")
    s.stop()
    check(os.path.exists(path), "somebody else's socket was removed")


@coppiced_only
def test_passed_sockets_of_one_name():
    a, b = listening(), listening()
    s = passed(Server(wait=False, plain=True), [a, b], "ssh:ssh")
    check(greets(socket.AF_INET, a.getsockname()), "no answer")
    names = [n["name"] for n in s.tree()]
    for sock in (a, b):
        check("listener ssh %s:%d" % sock.getsockname() in names, "no node for %r" % (sock.getsockname(),), names)
    s.port = a.getsockname()[1]
    s.stop()


@coppiced_only
def test_passed_sockets_for_another_process():
    sock = listening()
    s = passed(Server(wait=False), [sock], "ssh", pid="1")
    wait_until(s.answers, 20, text="it does not listen on its own port")
    names = [n["name"] for n in s.tree()]
    check("listener ssh" not in names and "listener %s:%d" % (HOST, s.port) in names, "whose sockets", names)
    s.stop()


def refused(s, fds, names, *pattern):
    passed(s, fds, names)
    same(s.process.wait(20), 255, "exit status")
    s.stopped = True
    for p in pattern:
        check(re.search(p, s.log()), "not said: %s" % p, s.log())


@coppiced_only
def test_passed_sockets_that_contradict():
    sock = listening()
    port = sock.getsockname()[1]
    refused(Server("Port 2299", wait=False, plain=True), [sock], "ssh", r"Port asks for port 2299", r"service manager")
    refused(Server("ListenAddress 127.0.0.2:%d" % port, wait=False, plain=True), [sock], "ssh", r"ListenAddress asks for 127\.0\.0\.2:%d" % port)
    other = listening()
    refused(Server("Port %d" % port, wait=False, plain=True), [sock, other], "ssh:other", r"does not name 127\.0\.0\.1:%d" % other.getsockname()[1], r'"other"')
    # the same is no contradiction; a reload that makes one keeps the old configuration
    s = passed(Server("ListenAddress 127.0.0.1:%d" % port, wait=False, plain=True), [sock], "ssh")
    check(greets(socket.AF_INET, (HOST, port)), "no answer")
    s.port = port
    s.write("Port 2299")
    s.process.send_signal(signal.SIGHUP)
    s.logged(r"Port asks for port 2299")
    s.logged(r"old one stays in force")
    check(greets(socket.AF_INET, (HOST, port)), "no answer after a bad reload")
    s.stop()


@coppiced_only
def test_passed_things_that_are_no_listeners():
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    refused(Server(wait=False, plain=True), [udp], "u", r'"u" of the service manager is no stream socket')
    a, b = socket.socketpair()
    refused(Server(wait=False, plain=True), [a], "c", r'"c" of the service manager does not listen')
    with open("/dev/null") as null:
        refused(Server(wait=False, plain=True), [null], "f", r'"f" of the service manager is no stream socket')
    s = launch(Server(wait=False, plain=True), {"LISTEN_FDS": "x"})
    same(s.process.wait(20), 255, "exit status")
    s.stopped = True
    s = launch(Server(wait=False, plain=True), {"LISTEN_FDS": "3"})
    same(s.process.wait(20), 255, "exit status with descriptors that are not there")
    s.stopped = True
