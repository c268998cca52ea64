"""The figures of one server; each function gives {name: value}."""
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

def login(job, server):
    server.rest()
    cpu, wall = server.cpu(), time.monotonic()
    for _ in range(job["logins"]):
        lab.same(server.client("true").wait(), 0, "status of ssh ... true")
    wall = time.monotonic() - wall
    server.rest()
    return {"login_cpu_ms": (server.cpu() - cpu) * 1e3 / job["logins"], "login_wall_ms": wall * 1e3 / job["logins"]}


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
        time.sleep(1)
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

def transfer(job, server, name, command, **more):
    """CPU of the server without the user's program, which says on stderr what it took."""
    server.rest()
    cpu, wall = server.cpu(), time.monotonic()
    client = server.client(command % (lab.SCRATCH + "/usage"), options=CIPHER, stderr=subprocess.PIPE, **more)
    said = client.communicate()[1]
    wall = time.monotonic() - wall
    lab.same(client.returncode, 0, "status of ssh")
    server.rest()
    user = int(re.search(rb"bench-usage-us (\d+)", said).group(1)) / 1e6
    gb = job["bytes"] / 1e9
    return {name + "_cpu_s": (server.cpu() - cpu - user) / gb, name + "_user_cpu_s": user / gb, name + "_mb_s": gb * 1e3 / wall}


def down(job, server):
    return transfer(job, server, "down", "%%s head -c %d /dev/zero" % job["bytes"])


def up(job, server):
    with subprocess.Popen(["head", "-c", str(job["bytes"]), "/dev/zero"], stdout=subprocess.PIPE) as source:
        return transfer(job, server, "up", "%s cat >/dev/null", stdin=source.stdout)


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


def echo(job, server):
    """The far terminal echoes; cat only keeps it open. A key every few milliseconds, as sessions are mostly idle."""
    ours, theirs = pty.openpty()            # as a user's: the client hands its modes to the far end, then makes it raw
    client = server.client("echo ready; exec cat", flags=("-tt",), stdin=theirs, stdout=theirs,
                           options=("IgnoreUnknown=ObscureKeystrokeTiming", "ObscureKeystrokeTiming=no"))
    os.close(theirs)
    times = []
    try:
        wait_byte(ours, b"ready")
        time.sleep(0.1)
        os.read(ours, 4096) if select.select([ours], [], [], 0)[0] else b""
        for i in range(job["keys"]):
            time.sleep(0.005)
            times.append(keystroke(ours, b"abcdefghij"[i % 10:i % 10 + 1]) * 1e6)
            if i % 64 == 63:
                os.write(ours, b"\x15")     # a line's length is limited: kill it, and take what that echoes
                time.sleep(0.05)
                os.read(ours, 4096)
    finally:
        client.terminate()
        client.wait()
        os.close(ours)
    return {"echo_median_us": middle(times), "echo_p95_us": middle(times, 0.95)}


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


def take(job, servers):
    """{server or "floor": {figure: [value of each repetition]}}, servers in turn so that a slow minute meets all."""
    samples, every = {}, {"login": login, "memory": memory, "down": down, "up": up, "echo": echo}
    for s in servers:
        s.begin()
    for rep in range(job["reps"]):
        for name in job["figures"]:
            print("bench: %s, repetition %d of %d" % (name, rep + 1, job["reps"]), file=sys.stderr, flush=True)
            if name == "floor":
                keep(samples, "floor", floor(job))
                continue
            for s in servers:
                keep(samples, s.name, every[name](job, s))
    return samples
