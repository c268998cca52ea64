"""Every key exchange with every client that knows it: a server that offers just this one, and a login."""
import asyncio
import os
import shutil
import subprocess

from lab import HOST, PASSWORDS, SCRATCH, NotHere, Server, check, coppiced_only, key, limit, module, same, sh
from primes import modp
from test_clients import host_key_of, need, putty

OFF = ["ecdh-sha2-nistp256", "ecdh-sha2-nistp384", "ecdh-sha2-nistp521", "diffie-hellman-group-exchange-sha256", "diffie-hellman-group14-sha256",
       "diffie-hellman-group14-sha1", "diffie-hellman-group1-sha1", "diffie-hellman-group-exchange-sha1"]
DEFAULT = ["mlkem768x25519-sha256", "sntrup761x25519-sha512", "sntrup761x25519-sha512@openssh.com", "curve25519-sha256",
           "curve25519-sha256@libssh.org", "curve448-sha512", "diffie-hellman-group16-sha512", "diffie-hellman-group18-sha512"]
GEX = "diffie-hellman-group-exchange-sha256"


def ours():
    """What this build can do: sntrup761 depends on the library it was built with."""
    with Server("KexAlgorithms +*") as s:
        r = s.ssh("bob", "true", options=("KexAlgorithms=ecdh-sha2-nistp256", "LogLevel=DEBUG2"), ok=True)
    line = [l for l in r.stderr.decode().splitlines() if "KEX algorithms: " in l][1]
    return [k for k in line.split(": ")[-1].strip().split(",") if not k.startswith(("ext-info", "kex-strict"))]


def each(known, login):
    """login(server, kex) at a server with each exchange that is known to both."""
    done = []
    for kex in ours():
        if kex in known:
            with Server("KexAlgorithms " + kex) as s:
                login(s, kex)
                done.append(kex)
    return done


def in_program(path):
    """A client that cannot be asked: the names that stand in its file."""
    with open(path, "rb") as f:
        text = f.read()
    return [k for k in DEFAULT + OFF if k.encode() + b"\0" in text]


@coppiced_only
def test_default_list():
    with Server() as s:
        r = s.ssh("bob", "true", options=("LogLevel=DEBUG2",), ok=True)
    offer = [l for l in r.stderr.decode().splitlines() if "KEX algorithms: " in l][1].split(": ")[-1].strip().split(",")
    same(offer[0], "mlkem768x25519-sha256", "the first choice")
    same([k for k in DEFAULT if k in offer or "sntrup" not in k], [k for k in offer if k in DEFAULT], "the default list, in order")
    check("kex-strict-s-v00@openssh.com" in offer, "no strict marker")
    for kex in OFF:
        check(kex not in offer, kex + " is offered")


@coppiced_only
@limit(240)
def test_ssh():
    known = sh("ssh", "-Q", "kex").decode().split()
    done = each(known, lambda s, kex: s.ssh("bob", "true", options=("KexAlgorithms=" + kex,), ok=True))
    check(len(done) >= 12, "only", done)


@coppiced_only
@limit(240)
def test_paramiko():
    paramiko = module("paramiko")

    def login(s, kex):
        c = paramiko.SSHClient()
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect(HOST, s.port, "alice", key_filename=key("ed25519"), allow_agent=False, look_for_keys=False, timeout=30)
        same(c.exec_command("id -un")[1].read(), b"alice\n", "paramiko with " + kex)
        c.close()
    done = each(list(paramiko.Transport._preferred_kex), login)
    check(len(done) >= 8, "only", done)


@coppiced_only
@limit(60)
def test_the_old_request_of_a_group():
    """RFC 4419 5, all that PuTTY before 0.65 and WinSCP of its time say; over rekeys, in one of which the connection moves."""
    try:
        import paramiko
        from paramiko.kex_gex import KexGex, KexGexSHA256
    except ImportError:
        raise NotHere("paramiko is not installed")
    new, size = KexGex.start_kex, KexGex.preferred_bits
    KexGex.start_kex = lambda self: new(self, True)
    try:
        for k, bits in ((KexGexSHA256, 2048), (KexGexSHA256, 1024), (KexGexSHA256, 3072), (KexGex, 2048)):
            KexGex.preferred_bits = bits
            with Server("KexAlgorithms " + k.name) as s:
                c = paramiko.SSHClient()
                c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
                c.connect(HOST, s.port, "alice", key_filename=key("ed25519"), allow_agent=False, look_for_keys=False, timeout=30)
                c.get_transport().renegotiate_keys()
                s.ctl("handoff")
                c.get_transport().renegotiate_keys()
                same(c.exec_command("id -un")[1].read(), b"alice\n", "%s, %d bits" % (k.name, bits))
                c.close()
    finally:
        KexGex.start_kex, KexGex.preferred_bits = new, size


@coppiced_only
@limit(240)
def test_asyncssh():
    asyncssh = module("asyncssh")

    async def talk(s, kex):
        async with asyncssh.connect(HOST, s.port, username="alice", client_keys=[key("ed25519")], known_hosts=None, config=None,
                                    kex_algs=[kex]) as c:
            same((await c.run("id -un")).stdout, "alice\n", "asyncssh with " + kex)
    from asyncssh.kex import get_kex_algs
    done = each([k.decode() for k in get_kex_algs()], lambda s, kex: asyncio.run(talk(s, kex)))
    check(len(done) >= 12 and "curve448-sha512" in done, "only", done)


@coppiced_only
@limit(240)
def test_dbclient():
    need("dbclient")
    env = dict(os.environ, HOME=SCRATCH, DROPBEAR_PASSWORD=PASSWORDS["bob"])

    def login(s, kex):
        r = subprocess.run(["dbclient", "-y", "-y", "-p", str(s.port), "bob@" + HOST, "id -un"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, env=env)
        same((r.returncode, r.stdout), (0, b"bob\n"), "dbclient with %s (%r)" % (kex, r.stderr))
    done = each(in_program(shutil.which("dbclient")), login)
    check(len(done) >= 6, "only", done)


@coppiced_only
@limit(240)
def test_plink():
    need("plink")
    need("puttygen")

    def login(s, kex):
        r = subprocess.run(putty(s, "plink", "alice@" + HOST, "id -un"), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                           timeout=60, env=dict(os.environ, HOME=SCRATCH))
        same((r.returncode, r.stdout), (0, b"alice\n"), "plink with %s (%r)" % (kex, r.stderr))
    host_key_of("host_ed25519")
    known = in_program(shutil.which("plink"))
    done = each([k for k in known if k != "diffie-hellman-group1-sha1"], login)     # of that one it warns, and goes
    check(len(done) >= 10 and "curve448-sha512" in done, "only", done)


# ---- Debian 13 ------------------------------------------------------------------------------

def trixie(*words):
    """ssh of a Debian 13 tree (tests/trixie.sh), OpenSSH 10, under that tree's own loader and libraries."""
    tree = os.environ.get("TRIXIE", "/var/tmp/trixie")
    if not os.path.exists(tree + "/usr/bin/ssh"):
        raise NotHere("no Debian 13 tree")
    return subprocess.run([tree + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", tree + "/usr/lib/x86_64-linux-gnu", tree + "/usr/bin/ssh"] +
                          list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


@coppiced_only
@limit(120)
def test_openssh_10():
    with Server() as s:
        r = trixie(*s.argv("bob", "id -un", options=("LogLevel=DEBUG1",))[1:])
        text = r.stderr.decode()
        same((r.returncode, r.stdout), (0, b"bob\n"), "OpenSSH 10 (%s)" % text[-600:])
        check("kex: algorithm: mlkem768x25519-sha256" in text, "another exchange", text)
        check("post-quantum" not in text, "it warns", text)
        for _ in range(20):
            same(trixie(*s.argv("bob", "true")[1:]).returncode, 0, "again")


@coppiced_only
@limit(120)
def test_openssh_10_every_exchange():
    def login(s, kex):
        r = trixie(*s.argv("bob", "true", options=("KexAlgorithms=" + kex,))[1:])
        same(r.returncode, 0, "%s (%r)" % (kex, r.stderr))
    done = each(trixie("-Q", "kex").stdout.decode().split(), login)
    check(len(done) >= 11, "only", done)


# ---- group exchange ---------------------------------------------------------------------------

def group_bits(s):
    r = s.ssh("bob", "true", options=("KexAlgorithms=" + GEX, "LogLevel=DEBUG3"), ok=True)
    return [int(l.rsplit(" ", 1)[1].split("/")[1]) for l in r.stderr.decode().splitlines() if "bits set: " in l][0]


@coppiced_only
def test_moduli_file():
    path = SCRATCH + "/moduli"
    with open(path, "w") as f:      # smaller than what the client asks for, and than what is built in for that
        f.write("# one group\n20220714110357 2 6 100 2047 2 %X\nrubbish\n" % modp(2048, 124476))
    with Server("KexAlgorithms +" + GEX, "ModuliFile " + path, "LogLevel VERBOSE") as s:
        same(group_bits(s), 2048, "bits of the group")
        s.logged("1 groups, 1 lines ignored")


@coppiced_only
def test_moduli_file_is_not_there():
    for line in ("ModuliFile none", "ModuliFile /nowhere/at/all"):
        with Server("KexAlgorithms +" + GEX, line) as s:
            check(group_bits(s) in (4096, 8192), line)
    path = SCRATCH + "/moduli-bad"
    with open(path, "w") as f:
        f.write("this is no such file\n" * 100)
    with Server("KexAlgorithms +" + GEX, "ModuliFile " + path) as s:
        check(group_bits(s) in (4096, 8192), "a bad file")
        s.logged("no suitable primes in " + path)
    fifo = SCRATCH + "/moduli-fifo"
    os.mkfifo(fifo)
    for path in (fifo, "/dev/zero", SCRATCH):
        with Server("KexAlgorithms +" + GEX, "ModuliFile " + path) as s:
            check(group_bits(s) in (4096, 8192), path)
            s.logged(r"could not open %s \((Invalid argument|Is a directory)\), using fixed modulus" % path)
