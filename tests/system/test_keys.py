"""Every type of host and user key, in every format a tool writes, with the clients that know it; agents and certificates of hosts."""
import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import threading

from lab import (BUILD, HOST, SCRATCH, NotHere, Server, authorize, check, coppiced_only, key, module, public, same, sh, wait_until)
from test_daemon import run

RANDOM = ("--random-device", "/dev/urandom")
ALL = "+ssh-rsa,ssh-dss"
# name of the key: ssh-keygen's or puttygen's words, algorithms that use it
TYPES = {
    "t_ed25519": ("-t ed25519", ("ssh-ed25519",)),
    "t_p256": ("-t ecdsa -b 256", ("ecdsa-sha2-nistp256",)),
    "t_p384": ("-t ecdsa -b 384", ("ecdsa-sha2-nistp384",)),
    "t_p521": ("-t ecdsa -b 521", ("ecdsa-sha2-nistp521",)),
    "t_rsa": ("-t rsa -b 3072", ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")),
    "t_dsa": ("-t dsa", ("ssh-dss",)),
    "t_ed448": (None, ("ssh-ed448",)),
}


def make(name, words=None, password=""):
    """A key pair under this name; words of ssh-keygen."""
    path = key(name)
    if os.path.exists(path + ".pub"):
        return path
    words = words or TYPES[name][0]
    if words:
        sh("ssh-keygen", "-q", "-N", password, "-C", name, "-f", path, *words.split())
    else:
        if not shutil.which("puttygen"):
            raise NotHere("puttygen is not installed")
        sh("puttygen", "-q", *RANDOM, "-t", "ed448", "-O", "private-openssh-new", "--new-passphrase", "/dev/null", "-C", name, "-o", path)
        os.chmod(path, 0o600)
        with open(path + ".pub", "wb") as f:
            f.write(sh("puttygen", path, "-O", "public-openssh"))
    return path


def allow(*names):
    """alice has these keys, and those she has in other tests."""
    authorize("alice", "ed25519", "ecdsa", "rsa", *names)


def ppk(name):
    path = make(name) + ".ppk"
    if not os.path.exists(path):
        sh("puttygen", make(name), "-o", path, "-O", "private")
    return path


def fingerprint(path):
    words = sh("puttygen", "-l", path).decode() if "ed448" in path else sh("ssh-keygen", "-lf", path).decode()
    return next(w for w in words.split() if w.startswith("SHA256:"))


def ssh_kinds():
    return [(n, a) for n, (words, algs) in TYPES.items() if words for a in algs]


def all_types(*more, hostkeys=tuple(TYPES)):
    """A server that shows a key of every type and takes every algorithm; alice has one of each."""
    for name in TYPES:
        make(name)
    allow(*TYPES)
    s = Server("HostKeyAlgorithms " + ALL, "PubkeyAcceptedAlgorithms " + ALL, *more, hostkeys=hostkeys, wait=False)
    s.start()
    return s


def known(s, *names, extra=""):
    path = s.dir + "/known"
    with open(path, "w") as f:
        for n in names:
            with open(key(n) + ".pub") as pub:
                f.write("%s %s" % (HOST, pub.read()))
        f.write(extra)
    return path


def by_ssh(s, name, host_alg=None, user_alg=None, known_hosts=None, more=()):
    options = ["UserKnownHostsFile=" + (known_hosts or "/dev/null"), "StrictHostKeyChecking=" + ("yes" if known_hosts else "no")]
    if host_alg:
        options.append("HostKeyAlgorithms=" + host_alg)
    if user_alg:
        options.append("PubkeyAcceptedAlgorithms=" + user_alg)
    return s.ssh("alice", "echo in", key_name=name, options=tuple(options) + tuple(more))


# ---- host keys --------------------------------------------------------------------------------------------------

def test_host_keys_ssh():
    with all_types() as s:
        for name, alg in ssh_kinds():
            r = by_ssh(s, "t_ed25519", host_alg=alg, known_hosts=known(s, name))
            same((r.returncode, r.stdout), (0, b"in\n"), "host key %s (%r)" % (alg, r.stderr))


@coppiced_only      # Ed448
def test_host_keys_plink():
    if not shutil.which("plink"):
        raise NotHere("plink is not installed")
    env = dict(os.environ, HOME=SCRATCH)
    for name in ("t_ed25519", "t_ed448", "t_p256", "t_p384", "t_p521", "t_rsa", "t_dsa"):
        make(name)
        allow("t_ed25519")
        with Server("HostKeyAlgorithms " + ALL, hostkeys=(name,)) as s:
            r = run("plink", "-batch", "-P", str(s.port), "-hostkey", fingerprint(key(name) + ".pub"), "-i", ppk("t_ed25519"), "alice@" + HOST, "echo in", env=env)
            same((r.returncode, r.stdout), (0, b"in\n"), "plink, host key %s (%r)" % (name, r.stderr))


def test_host_keys_dbclient():
    if not shutil.which("dbclient"):
        raise NotHere("dbclient is not installed")
    user = make("t_db", "-t ed25519")
    allow("t_db")
    drop = user + ".dropbear"
    if not os.path.exists(drop):
        sh("dropbearconvert", "openssh", "dropbear", user, drop)
    for name in ("t_ed25519", "t_p256", "t_p384", "t_p521", "t_rsa"):
        make(name)
        with Server(hostkeys=(name,)) as s:
            r = run("dbclient", "-y", "-y", "-p", str(s.port), "-i", drop, "alice@" + HOST, "echo in", env=dict(os.environ, HOME=s.dir))
            same((r.returncode, r.stdout), (0, b"in\n"), "dbclient, host key %s (%r)" % (name, r.stderr))


def paramiko_login(s, name, disabled):
    import paramiko
    loaders = {"t_ed25519": paramiko.Ed25519Key, "t_rsa": paramiko.RSAKey, "t_dsa": paramiko.DSSKey}
    k = loaders.get(name, paramiko.ECDSAKey).from_private_key_file(make(name))
    t = paramiko.Transport((HOST, s.port), disabled_algorithms=disabled)
    try:
        t.start_client(timeout=30)
        shown = t.host_key_type
        t.auth_publickey("alice", k)
        c = t.open_session()
        c.exec_command("echo in")
        same(c.makefile().read(), b"in\n", "paramiko with %s" % name)
        return shown
    finally:
        t.close()


def test_paramiko():
    paramiko = module("paramiko")
    every = list(paramiko.Transport._preferred_keys)
    with all_types() as s:
        for name, alg in (("t_ed25519", "ssh-ed25519"), ("t_p256", "ecdsa-sha2-nistp256"), ("t_p384", "ecdsa-sha2-nistp384"), ("t_p521", "ecdsa-sha2-nistp521"),
                          ("t_rsa", "rsa-sha2-512"), ("t_rsa", "rsa-sha2-256"), ("t_rsa", "ssh-rsa"), ("t_dsa", "ssh-dss")):
            same(paramiko_login(s, name, {"keys": [x for x in every if x != alg]}), alg, "host key of paramiko")


@coppiced_only      # Ed448
def test_asyncssh():
    asyncssh = module("asyncssh")

    def pair(name):     # it does not take PuTTY's padding of an Ed448 file
        return asyncssh.generate_private_key("ssh-ed448") if name == "t_ed448" else asyncssh.read_private_key(make(name))

    async def login(s, k, name, alg):
        async with asyncssh.connect(HOST, s.port, username="alice", client_keys=[k], known_hosts=None, server_host_key_algs=[alg],
                                    signature_algs=[alg], agent_path=None, config=None) as c:
            same((await c.run("echo in", check=True)).stdout, "in\n", "asyncssh with %s" % alg)

    with all_types() as s:
        pairs = {name: pair(name) for name in TYPES}
        authorize("alice", "ed25519", "ecdsa", "rsa", raw="".join(public(n) + "\n" for n in ("ed25519", "ecdsa", "rsa")) +
                  "".join(k.export_public_key().decode() for k in pairs.values()))
        for name, (_, algs) in TYPES.items():
            for alg in algs:
                asyncio.run(asyncio.wait_for(login(s, pairs[name], name, alg), 60))


@coppiced_only
def test_rsa_too_short():
    short = make("t_rsa1024", "-t rsa -b 1024")
    with Server("HostKey " + short) as s:
        s.logged(r'Unable to load host key "%s": line 1: its numbers make no key, or one of a length that is not allowed' % short)


# ---- user keys ----------------------------------------------------------------------------------------------------

def test_user_keys_ssh():
    with all_types() as s:
        for name, alg in ssh_kinds():
            r = by_ssh(s, name, user_alg=alg)
            same((r.returncode, r.stdout), (0, b"in\n"), "user key %s (%r)" % (alg, r.stderr))
        for n in ("ED25519", "ECDSA", "RSA", "DSA"):
            s.logged(r"Accepted publickey for alice from \S+ port \d+ ssh2: %s SHA256:" % n)


@coppiced_only      # Ed448
def test_user_keys_plink():
    if not shutil.which("plink"):
        raise NotHere("plink is not installed")
    env = dict(os.environ, HOME=SCRATCH)
    with all_types(hostkeys=("t_ed25519",)) as s:
        for name in TYPES:
            r = run("plink", "-batch", "-P", str(s.port), "-hostkey", fingerprint(key("t_ed25519") + ".pub"), "-i", ppk(name), "alice@" + HOST, "echo in", env=env)
            same((r.returncode, r.stdout), (0, b"in\n"), "plink with %s (%r)" % (name, r.stderr))
        s.logged(r"Accepted publickey for alice from \S+ port \d+ ssh2: ED448 SHA256:")


@coppiced_only
def test_off_by_default():
    for name in TYPES:
        make(name)
    allow(*TYPES)
    with Server(hostkeys=("t_rsa", "t_dsa")) as s:
        for alg in ("ssh-rsa", "ssh-dss"):
            r = by_ssh(s, "t_ed25519", host_alg=alg)
            check(r.returncode == 255 and b"in" not in r.stdout, "host key algorithm %s" % alg, r)
        def by(alg, name):
            return by_ssh(s, name, host_alg="rsa-sha2-512", user_alg=alg)
        same(by("rsa-sha2-256", "t_rsa").returncode, 0, "RSA with SHA-2")
        for alg, name in (("ssh-rsa", "t_rsa"), ("ssh-dss", "t_dsa")):
            check(by(alg, name).returncode == 255, "user algorithm %s" % alg)


# ---- host key files ---------------------------------------------------------------------------------------------------

FORMATS = {     # name: what makes the private key at $K
    "pem_rsa": "ssh-keygen -q -m PEM -t rsa -b 2048 -N '' -f $K",
    "pem_ec": "openssl ecparam -genkey -name prime256v1 -out $K",
    "pkcs8_rsa": "openssl genpkey -algorithm rsa -out $K 2>/dev/null",
    "pkcs8_ed25519": "openssl genpkey -algorithm ed25519 -out $K",
    "pkcs8_p521": "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521 -out $K",
    "putty_ed25519": "puttygen -q --random-device /dev/urandom -t ed25519 -O private-openssh-new --new-passphrase /dev/null -o $K",
}


@coppiced_only
def test_host_key_formats():
    make("t_ed25519")
    allow("t_ed25519")
    for name, command in FORMATS.items():
        path = key("f_" + name)
        if not os.path.exists(path):
            subprocess.run(command, shell=True, check=True, env=dict(os.environ, K=path))
            os.chmod(path, 0o600)
        with Server(hostkeys=("f_" + name,)) as s:
            r = by_ssh(s, "t_ed25519")
            same((r.returncode, r.stdout), (0, b"in\n"), "host key file %s (%r)" % (name, r.stderr))


@coppiced_only
def test_bad_host_key_files():
    make("t_ed25519")
    allow("t_ed25519")
    locked, pem = make("t_locked", "-t ed25519", "secret"), make("t_locked_pem", "-t rsa -m PEM", "secret")
    texts = {
        "x_base64": "-----BEGIN PRIVATE KEY-----\nMC4C\nM.4C\n-----END PRIVATE KEY-----\n",
        "x_end": "-----BEGIN PRIVATE KEY-----\nMC4C\n",
        "x_none": "hello\n",
    }
    for name, text in texts.items():
        with open(key(name), "w") as f:
            f.write(text)
        os.chmod(key(name), 0o600)
    lines = ["HostKey " + x for x in (locked, pem, key("x_base64"), key("x_end"), key("x_none"), make("t_p256") + ".pub")]
    with Server(*lines) as s:
        s.ssh("alice", "true", key_name="t_ed25519", ok=True)
        for path, why in ((locked, "it needs a passphrase, which only an agent can give \\(HostKeyAgent\\)"),
                          (pem, "it needs a passphrase, which only an agent can give \\(HostKeyAgent\\)"),
                          (key("x_base64"), "line 3: not base64"), (key("x_end"), "line 2: the END line is missing"),
                          (key("x_none"), "no private key in it: there is no line -----BEGIN ...-----"),
                          (key("t_p256") + ".pub", "a public key; its private half would have to be in an agent \\(HostKeyAgent\\)")):
            s.logged(r'Unable to load host key "%s": %s' % (path, why))
        r = run(s.program(), "-t", "-f", s.conf)
        same(r.returncode, 0, "-t: the others work")
        check(b"line 3: not base64" in r.stderr, "-t says what is wrong", r.stderr)


# ---- HostKeyAgent ---------------------------------------------------------------------------------------------------------

class Agent:
    def __init__(self, path, *names):
        self.path = path
        self.start(*names)

    def start(self, *names):
        if os.path.exists(self.path):
            os.unlink(self.path)
        self.process = subprocess.Popen(["ssh-agent", "-D", "-a", self.path], stdout=subprocess.DEVNULL)
        wait_until(lambda: os.path.exists(self.path), 10, text="the agent does not start")
        for n in names:
            sh("ssh-add", "-q", key(n), env=dict(os.environ, SSH_AUTH_SOCK=self.path))

    def stop(self):
        self.process.terminate()
        self.process.wait()


def host_of(s, name, alg):
    return by_ssh(s, "t_ed25519", host_alg=alg, known_hosts=known(s, name))


def test_host_key_agent():
    for n in ("t_ed25519", "t_p384", "t_rsa"):
        make(n)
    allow("t_ed25519")
    a = Agent(SCRATCH + "/agent-1", "t_p384", "t_rsa", "t_ed25519")
    try:
        with Server("HostKeyAgent " + a.path, "HostKey %s.pub" % key("t_p384"), "HostKey %s.pub" % key("t_rsa"), "HostKey %s.pub" % key("t_ed25519"), hostkeys=()) as s:
            for name, alg in (("t_p384", "ecdsa-sha2-nistp384"), ("t_rsa", "rsa-sha2-512"), ("t_rsa", "rsa-sha2-256"), ("t_ed25519", "ssh-ed25519")):
                r = host_of(s, name, alg)
                same((r.returncode, r.stdout), (0, b"in\n"), "%s by the agent (%r)" % (alg, r.stderr))
            data = os.urandom(3 << 20)      # rekeys, too
            r = s.ssh("alice", "cat", key_name="t_ed25519", options=("RekeyLimit=1M", "HostKeyAlgorithms=ecdsa-sha2-nistp384", "UserKnownHostsFile=" + known(s, "t_p384")), input=data)
            same((r.returncode, r.stdout == data), (0, True), "rekeys by the agent (%r)" % r.stderr)
    finally:
        a.stop()


@coppiced_only
def test_host_key_agent_comes_and_goes():
    make("t_ed25519"), make("t_p384"), make("t_p256")
    locked = make("t_locked", "-t ed25519", "secret")
    allow("t_ed25519")
    a = Agent(SCRATCH + "/agent-2", "t_p384")
    try:
        # a private file with a passphrase that the agent does not have, and one in a file
        s = Server("HostKeyAgent SSH_AUTH_SOCK", "HostKey %s.pub" % key("t_p384"), "HostKey " + locked, hostkeys=("t_p256",), wait=False)
        env = s.env
        s.env = lambda: dict(env(), SSH_AUTH_SOCK=a.path)
        s.start()
        s.logged(r'Unable to load host key "%s": the agent does not have it' % locked)
        same(host_of(s, "t_p384", "ecdsa-sha2-nistp384").returncode, 0, "the agent's key")
        first = s.pid_of("keysign")
        a.stop()
        s.logged(r"HostKeyAgent: the agent is gone")
        same(host_of(s, "t_p256", "ecdsa-sha2-nistp256").returncode, 0, "keys in files still sign")
        same(s.pid_of("keysign"), first, "nobody wanted the lost one's")
        a.start("t_p384")
        wait_until(lambda: host_of(s, "t_p384", "ecdsa-sha2-nistp384").returncode == 0, 60, every=1, text="the agent was not found again")
        check(s.pid_of("keysign") != first, "it started anew")
        s.stop()
        a.stop()
        # not there at the start: its keys are offered all the same, and found when it comes
        s = Server("HostKeyAgent " + a.path, "HostKey %s.pub" % key("t_p384"), hostkeys=("t_p256",))
        s.logged(r"HostKeyAgent: agent at %s: " % a.path)
        same(host_of(s, "t_p256", "ecdsa-sha2-nistp256").returncode, 0, "keys in files")
        check(host_of(s, "t_p384", "ecdsa-sha2-nistp384").returncode != 0, "a key that nobody holds")
        s.stop()
    finally:
        if a.process.poll() is None:
            a.stop()


@coppiced_only
def test_agent_that_misbehaves():
    """Garbage, silence and signatures of another key end in a warning or a refused login."""
    make("t_ed25519"), make("t_p256")
    allow("t_ed25519")
    for answer in (b"\0\0\0\1\5", b"\xff\xff\xff\xff", b"\0\0\0\5\x0c\0\0\0\1", b""):
        path = SCRATCH + "/agent-bad"
        if os.path.exists(path):
            os.unlink(path)
        with socket.socket(socket.AF_UNIX) as door:
            door.bind(path)
            door.listen(8)
            door.settimeout(20)
            s = Server("HostKeyAgent " + path, "HostKey %s.pub" % key("t_ed25519"), hostkeys=("t_p256",), wait=False)

            def serve():
                try:
                    c, _ = door.accept()
                    c.recv(100)
                    c.sendall(answer)
                    c.close()
                except OSError:
                    pass
            t = threading.Thread(target=serve)
            t.start()
            s.start()
            t.join()
            same(host_of(s, "t_p256", "ecdsa-sha2-nistp256").returncode, 0, "keys in files")
            s.stop()


# ---- HostCertificate ---------------------------------------------------------------------------------------------------------

def certified(name, ca, *more, serial=7):
    """A host certificate of a copy of the key, signed by ca."""
    path = "%s/certs/%s-%s" % (SCRATCH, name, ca)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    shutil.copy(make(name) + ".pub", path + ".pub")
    sh("ssh-keygen", "-q", "-s", key(ca), "-I", "host " + name, "-z", str(serial), *more, path + ".pub")
    return path + "-cert.pub"


def authority(s, ca):
    path = s.dir + "/authority"
    with open(key(ca) + ".pub") as pub, open(path, "w") as f:
        f.write("@cert-authority %s %s" % (HOST, pub.read()))
    return path


def test_host_certificates():
    make("t_ca", "-t ed25519"), make("t_ca_rsa", "-t rsa -b 3072")
    names = ("t_ed25519", "t_p256", "t_p384", "t_p521", "t_rsa")
    for n in names:
        make(n)
    allow("t_ed25519")
    certs = [certified(n, "t_ca" if n != "t_p521" else "t_ca_rsa", "-h", "-n", HOST, "-V", "-1h:+1d") for n in names]
    with Server(*["HostCertificate " + c for c in certs], hostkeys=names) as s:
        for alg, ca in (("ssh-ed25519-cert-v01@openssh.com", "t_ca"), ("ecdsa-sha2-nistp256-cert-v01@openssh.com", "t_ca"), ("ecdsa-sha2-nistp384-cert-v01@openssh.com", "t_ca"),
                        ("ecdsa-sha2-nistp521-cert-v01@openssh.com", "t_ca_rsa"), ("rsa-sha2-512-cert-v01@openssh.com", "t_ca"), ("rsa-sha2-256-cert-v01@openssh.com", "t_ca")):
            r = by_ssh(s, "t_ed25519", host_alg=alg, known_hosts=authority(s, ca))
            same((r.returncode, r.stdout), (0, b"in\n"), "%s (%r)" % (alg, r.stderr))
        r = by_ssh(s, "t_ed25519", known_hosts=authority(s, "t_ca"))
        same(r.returncode, 0, "with ssh's own choice (%r)" % r.stderr)
        check(by_ssh(s, "t_ed25519", host_alg="ssh-ed25519-cert-v01@openssh.com", known_hosts=authority(s, "t_ca_rsa")).returncode == 255, "another authority")
        same(by_ssh(s, "t_ed25519", host_alg="ssh-ed25519", known_hosts=known(s, "t_ed25519")).returncode, 0, "the plain key is there, too")
        data = os.urandom(3 << 20)
        r = s.ssh("alice", "cat", key_name="t_ed25519", options=("RekeyLimit=1M", "HostKeyAlgorithms=ssh-ed25519-cert-v01@openssh.com", "UserKnownHostsFile=" + authority(s, "t_ca")), input=data)
        same((r.returncode, r.stdout == data), (0, True), "rekeys under a certificate (%r)" % r.stderr)


@coppiced_only
def test_certificates_that_cannot_be_used():
    make("t_ca", "-t ed25519")
    for n in ("t_ed25519", "t_p256", "t_p384"):
        make(n)
    allow("t_ed25519")
    user = certified("t_p256", "t_ca", "-n", "alice")
    os.rename(user, user + "-user")
    other = certified("t_p384", "t_ca", "-h", "-n", HOST)
    expired = certified("t_ed25519", "t_ca", "-h", "-n", HOST, "-V", "20200101:20200102")
    broken = SCRATCH + "/certs/broken"
    with open(other) as f, open(broken, "w") as g:
        words = f.read().split()
        g.write(words[0] + " " + words[1][:300] + ("A" if words[1][300] != "A" else "B") + words[1][301:] + "\n")
    lines = ["HostCertificate " + x for x in (user + "-user", other, broken, expired, key("t_p256") + ".pub", "/nonexistent")]
    with Server(*lines, hostkeys=("t_ed25519", "t_p256")) as s:
        s.ssh("alice", "true", key_name="t_ed25519", options=("UserKnownHostsFile=" + known(s, "t_p256"),), ok=True)
        for path, why in ((user + "-user", "it is a user's certificate, not a host's"), (other, "no HostKey is the key it is about"),
                          (broken, ""), (key("t_p256") + ".pub", "it is no certificate of a type that we have"), ("/nonexistent", "No such file")):
            s.logged(r'Unable to load host key "%s": .*%s' % (path, why))
        s.logged(r'Host certificate "%s": it has expired' % expired)


@coppiced_only
def test_certificate_after_reload_and_by_agent():
    make("t_ca", "-t ed25519"), make("t_p384"), make("t_ed25519"), make("t_p256")
    allow("t_ed25519")
    cert = certified("t_p384", "t_ca", "-h", "-n", HOST, "-V", "-1h:+1d")
    a = Agent(SCRATCH + "/agent-3", "t_p384")
    alg = "ecdsa-sha2-nistp384-cert-v01@openssh.com"
    try:
        with Server(hostkeys=("t_p256",)) as s:
            check(by_ssh(s, "t_ed25519", host_alg=alg, known_hosts=authority(s, "t_ca")).returncode == 255, "no certificate yet")
            s.write("HostKeyAgent " + a.path, "HostKey %s.pub" % key("t_p384"), "HostCertificate " + cert)
            os.kill(s.pid, signal.SIGHUP)
            wait_until(lambda: by_ssh(s, "t_ed25519", host_alg=alg, known_hosts=authority(s, "t_ca")).returncode == 0, 30, every=0.5, text="the reload brings the certificate")
    finally:
        a.stop()


# ---- -Q -------------------------------------------------------------------------------------------------------------------

@coppiced_only
def test_query():
    program = BUILD + "/sbin/coppiced"

    def first(what):
        return [x.split()[0] for x in run(program, "-Q", what).stdout.decode().splitlines()]

    check("aes128-gcm@openssh.com" in first("cipher") and "hmac-sha2-256" in first("mac") and "curve25519-sha256" in first("kex") and "none" in first("compression"), "-Q")
    same(first("key")[-7:], ["ssh-ed25519", "ssh-ed448", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521", "ssh-rsa", "ssh-dss"], "-Q key")
    same(first("sig"), first("PubkeyAcceptedAlgorithms"), "a keyword is a question")
    same(first("HostKeyAlgorithms"), [x.split("-cert")[0] + "-cert-v01@openssh.com" for x in first("key-sig") if "-cert-" in x] + first("sig"), "certificates first")
    lines = run(program, "-Q", "sig").stdout.decode().splitlines()
    off = [x for x in lines if " " in x]
    check({x.split()[0] for x in off} == {"ssh-rsa", "ssh-dss"} and all(re.match(r"\S+ +off by default: \S", x) for x in off), "reasons", off)
    same(first("protocol-version"), ["2"])
    same(first("cipher-auth"), [x for x in first("cipher") if "poly1305" in x or "gcm" in x.lower()], "ciphers that need no MAC")
    same(first("key-ca-sign"), first("sig"))
    # whatever ssh can be asked, and every keyword with a list, its old name too; a direction knows what both know
    asked = sh("ssh", "-Q", "help").decode().split()
    check(len(asked) > 8 and set(asked) - {"kex-gss"} <= set(first("help")), "ssh's words", asked, first("help"))
    for what in first("help"):
        check(first(what), "nothing to say of " + what)
    for both in ("Ciphers", "MACs", "CompressionAlgorithms"):
        same(first(both + "ClientToServer"), first(both))
        same(first(both + "ServerToClient"), first(both))
    same(first("pubkeyacceptedkeytypes"), first("PubkeyAcceptedAlgorithms"))
    check(run(program, "-Q", "Port").returncode == 1 and run(program, "-Q", "kex-gss").returncode == 1, "what there is none of")
    r = run(program, "-Q", "nonsense")
    check(r.returncode == 1 and b"-Q help" in r.stderr, "an unknown question", r)
    # what -Q says is off is what -T leaves out
    with Server(wait=False) as s:
        said = run(program, "-T", "-f", s.conf).stdout.decode()
        on = [x for x in lines if " " not in x]
        check(re.search(r"(?im)^pubkeyacceptedalgorithms %s$" % re.escape(",".join(on)), said), "-T", said)
