"""Supervisor and keeper are killed together: what a service manager, which this file plays, has stored is enough for the next supervisor."""
import array
import contextlib
import fcntl
import os
import re
import signal
import socket
import struct
import subprocess
import threading
import time

from lab import HOST, Server, alive, check, coppiced_only, limit, same, wait_until
from movers import Exec, Master, Sftp, Shell, moving
from test_notify import launch


class Store(threading.Thread):
    """$NOTIFY_SOCKET, and the descriptors that came with FDSTORE under their names."""

    def __init__(self, path):
        super().__init__(daemon=True)
        self.path, self.names, self.told, self.over = path, {}, 0, False
        self.lock = threading.Lock()
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(path)
        self.socket.settimeout(0.1)
        self.start()

    def run(self):
        while not self.over:
            try:
                text, more, _, _ = self.socket.recvmsg(65536, 4096)
            except socket.timeout:
                continue
            fds = array.array("i")
            for level, kind, data in more:
                if kind == socket.SCM_RIGHTS:
                    fds.frombytes(data)
            for fd in fds:
                os.set_inheritable(fd, False)       # a daemon that got them beside 3, 4, ... would keep links open
            said = dict(line.partition("=")[::2] for line in text.decode().split("\n"))
            with self.lock:
                self.take(said, list(fds))

    def take(self, said, fds):
        name = said.get("FDNAME")
        if "FDSTORE" in said or "FDSTOREREMOVE" in said:
            self.told += 1
        if "FDSTORE" in said:
            check(said["FDPOLL"] == "0" and fds, "what is stored must stay when it becomes readable or hangs up", said)
            self.names.setdefault(name, []).extend(fds)
        elif "FDSTOREREMOVE" in said:
            for fd in self.names.pop(name, []):
                os.close(fd)

    def has(self, prefix):
        with self.lock:
            return sorted(n for n in self.names if n.startswith(prefix))

    def passed(self):
        """As the next start gets them: the order is nobody's promise."""
        with self.lock:
            flat = [(name, fd) for name in sorted(self.names, reverse=True) for fd in reversed(self.names[name])]
        return [fd for _, fd in flat], {"LISTEN_FDS": len(flat), "LISTEN_FDNAMES": ":".join(name for name, _ in flat)}

    def replace(self, name, *fds):
        with self.lock:
            for fd in self.names.pop(name):
                os.close(fd)
            if fds:
                self.names[name] = list(fds)

    def close(self):
        self.over = True
        self.join()
        self.socket.close()
        for name in list(self.names):
            self.replace(name)


@contextlib.contextmanager
def stored(*lines, env=()):
    s = Server(*lines, wait=False)
    s.crash_expected = True
    store = Store(s.dir + "/notify")
    s.manager_env = dict({"NOTIFY_SOCKET": store.path}, **dict(env))
    try:
        launch(s, s.manager_env)
        wait_until(s.answers, 30, text="it does not come up")
        wait_until(lambda: settled(s, store), 10, text="the store after the start: %s" % store.has(""))
        yield s, store
        if not s.stopped:
            s.stop()
    finally:
        store.close()


def helpers(s):
    return [n for n in s.tree() if n["kind"] == "worker" and n["pid"] and not n["name"].startswith(("connection", "exec", "shell", "sftp"))]


def settled(s, store):
    """Sessions aside: every helper, the log sockets, one listening socket, one journal, and nothing else."""
    return (len(store.has("coppice-proc-")) == len(helpers(s)) and len(store.has("coppice-log-")) == 4 and len(store.has("coppice-state-")) == 1
            and len(store.has("coppice-listen-")) == 1)


def kill_both(s):
    keeper = s.pid_of("keeper")
    for pid in (s.pid, keeper):
        os.kill(pid, signal.SIGKILL)
    s.process.wait()
    wait_until(lambda: not alive(keeper), 5)


def again(s, store, by=None):
    """The next start; by: from whom it has to take over."""
    fds, env = store.passed()
    before = len(re.findall("ev=resume from", s.log()))
    s.log_file.close()
    launch(s, dict(s.manager_env, **env), fds)
    if by is not None:
        wait_until(lambda: len(re.findall("ev=resume from.* by=" + by, s.log())) and len(re.findall("ev=resume from", s.log())) == before + 1, 10,
                   text="it did not take over from the " + by)
    wait_until(s.answers, 20, text="nobody answers")


def pids(s, *names):
    return {n["id"]: n["pid"] for n in s.tree() if n["name"].startswith(names)}


def old_enough(s, store, sessions, programs):
    """Connections and programs are stored when they are a second old."""
    wait_until(lambda: len(store.has("coppice-proc-")) == len(helpers(s)) + sessions + programs, 15,
               text="the store: %s" % store.has("coppice-proc-"))


def programs(s, store, *users):
    """cat in a session of each; store: it has all of them."""
    found = [s.popen(user, "echo here; exec cat") for user in users]
    for p in found:
        same(p.stdout.readline(), b"here\n", "a session")
    if store is not None:
        old_enough(s, store, len(users), len(users))
    return found


def still_here(p):
    p.stdin.write(b"still here\n")
    p.stdin.flush()
    same(p.stdout.readline(), b"still here\n", "the session")


@coppiced_only
@limit(300)
def test_sessions_outlive_both():
    with stored("LogLevel VERBOSE") as (s, store):
        master = Master(s, 1)
        movers = [moving(kind(s, n, control=control)) for n, kind, control in
                  ((1, Exec, master.path), (1, Shell, master.path), (2, Exec, None), (3, Shell, None), (4, Sftp, None))]
        waits = s.popen("alice", "read x; exit $x")
        for turn in range(3):
            old_enough(s, store, 5, 6)
            before = pids(s, "connection", "exec", "shell", "sftp", "session", "keysign", "auth")
            kill_both(s)
            was = {m: m.progress for m in movers}
            wait_until(lambda: all(m.progress > was[m] for m in movers if not isinstance(m, Sftp)), 20, text="sessions stand still without both")
            again(s, store, "store")
            wait_until(lambda: pids(s, *"connection exec shell sftp session keysign auth".split()) == before, 10, text="the tree after it")
            r = s.ssh("bob", "echo new; exit 3")
            same((r.returncode, r.stdout), (3, b"new\n"), "a login after it (%r)" % r.stderr)
            r = subprocess.run(["ssh", "-S", master.path, "x@" + HOST, "echo channel; exit 4"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
            same((r.returncode, r.stdout), (4, b"channel\n"), "a new channel on an old connection")
            was = {m: m.progress for m in movers}
            wait_until(lambda: all(m.progress > was[m] for m in movers), 20, text="sessions stand still after it")
            check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
            check(s.pid_of("keeper"), "no keeper")
        out, err = waits.communicate(b"7\n", timeout=20)
        same(waits.returncode, 7, "exit status of a program that outlived it (%r)" % err)
        for m in movers:
            m.finish()
        master.finish()
        check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
        wait_until(lambda: settled(s, store), 15, text="the store after all sessions: %s" % store.has(""))


@coppiced_only
@limit(120)
def test_keeper_and_store_agree():
    """The supervisor alone is killed: the keeper has the later word, and the store is right afterwards; an upgrade likewise."""
    with stored() as (s, store):
        stays, ends = programs(s, store, "alice", "bob")
        os.kill(s.pid, signal.SIGKILL)
        s.process.wait()
        again(s, store, "keeper")
        wait_until(lambda: len(store.has("coppice-state-")) == 1, 10, text="two journals: %s" % store.has(""))
        ends.stdin.close()
        same(ends.wait(20), 0, "status")
        old_enough(s, store, 1, 1)
        before = store.has("coppice-state-")
        os.kill(s.pid, signal.SIGUSR2)
        s.logged(r"ev=replace .*helpers replaced", 20)
        wait_until(lambda: len(store.has("coppice-state-")) == 1 and store.has("coppice-state-") != before, 10, text="the journal: %s" % store.has(""))
        old_enough(s, store, 1, 1)
        kill_both(s)
        again(s, store, "store")
        still_here(stays)
        stays.stdin.close()
        same(stays.wait(20), 0, "status")
        wait_until(lambda: settled(s, store), 15, text="the store at the end: %s" % store.has(""))


@coppiced_only
@limit(120)
def test_a_program_too_young_to_be_stored():
    with stored() as (s, store):
        master = s.popen("alice", "echo here; exec cat", flags=("-M", "-S", s.dir + "/master"))
        same(master.stdout.readline(), b"here\n", "the master")
        old_enough(s, store, 1, 1)
        p = subprocess.Popen(["ssh", "-S", s.dir + "/master", "x@" + HOST, "echo here; cat; exit 7"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        same(p.stdout.readline(), b"here\n", "the program")
        kill_both(s)
        again(s, store, "store")
        still_here(p)
        p.stdin.close()
        same(p.wait(20), 7, "its status")
        master.stdin.close()
        same(master.wait(20), 0, "status of the master")
        wait_until(lambda: settled(s, store), 15, text="the store: %s" % store.has(""))


# ---- what is not believed -------------------------------------------------------------------------

def memfd(data, seals=fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW):
    fd = os.memfd_create("test", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(fd, len(data) if isinstance(data, bytes) else data.size)
    if isinstance(data, bytes):
        os.pwrite(fd, data, 0)
    else:
        for at, piece in data.pieces:
            os.pwrite(fd, piece, at)
    fcntl.fcntl(fd, fcntl.F_ADD_SEALS, seals)
    return fd


class Image:
    """A journal: 128 MiB of which little is there."""

    def __init__(self, fd):
        self.size, self.pieces, at = os.fstat(fd).st_size, [], 0
        while at < self.size:
            try:
                at = os.lseek(fd, at, os.SEEK_DATA)
                end = os.lseek(fd, at, os.SEEK_HOLE)
            except OSError:
                break
            self.pieces.append((at, os.pread(fd, end - at, at)))
            at = end

    def patched(self, at, data):
        self.pieces = [(where, piece[:at - where] + data + piece[at - where + len(data):] if where <= at < where + len(piece) else piece)
                       for where, piece in self.pieces]
        return self


def owned_by_a_user(fd):
    os.fchown(fd, 2001, 2001)
    return fd


def spoilt(journal):
    """What could lie there instead of our journal."""
    yield "nothing", ()
    yield "garbage", (memfd(os.urandom(8192)),)
    yield "no size sealed", (memfd(Image(journal), 0),)
    yield "another format", (memfd(Image(journal).patched(12, struct.pack("<I", 99))),)
    yield "another layout", (memfd(Image(journal).patched(8, struct.pack("<I", 99))),)
    yield "a torn record", (memfd(Image(journal).patched(4096 + 40, b"\xff" * 8)),)
    yield "a journal somebody else made", (owned_by_a_user(memfd(Image(journal))),)
    yield "a socket", (socket.socket(socket.AF_UNIX, socket.SOCK_STREAM).detach(),)


@coppiced_only
@limit(300)
def test_a_store_that_is_not_ours_is_refused():
    for turn in range(8):
        with stored() as (s, store):
            p, = programs(s, store, "alice")
            old = [n["pid"] for n in s.tree() if n["pid"]]
            kill_both(s)
            name = store.has("coppice-state-")[0]
            with store.lock:
                what, fds = list(spoilt(store.names[name][0]))[turn]
            store.replace(name, *fds)
            again(s, store)
            check("ev=resume from" not in s.log(), "taken over from " + what)
            check(p.wait(20) != 0, "%s: a session that nobody supervises lives on" % what)
            same(s.ssh("bob", "echo new").stdout, b"new\n", "a login after " + what)
            wait_until(lambda: not [x for x in old if alive(x)], 20, text="%s: processes of the old one stay" % what)
            wait_until(lambda: settled(s, store), 15, text="%s: the store: %s" % (what, store.has("")))


@coppiced_only
@limit(120)
def test_descriptors_are_what_their_names_say():
    """A pidfd of a stranger, more of a name than there may be, names nobody knows, a link of somebody else's making."""
    with stored() as (s, store):
        p, q = programs(s, store, "alice", "bob")
        stranger = subprocess.Popen(["sleep", "1000"])
        victim = next(n for n in s.tree() if n["name"].startswith("exec") and n.get("user") == "alice")
        session = victim["parent"]
        kill_both(s)
        for name in store.has("coppice-proc-"):
            with store.lock:
                pidfds = [fd for fd in store.names[name] if "Pid:\t%d\n" % victim["pid"] in read_info(fd)]
                if pidfds:
                    store.names[name].append(os.pidfd_open(stranger.pid))
                    store.names[name].remove(pidfds[0])
                    os.close(pidfds[0])
        a, b = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with store.lock:
            store.names["coppice-nonsense"] = [a.detach()]
            store.names["coppice-proc-0123"] = [os.pidfd_open(stranger.pid)]
            store.names["coppice-log-0"].append(os.open("/dev/null", os.O_RDONLY))
        again(s, store, "store")
        still_here(q)
        s.ctl("kick", session.split(".")[0] if isinstance(session, str) else str(session))
        time.sleep(0.5)                     # time for a signal that must not come
        check(stranger.poll() is None, "a process that is not ours was killed")
        stranger.kill()
        stranger.wait()
        p.stdin.close()
        p.wait(20)
        q.stdin.close()
        same(q.wait(20), 0, "status of the other session")
        wait_until(lambda: settled(s, store), 15, text="the store: %s" % store.has(""))
        b.close()


def read_info(fd):
    with open("/proc/self/fdinfo/%d" % fd) as f:
        return f.read()


@coppiced_only
@limit(120)
def test_all_dead_is_a_fresh_start():
    with stored() as (s, store):
        p, = programs(s, store, "alice")
        old = [n["pid"] for n in s.tree() if n["pid"]]
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        s.process.wait()
        p.wait(20)
        wait_until(lambda: not [x for x in old if alive(x)], 5)
        again(s, store)
        check("ev=resume" not in s.log(), "there was nothing to take over", s.log()[-2000:])
        s.ssh("alice", "true", ok=True)
        wait_until(lambda: settled(s, store), 15, text="the store: %s" % store.has(""))


@coppiced_only
@limit(120)
def test_a_store_that_is_full():
    with stored(env={"FDSTORE": "88"}) as (s, store):       # the helpers fit, and one session with one program
        sessions = programs(s, None, "alice", "alice", "alice")
        s.logged("ev=store full at 88 ", 15)
        with store.lock:
            n = sum(len(v) for v in store.names.values())
        check(n <= 88 - 64 + 1, "descriptors in the store", n, store.names)
        for p in sessions:
            p.stdin.close()
            same(p.wait(20), 0, "status")
        wait_until(lambda: settled(s, store), 15, text="the store: %s" % store.has(""))
