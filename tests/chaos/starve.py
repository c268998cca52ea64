"""Memory that is not there: a control group's limit, an address space's, and malloc() that says no."""
import os
import struct
import subprocess
import threading
import time

import lab
from group import Group
from harm import HELPERS, back, harm, helper_node, session_of, with_limit
from load import Rekeyer
from lab import NotHere, alive, check, same, wait_until

HOG = "exec python3 -c 'x = bytearray(600 << 20)'"
MIB = 1 << 20


# ---- control groups -----------------------------------------------------------------------------------

def hog(field, address):
    """A session that will eat as soon as it is told to: the client, and the nodes of its session."""
    client = field.server.popen("alice", "echo ready; read x; " + HOG, options=("BindAddress=" + address,), stderr=subprocess.DEVNULL)
    check(client.stdout.readline() == b"ready\n", "no session")
    nodes = field.server.tree()
    top = [n for n in nodes if str(n.get("peer", "")).startswith(address + ":")][0]
    return client, [n for n in nodes if n["path"][:len(top["path"])] == top["path"] and n.get("pid")]


def eat(client):
    client.stdin.write(b"eat\n")
    client.stdin.flush()
    code = client.wait(60)
    check(code != 0, "a program that was killed ended with 0")


@harm("out of memory: a program")
def program_memory(field):
    """Only the program dies, and its client hears so."""
    client, nodes = hog(field, "127.3.0.1")
    with Group(64 * MIB) as group:
        group.take(n["pid"] for n in nodes if n["name"].startswith("exec"))
        eat(client)
        check(group.killed() >= 1, "nobody was killed for memory")


@harm("out of memory: a connection")
def connection_memory(field):
    """Only that connection dies, its client is not left hanging."""
    client, nodes = hog(field, "127.3.0.2")
    pid = next(n["pid"] for n in nodes if n["name"].startswith("connection"))
    with Group(MIB) as group:
        group.take([pid])
        group.limit(4096)
        end = time.monotonic() + 10
        while alive(pid) and time.monotonic() < end:
            try:                # whatever it does not have yet it cannot get
                client.stdin.write(bytes(65536))
                client.stdin.flush()
            except BrokenPipeError:
                break
        if alive(pid):
            client.kill()
            client.wait()
            return              # it needed none: that is good, too
        check(client.wait(20) != 0, "the client of a killed connection ended with 0")
    wait_until(lambda: not any(alive(n["pid"]) for n in nodes), 20, text="processes of a dead session live on")


@harm("out of memory: everything together")
def unit_memory(field):
    """As under MemoryMax= of the unit: the kernel takes the one that eats, and no process of ours."""
    client, _ = hog(field, "127.3.0.3")
    before = {n["name"]: n["pid"] for n in field.server.tree() if n["name"] in HELPERS}
    with Group(256 * MIB) as group:
        group.take([field.server.pid] + lab.below(field.server.pid))
        eat(client)
        check(group.killed() >= 1, "nobody was killed for memory")
    same({n["name"]: n["pid"] for n in field.server.tree() if n["name"] in HELPERS}, before, "helpers")


# ---- address space -------------------------------------------------------------------------------------

def one_of(field, role):
    """A process of a role, and the mover that loses its session when it ends, or None."""
    if role == "supervisor":
        return field.server.pid, None
    if role != "connection":
        return helper_node(field, role)["pid"], None
    victim = field.rng.choice([m for m in field.load.movers if m.process is not None])
    return next(n["pid"] for n in session_of(field, victim) if n["name"].startswith("connection")), victim


def without(field, role, starving):
    """One process goes without for a while. It may refuse, or end; then it is replaced, and costs what its death costs."""
    pid, victim = one_of(field, role)
    node = helper_node(field, role) if victim is None and role != "supervisor" else None
    if role == "keysign":           # a rekey that cannot be signed ends its session
        for m in field.load.movers:
            m.excused = m.excused or isinstance(m, Rekeyer)
    if victim is not None:
        victim.excused = True
    starving(pid)
    if victim is not None:
        if victim.ended() or not alive(pid):
            field.load.movers.remove(victim)
            wait_until(victim.ended, 20, text="the client of a connection that ended hangs")
            victim.finish()
            field.load.add(type(victim))
    elif role == "supervisor":
        if field.server.process.poll() is not None:
            field.watcher.adopting = True
            field.server.start()
    elif not alive(pid):
        back(field, node)
    for m in [m for m in field.load.movers if m.excused]:
        if m.ended():
            field.load.movers.remove(m)
            m.finish()
            field.load.add(type(m))
        m.excused = False


def try_logins(field, seconds):
    """Work for whoever goes without; it may be refused."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            field.server.ssh("alice", "true", timeout=seconds + 20)
        except subprocess.TimeoutExpired:
            pass


class Logins(threading.Thread):
    """One after the other until stop. forgotten: one heard neither yes nor no, though there is memory again."""
    stop = forgotten = False

    def __init__(self, field):
        super().__init__()
        self.field = field

    def run(self):
        while not self.stop and not self.forgotten:
            try:
                self.field.server.ssh("alice", "true", timeout=15)
            except subprocess.TimeoutExpired:
                self.forgotten = True


def address_space(field, role):
    if lab.sanitized():
        raise NotHere("a sanitizer needs its terabytes")

    def starving(pid):
        with open("/proc/%d/statm" % pid) as f:
            size = int(f.read().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        worker = threading.Thread(target=try_logins, args=(field, 1.0))
        worker.start()
        with_limit(pid, "as", size + 65536, 1.0)
        worker.join()

    without(field, role, starving)


def malloc_says_no(field, role):
    if lab.sanitized():
        raise NotHere("a sanitizer has its own malloc")

    def starving(pid):
        path = lab.SCRATCH + "/malloc"
        for every in (11, 3, 1):
            with open(path, "r+b") as f:
                f.write(struct.pack("=iIII", pid, every, 0, 0))
            worker = Logins(field)
            worker.start()
            time.sleep(0.5)
            with open(path, "r+b") as f:
                f.write(struct.pack("=i", 0))
            worker.stop = True
            worker.join()
            check(role not in ("auth", "keysign") or not worker.forgotten, "a client was left without an answer")

    without(field, role, starving)


def make_famines():
    def of(function, role):
        return lambda field: function(field, role)

    for role in HELPERS + ("connection", "supervisor"):
        if role != "nursery":       # that one is in harm.py
            harm("memory of " + role, logins=True, doors=True)(of(address_space, role))
        harm("malloc fails in " + role, logins=True, doors=True)(of(malloc_says_no, role))


make_famines()
