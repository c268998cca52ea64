"""Every cipher with every MAC, with every client that knows both: 8 MiB each way, and new keys on the way."""
import asyncio
import hashlib
import os
import shutil
import subprocess

from lab import BUILD, HOST, PASSWORDS, SCRATCH, NotHere, Server, check, coppiced_only, key, limit, module, random_file, rows, same, sanitized, sh, wait_until
from movers import Exec, moving
from test_clients import need, putty
from test_handoff import connections, handoff, quick
from test_survive import came, kill

SIZE = 1 if sanitized() else 8
OFTEN = "RekeyLimit %dK" % (SIZE * 96)
EVERYTHING = ("Ciphers +*", "MACs +*", OFTEN)
AEAD = ("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM")


def known(kind):
    """All that this build can do, and what of it is off."""
    lines = [l.split() for l in sh(BUILD + "/sbin/coppiced", "-Q", kind).decode().splitlines()]
    return [w[0] for w in lines], [w[0] for w in lines if len(w) > 1]


def rekeys(s):
    return sum(r["value"] for r in rows(s, "stats") if r["counter"] == "rekeys")


def pairs(ciphers, macs):
    """Of what we and the client know: each cipher with each MAC, an AEAD once."""
    ours = [k for k in known("cipher")[0] if k in ciphers], [m for m in known("mac")[0] if m in macs and m not in AEAD]
    return [(c, m) for c in ours[0] for m in ours[1] if c not in AEAD or m == ours[1][0]]


def each(ciphers, macs, transfer, server=None, slow=()):
    """
    transfer(server, data, cipher, mac) gives back data: at one server that does everything, or at one each that does just these two.
    slow: ciphers that the client is so slow with that a quarter has to do.
    """
    with open(random_file(SIZE)[0], "rb") as f:
        data = f.read()
    some = pairs(ciphers, macs)
    s = server
    for cipher, mac in some:
        if server is None:
            s = Server("Ciphers " + cipher, "MACs " + mac, OFTEN)
        before = rekeys(s)
        some_data = data[:len(data) // 4] if cipher in slow else data
        check(transfer(s, some_data, cipher, mac) == some_data, "%s %s: not what was sent" % (cipher, mac))
        wait_until(lambda: rekeys(s) > before, text="%s %s: no new keys" % (cipher, mac))
        if server is None:
            s.stop()
    return some


@coppiced_only
def test_default_lists():
    """What is old is offered to those only who ask for it."""
    for kind, word in (("cipher", "ciphers ctos: "), ("mac", "MACs ctos: ")):
        all_of_it, off = known(kind)
        check(len(off) >= 6, "only", off)
        for line, want in (("", [k for k in all_of_it if k not in off]), ("Ciphers +*\nMACs +*", [k for k in all_of_it if k not in off] + off)):
            with Server(line) as s:
                r = s.ssh("bob", "true", options=("LogLevel=DEBUG2",), ok=True)
            offer = [l for l in r.stderr.decode().splitlines() if word in l][1].split(word)[1].strip().split(",")
            same(offer, want, "%s of a server with '%s'" % (kind, line))


def with_ssh(s, data, cipher, mac):
    r = s.ssh("bob", "cat", options=("Ciphers=" + cipher, "MACs=" + mac, "LogLevel=DEBUG1"), input=data, ok=True)
    used = [l.split("cipher: ")[1].split()[:3] for l in r.stderr.decode().splitlines() if "kex: server->client cipher:" in l]
    check(len(used) > 1 and all(u == [cipher, "MAC:", "<implicit>" if cipher in AEAD else mac] for u in used), "%s %s: used were" % (cipher, mac), used)
    return r.stdout


@coppiced_only
@limit(600)
def test_ssh():
    with Server(*EVERYTHING) as s:
        done = each(sh("ssh", "-Q", "cipher").decode().split(), sh("ssh", "-Q", "mac").decode().split(), with_ssh, s)
    check(len(done) == 3 + 7 * 8, "only", done)


@coppiced_only
@limit(900)
def test_paramiko():
    paramiko = module("paramiko")

    def transfer(s, data, cipher, mac):
        t = paramiko.Transport((HOST, s.port))
        t.get_security_options().ciphers, t.get_security_options().digests = [cipher], [mac]
        t.connect(username="alice", pkey=paramiko.Ed25519Key.from_private_key_file(key("ed25519")))
        same((t.local_cipher, t.remote_cipher, t.local_mac, t.remote_mac), (cipher, cipher, mac, mac), "what paramiko says")
        back = []
        for command, give in (("sha256sum", data), ("cat " + SCRATCH + "/random-%d" % SIZE, b"")):
            c = t.open_session()
            c.exec_command(command)
            c.sendall(give)
            c.shutdown_write()
            back.append(b"".join(iter(lambda: c.recv(1 << 20), b"")))
        t.close()
        same(back[0].split()[0].decode(), hashlib.sha256(data).hexdigest(), "%s %s: what arrived" % (cipher, mac))
        return back[1]
    with Server(*EVERYTHING) as s:
        done = each(list(paramiko.Transport._preferred_ciphers), list(paramiko.Transport._preferred_macs), transfer, s)
    check(len(done) >= 7 * 6, "only", done)


@coppiced_only
@limit(900)
def test_asyncssh():
    asyncssh = module("asyncssh")
    from asyncssh.encryption import get_encryption_algs
    from asyncssh.mac import get_mac_algs

    async def talk(s, data, cipher, mac):
        async with asyncssh.connect(HOST, s.port, username="alice", client_keys=[key("ed25519")], known_hosts=None, config=None,
                                    encryption_algs=[cipher], mac_algs=[mac]) as c:
            same(c.get_extra_info("send_cipher"), cipher, "what asyncssh says")
            return (await c.run("cat", input=data, encoding=None)).stdout
    with Server(*EVERYTHING) as s:
        done = each([a.decode() for a in get_encryption_algs()], [a.decode() for a in get_mac_algs()], lambda *all: asyncio.run(talk(*all)), s)
    check(len(done) >= 3 + 7 * 8, "only", done)


@coppiced_only
@limit(300)
def test_dbclient():
    need("dbclient")
    env = dict(os.environ, HOME=SCRATCH, DROPBEAR_PASSWORD=PASSWORDS["bob"])

    def transfer(s, data, cipher, mac):
        r = subprocess.run(["dbclient", "-y", "-y", "-p", str(s.port), "-c", cipher, "-m", mac, "bob@" + HOST, "cat"], input=data, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, env=env)
        same(r.returncode, 0, "dbclient with %s and %s (%r)" % (cipher, mac, r.stderr))
        return r.stdout

    def can(option):
        r = subprocess.run(["dbclient", option, "help", "nowhere"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=env)
        return r.stdout.decode().replace(",", " ").split()
    with Server(*EVERYTHING) as s:
        done = each(can("-c"), can("-m"), transfer, s)
    check(len(done) >= 3, "only", done)


def in_program(path, names):
    """A client that cannot be asked: the names that stand in its file."""
    with open(path, "rb") as f:
        text = f.read()
    return [n for n in names if n.encode() + b"\0" in text]


@coppiced_only
@limit(900)
def test_plink():
    """
    It takes no wish for a MAC: a server each. In CBC it asks itself after each block whether the MAC was that (its own answer to
    CPNI-957037), and its triple DES takes constant time: 10 s and more for 8 MiB.
    """
    need("plink")
    need("puttygen")
    program = shutil.which("plink")

    def transfer(s, data, cipher, mac):
        r = subprocess.run(putty(s, "plink", "alice@" + HOST, "cat"), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=240,
                           env=dict(os.environ, HOME=SCRATCH))
        same(r.returncode, 0, "plink with %s and %s (%r)" % (cipher, mac, r.stderr))
        return r.stdout
    done = each(in_program(program, known("cipher")[0]), in_program(program, known("mac")[0]), transfer,
                slow=[c for c in known("cipher")[0] if "cbc" in c])
    check(len(done) >= 3 + 7 * 5, "only", done)


@coppiced_only
@limit(300)
def test_old_ones_move_and_outlive_their_processes():
    """What is chained from packet to packet goes along."""
    some = [("aes128-cbc", "hmac-sha1"), ("3des-cbc", "hmac-sha1-96"), ("aes256-cbc", "hmac-sha2-512-etm@openssh.com")]
    with Server("Ciphers +*", "MACs +*", "SurviveCrash yes") as s:
        s.crash_expected = True
        movers = [moving(quick(Exec, s, n + 1, "Ciphers=" + c, "MACs=" + m)) for n, (c, m) in enumerate(some)]
        moved, killed = 0, 0
        while moved < 12:
            was = [m.progress for m in movers]
            moved += sum(r["result"] == "moved" for r in handoff(s))
            wait_until(lambda: all(m.progress > w or m.fault for m, w in zip(movers, was)), 20, text="some stand still after %d moves" % moved)
            check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        while killed < 12:
            for session, pid in sorted(connections(s).items()):
                if not pid or came(pid) < 1000:
                    continue
                kill(pid)
                killed += 1
                wait_until(lambda: connections(s).get(session) not in (None, 0, pid), 10, text="no successor of session %d after %d kills" % (session, killed))
                check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))
        was = [m.progress for m in movers]
        wait_until(lambda: all(m.progress > w or m.fault for m, w in zip(movers, was)), 20, text="some stand still after %d kills" % killed)
        for m in movers:
            m.finish()
        check(not any(m.fault for m in movers), "; ".join(m.fault for m in movers if m.fault))


# ---- Erlang, which knows RFC 5647's own names ------------------------------------------------------

ERLANG = [  # its ciphers, its MACs, Ciphers and MACs of ours; all of them come to AES-GCM but the last ones
    ("AEAD_AES_128_GCM", "AEAD_AES_128_GCM", "AEAD_AES_128_GCM", "AEAD_AES_128_GCM"),
    ("AEAD_AES_256_GCM", "AEAD_AES_256_GCM", "AEAD_AES_256_GCM", "AEAD_AES_256_GCM"),
    ("AEAD_AES_128_GCM", "AEAD_AES_256_GCM", "+AEAD_AES_128_GCM", "AEAD_AES_256_GCM"),         # the cipher takes the MAC along
    ("AEAD_AES_256_GCM", "hmac-sha2-256", "+AEAD_AES_256_GCM", "hmac-sha2-256"),
    ("aes128-ctr", "AEAD_AES_128_GCM", "aes128-ctr", "AEAD_AES_128_GCM"),                       # the MAC takes the cipher along
    ("aes128-ctr", "AEAD_AES_256_GCM", "aes128-ctr", "+AEAD_AES_256_GCM"),
    ("chacha20-poly1305@openssh.com", "AEAD_AES_256_GCM", "chacha20-poly1305@openssh.com", "AEAD_AES_256_GCM"),
    ("aes128-gcm@openssh.com", "hmac-sha2-512", "aes128-gcm@openssh.com", "hmac-sha2-512"),
    ("aes256-cbc", "hmac-sha1", "aes256-cbc", "hmac-sha1"),
    ("3des-cbc", "hmac-sha1-96", "3des-cbc", "hmac-sha1-96"),
    ("aes128-cbc", "hmac-sha1-etm@openssh.com", "aes128-cbc", "hmac-sha1-etm@openssh.com"),
]


@coppiced_only
@limit(300)
def test_erlang():
    need("escript")
    if not os.path.isdir("/usr/lib/erlang/lib") or not any(d.startswith("ssh-") for d in os.listdir("/usr/lib/erlang/lib")):
        raise NotHere("erlang-ssh is not installed")
    path, digest = random_file(SIZE)
    for cipher, mac, ciphers, macs in ERLANG:
        with Server("Ciphers " + ciphers, "MACs " + macs, OFTEN) as s:
            r = subprocess.run(["escript", os.path.dirname(os.path.abspath(__file__)) + "/ciphers.escript", HOST, str(s.port), "bob", PASSWORDS["bob"],
                                cipher, mac, path], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60,
                               env=dict(os.environ, HOME=SCRATCH))
            same(r.stdout.decode().split(), [digest, digest], "Erlang with %s and %s" % (cipher, mac))
            wait_until(lambda: rekeys(s) > 1, text="%s %s: no new keys" % (cipher, mac))
