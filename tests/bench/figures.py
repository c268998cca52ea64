"""The figures; each function gives {name: value}, or {server: {name: value}} where servers take turns within it."""
import os
import pty
import re
import select
import subprocess
import sys
import time

import lab

CIPHER = ("Ciphers=aes128-gcm@openssh.com",)
PACKET = 32768                              # what the stock client takes in one packet
BLOCK = 262144


def middle(values, part=0.5):
    values = sorted(values)
    return values[min(len(values) - 1, int(len(values) * part))]


# ---- logins ------------------------------------------------------------------------------------------

def login(job, servers):
    """One login here, one there: each server has its own CPU account, so what else the machine does meets all."""
    wall = {s: 0.0 for s in servers}
    for s in servers:
        s.rest()
    cpu = {s: s.cpu() for s in servers}
    for _ in range(job["logins"]):
        for s in servers:
            began = time.monotonic()
            lab.same(s.client("true").wait(), 0, "status of ssh ... true")
            wall[s] += time.monotonic() - began
    for s in servers:
        s.rest()
    each = 1e3 / job["logins"]
    return {s: {"login_cpu_ms": (s.cpu() - cpu[s]) * each, "login_wall_ms": wall[s] * each} for s in servers}


# ---- memory ------------------------------------------------------------------------------------------

def prompt(client):
    """Reads until the shell's prompt."""
    seen = b""
    while not seen.endswith(b"$ "):
        ready, _, _ = select.select([client.stdout], [], [], 20)
        piece = os.read(client.stdout.fileno(), 4096) if ready else b""
        lab.check(piece, "no prompt", seen)
        seen += piece


def memory(job, server):
    server.rest()
    base, processes = server.pss()
    clients = []
    try:
        for _ in range(job["sessions"]):
            clients.append(server.client(flags=("-tt",), stdin=subprocess.PIPE, stdout=subprocess.PIPE))
            prompt(clients[-1])
        time.sleep(2)                       # "idle" is not the moment after the prompt
        total, count = server.pss()
    finally:
        for c in clients:
            c.terminate()
        for c in clients:
            c.wait()
    server.rest()
    n = job["sessions"]
    return {"session_pss_kib": (total - base) / n, "session_processes": (count - processes) / n, "idle_pss_kib": base}


# ---- bulk --------------------------------------------------------------------------------------------

def transfer(job, server, name, command, options, **more):
    """CPU of the server without the user's program, which says on stderr what it took."""
    server.rest()
    cpu, wall = server.cpu(), time.monotonic()
    client = server.client(command % (lab.SCRATCH + "/usage"), options=options, stderr=subprocess.PIPE, **more)
    said = client.communicate()[1]
    wall = time.monotonic() - wall
    lab.check(client.returncode == 0, "status of ssh is %d" % client.returncode, said)
    server.rest()
    user = int(re.search(rb"bench-usage-us (\d+)", said).group(1)) / 1e6
    gb = job["bytes"] / 1e9
    return {name + "_cpu_s": (server.cpu() - cpu - user) / gb, name + "_user_cpu_s": user / gb, name + "_mb_s": gb * 1e3 / wall}


def down(job, server, options=CIPHER):
    return transfer(job, server, "down", "%%s head -c %d /dev/zero" % job["bytes"], options)


def up(job, server, options=CIPHER):
    with subprocess.Popen(["head", "-c", str(job["bytes"]), "/dev/zero"], stdout=subprocess.PIPE) as source:
        return transfer(job, server, "up", "%s cat >/dev/null", options, stdin=source.stdout)


WAYS = {"down": down, "up": up}


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

    def __init__(self, server):
        self.fd, theirs = pty.openpty()
        self.times = []
        self.client = server.client("echo ready; exec cat", flags=("-tt",), stdin=theirs, stdout=theirs,
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


# ---- the floor ---------------------------------------------------------------------------------------

def floor(job):
    def run(*argv):
        out = lab.sh(job["build"] + "/tests/bench/bench_floor", *(str(a) for a in argv), stderr=None)
        return [float(x) for x in out.split()]
    gb, out = job["bytes"] / 1e9, {}
    for name, way in (("down", "send"), ("up", "recv")):
        for suffix, packet in (("", BLOCK), ("_32k", PACKET)):
            cpu, wall = run(way, job["bytes"], packet)
            out.update({name + suffix + "_cpu_s": cpu / gb, name + suffix + "_mb_s": gb * 1e3 / wall})
    cpu, wall = run("login", job["logins"])
    out.update({"login_cpu_ms": cpu * 1e3 / job["logins"], "login_wall_ms": wall * 1e3 / job["logins"]})
    return out


# ---- all of it -----------------------------------------------------------------------------------------

def keep(samples, who, values):
    for name, value in values.items():
        samples.setdefault(who, {}).setdefault(name, []).append(value)


def by_turns(figure):
    return lambda job, servers: {s: figure(job, s) for s in servers}


def take(job, servers):
    """{server or "floor": {figure: [value of each repetition]}}, servers in turn so that a slow minute meets all."""
    import far                              # which measures with this module's clients
    samples, every = {}, {"login": login, "memory": by_turns(memory), "down": by_turns(down), "up": by_turns(up), "echo": echo, "far": far.figure}
    for s in servers:
        s.begin()
    for rep in range(job["reps"]):
        for name in job["figures"]:
            print("bench: %s, repetition %d of %d" % (name, rep + 1, job["reps"]), file=sys.stderr, flush=True)
            if name == "floor":
                keep(samples, "floor", floor(job))
                continue
            for s, values in every[name](job, servers).items():
                keep(samples, s.name, values)
    return samples
