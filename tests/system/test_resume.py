"""The supervisor is killed: sessions live on, the next one takes them over, and everything about them works as before."""
import json
import os
import re
import signal
import socket
import subprocess
import time

from lab import HOST, ROUNDS, SEED, Failure, Server, alive, below, check, coppiced_only, limit, processes, same, status, wait_until
from movers import Exec, Master, Sftp, Shell, moving

ROLES = ("coppiced", "keysign", "auth", "nursery", "acceptor", "reporter", "connection", "keeper", "channel", "sftp-server")


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def ours():
    """Every process of a daemon in this namespace, by name."""
    found = {}
    for pid in processes():
        name = status(pid, "Name")
        if name in ROLES:
            found.setdefault(name, []).append(pid)
    return found


def kill_supervisor(server):
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()


def resume(server):
    """The same command again; it must take over, and serve."""
    before = len(re.findall("ev=resume", server.log()))
    server.start()
    wait_until(lambda: len(re.findall("ev=resume", server.log())) > before, 10, text="the new supervisor did not take over")


def names(server):
    return sorted((n["id"], n["name"], n["pid"]) for n in server.tree() if n["name"] not in ("coppiced", "nursery"))


def settled(server):
    """The tree when nothing is on its way."""
    def up():
        nodes = server.tree()
        return nodes if all(n["state"] == "up" for n in nodes if n["name"] not in ("",)) else None
    return wait_until(up, 15, text="the tree does not settle")


@coppiced_only
@limit(300)
def test_sessions_outlive_a_killed_supervisor():
    server = Server("LogLevel VERBOSE")
    server.crash_expected = True
    master = Master(server, 1)
    movers = [moving(kind(server, n, control=control)) for n, kind, control in
              ((1, Exec, master.path), (1, Shell, master.path), (2, Exec, None), (3, Shell, None), (4, Sftp, None))]
    waits = server.popen("alice", "read x; exit $x")
    wait_until(lambda: any(n["name"] == "exec" and n.get("user") == "alice" for n in server.tree()), 20)
    time.sleep(0.3)
    before = names(server)
    kept = dict(ours())
    counts = []
    for turn in range(5):
        kill_supervisor(server)
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] for m in movers if not isinstance(m, Sftp)), 20, text="sessions stand still without a supervisor")
        resume(server)
        same(names(server), before, "the tree after kill %d" % (turn + 1))
        r = server.ssh("bob", "echo new; exit 3")
        same((r.returncode, r.stdout), (3, b"new\n"), "a login after kill %d (%r)" % (turn + 1, r.stderr))
        r = subprocess.run(["ssh", "-S", master.path, "x@" + HOST, "echo channel; exit 4"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
        same((r.returncode, r.stdout), (4, b"channel\n"), "a new channel on an old connection")
        check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] for m in movers), 20, text="sessions stand still after it")
        wait_until(lambda: {k: len(v) for k, v in ours().items()} == {k: len(v) for k, v in kept.items()}, 15,
                   text="processes: %s, before: %s" % (ours(), kept))
        counts.append(fds(server.pid))
    check(max(counts[1:]) - min(counts[1:]) <= 2, "descriptors of the supervisor grow", counts)
    out, err = waits.communicate(b"7\n", timeout=20)
    same(waits.returncode, 7, "exit status of a program that outlived five supervisors (%r)" % err)
    for m in movers:
        m.finish()
    master.finish()
    check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
    wait_until(lambda: "connection" not in ours() and "channel" not in ours(), 10, text="something is left: %s" % ours())
    server.stop()
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())
