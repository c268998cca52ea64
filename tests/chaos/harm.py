"""What is broken, and what that may cost. Each harm is a function of (field) named in HARMS."""
import os
import re
import signal
import subprocess
import threading
import time

import lab
from lab import NotHere, alive, check, same, wait_until
from load import Bulk, Idler, Rekeyer, Typist
from movers import Exec, Sftp

HELPERS = ("keysign", "auth", "nursery", "reporter", "acceptor")
SESSION = {"connection": (Exec, Typist, Sftp, Bulk, Rekeyer, Idler), "shell": (Typist,), "exec": (Exec, Bulk, Rekeyer, Idler), "sftp": (Sftp,)}
HARMS = {}


def harm(name, *, logins=False, doors=False, weight=1):
    """logins: a login under way may fail; doors: a connection accepted at that moment may be dropped."""
    def mark(function):
        HARMS[name] = function
        function.harm, function.logins_may_fail, function.doors_may_drop, function.weight = name, logins, doors, weight
        return function
    return mark


# ---- one process ----------------------------------------------------------------------------------

def helper_node(field, name):
    nodes = [n for n in field.server.tree() if n["name"].startswith(name) and n.get("pid")]
    check(nodes, "no %s in the tree" % name)
    return field.rng.choice(nodes)


def back(field, node, seconds=40):
    """The node has a process again, another one, and serves."""
    def there():
        now = [n for n in field.server.tree() if n["path"] == node["path"]]
        return now and now[0]["pid"] not in (0, None, node["pid"]) and now[0]["state"] == "up"

    wait_until(there, seconds, 0.05, "%s did not come back" % node["name"])


def strike_helper(field, name, sig):
    node = helper_node(field, name)
    if not lab.sanitized() or sig == signal.SIGKILL:
        field.killed.append(node["pid"])
    os.kill(node["pid"], sig)
    back(field, node)


def session_of(field, mover):
    nodes = field.server.tree()
    top = [n for n in nodes if str(n.get("peer", "")).startswith(mover.address + ":")]
    check(top, "no session of %s in the tree" % mover.name)
    return [n for n in nodes if n["path"][:len(top[0]["path"])] == top[0]["path"] and n.get("pid")]


def strike_session(field, kind, sig):
    """One session ends, cleanly for its client and with everything that belonged to it; another takes its place."""
    victim = field.rng.choice([m for m in field.load.movers if type(m) in SESSION[kind]])
    parts = session_of(field, victim)
    pids = [n["pid"] for n in parts if n["name"].startswith(kind)]
    check(pids, "no %s in the session of %s" % (kind, victim.name), parts)
    victim.excused = True
    caught = lab.sanitized() and sig != signal.SIGKILL      # a sanitizer makes an exit status of it
    if kind == "connection" and not caught:     # how a user's program ends is his business and no event
        field.killed.append(pids[0])
    os.kill(pids[0], sig)
    wait_until(victim.ended, 20, 0.01, "the client of the killed %s hangs" % kind)
    check(victim.process.returncode != 0, "%s ended with status 0" % victim.name)
    wait_until(lambda: not any(alive(n["pid"]) for n in parts), 20, text="processes of a dead session live on")
    field.load.movers.remove(victim)
    victim.finish()
    field.load.add(type(victim))


def make_strikes():
    names = {signal.SIGKILL: "kill", signal.SIGSEGV: "segv", signal.SIGABRT: "abort", signal.SIGBUS: "bus"}

    def helper(role, sig):
        return lambda field: strike_helper(field, role, sig)

    def session(role, sig):
        return lambda field: strike_session(field, role, sig)

    for sig, word in names.items():
        for role in HELPERS:
            harm("%s %s" % (word, role), doors=role == "acceptor", logins=role in ("acceptor", "keysign"))(helper(role, sig))
        for role in ("connection",) if sig != signal.SIGKILL else SESSION:
            harm("%s %s" % (word, role), weight=3 if sig == signal.SIGKILL else 1)(session(role, sig))


make_strikes()


# ---- stopped, not dead ------------------------------------------------------------------------------

def pause(field, pids, seconds):
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        for pid in pids:
            try:
                os.kill(pid, signal.SIGCONT)
            except ProcessLookupError:
                pass        # a watchdog replaced it, as it should


def make_pauses():
    def helper(role):
        return lambda field: pause(field, [helper_node(field, role)["pid"]], 2.0)

    for role in HELPERS:
        harm("stop " + role, logins=True, doors=True)(helper(role))


make_pauses()


@harm("stop supervisor", doors=True)
def stop_supervisor(field):
    pause(field, [field.server.pid], 2.0)


@harm("stop connection")
def stop_connection(field):
    victim = field.rng.choice(field.load.movers)
    pause(field, [n["pid"] for n in session_of(field, victim) if n["name"].startswith("connection")], 2.0)


# ---- the supervisor dies -----------------------------------------------------------------------------

@harm("kill supervisor", logins=True, doors=True)
def kill_supervisor(field):
    if "keeper" not in {n["name"] for n in field.server.tree()}:
        raise NotHere("no keeper in the tree")
    old = field.server.pid
    field.watcher.adopting = True
    began = time.monotonic()
    field.server.process.kill()
    field.server.process.wait()
    field.server.start()
    field.measure("serving again after the supervisor's death", time.monotonic() - began)
    check(field.server.pid != old, "the same pid")
    field.load.moving()
    r = field.server.ctl("tree", "--json")
    same(r.returncode, 0, "status of coppicectl tree")


@harm("upgrade", logins=False)
def upgrade(field):
    r = field.server.ctl("upgrade", timeout=120)
    if b"unknown command" in r.stderr:
        raise NotHere("no upgrade command")
    same(r.returncode, 0, "coppicectl upgrade (%r)" % r.stderr)


# ---- the machine runs out ------------------------------------------------------------------------------

def set_limit(pid, what, value):
    """As the process's own user: without CAP_SYS_RESOURCE root may not do it to others."""
    uid, gid = lab.status(pid, "Uid").split()[0], lab.status(pid, "Gid").split()[0]
    subprocess.run(["setpriv", "--reuid", uid, "--regid", gid, "--clear-groups", "prlimit", "--pid", str(pid), "--%s=%s:" % (what, value)],
                   check=True, stdout=subprocess.DEVNULL)


LIMITS = {"nofile": "Max open files", "as": "Max address space", "nproc": "Max processes"}


def limit_of(pid, what):
    with open("/proc/%d/limits" % pid) as f:
        return next(x for x in f if x.startswith(LIMITS[what]))[len(LIMITS[what]):].split()[0]


def with_limit(pid, what, value, seconds):
    """what: a name of prlimit(1). The soft limit only, so that it can be given back."""
    was = limit_of(pid, what)
    set_limit(pid, what, value)
    check(limit_of(pid, what) == str(value), "the limit is not in force")
    try:
        time.sleep(seconds)
    finally:
        if alive(pid):
            set_limit(pid, what, was)


def used_fds(pid):
    return max(int(n) for n in os.listdir("/proc/%d/fd" % pid)) + 1


def make_shortages():
    def helper(role):
        def go(field):
            pid = helper_node(field, role)["pid"]
            with_limit(pid, "nofile", used_fds(pid) + 1, 1.0)
        return go

    for role in HELPERS:
        harm("descriptors of " + role, logins=True, doors=True)(helper(role))


make_shortages()


@harm("descriptors of supervisor", logins=True, doors=True)
def supervisor_descriptors(field):
    with_limit(field.server.pid, "nofile", used_fds(field.server.pid) + 1, 1.0)


@harm("memory of nursery", logins=True, doors=True)
def nursery_memory(field):
    pid = helper_node(field, "nursery")["pid"]
    with open("/proc/%d/statm" % pid) as f:
        size = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
    if lab.sanitized():
        raise NotHere("a sanitizer needs its terabytes")
    with_limit(pid, "as", size + 65536, 1.0)


@harm("processes of nursery", logins=True, doors=True)
def nursery_processes(field):
    with_limit(helper_node(field, "nursery")["pid"], "nproc", 1, 1.0)


@harm("fork fails in supervisor", logins=True)
def fork_fails(field):
    """A worker cannot be made: its channel is refused, everything else goes on."""
    tracer = subprocess.Popen(["strace", "-qq", "-o", "/dev/null", "-e", "trace=clone,clone3,fork,vfork", "-e", "inject=clone,clone3,fork,vfork:error=EAGAIN", "-p",
                               str(field.server.pid)], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait_until(lambda: lab.status(field.server.pid, "TracerPid") != "0", 10, text="strace did not attach")
        r = field.server.ssh("alice", "echo in", timeout=60)
        check((r.returncode, r.stdout) != (0, b"in\n"), "a program started although fork fails")
    finally:
        tracer.terminate()
        tracer.wait(10)
    wait_until(lambda: field.server.ssh("alice", "echo in").stdout == b"in\n", 20, text="no program after fork works again")


def fill(path):
    """Until there is no room; unbuffered, for what is left in a buffer would fail once more when the file is closed."""
    with open(path, "wb", buffering=0) as f:
        try:
            while True:
                f.write(bytes(1 << 16))
        except OSError:
            pass


@harm("disk full")
def disk_full(field):
    """The log's own file system has no room: lines are lost and counted, sessions do not notice."""
    path = field.log_dir + "/ballast"
    fill(path)
    try:
        r = field.server.ssh("alice", "echo in")
        same((r.returncode, r.stdout), (0, b"in\n"), "a login with a full log disk (%r)" % r.stderr)
        time.sleep(0.5)
    finally:
        os.unlink(path)


# ---- everything else --------------------------------------------------------------------------------------

@harm("clock jumps")
def clock_jumps(field):
    """A day ahead, a day back: timeouts run on another clock."""
    tomorrow = time.strftime("%Y-%m-%dT", time.gmtime(time.time() + 86400))
    for shift in (86400, -86400, 0):
        field.shift_clock(shift)
        field.server.ssh("alice", "true", ok=True)
        time.sleep(0.7)
    check(tomorrow in field.server.log(), "the daemon's clock did not jump")


@harm("reload storm")
def reload_storm(field):
    for i in range(20):
        with open(field.server.conf, "w") as f:
            f.write(field.server.text() if i % 2 else field.server.text() + "Nonsense yes\n")
        os.kill(field.server.pid, signal.SIGHUP)
        time.sleep(0.05)
    field.server.write()
    os.kill(field.server.pid, signal.SIGHUP)


@harm("signal storm")
def signal_storm(field):
    for _ in range(2000):
        for sig in (signal.SIGCHLD, signal.SIGPIPE, signal.SIGURG, signal.SIGWINCH, signal.SIGCONT):
            os.kill(field.server.pid, sig)


@harm("second daemon")
def second_daemon(field):
    """The same configuration again: it ends with a sentence, the first one does not notice."""
    r = subprocess.run([field.server.program(), "-D", "-e", "-f", field.server.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       stderr=subprocess.STDOUT, timeout=60, env=field.server.env())
    check(r.returncode not in (0, None) and r.returncode > 0, "the second daemon ended with %r" % r.returncode, r.stdout[-300:])
    check(re.search(rb"in use|another|already", r.stdout), "no clear sentence", r.stdout[-300:])


@harm("binaries removed")
def binaries_removed(field):
    """An update half done: what runs goes on and restarts what it has."""
    os.rename(field.libexec, field.libexec + ".away")
    try:
        strike_helper(field, "auth", signal.SIGKILL)
        field.server.ssh("alice", "echo in", ok=True)
    finally:
        os.rename(field.libexec + ".away", field.libexec)


@harm("half-open flood", logins=True, doors=True)
def half_open(field):
    """Clients that connect and say nothing."""
    held = []
    try:
        for _ in range(60):
            held.append(field.server.connect())
        time.sleep(1)
    finally:
        for s in held:
            s.close()


@harm("hasty clients", doors=True)
def hasty_clients(field):
    """Connect and reset, as fast as one can."""
    linger = b"\x01\x00\x00\x00\x00\x00\x00\x00"
    for _ in range(200):
        s = field.server.connect()
        s.setsockopt(1, 13, linger)     # SOL_SOCKET, SO_LINGER: the close is a reset
        s.close()


@harm("log nobody reads")
def log_stopped(field):
    """The reporter stands still while everybody talks: nobody waits for it."""
    pid = helper_node(field, "reporter")["pid"]
    stop = threading.Thread(target=pause, args=(field, [pid], 2.0))
    stop.start()
    for _ in range(5):
        field.server.ssh("alice", "true", ok=True)
    stop.join()


@harm("kill -9 -1 by the user")
def user_kills_all(field):
    """A user may shoot at everything that is his: only his own sessions end."""
    field.server.ssh("carol", "kill -9 -1")
    wait_until(lambda: field.server.ssh("carol", "echo in").stdout == b"in\n", 20, text="carol cannot log in any more")
