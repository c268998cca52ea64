"""The other clients: PuTTY's, Dropbear's, paramiko, asyncssh."""
import asyncio
import os
import re
import shutil
import subprocess
import threading
import time

from lab import (COPPICE, HOST, PASSWORDS, SCRATCH, NotHere, Server, check, digest_of, key, limit, module, random_file, rows, same, sh, wait_until)


def need(program):
    if not shutil.which(program):
        raise NotHere(program + " is not installed")


def host_key_of(name):
    """SHA256 fingerprint for plink -hostkey"""
    return sh("ssh-keygen", "-lf", key(name) + ".pub").decode().split()[1]


def ppk():
    path = SCRATCH + "/keys/ed25519.ppk"
    if not os.path.exists(path):
        sh("puttygen", key("ed25519"), "-o", path, "-O", "private")
    return path


def putty(s, program, *words):
    return [program, "-batch", "-P", str(s.port), "-hostkey", host_key_of("host_ed25519"), "-i", ppk()] + list(words)


def test_plink():
    need("plink")
    need("puttygen")
    env = dict(os.environ, HOME=SCRATCH)
    with Server() as s:
        data = os.urandom(1 << 20)
        r = subprocess.run(putty(s, "plink", "alice@" + HOST, "cat; exit 9"), input=data, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=env)
        same((r.returncode, r.stdout), (9, data), "plink (%r)" % r.stderr)
        r = subprocess.run(["plink", "-batch", "-P", str(s.port), "-hostkey", host_key_of("host_ed25519"), "-pw", PASSWORDS["bob"], "bob@" + HOST, "id -un"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, env=env)
        same((r.returncode, r.stdout), (0, b"bob\n"), "plink by password (%r)" % r.stderr)
        r = subprocess.run(["plink", "-batch", "-P", str(s.port), "-hostkey", host_key_of("host_ed25519"), "-pw", "wrong", "bob@" + HOST, "id -un"],
                           stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=60, env=env)
        check(r.returncode != 0 and not r.stdout, "plink with a wrong password")


def putty_session(name, **settings):
    """Where PuTTY's programs find what they have no option for."""
    path = SCRATCH + "/.putty/sessions"
    os.makedirs(path, exist_ok=True)
    with open(path + "/" + name, "w") as f:
        f.write("".join("%s=%s\n" % x for x in dict(PresentIn=1, Protocol="ssh", **settings).items()))


@limit(120)
def test_plink_closes_channels_while_keys_change():
    """One connection, shared; its data never stops, its keys change all the time; channels end, or are abandoned, at any point of it."""
    need("plink")
    need("puttygen")
    putty_session("shared", RekeyBytes=16384, ConnectionSharing=1, ConnectionSharingUpstream=1, ConnectionSharingDownstream=1)
    env = dict(os.environ, HOME=SCRATCH, TMPDIR=SCRATCH, USER="root")

    def plink(s, command):
        words = putty(s, "plink", "alice@" + HOST, command)
        return subprocess.Popen(words[:1] + ["-load", "shared", "-share"] + words[1:], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env)

    def echo(p, n):
        p.stdin.write(b"x" * n)
        p.stdin.flush()
        same(len(p.stdout.read(n)), n, "echo (%r)" % (p.poll() is not None and p.stderr.read()))

    for line in ("", "RekeyLimit 16K"):
        with Server(line, "MaxSessions 100") as s:
            first, over = plink(s, "cat"), threading.Event()
            echo(first, 10)

            def flow():
                while not over.is_set():
                    echo(first, 30000)
            flowing = threading.Thread(target=flow)
            flowing.start()
            try:
                for i in range(10):
                    p, n = plink(s, "head -c %d /dev/zero; exit 3" % (5000 * i) if i % 2 else "cat"), 5000 * i
                    if i % 4 == 0:
                        echo(p, n + 1)
                        p.kill()
                        p.wait()
                        continue
                    out = p.communicate(b"" if i % 2 else b"z" * n, timeout=30)[0]
                    same((p.returncode, len(out)), (3 if i % 2 else 0, n), "channel %d" % i)
            finally:
                over.set()
                flowing.join(30)
            first.stdin.close()
            same(first.wait(20), 0, "status of the first")
            same(len(re.findall("Accepted publickey for alice", s.log())), 1, "connections")
            if COPPICE:
                wait_until(lambda: [r for r in rows(s, "stats") if r["counter"] == "rekeys" and r["value"] >= 8], text="there were no key exchanges")
            check("Disconnecting" not in s.log(), "the connection was ended")


def test_psftp():
    need("psftp")
    path, digest = random_file(2)
    putty_session("often", RekeyBytes=65536)
    with Server() as s:
        back = s.dir + "/back"
        batch = s.dir + "/batch"
        with open(batch, "w") as f:
            f.write("put %s p8\nls\nget p8 %s\nmkdir pd\nmv p8 pd/p8\nrm pd/p8\nrmdir pd\nquit\n" % (path, back))
        r = subprocess.run(putty(s, "psftp", "-load", "often", "-b", batch, "bob@" + HOST), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL,
                           timeout=120, env=dict(os.environ, HOME=SCRATCH))
        same(r.returncode, 0, "psftp (%r)" % r.stdout)
        same(digest_of(back), digest, "digest")
        check(not os.path.exists("/home/bob/pd"), "rmdir")


def test_dbclient():
    need("dbclient")
    path = SCRATCH + "/keys/dropbear"
    if not os.path.exists(path):
        sh("dropbearconvert", "openssh", "dropbear", key("ed25519"), path) if shutil.which("dropbearconvert") else sh(
            "/usr/lib/dropbear/dropbearconvert", "openssh", "dropbear", key("ed25519"), path)
    env = dict(os.environ, HOME=SCRATCH)
    with Server() as s:
        data = os.urandom(1 << 20)
        r = subprocess.run(["dbclient", "-y", "-y", "-p", str(s.port), "-i", path, "alice@" + HOST, "cat; exit 9"], input=data, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, env=env)
        same((r.returncode, r.stdout), (9, data), "dbclient (%r)" % r.stderr)
        env["DROPBEAR_PASSWORD"] = PASSWORDS["bob"]
        r = subprocess.run(["dbclient", "-y", "-y", "-p", str(s.port), "bob@" + HOST, "id -un"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=60, env=env)
        same((r.returncode, r.stdout), (0, b"bob\n"), "dbclient by password (%r)" % r.stderr)


# ---- paramiko ----------------------------------------------------------------------------------

def paramiko_client(s, user, **how):
    import paramiko
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect(HOST, s.port, user, allow_agent=False, look_for_keys=False, timeout=30, banner_timeout=30, auth_timeout=30, **how)
    return client


def test_paramiko():
    paramiko = module("paramiko")
    with Server() as s:
        for how in ({"key_filename": key("ed25519")}, {"key_filename": key("ecdsa")}, {"key_filename": key("rsa")}, {"password": PASSWORDS["alice"]}):
            client = paramiko_client(s, "alice", **how)
            stdin, stdout, stderr = client.exec_command("cat; echo err >&2; exit 12")
            data = os.urandom(3 << 20)
            stdin.write(data)
            stdin.channel.shutdown_write()
            same((stdout.read() == data, stderr.read(), stdout.channel.recv_exit_status()), (True, b"err\n", 12), "exec by %s" % list(how))
            client.close()
        for how in ({"key_filename": key("stranger")}, {"password": "wrong"}):
            try:
                paramiko_client(s, "alice", **how)
                check(False, "it got in by %s" % list(how))
            except paramiko.AuthenticationException:
                pass


def test_paramiko_sftp():
    paramiko = module("paramiko")
    path, digest = random_file(8)
    with Server() as s:
        client = paramiko_client(s, "bob", key_filename=key("ed25519"))
        sftp = client.open_sftp()
        sftp.put(path, "para")
        same(sftp.stat("para").st_size, 8 << 20, "size")
        sftp.get("para", s.dir + "/back")
        same(digest_of(s.dir + "/back"), digest, "digest")
        sftp.mkdir("pd")
        sftp.posix_rename("para", "pd/para")
        same(sftp.listdir("pd"), ["para"], "directory")
        with sftp.open("pd/para", "r+") as f:
            f.seek(1000)
            f.write(b"changed")
            f.seek(998)
            same(f.read(9)[2:], b"changed", "what was written")
            f.truncate(2000)
        same(sftp.lstat("pd/para").st_size, 2000, "size after truncate")
        sftp.symlink("para", "pd/link")
        same(sftp.readlink("pd/link"), "para", "link")
        sftp.chmod("pd/para", 0o600)
        sftp.utime("pd/para", (1, 2))
        same(sftp.stat("pd/link").st_mtime, 2, "time")
        same(sftp.normalize("pd/../pd/./para"), "/home/bob/pd/para", "realpath")
        try:
            sftp.open("none")
            check(False, "a file that is not there was opened")
        except FileNotFoundError:
            pass
        for name in ("pd/link", "pd/para"):
            sftp.remove(name)
        sftp.rmdir("pd")
        client.close()


def test_paramiko_channels():
    module("paramiko")
    with Server() as s:
        client = paramiko_client(s, "alice", key_filename=key("ed25519"))
        t = client.get_transport()
        chans = []
        for i in range(8):
            c = t.open_session()
            if i % 2:
                c.get_pty("vt100", 80 + i, 24)
            c.exec_command("echo %d; exit %d" % (i, i))
            chans.append(c)
        for i, c in enumerate(chans):
            out = b""
            while True:
                got = c.recv(1000)
                if not got:
                    break
                out += got
            same((out.strip(), c.recv_exit_status()), (b"%d" % i, i), "channel")
        for c in chans:
            c.close()
        time.sleep(0.5)             # it trips over a late CLOSE of its own while it renegotiates
        t.renegotiate_keys()
        c = t.open_session()
        c.exec_command("echo after")
        same(c.makefile().read(), b"after\n", "after a rekey")
        client.close()


# ---- asyncssh ------------------------------------------------------------------------------------

def asyncssh_connect(s, user, **how):
    import asyncssh
    return asyncssh.connect(HOST, s.port, username=user, known_hosts=None, agent_path=None, config=[], **how)


def asyncssh_signal(s):
    async def go():
        async with asyncssh_connect(s, "bob", client_keys=[key("ed25519")]) as c:
            p = await c.create_process("exec sleep 1000", encoding=None)
            await asyncio.sleep(0.5)
            p.send_signal("TERM")
            r = await asyncio.wait_for(p.wait(), 20)
            return (r.exit_signal[0], None) if r.exit_signal else (None, r.exit_status)
    return asyncio.run(go())


def test_asyncssh():
    asyncssh = module("asyncssh")

    async def go(s):
        for how in ({"client_keys": [key("ed25519")]}, {"client_keys": [key("ecdsa")]}, {"client_keys": [key("rsa")]},
                    {"client_keys": None, "password": PASSWORDS["alice"]}):
            async with asyncssh_connect(s, "alice", **how) as c:
                data = os.urandom(2 << 20)
                r = await c.run("cat; exit 5", input=data, encoding=None)
                same((r.stdout == data, r.exit_status), (True, 5), "exec by %s" % list(how))
        async with asyncssh_connect(s, "alice", client_keys=[key("ed25519")]) as c:
            results = await asyncio.gather(*[c.run("echo %d; exit %d" % (i, i)) for i in range(8)])
            for i, r in enumerate(results):
                same((r.stdout, r.exit_status), ("%d\n" % i, i), "channel")
            p = await c.create_process(term_type="xterm", term_size=(90, 30))
            p.stdin.write("stty size; exit\n")
            out = await p.stdout.read()
            check("30 90" in out, "size of the terminal", out)
        try:
            async with asyncssh_connect(s, "alice", client_keys=[key("stranger")]):
                check(False, "it got in")
        except asyncssh.PermissionDenied:
            pass

    with Server() as s:
        asyncio.run(go(s))


def asyncssh_rekeys(s, limit):
    """Data both ways, then channels at once, over many key exchanges of its own."""
    async def go():
        async with asyncssh_connect(s, "alice", client_keys=[key("ed25519")], rekey_bytes=limit) as c:
            data = os.urandom(1 << 20)
            r = await asyncio.wait_for(c.run("cat; exit 5", input=data, encoding=None), 60)
            same((r.stdout == data, r.exit_status), (True, 5), "exec over key exchanges")
            p = await c.create_process("cat", encoding=None)
            for at in range(0, len(data), 32768):
                p.stdin.write(data[at:at + 32768])
                same(await asyncio.wait_for(p.stdout.readexactly(32768), 20), data[at:at + 32768], "echo at %d" % at)
            p.stdin.write_eof()
            same((await asyncio.wait_for(p.wait(), 20)).exit_status, 0, "status of cat")
            results = await asyncio.gather(*[c.run("echo %d; exit %d" % (i, i)) for i in range(8)])
            for i, r in enumerate(results):
                same((r.stdout, r.exit_status), ("%d\n" % i, i), "channel")
    asyncio.run(go())


@limit(120)
def test_asyncssh_rekeys():
    """Debian's does not stop talking at its KEXINIT (RFC 4253 7.1)."""
    module("asyncssh")
    for line, limit in (("", 64 << 10), ("RekeyLimit 64K", 1 << 30)):          # it begins them, or the server
        with Server(line) as s:
            asyncssh_rekeys(s, limit)
            if COPPICE:
                wait_until(lambda: [r for r in rows(s, "stats") if r["counter"] == "rekeys" and r["value"] >= 8], text="there were no key exchanges")


def test_asyncssh_sftp():
    module("asyncssh")
    path, digest = random_file(8)

    async def go(s):
        async with asyncssh_connect(s, "bob", client_keys=[key("ed25519")]) as c:
            async with c.start_sftp_client() as sftp:
                await sftp.put(path, "async")
                await sftp.get("async", s.dir + "/back")
                v = await sftp.statvfs(".")
                check(v.bsize > 0, "statvfs")
                await sftp.link("async", "hard")
                same((await sftp.stat("hard")).size, 8 << 20, "size")
                async with sftp.open("async", "r+b") as f:
                    await f.fsync()
                await sftp.remove("async")
                await sftp.remove("hard")
        same(digest_of(s.dir + "/back"), digest, "digest")

    with Server() as s:
        asyncio.run(go(s))
