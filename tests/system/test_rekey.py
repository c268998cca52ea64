"""Key exchanges after the first: of every client that can, and ours, under data both ways."""
import asyncio
import os
import shutil
import subprocess
import threading
import time

from lab import COPPICE, HOST, Server, alive, below, check, coppiced_only, digest_stream, feed, key, limit, module, random_file, rows, same, wait_until
from rawssh import ECDH_INIT, KEXINIT, Closed, Key, Raw
from terminal import Terminal
from test_clients import asyncssh_connect, need, paramiko_client, putty, putty_session

MB = 8
ALL_MACS = "MACs +hmac-sha2-256,hmac-sha2-512"


def rekeys(s):
    return sum(r["value"] for r in rows(s, "stats") if r["counter"] == "rekeys")


def there_were(s, n):
    if COPPICE:
        wait_until(lambda: rekeys(s) >= n, text="there were not %d key exchanges" % n)
    check("Disconnecting" not in s.log(), "a connection was ended")


def cat(s, options=(), user="bob"):
    path, digest = random_file(MB)
    p = s.popen(user, "cat", options=options)
    feed(p.stdin, path)
    same((digest_stream(p.stdout), p.wait(120)), ((digest, MB << 20), 0), "both ways, %r" % (options,))


CIPHERS = ("chacha20-poly1305@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes256-ctr")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512")


def ways():
    for cipher in CIPHERS:
        for mac in MACS if cipher.endswith("ctr") else MACS[:1]:
            yield "Ciphers=" + cipher, "MACs=" + mac


@limit(300)
def test_openssh_begins():
    with Server(ALL_MACS) as s:
        for n, way in enumerate(ways()):
            cat(s, way + ("RekeyLimit=1M",))
            there_were(s, 6 * (n + 1))


@limit(300)
def test_we_begin():
    with Server(ALL_MACS, "RekeyLimit 1M") as s:
        for n, way in enumerate(ways()):
            cat(s, way)
            there_were(s, 6 * (n + 1))


@limit(300)
def test_both_begin():
    with Server(ALL_MACS, "RekeyLimit 700K 1s") as s:        # ssh with less than its own window takes new keys after each packet
        for n, way in enumerate(ways()):
            cat(s, way + ("RekeyLimit=1M 1s",))
            there_were(s, 6 * (n + 1))


@coppiced_only
def test_by_time_and_for_a_user():
    """RekeyLimit of a Match block, as sshd's manual has it; bob has the one of all."""
    with Server("RekeyLimit default none", "Match User alice", "RekeyLimit default 1s") as s:
        p = s.popen("alice", "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; cat")
        q = s.popen("bob", "cat")
        wait_until(lambda: rekeys(s) >= 2, text="no key exchange by time")
        for x in (p, q):
            x.stdin.write(b"on\n")
            x.stdin.close()
        same((p.stdout.read(), p.wait(20)), (b"1\n2\n3\n4\n5\n6\non\n", 0), "alice's")
        same((q.stdout.read(), q.wait(20)), (b"on\n", 0), "bob's")
    with Server("RekeyLimit default 1s", "Match User alice", "RekeyLimit default none") as s:
        same(s.ssh("alice", "sleep 3; echo over").stdout, b"over\n", "alice's")
        same(rekeys(s), 0, "key exchanges")


def test_typed():
    """~R"""
    with Server() as s:
        t = Terminal(s, "alice")
        t.expect(r"\$ ")
        for i in range(4):
            t.type("\r")
            t.expect(r"\$ ")
            t.type("~R")
            t.type("echo x%dy$((1+%d))\r" % (i, i))
            t.expect("x%dy%d" % (i, i + 1))
        there_were(s, 3)
        t.type("exit 5\r")
        t.end(5)


@limit(200)
def test_putty():
    need("plink")
    need("puttygen")
    path, digest = random_file(MB)
    env = dict(os.environ, HOME=os.environ["HOME"])
    for line, often in (("", 1 << 20), ("RekeyLimit 1M", 0), ("RekeyLimit 1M", 1 << 20)):
        putty_session("many", RekeyBytes=often)
        with Server(line) as s:
            words = putty(s, "plink", "bob@" + HOST, "cat")
            env["HOME"] = os.path.dirname(os.path.dirname(words[words.index("-i") + 1]))
            p = subprocess.Popen(words[:1] + ["-load", "many"] + words[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)
            feed(p.stdin, path)
            same((digest_stream(p.stdout), p.wait(60)), ((digest, MB << 20), 0), "plink, %r" % line)
            there_were(s, 6)


def dropbear_key():
    path = os.path.dirname(key("ed25519")) + "/dropbear"
    if not os.path.exists(path):
        tool = shutil.which("dropbearconvert") or "/usr/lib/dropbear/dropbearconvert"
        subprocess.run([tool, "openssh", "dropbear", key("ed25519"), path], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return path


@limit(120)
def test_dropbear():
    """Its client begins one after a gigabyte or eight hours; it takes part in ours."""
    need("dbclient")
    path, digest = random_file(MB)
    with Server("RekeyLimit 1M") as s:
        p = subprocess.Popen(["dbclient", "-y", "-y", "-p", str(s.port), "-i", dropbear_key(), "bob@" + HOST, "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.PIPE, env=dict(os.environ, HOME=os.path.dirname(os.path.dirname(key("ed25519")))))
        feed(p.stdin, path)
        same((digest_stream(p.stdout), p.wait(60)), ((digest, MB << 20), 0), "dbclient")
        there_were(s, 6)


@limit(120)
def test_paramiko():
    module("paramiko")
    for line, ours in (("", False), ("RekeyLimit 1M", True)):
        with Server(line) as s:
            client = paramiko_client(s, "bob", key_filename=key("ed25519"))
            data = os.urandom(MB << 20)
            c = client.get_transport().open_session()
            c.exec_command("cat")

            t = threading.Thread(target=lambda: c.sendall(data))
            t.start()
            got = b""
            asked = 0
            while len(got) < len(data):
                some = c.recv(1 << 20)
                check(some, "paramiko: it ended after %d" % len(got))
                got += some
                if not ours and len(got) >> 20 > asked:
                    asked += 1
                    client.get_transport().renegotiate_keys()
            t.join(20)
            c.shutdown_write()      # not before: paramiko waits for itself when a CLOSE comes behind its KEXINIT
            same((got == data, c.recv_exit_status()), (True, 0), "paramiko, %r" % line)
            there_were(s, 6)
            client.close()


@limit(120)
def test_asyncssh():
    module("asyncssh")
    data = os.urandom(MB << 20)

    async def go(s, often):
        async with asyncssh_connect(s, "bob", client_keys=[key("ed25519")], rekey_bytes=often) as c:
            r = await asyncio.wait_for(c.run("cat; exit 5", input=data, encoding=None), 60)
            same((r.stdout == data, r.exit_status), (True, 5), "asyncssh, %d" % often)

    for line, often in (("", 1 << 20), ("RekeyLimit 1M", 1 << 30), ("RekeyLimit 1M", 1 << 20)):
        with Server(line) as s:
            asyncio.run(go(s, often))
            there_were(s, 3)        # what is in its window when we begin comes under the old keys


# ---- who means it badly -----------------------------------------------------------------------------

def raw_rekey(c, follows=0):
    c.put(c.kexinit(follows=follows))
    c.get_kexinit()
    c.put(c.ecdh_init())
    c.finish_kex()


def cpu(pid):
    with open("/proc/%d/stat" % pid) as f:
        v = f.read().rsplit(")", 1)[1].split()
    return (int(v[11]) + int(v[12])) / os.sysconf("SC_CLK_TCK")


@coppiced_only
@limit(120)
def test_a_tight_loop():
    """keysign holds back who wants new keys all the time: 64 at once, then 20 a second. Everybody else is served."""
    many = 160
    with Server() as s, Raw(s) as c:
        c.login("alice", Key(key("ed25519")))
        before, began = {p: cpu(p) for p in below(s.pid) if alive(p)}, time.monotonic()
        for n in range(many):
            raw_rekey(c)
            if n == 100:
                same(s.ssh("bob", "echo served").stdout, b"served\n", "another client")
        took, used = time.monotonic() - began, sum(cpu(p) - before[p] for p in before if alive(p))
        check(took > (many - 64) / 20 - 0.5, "%d key exchanges in %.1f s" % (many, took))
        check(used < many * 0.02, "%.1f s of CPU for %d key exchanges" % (used, many))
        number, _ = c.session()
        same(number, 91, "a channel afterwards")
        there_were(s, many)


@coppiced_only
def test_guesses_in_a_rekey():
    """first_kex_packet_follows: the right one is used, the wrong one dropped (RFC 4253 7)."""
    with Server() as s, Raw(s) as c:
        c.login("alice", Key(key("ed25519")))
        raw_rekey(c)
        theirs = c.peer_kexinit[17 + 4:].split(b",")[0].decode()
        check(theirs != "curve25519-sha256", "its first method is the one of the test")
        c.put(c.kexinit(follows=1))             # wrong: it would begin with another
        c.put(bytes([ECDH_INIT]) + b"\0\0\0\4junk")
        c.get_kexinit()
        c.put(c.ecdh_init())
        c.finish_kex()
        same(c.session()[0], 91, "a channel afterwards")
        there_were(s, 2)
    with Server("KexAlgorithms curve25519-sha256", "HostKeyAlgorithms ssh-ed25519") as s, Raw(s) as c:
        c.login("alice", Key(key("ed25519")))
        c.put(c.kexinit(follows=1))             # right: it is used
        c.put(c.ecdh_init())
        c.get_kexinit()
        c.finish_kex()
        same(c.session()[0], 91, "a channel afterwards")
        there_were(s, 1)


@coppiced_only
def test_before_login():
    """A second KEXINIT before login ends the connection, and costs nothing (RFC 4253 7, CVE-class of floods)."""
    with Server() as s:
        with Raw(s) as c:
            c.begin()
            c.put(c.kexinit())
            try:
                c.get()
                check(False, "it was answered")
            except Closed as e:
                check("not allowed" in str(e), "no reason", e)
        with Raw(s) as c:
            c.hello()
            c.put(c.kexinit())
            c.put(c.kexinit())
            try:
                for _ in range(3):
                    c.get()
                check(False, "it was answered")
            except Closed:
                pass


@coppiced_only
def test_only_the_exchange_after_a_kexinit():
    """RFC 4253 7.1: data behind a KEXINIT ends the connection, data before it, crossing ours, does not."""
    with Server("RekeyLimit 16K") as s, Raw(s) as c:
        c.login("alice", Key(key("ed25519")))
        number, r = c.session()
        same(number, 91, "channel")
        r.u32()
        chan = r.u32()
        c.put(b"\x62" + chan.to_bytes(4, "big") + b"\0\0\0\4exec\1\0\0\0\3cat")
        same(c.get()[0], 99, "exec")
        for _ in range(20):             # more than 16K: its KEXINIT comes while we go on
            c.put(b"\x5e" + chan.to_bytes(4, "big") + b"\0\0\4\0" + b"x" * 1024)
        number = 0
        got = 0
        while number != KEXINIT:
            number, r = c.get()
            if number == 94:
                got += len(r.string() if r.u32() >= 0 else b"")
        c.peer_kexinit = c.payload
        c.put(c.kexinit())
        c.put(c.ecdh_init())
        c.finish_kex()
        while got < 20 * 1024:
            number, r = c.get()
            if number == 94:
                r.u32()
                got += len(r.string())
            elif number == KEXINIT:
                c.peer_kexinit = c.payload
                c.put(c.kexinit())
                c.put(c.ecdh_init())
                c.finish_kex()
        same(got, 20 * 1024, "what came back")
        c.put(c.kexinit())
        c.put(b"\x5e" + chan.to_bytes(4, "big") + b"\0\0\0\1x")
        try:
            while True:
                c.get()
        except Closed as e:
            check("not allowed" in str(e), "no reason", e)
