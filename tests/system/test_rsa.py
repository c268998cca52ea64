"""RSA from 2048 to 16384 bits: host keys and users' keys at both ends of the range, and one beyond each."""
import asyncio
import os

from cryptography.hazmat.backends import default_backend
from lab import HOST, Server, authorize, check, coppiced_only, key, limit, module, same, sh
from primes import rsa_16384


def make(bits):
    path = key("rsa_%d" % bits)
    if not os.path.exists(path):
        if bits == 16384:
            rsa_16384(path)
        else:
            sh("ssh-keygen", "-q", "-N", "", "-t", "rsa", "-b", str(bits), "-f", path)
        os.chmod(path, 0o600)
    return "rsa_%d" % bits


@coppiced_only
@limit(400)
def test_users_keys():
    names = [make(bits) for bits in (2048, 4096, 16384)]
    try:
        authorize("carol", *names)
        with Server() as s:
            for name in names:
                for alg in ("rsa-sha2-256", "rsa-sha2-512"):
                    r = s.ssh("carol", "echo in", key_name=name, options=("PubkeyAcceptedAlgorithms=" + alg,), timeout=120)
                    same((r.returncode, r.stdout), (0, b"in\n"), "%s with %s (%r)" % (name, alg, r.stderr))
    finally:
        authorize("carol", "ed25519", "ecdsa", "rsa")


def host_options(s, name):
    path = s.dir + "/known"
    with open(key(name) + ".pub") as f, open(path, "w") as out:
        out.write("%s %s" % (HOST, f.read()))
    return ("UserKnownHostsFile=" + path, "HostKeyAlgorithms=rsa-sha2-512,rsa-sha2-256", "ConnectTimeout=100")


@coppiced_only
@limit(400)
def test_host_keys():
    """The largest costs keysign a second for each login: its administrator's wish."""
    for bits in (2048, 16384):
        name = make(bits)
        with Server("HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256", hostkeys=(name,)) as s:
            for _ in range(2):
                r = s.ssh("bob", "echo in", options=host_options(s, name), timeout=120)
                same((r.returncode, r.stdout), (0, b"in\n"), "%s (%r)" % (name, r.stderr))


@coppiced_only
@limit(400)
def test_paramiko_and_a_large_host_key():
    paramiko = module("paramiko")
    with Server("HostKeyAlgorithms rsa-sha2-512,rsa-sha2-256", hostkeys=(make(16384),)) as s:
        c = paramiko.SSHClient()
        c.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        c.connect(HOST, s.port, "alice", key_filename=key("ed25519"), allow_agent=False, look_for_keys=False, timeout=100, banner_timeout=100, auth_timeout=100)
        same(c.exec_command("id -un")[1].read(), b"alice\n", "paramiko")
        same(c.get_transport().get_remote_server_key().get_bits(), 16384, "bits of the host key")
        c.close()


@coppiced_only
@limit(400)
def test_paramiko_and_asyncssh_with_a_large_users_key():
    paramiko, asyncssh = module("paramiko"), module("asyncssh")
    name = make(16384)
    checks = getattr(default_backend(), "_rsa_skip_check_key", False)      # whether the factors are primes: a minute of CPU for each load

    async def talk(s, alg):
        async with asyncssh.connect(HOST, s.port, username="carol", client_keys=[key(name)], known_hosts=None, agent_path=None, config=[], signature_algs=[alg]) as c:
            return (await c.run("echo in")).stdout
    try:
        default_backend()._rsa_skip_check_key = True
        authorize("carol", name)
        with Server("LogLevel DEBUG") as s:
            for alg in ("rsa-sha2-256", "rsa-sha2-512"):
                private = paramiko.RSAKey.from_private_key_file(key(name))
                t = paramiko.Transport((HOST, s.port))
                t._preferred_pubkeys = (alg,)
                t.start_client(timeout=100)
                t.auth_timeout = 100
                t.auth_publickey("carol", private)
                c = t.open_session()
                c.exec_command("echo in")
                same(c.makefile().read(), b"in\n", "paramiko with " + alg)
                t.close()
                same(asyncio.run(talk(s, alg)), "in\n", "asyncssh with " + alg)
                same(s.log().count("userauth_pubkey: have %s signature" % alg), 2, "logins with " + alg)
    finally:
        default_backend()._rsa_skip_check_key = checks
        authorize("carol", "ed25519", "ecdsa", "rsa")


@coppiced_only
def test_beyond_the_range():
    """1024 bits: no key of a user or a host. Who is refused is told why."""
    name = make(1024)
    try:
        authorize("carol", name)
        with Server() as s:
            r = s.ssh("carol", "echo in", key_name=name, options=("RequiredRSASize=1024",))
            check(r.returncode == 255 and b"in" not in r.stdout, "a key of 1024 bits came in", r.stderr)
        s = Server(hostkeys=(name, "host_ed25519"))
        s.logged('rsa_1024": .*of a length that is not allowed')
    finally:
        authorize("carol", "ed25519", "ecdsa", "rsa")
