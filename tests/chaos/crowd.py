"""Too many of everything: clients, deaths, processes, users' nonsense; too little processor time, too full a disk."""
import os
import signal
import socket
import subprocess
import time

import lab
from group import Group
from harm import HELPERS, back, fill, harm, helper_node, pause, strike_helper, strike_session
from lab import HOST, alive, check, same, status, wait_until

LOOPS = "for i in $(seq 64); do (while :; do :; done) & done; echo ready; wait"
BOMB = "b() { b | b & }; b; sleep 3600"


def helpers(field):
    return {tuple(n["path"]): n["pid"] for n in field.server.tree() if n["name"] in HELPERS}


def program(field, user, text, address):
    """A session of that user whose program said it is ready: client and the pid of the program."""
    client = field.server.popen(user, text, options=("BindAddress=" + address,), stderr=subprocess.DEVNULL)
    check(client.stdout.readline() == b"ready\n", "no session")
    nodes = field.server.tree()
    top = next(n for n in nodes if str(n.get("peer", "")).startswith(address + ":"))
    mine = [n for n in nodes if n["path"][:len(top["path"])] == top["path"] and n.get("pid")]
    return client, next(n["pid"] for n in mine if n["name"].startswith("exec")), next(n["pid"] for n in mine if n["name"].startswith("connection"))


def hang_up(client):
    client.kill()
    client.wait()
    client.stdin.close()
    client.stdout.close()


# ---- clients -----------------------------------------------------------------------------------------------

def crowd(field, number):
    """So many clients that say nothing, from many addresses: their sockets, and the processes that serve them."""
    held = []
    before = set(lab.below(field.server.pid))
    for i in range(number):
        s = socket.socket()
        s.bind(("127.4.%d.%d" % (i // 200, 1 + i % 200), 0))
        s.connect((HOST, field.server.port))
        held.append(s)

    def served():
        return [p for p in lab.below(field.server.pid) if p not in before and status(p, "Name") == "connection"]

    return held, served


@harm("500 deaths at once", logins=True, doors=True)
def many_deaths(field):
    """While the supervisor stands still 500 of its children are killed: one SIGCHLD for all of them, and each is reaped."""
    held, served = crowd(field, 500)
    try:
        wait_until(lambda: len(served()) >= 500, 60, 0.2, "500 clients are not served: %d" % len(served()))
        victims = served()
        os.kill(field.server.pid, signal.SIGSTOP)
        try:
            for pid in victims:
                os.kill(pid, signal.SIGKILL)
        finally:
            os.kill(field.server.pid, signal.SIGCONT)
        wait_until(lambda: not any(os.path.exists("/proc/%d" % p) for p in victims), 30, 0.1, "not all of the dead are reaped")
    finally:
        for s in held:
            s.close()
    left = field.server.tree()
    check(not [n for n in left if str(n.get("peer", "")).startswith("127.4.")], "sessions of the dead are in the tree")


@harm("many clients", logins=True, doors=True)
def many_clients(field):
    """More than MaxStartups lets in: those above are turned away, and who was let in gives his slot back."""
    held, served = crowd(field, 1200)
    try:
        wait_until(lambda: len(served()) >= 600, 60, 0.2, "only %d are served" % len(served()))
        check(len(served()) <= 800, "%d are served, MaxStartups says 800" % len(served()))
    finally:
        for s in held:
            s.close()
    wait_until(lambda: not served(), 60, 0.2, "connections of clients that left live on")


# ---- all at once ---------------------------------------------------------------------------------------------

@harm("kill all acceptors", logins=True, doors=True)
def all_acceptors(field):
    nodes = [n for n in field.server.tree() if n["name"].startswith("acceptor") and n.get("pid")]
    check(len(nodes) >= 2, "one acceptor is not all of them")
    for n in nodes:
        field.killed.append(n["pid"])
        os.kill(n["pid"], signal.SIGKILL)
    for n in nodes:
        back(field, n)


@harm("stop keeper")
def stop_keeper(field):
    pause(field, [helper_node(field, "keeper")["pid"]], 2.0)


def make_long_pauses():
    """Longer than WatchdogInterval: a helper is replaced; supervisor and connection are the only ones of their kind and go on."""
    def long_pause(role):
        def go(field):
            if role == "connection":
                pid = field.rng.choice([n for n in field.server.tree() if n["name"].startswith("connection") and n.get("pid")
                                        and str(n.get("peer", n["path"])).find("127.2.") < 0])["pid"]
            else:
                pid = field.server.pid if role == "supervisor" else helper_node(field, role)["pid"]
            pause(field, [pid], 30.0)
            if role in HELPERS + ("keeper",):
                check(not alive(pid), "%s stood still for 30 s and was not replaced" % role)
        return go

    for role in HELPERS + ("keeper", "supervisor"):
        harm("stop %s for long" % role, logins=True, doors=True)(long_pause(role))


make_long_pauses()


# ---- processor, processes -----------------------------------------------------------------------------------

@harm("no processor time", logins=True, doors=True)
def no_processor(field):
    """Everything of ours shares half a processor with 64 programs that never rest, for longer than WatchdogInterval: slow is not dead."""
    client, _, _ = program(field, "carol", LOOPS, "127.3.0.5")
    before = helpers(field)
    try:
        with Group(50000, "cpu") as group:
            check(group.take([field.server.pid] + lab.below(field.server.pid)) > 64, "nobody shares")
            began = time.monotonic()
            r = field.server.ssh("alice", "echo in", timeout=120)
            same((r.returncode, r.stdout), (0, b"in\n"), "a login (%r)" % r.stderr)
            field.measure("login without processor time", time.monotonic() - began)
            time.sleep(max(0, 15 - (time.monotonic() - began)))
    finally:
        for pid in lab.below(field.server.pid):
            if status(pid, "Uid") and status(pid, "Uid").split()[0] == str(lab.UIDS["carol"]) and status(pid, "Name") in ("bash", "sh", "dash"):
                os.kill(pid, signal.SIGKILL)
        hang_up(client)
    same(helpers(field), before, "helpers")


@harm("no more processes", logins=True, doors=True)
def no_more_processes(field):
    """pids.max of the whole unit: what runs goes on, who comes is turned away, and comes again."""
    with Group(10000, "pids") as group:
        group.take([field.server.pid] + lab.below(field.server.pid))
        group.limit(len(group.inside()))
        end = time.monotonic() + 2
        while time.monotonic() < end:
            r = field.server.ssh("carol", "/bin/true; /bin/true", timeout=60)
        check(group.refused() > 0, "nobody was refused a process", r.stderr)
        field.load.moving(30)
    wait_until(lambda: field.server.ssh("alice", "echo in").stdout == b"in\n", 30, text="no login after there are processes again")


# ---- users ---------------------------------------------------------------------------------------------------

@harm("fork bomb by a user")
def fork_bomb(field):
    """Bounded by a control group of its own, as its session would be under systemd: the others do not notice but by the load."""
    client, pid, _ = program(field, "carol", "echo ready; read x; " + BOMB, "127.3.0.6")
    with Group(150, "pids") as group:
        try:
            check(group.take([pid]) == 1, "the program ended before")
            client.stdin.write(b"go\n")
            client.stdin.flush()
            wait_until(lambda: group.refused() > 0, 20, text="the bomb does not go off")
            r = field.server.ssh("alice", "echo in", timeout=60)
            same((r.returncode, r.stdout), (0, b"in\n"), "a login meanwhile (%r)" % r.stderr)
            time.sleep(1)
        finally:
            hang_up(client)
            group.kill_all()
    wait_until(lambda: field.server.ssh("carol", "echo in").stdout == b"in\n", 20, text="carol cannot log in any more")


@harm("endless output")
def endless_output(field):
    """A program that never stops talking, to a client that does not listen: it waits, and nobody keeps what it says."""
    client, pid, connection = program(field, "carol", "echo ready; yes 'all work and no play' & exec yes 'on the other side' >&2", "127.3.0.7")
    try:
        time.sleep(0.5)
        before = lab.rss(connection), lab.rss(field.server.pid)
        time.sleep(2.5)
        after = lab.rss(connection), lab.rss(field.server.pid)
        check(after[0] < before[0] + (4 << 20), "the connection grew from %d to %d bytes" % (before[0], after[0]))
        check(after[1] < before[1] + (1 << 20), "the supervisor grew from %d to %d bytes" % (before[1], after[1]))
        check(alive(pid), "the program ended")
    finally:
        hang_up(client)
    wait_until(lambda: not alive(pid) and not alive(connection), 20, text="program or connection outlive their client")


# ---- disks ---------------------------------------------------------------------------------------------------

def works(field):
    """What needs no disk: a helper's replacement, a login, a reload, coppicectl."""
    strike_helper(field, field.rng.choice(("keysign", "auth", "nursery")), signal.SIGKILL)
    r = field.server.ssh("alice", "echo in")
    same((r.returncode, r.stdout), (0, b"in\n"), "a login (%r)" % r.stderr)
    r = field.server.ctl("reload")
    same(r.returncode, 0, "coppicectl reload (%r)" % r.stderr)


@harm("state directory full", logins=True)
def state_full(field):
    """A crash report that cannot be kept: said in the log, nothing else."""
    fill(field.state_dir + "/ballast")
    try:
        strike_session(field, "connection", signal.SIGSEGV)
        works(field)
    finally:
        os.unlink(field.state_dir + "/ballast")
    strike_session(field, "connection", signal.SIGSEGV)
    wait_until(lambda: field.server.ctl("crashes").stdout, 10, text="no crash report is kept after there is room again")


@harm("state directory read-only", logins=True)
def state_read_only(field):
    lab.sh("mount", "-o", "remount,ro", field.state_dir)
    try:
        strike_session(field, "connection", signal.SIGSEGV)
        works(field)
    finally:
        lab.sh("mount", "-o", "remount,rw", field.state_dir)


@harm("upload to a full disk")
def upload_full(field):
    """The client is told, its session goes on; so with a disk that takes nothing at all."""
    target, source = "/home/bob/small", field.server.dir + "/big"
    lab.tmpfs(target, "1777")
    lab.sh("mount", "-o", "remount,size=256k", target)
    try:
        with open(source, "wb") as f:
            f.write(bytes(4 << 20))
        for options in ("rw", "ro"):
            lab.sh("mount", "-o", "remount," + options, target)
            said = field.server.sftp("bob", "-put %s %s/%s\n-rm %s/rw\n!echo still here\npwd\n" % (source, target, options, target))
            check("still here" in said and "Remote working directory" in said, "the session did not go on", said[-300:])
            check("ailure" in said or "denied" in said or "o space" in said or "ead-only" in said, "no word of it", said[-300:])
    finally:
        lab.sh("umount", "-l", target)
        os.rmdir(target)
        os.unlink(source)
