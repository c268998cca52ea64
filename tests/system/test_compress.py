"""Compression (RFC 4253 6.2; zlib@openssh.com): every client that knows it, over rekeys; what hostile streams cost; moving and surviving."""
import asyncio
import hashlib
import os
import random
import signal
import struct
import subprocess
import threading
import time
import zlib

from lab import (HOST, PASSWORDS, SCRATCH, Server, check, connections, coppiced_only, key, limit, module, packets, rows, same, sanitized, status, wait_until)
from movers import Exec, moving
from test_clients import need, putty, putty_session
from test_handoff import handoff
from test_survive import came

SIZE = 8 << 20
DELAYED, AT_ONCE = "zlib@openssh.com", "zlib"


def blobs():
    """What compresses well, and what grows; written once."""
    for name in ("text", "random"):
        path = "%s/compress-%s" % (SCRATCH, name)
        if not os.path.exists(path):
            line = b"".join(b"%d: the quick brown fox jumps over the lazy dog\n" % i for i in range(20000))
            with open(path, "wb") as f:
                f.write((line * (SIZE // len(line) + 1))[:SIZE] if name == "text" else os.urandom(SIZE))
            os.chmod(path, 0o644)
        with open(path, "rb") as f:
            yield path, f.read()


def wire(server):
    """in and out bytes of all that is connected, as the connections count them"""
    r = [r for r in rows(server, "who", "-v") if r["kind"] == "session"]
    return sum(int(x["in_bytes"]) for x in r), sum(int(x["out_bytes"]) for x in r)


def counter(server, name):
    return sum(r["value"] for r in rows(server, "stats") if r["counter"] == name)


def transferred(run, server):
    """run(command, input) -> what came back: each blob up and down, whole."""
    for path, data in blobs():
        same(run("cat " + path, b"") == data, True, path + " down")
        same(run("sha256sum", data).split()[0].decode(), hashlib.sha256(data).hexdigest(), path + " up")
    wait_until(lambda: counter(server, "rekeys") >= 6, text="keys did not change")


@coppiced_only
@limit(240)
def test_ssh():
    for line in ("", "CompressionAlgorithms +zlib"):
        with Server(line, "RekeyLimit 1M") as s:
            def run(command, data):
                r = s.ssh("bob", command, input=data, flags=("-C",), options=("RekeyLimit=1500K",), ok=True)
                return r.stdout
            transferred(run, s)
            r = s.ssh("bob", "true", flags=("-C",), options=("LogLevel=DEBUG2",), ok=True)
            check(b"compression: " + DELAYED.encode() in r.stderr, "it was not compressed", r.stderr)
            r = s.ssh("bob", "true", options=("LogLevel=DEBUG2",), ok=True)
            check(b"compression: none" in r.stderr, "who does not ask for it has none", r.stderr)


@coppiced_only
@limit(120)
def test_the_keyword():
    for line, offer in (("Compression no", "none"), ("Compression delayed", "none," + DELAYED), ("CompressionAlgorithms +zlib", "none,%s,zlib" % DELAYED),
                        ("Compression no\nCompressionAlgorithms zlib", "none"), ("CompressionAlgorithms " + DELAYED, DELAYED)):
        with Server(line) as s:
            r = s.ssh("bob", "true", flags=("-C",), options=("LogLevel=DEBUG2",), ok=True)
            said = [l.split(": ")[-1].strip() for l in r.stderr.decode().splitlines() if "compression ctos:" in l or "compression stoc:" in l]
            same(said[2:4], [offer, offer], "the offer of " + line)
    for lines, offers in ((("CompressionAlgorithmsClientToServer none",), ["none", "none," + DELAYED]),
                          (("CompressionAlgorithmsServerToClient " + DELAYED, "CompressionAlgorithms none,zlib"), ["none,zlib", DELAYED]),
                          (("Compression no", "CompressionAlgorithmsServerToClient zlib"), ["none", "none"])):
        with Server(*lines) as s:
            r = s.ssh("bob", "true", flags=("-C",), options=("LogLevel=DEBUG2",), ok=True)
            said = [l.split(": ")[-1].strip() for l in r.stderr.decode().splitlines() if "compression ctos:" in l or "compression stoc:" in l]
            same(said[2:4], offers, "the offers of %s" % (lines,))
    with Server("CompressionAlgorithms zlib") as s:
        r = s.ssh("bob", "true")
        check(r.returncode == 0, "ssh knows zlib, too, if nothing else is there", r.stderr)


@coppiced_only
@limit(120)
def test_less_on_the_wire():
    """Both ways, on one connection that stays: what compresses takes a tenth, what does not takes what it takes."""
    with Server() as s:
        control = "%s/cm-compress" % s.dir
        master = s.popen("bob", flags=("-C", "-M", "-N", "-S", control))
        wait_until(lambda: os.path.exists(control))
        mux = ("ControlPath=" + control, "ControlMaster=no")
        for path, data in blobs():
            before = wire(s)
            same(s.ssh("bob", "cat " + path, options=mux, ok=True).stdout == data, True, path)
            middle = wire(s)
            s.ssh("bob", "cat >/dev/null", options=mux, input=data, ok=True)
            after = wire(s)
            down, up = middle[1] - before[1], after[0] - middle[0]
            if "text" in path:
                check(down < SIZE // 5 and up < SIZE // 5, "compressed", down, up)
            else:
                check(SIZE < down < SIZE * 1.02 and SIZE < up < SIZE * 1.02, "random", down, up)
        master.terminate()
        master.wait(10)


@coppiced_only
@limit(120)
def test_one_direction():
    """Each by its own keyword; who tells it as each direction has it."""
    for line, compressed in (("CompressionAlgorithmsClientToServer none", (False, True)), ("CompressionAlgorithmsServerToClient none", (True, False))):
        with Server(line, "RekeyLimit 1M") as s:
            master = s.popen("bob", flags=("-C", "-M", "-N", "-S", s.dir + "/cm"))
            wait_until(lambda: os.path.exists(s.dir + "/cm"))
            mux = ("ControlPath=%s/cm" % s.dir, "ControlMaster=no")
            session = next(r for r in rows(s, "who", "-v") if r["kind"] == "session")
            same([session["compression_in"], session["compression_out"]], [DELAYED if c else "none" for c in compressed], line)
            path, data = next(blobs())
            before = wire(s)
            same(s.ssh("bob", "cat " + path, options=mux, ok=True).stdout == data, True, path)
            middle = wire(s)
            s.ssh("bob", "cat >/dev/null", options=mux, input=data, ok=True)
            after = wire(s)
            same([after[0] - middle[0] < SIZE // 5, middle[1] - before[1] < SIZE // 5], list(compressed), line)
            check(counter(s, "rekeys") >= 1, "keys changed")
            master.terminate()
            master.wait(10)


@coppiced_only
@limit(180)
def test_sftp():
    with Server("RekeyLimit 1M") as s:
        for path, data in blobs():
            back = s.dir + "/back"
            s.sftp("bob", "put %s there\nget there %s\n" % (path, back), "-C")
            with open(back, "rb") as f:
                same(f.read() == data, True, path)


@coppiced_only
@limit(600)
def test_plink():
    need("plink")
    need("puttygen")
    putty_session("compressed", RekeyBytes=1500000, Compression=1)
    for line in ("", "CompressionAlgorithms zlib"):
        with Server(line, "RekeyLimit 1M") as s:
            def run(command, data):
                words = putty(s, "plink", "alice@" + HOST, command)
                r = subprocess.run(words[:1] + ["-load", "compressed", "-C"] + words[1:], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=120,
                                   env=dict(os.environ, HOME=SCRATCH))
                same(r.returncode, 0, "plink (%r)" % r.stderr)
                return r.stdout
            transferred(run, s)
            r = subprocess.run(putty(s, "plink", "alice@" + HOST, "true")[:1] + ["-v", "-C"] + putty(s, "plink", "alice@" + HOST, "true")[1:], stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=dict(os.environ, HOME=SCRATCH))
            check(b"zlib" in r.stderr.lower(), "not compressed", r.stderr)


@coppiced_only
@limit(240)
def test_dbclient():
    """It wants compression unless it is told otherwise, and has its own bound for what a packet may inflate to."""
    need("dbclient")
    env = dict(os.environ, HOME=SCRATCH, DROPBEAR_PASSWORD=PASSWORDS["bob"])
    for line in ("Compression yes", "CompressionAlgorithms zlib"):
        with Server(line, "RekeyLimit 1M") as s:
            def run(command, data):
                r = subprocess.run(["dbclient", "-y", "-y", "-p", str(s.port), "bob@" + HOST, command], input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                                   timeout=120, env=env)
                same(r.returncode, 0, "dbclient (%r)" % r.stderr)
                return r.stdout
            transferred(run, s)
            held = subprocess.Popen(["dbclient", "-y", "-y", "-p", str(s.port), "bob@" + HOST, "cat %s/compress-text; sleep 60" % SCRATCH], stdin=subprocess.DEVNULL,
                                    stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, env=env)
            same(len(held.stdout.read(SIZE)), SIZE, "bytes")
            check(wire(s)[1] < SIZE // 4, "it was not compressed", wire(s))
            held.kill()
            held.wait()


def paramiko_run(t, command, data):
    chan = t.open_session()
    chan.settimeout(60)
    chan.exec_command(command)
    if data:
        chan.sendall(data)
    chan.shutdown_write()
    out = b"".join(iter(lambda: chan.recv(1 << 16), b""))
    same(chan.recv_exit_status(), 0, command)
    return out


@coppiced_only
@limit(240)
def test_paramiko():
    paramiko = module("paramiko")
    for line, method in (("", DELAYED), ("CompressionAlgorithms zlib", AT_ONCE)):
        with Server(line, "RekeyLimit 2M") as s:
            t = paramiko.Transport((HOST, s.port))
            t.use_compression()
            t.connect(username="bob", password=PASSWORDS["bob"])
            same(t.remote_compression, method, "method")
            transferred(lambda command, data: paramiko_run(t, command, data), s)
            check(wire(s)[0] < 1.3 * SIZE, "not compressed", wire(s))
            t.close()


@coppiced_only
@limit(240)
def test_asyncssh():
    asyncssh = module("asyncssh")

    async def talk(s, method):
        async with asyncssh.connect(HOST, s.port, username="alice", client_keys=[key("ed25519")], known_hosts=None, config=None, compression_algs=[method],
                                    rekey_bytes=1500000) as c:
            same(c.get_extra_info("recv_compression"), method, "method")
            for path, data in blobs():
                r = await c.run("cat " + path, encoding=None)
                same(r.stdout == data, True, path + " down")
                r = await c.run("sha256sum", input=data, encoding=None)
                same(r.stdout.split()[0].decode(), hashlib.sha256(data).hexdigest(), path + " up")
    for line, method in (("", DELAYED), ("CompressionAlgorithms zlib", AT_ONCE)):
        with Server(line, "RekeyLimit 1M") as s:
            asyncio.run(talk(s, method))
            check(counter(s, "rekeys") >= 6, "keys did not change")


# ---- what a hostile stream costs --------------------------------------------------------------------

def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        words = f.read().rpartition(")")[2].split()
    return (int(words[11]) + int(words[12])) / os.sysconf("SC_CLK_TCK")


def peak(pid):
    return int(status(pid, "VmHWM").split()[0])


class Raw:
    """In place of paramiko's compressor: this is what the next packet's payload becomes."""

    def __init__(self, payload):
        self.payload = payload

    def __call__(self, data):
        return self.payload


@coppiced_only
@limit(120)
def test_a_bomb():
    """One packet of less than 256 KiB that inflates to 240 MiB, after login: the connection ends, within 8 MiB and a second."""
    paramiko = module("paramiko")
    z = zlib.compressobj(9, zlib.DEFLATED, -15)
    packed = (z.compress(bytes(1 << 20)) + z.flush(zlib.Z_FULL_FLUSH)) * 240      # each part refers to nothing before it
    check(240000 < len(packed) < 262144 - 300, "the bomb", len(packed))
    with Server() as s:
        t = paramiko.Transport((HOST, s.port))
        t.use_compression()
        t.connect(username="bob", password=PASSWORDS["bob"])
        same(t.remote_compression, DELAYED, "method")
        pid = list(connections(s).values())[0]
        memory, used = peak(pid), cpu(pid)
        most = zlib.compressobj(9)
        fits = most.compress(b"\2" + struct.pack(">I", 262139) + bytes(262139)) + most.flush(zlib.Z_SYNC_FLUSH)
        t.packetizer.set_outbound_compressor(Raw(fits))          # as much as may be, and it goes on: what that took can be seen
        t._send_message(paramiko.Message(b"\2\0\0\0\0"))
        t.packetizer.set_outbound_compressor(Raw(packed))       # of the same stream: without a header
        wait_until(lambda: list(packets(s).values())[0] > 0)
        time.sleep(0.2)
        watched = [(memory, used), (peak(pid), cpu(pid))]
        t._send_message(paramiko.Message(b"\2\0\0\0\0"))
        end = time.monotonic() + 20
        while time.monotonic() < end:       # as often as can be: the last look is just before it ends
            try:
                watched.append((peak(pid), cpu(pid)))
            except (OSError, AttributeError):
                break
        wait_until(lambda: pid not in connections(s).values(), 20, text="it did not end")
        line = s.logged(r"message too long")
        check(line, "why it ended")
        grown, took = max(w[0] for w in watched) - memory, max(w[1] for w in watched) - used
        print("a bomb: %d KiB more, %.2f s" % (grown, took))
        if not sanitized():
            check(grown < 8192, "memory, KiB", grown)
        check(took < 1, "CPU seconds", took)
        same(s.ssh("bob", "echo fine", ok=True).stdout, b"fine\n", "the daemon")


@coppiced_only
@limit(60)
def test_a_bomb_before_login():
    """Where the administrator allows compression before login: 35,000 bytes, and no more."""
    paramiko = module("paramiko")
    z = zlib.compressobj(9)
    packed = z.compress(b"\2" + bytes(64 << 10)) + z.flush(zlib.Z_SYNC_FLUSH)
    with Server("CompressionAlgorithms zlib") as s:
        t = paramiko.Transport((HOST, s.port))
        t.use_compression()
        t.start_client(timeout=20)
        same(t.remote_compression, AT_ONCE, "method")
        t.packetizer.set_outbound_compressor(Raw(packed))
        t._send_message(paramiko.Message(b"\2\0\0\0\0"))
        wait_until(lambda: not t.is_active(), 20)
        s.logged(r"message too long")
        t.close()
        same(s.ssh("bob", "echo fine", ok=True).stdout, b"fine\n", "the daemon")


# ---- moving and surviving -----------------------------------------------------------------------------

class Compressed(Exec):
    def options(self):
        return super().options() + ("Compression=yes",)


@coppiced_only
@limit(180)
def test_moves():
    """coppicectl handoff, again and again: no client notices."""
    with Server() as s:
        movers = [moving(Compressed(s, i)) for i in range(1, 4)]
        before = set(connections(s).values())
        for _ in range(10):
            got = handoff(s)
            same([(r["result"], r["why"]) for r in got if r["result"] != "moved"], [], "what did not move")
            same(len(got), 3, "connections")
            at = [m.progress for m in movers]
            wait_until(lambda: all(m.progress > p + 50000 or m.fault for m, p in zip(movers, at)), 30)
        check(not before & set(connections(s).values()), "not one moved")
        for m in movers:
            m.finish()
            check(not m.fault, "%s" % m.fault)


def survivors(s):
    """Killed in turn, so that none is killed too often."""
    return [pid for session, pid in sorted(connections(s).items()) if pid]


@coppiced_only
@limit(300)
def test_survives():
    """SurviveCrash: connections killed at any moment go on, with the same bytes."""
    with Server("SurviveCrash yes") as s:
        s.crash_expected = True
        movers = [moving(Compressed(s, i)) for i in range(1, 4)]
        for k in range(12):
            victim = survivors(s)[k % 3]
            os.kill(victim, signal.SIGKILL)
            wait_until(lambda: len(survivors(s)) == 3 and victim not in survivors(s), 30)
            at = [m.progress for m in movers]
            wait_until(lambda: all(m.progress > p + 30000 or m.fault for m, p in zip(movers, at)), 60)
            time.sleep(random.random() / 20)
        for m in movers:
            m.finish()
            check(not m.fault, "%s" % m.fault)
        check(counter(s, "revivals") >= 12, "revivals", counter(s, "revivals"))


def mixed(path, megabytes=24):
    """Lines that compress to a half or so; nothing in 32 KiB comes again."""
    r = random.Random(5)
    block = b"".join(b"%s: drwxr-xr-x 2 root root 4096 the quick brown fox\n" % r.randbytes(r.randrange(4, 60)).hex().encode() for _ in range(8000))
    data = (block * ((megabytes << 20) // len(block) + 1))[:megabytes << 20]
    with open(path, "wb") as f:
        f.write(data)
    os.chmod(path, 0o644)
    return data


@coppiced_only
@limit(600)
def test_bulk_survives():
    """Whole files each way, compressed, while the process is killed: what a successor says again is the same to the byte, or the session would end."""
    path = SCRATCH + "/compress-mixed"
    data = mixed(path)
    with Server("SurviveCrash yes") as s:
        s.crash_expected = True
        killed = 0
        for k in range(6):
            up = k % 2
            p = s.popen("bob", "sha256sum" if up else "cat " + path, flags=("-C",), stdin=open(path, "rb") if up else subprocess.DEVNULL)
            out = []
            reader = threading.Thread(target=lambda p=p, out=out: out.append(p.stdout.read()), daemon=True)
            reader.start()
            kills, dead = 0, set()
            while reader.is_alive():
                for pid in set(survivors(s)) - dead:    # the supervisor may not have heard of the last one yet
                    if kills < 6 and came(pid) >= ((1 << 20) if up else (3 << 20)):
                        os.kill(pid, signal.SIGKILL)
                        kills += 1
                        dead.add(pid)
                time.sleep(random.random() * 0.01)
            same(p.wait(60), 0, "exit status (%r)" % p.stderr.read())
            same(out[0].split()[0].decode() if up else hashlib.sha256(out[0]).hexdigest(), hashlib.sha256(data).hexdigest(), "up" if up else "down")
            killed += kills
        print("%d kills" % killed)
        check(killed >= 6 and counter(s, "revivals") == killed, "kills and revivals", killed, counter(s, "revivals"))
