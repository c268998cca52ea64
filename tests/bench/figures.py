"""The figures; each function gives {name: value}, or {server: {name: value}} where servers take turns within it."""
import os
import pty
import re
import select
import subprocess
import sys
import time

import lab
import server

CIPHERS = {"aes128-gcm@openssh.com": "", "chacha20-poly1305@openssh.com": "_chacha"}     # with what their figures' names go on
CIPHER = ("Ciphers=aes128-gcm@openssh.com",)
PACKET = 32768                              # what the stock client sends, and takes, in one packet
BLOCK = 262144
FLOORED = ("login", "down", "up")         # figures that the floor program knows
CHUNK = 10                                  # logins of each server before the floor has its turn


def middle(values, part=0.5):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


# ---- the floor ---------------------------------------------------------------------------------------

def floor(job, *argv):
    """(what, CPU seconds, wall seconds) of each line that it prints"""
    out = lab.sh(job["build"] + "/tests/bench/bench_floor", *(str(a) for a in argv), stderr=None, text=True)
    return [(what, float(cpu), float(wall)) for what, cpu, wall in (x.split() for x in out.splitlines())]


# ---- logins ------------------------------------------------------------------------------------------

def login(job, servers, between=lambda count: None):
    """One login here, one there: each server has its own CPU account, so what else the machine does meets all. between: called
    after some logins of each, with their number."""
    wall = {s: 0.0 for s in servers}
    for s in servers:
        s.rest()
    cpu = {s: s.cpu() for s in servers}
    for i in range(job["logins"]):
        for s in servers:
            began = time.monotonic()
            lab.same(s.client("true").wait(), 0, "status of ssh ... true")
            wall[s] += time.monotonic() - began
        if (i + 1) % CHUNK == 0 or i + 1 == job["logins"]:
            between(i % CHUNK + 1)
    for s in servers:
        s.rest()
    each = 1e3 / job["logins"]
    return {s: {"login_cpu_ms": (s.cpu() - cpu[s]) * each, "login_wall_ms": wall[s] * each} for s in servers}


def exchange(servers):
    """What the client that is measured does with coppiced, as the floor is to do it."""
    found = [s.exchange for s in servers if s.name == "coppiced"] or ["curve25519-sha256"]
    return found[0].removesuffix("@libssh.org")


def login_with_floor(job, servers):
    """Also who is "floor": the parts of one login, and what separate processes would add."""
    parts, kex, each = {}, exchange(servers), 1e3 / job["logins"]

    def between(count):
        for more in (("login", count, kex), ("separated", count, kex, lab.UIDS[server.USER], lab.home(server.USER) + "/.ssh/authorized_keys")):
            for what, cpu, wall in floor(job, *more):
                parts.setdefault("login_cpu_ms" if what == "login" else "login_%s_cpu_ms" % what, []).append(cpu * each)
                if what == "login":
                    parts.setdefault("login_wall_ms", []).append(wall * each)

    if servers:
        got = login(job, servers, between)
    else:
        got = {}
        between(job["logins"])
    return dict(got, floor={k: sum(v) for k, v in parts.items()})


# ---- memory ------------------------------------------------------------------------------------------

def prompt(client):
    """Reads until the shell's prompt."""
    seen = b""
    while not seen.endswith(b"$ "):
        ready, _, _ = select.select([client.stdout], [], [], 20)
        piece = os.read(client.stdout.fileno(), 4096) if ready else b""
        lab.check(piece, "no prompt", seen)
        seen += piece


def memory(job, s):
    s.rest()
    base, processes = s.pss()
    clients = []
    try:
        for _ in range(job["sessions"]):
            clients.append(s.client(flags=("-tt",), stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            prompt(clients[-1])
        time.sleep(2)                       # "idle" is not the moment after the prompt
        total, count = s.pss()
    finally:
        for c in clients:
            c.terminate()
        for c in clients:
            c.wait()
    s.rest()
    n = job["sessions"]
    return {"session_pss_kib": (total - base) / n, "session_processes": (count - processes) / n, "idle_pss_kib": base}


# ---- bulk --------------------------------------------------------------------------------------------

def transfer(job, s, name, command, options, **more):
    """CPU of the server without the user's program, which says on stderr what it took."""
    s.rest()
    cpu, wall = s.cpu(), time.monotonic()
    client = s.client(command % (lab.SCRATCH + "/usage"), options=options, stderr=subprocess.PIPE, **more)
    said = client.communicate()[1]
    wall = time.monotonic() - wall
    lab.check(client.returncode == 0, "status of ssh is %d" % client.returncode, said)
    s.rest()
    user = int(re.search(rb"bench-usage-us (\d+)", said).group(1)) / 1e6
    gb = job["bytes"] / 1e9
    return {name + "_cpu_s": (s.cpu() - cpu - user) / gb, name + "_user_cpu_s": user / gb, name + "_mb_s": gb * 1e3 / wall}


def down(job, s, options=CIPHER):
    return transfer(job, s, "down", "%%s head -c %d /dev/zero" % job["bytes"], options)


def up(job, s, options=CIPHER):
    with subprocess.Popen(["head", "-c", str(job["bytes"]), "/dev/zero"], stdout=subprocess.PIPE) as source:
        return transfer(job, s, "up", "%s cat >/dev/null", options, stdin=source.stdout)


WAYS = {"down": down, "up": up}


def floor_bulk(job, way, cipher, packet):
    (_, cpu, wall), = floor(job, {"down": "send", "up": "recv"}[way], cipher, job["bytes"], packet)
    gb, name = job["bytes"] / 1e9, way + CIPHERS[cipher] + ("_256k" if packet == BLOCK else "")
    return {name + "_cpu_s": cpu / gb, name + "_mb_s": gb * 1e3 / wall}


def bulk_with_floor(way):
    """Each cipher: the floor with the client's packets, the servers, the floor with large ones."""
    def figure(job, servers):
        got = {s: {} for s in list(servers) + ["floor"]}
        for cipher in job["cipher"] or CIPHERS:
            got["floor"].update(floor_bulk(job, way, cipher, PACKET))
            for s in servers:
                values = WAYS[way](job, s, ("Ciphers=" + cipher,))
                got[s].update({k.replace(way, way + CIPHERS[cipher], 1): v for k, v in values.items()})
            got["floor"].update(floor_bulk(job, way, cipher, BLOCK))
        return got
    return figure


# ---- keystrokes --------------------------------------------------------------------------------------

def wait_byte(fd, wanted, seconds=20):
    got = b""
    while wanted not in got:
        ready, _, _ = select.select([fd], [], [], seconds)
        lab.check(ready, "no %r came back" % wanted, got)
        got += os.read(fd, 4096)
    return got


def keystroke(fd, byte):
    """Seconds from writing one byte until it is back."""
    began = time.perf_counter()
    os.write(fd, byte)
    wait_byte(fd, byte)
    return time.perf_counter() - began


class Terminal:
    """A session whose far terminal echoes; cat only keeps it open. The near one is as a user's: the client hands
    its modes to the far end, then makes it raw."""

    def __init__(self, s):
        self.fd, theirs = pty.openpty()
        self.times = []
        self.client = s.client("echo ready; exec cat", flags=("-tt",), stdin=theirs, stdout=theirs,
                                    options=("IgnoreUnknown=ObscureKeystrokeTiming", "ObscureKeystrokeTiming=no"))
        os.close(theirs)
        wait_byte(self.fd, b"ready")
        self.settle()

    def settle(self):
        time.sleep(0.1)
        while select.select([self.fd], [], [], 0)[0]:
            os.read(self.fd, 4096)

    def press(self, i):
        time.sleep(0.005)                   # sessions are mostly idle
        self.times.append(keystroke(self.fd, b"abcdefghij"[i % 10:i % 10 + 1]) * 1e6)
        if i % 64 == 63:
            os.write(self.fd, b"\x15")     # a line's length is limited: kill it, and take what that echoes
            self.settle()

    def close(self):
        self.client.terminate()
        self.client.wait()
        os.close(self.fd)


def echo(job, servers):
    """A key here, a key there."""
    terminals = {}
    try:
        for s in servers:
            terminals[s] = Terminal(s)
        for i in range(job["keys"]):
            for s in servers:
                terminals[s].press(i)
    finally:
        for t in terminals.values():
            t.close()
    return {s: {"echo_median_us": middle(t.times), "echo_p95_us": middle(t.times, 0.95)} for s, t in terminals.items()}


# ---- all of it -----------------------------------------------------------------------------------------

def keep(samples, who, values):
    for name, value in values.items():
        samples.setdefault(who, {}).setdefault(name, []).append(value)


def by_turns(figure):
    return lambda job, servers: {s: figure(job, s) for s in servers}


def take(job, servers):
    """{server or "floor": {figure: [value of each repetition]}}, servers and floor in turn so that a slow minute meets all."""
    import far                              # which measures with this module's clients
    samples, every = {}, {"login": login_with_floor, "memory": by_turns(memory), "down": bulk_with_floor("down"), "up": bulk_with_floor("up"), "echo": echo,
                          "far": far.figure}
    names = [n for n in job["figures"] if n != "floor"]
    alone = [n for n in FLOORED if "floor" in job["figures"] and n not in names]
    for s in servers:
        s.begin()
    for rep in range(job["reps"]):
        for name in names + alone:
            print("bench: %s, repetition %d of %d" % (name, rep + 1, job["reps"]), file=sys.stderr, flush=True)
            for s, values in every[name](job, [] if name in alone else servers).items():
                keep(samples, s if s == "floor" else s.name, values)
    return samples
