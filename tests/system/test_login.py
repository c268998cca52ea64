"""Who gets in, by which proof, and what is said about it."""
import os
import re
import subprocess
import time

from lab import (COPPICE, PASSWORDS, SCRATCH, Server, UIDS, authorize, check, coppiced_only, key, limit, public, same, sh, wait_until)


def fingerprint(name):
    return sh("ssh-keygen", "-lf", key(name) + ".pub").decode().split()[1]


def test_each_key_type():
    with Server() as s:
        for name, algorithms in (("ed25519", ["ssh-ed25519"]), ("ecdsa", ["ecdsa-sha2-nistp256"]), ("rsa", ["rsa-sha2-256", "rsa-sha2-512"])):
            for algorithm in algorithms:
                r = s.ssh("alice", "id -un", key_name=name, options=("PubkeyAcceptedAlgorithms=" + algorithm,), ok=True)
                same(r.stdout, b"alice\n", "who it is")
            kind = {"ed25519": "ED25519", "ecdsa": "ECDSA", "rsa": "RSA"}[name]
            s.logged(r"Accepted publickey for alice from 127\.0\.0\.1 port \d+ ssh2: %s %s" % (kind, re.escape(fingerprint(name))))


def test_each_host_key_type():
    with Server() as s:
        for algorithm in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-256", "rsa-sha2-512"):
            s.ssh("alice", "true", options=("HostKeyAlgorithms=" + algorithm,), ok=True)


def test_ssh_rsa_sha1_is_not_accepted():
    with Server() as s:
        s.ssh("alice", "true", key_name="rsa", options=("PubkeyAcceptedAlgorithms=ssh-rsa",), ok=False)
        s.ssh("alice", "true", options=("HostKeyAlgorithms=ssh-rsa",), ok=False)


def test_all_users():
    with Server("PermitRootLogin yes") as s:
        for user, uid in (("alice", 2001), ("bob", 2002), ("root", 0)):
            same(s.ssh(user, "id -u; id -g", ok=True).stdout, b"%d\n%d\n" % (uid, uid), "ids")
        check(b"3000" in s.ssh("carol", "id -G", ok=True).stdout, "the second group is missing")


def test_password():
    with Server() as s:
        r = s.password("alice", PASSWORDS["alice"], "id -un")
        same((r.returncode, r.stdout), (0, b"alice\n"), "result")
        s.logged(r"Accepted password for alice from 127\.0\.0\.1 port \d+ ssh2")


def test_keyboard_interactive():
    with Server() as s:
        r = s.password("bob", PASSWORDS["bob"], "id -un", method="keyboard-interactive")
        if COPPICE:
            same((r.returncode, r.stdout), (0, b"bob\n"), "result")
            s.logged(r"Accepted keyboard-interactive(/\S+)? for bob from 127\.0\.0\.1 port \d+ ssh2")
        r = s.password("bob", "wrong", "id -un", method="keyboard-interactive")
        same(r.returncode, 255, "status with a wrong answer")


def test_wrong_password():
    with Server() as s:
        for wrong in ("wrong", "", PASSWORDS["alice"] + " ", PASSWORDS["alice"][:-1], "x" * 1000, "x" * 2000):
            same(s.password("alice", wrong, "true").returncode, 255, "status with password %r" % wrong[:20])
        s.logged(r"Failed password for alice from 127\.0\.0\.1 port \d+ ssh2")
        same(s.password("alice", PASSWORDS["alice"], "true").returncode, 0, "status with the right one")


def test_wrong_key():
    with Server() as s:
        r = s.ssh("alice", "true", key_name="stranger", ok=False)
        check(b"Permission denied" in r.stderr, "what the client saw", r.stderr)
        s.logged(r"(Failed publickey for alice|Connection closed by authenticating user alice 127\.0\.0\.1)")


def test_unknown_user():
    with Server() as s:
        r = s.ssh("nobody-here", "true", ok=False)
        check(b"Permission denied" in r.stderr, "what the client saw", r.stderr)
        s.logged(r"Invalid user nobody-here from 127\.0\.0\.1 port \d+")
        same(s.password("nobody-here", "x", "true").returncode, 255, "status")
        s.logged(r"Failed password for invalid user nobody-here from 127\.0\.0\.1 port \d+ ssh2")


def methods(s, user):
    """What the method none is told."""
    r = s.ssh(user, "true", key_name=None, options=("PreferredAuthentications=none", "PubkeyAuthentication=no"))
    return re.search(rb"\(([a-z,-]+)\)", r.stderr).group(1)


def test_unknown_users_look_the_same():
    with Server() as s:
        same(methods(s, "nobody-here"), methods(s, "alice"), "list of methods")


def test_none_lists_the_methods():
    with Server("PasswordAuthentication no", "KbdInteractiveAuthentication no") as s:
        same(methods(s, "alice"), b"publickey", "list")
    with Server("KbdInteractiveAuthentication no") as s:
        same(methods(s, "alice"), b"publickey,password", "list")
    if COPPICE:
        with Server() as s:
            same(methods(s, "alice"), b"publickey,password,keyboard-interactive", "list")


def test_locked_account():
    with Server() as s:
        for password in ("", "!", "x"):
            same(s.password("locked", password, "true").returncode, 255, "status")
        s.ssh("locked", "true", ok=False)


def test_account_without_a_shell():
    with Server() as s:
        s.ssh("noshell", "true", ok=False)
        same(s.password("noshell", PASSWORDS["noshell"], "true").returncode, 255, "status")


def test_empty_password():
    with Server() as s:
        same(s.password("alice", "", "true").returncode, 255, "status")


def test_methods_switched_off():
    with Server("PasswordAuthentication no", "KbdInteractiveAuthentication no") as s:
        same(s.password("alice", PASSWORDS["alice"], "true").returncode, 255, "password")
        same(s.password("alice", PASSWORDS["alice"], "true", method="keyboard-interactive").returncode, 255, "keyboard-interactive")
        s.ssh("alice", "true", ok=True)
    with Server("PubkeyAuthentication no") as s:
        s.ssh("alice", "true", ok=False)


def test_permit_root_login():
    with Server("PermitRootLogin no") as s:
        s.ssh("root", "true", ok=False)
    with Server("PermitRootLogin prohibit-password") as s:
        s.ssh("root", "true", ok=True)
        same(s.password("root", PASSWORDS["root"], "true").returncode, 255, "password")
    with Server("PermitRootLogin yes") as s:
        same(s.password("root", PASSWORDS["root"], "true").returncode, 0, "password")


def test_strict_modes():
    path = "/home/bob/.ssh/authorized_keys"
    with Server() as s:
        try:
            os.chmod(path, 0o666)
            s.ssh("bob", "true", ok=False)
            s.logged(r"bad ownership or modes for file " + path)
            os.chmod(path, 0o600)
            os.chown(path, UIDS["alice"], 0)
            s.ssh("bob", "true", ok=False)
            os.chown(path, UIDS["bob"], 0)
            os.chmod("/home/bob", 0o777)
            s.ssh("bob", "true", ok=False)
            os.chmod("/home/bob", 0o755)
            s.ssh("bob", "true", ok=True)
        finally:
            os.chmod("/home/bob", 0o755)
            authorize("bob", "ed25519", "ecdsa", "rsa")
    os.chmod(path, 0o666)
    try:
        with Server("StrictModes no") as s:
            s.ssh("bob", "true", ok=True)
    finally:
        os.chmod(path, 0o600)


def test_authorized_keys_files():
    with Server("AuthorizedKeysFile /etc/ssh/keys-of-%u .ssh/none") as s:
        s.ssh("alice", "true", ok=False)
        with open("/etc/ssh/keys-of-alice", "w") as f:
            f.write("# a comment\n\n   \nno-pty %s\n" % public("ed25519"))
        os.chmod("/etc/ssh/keys-of-alice", 0o644)
        s.ssh("alice", "true", ok=True)
        s.ssh("bob", "true", ok=False)
    with Server("AuthorizedKeysFile none") as s:
        s.ssh("alice", "true", ok=False)


def test_a_strange_authorized_keys_file():
    """Lines that are no keys, one that is far too long, and a FIFO: none of them lets in, or hangs."""
    long_line = "command=\"" + "x" * 100000 + "\" " + public("stranger")
    try:
        authorize("carol", raw="garbage\nssh-ed25519\nssh-ed25519 ####\n%s\n\0\n%s\n" % (long_line, public("ed25519")))
        with Server() as s:
            s.ssh("carol", "true", ok=True)
            os.unlink("/home/carol/.ssh/authorized_keys")
            os.mkfifo("/home/carol/.ssh/authorized_keys")
            os.chown("/home/carol/.ssh/authorized_keys", UIDS["carol"], 0)
            if COPPICE:
                s.ssh("carol", "true", ok=False, timeout=20)
                s.ssh("alice", "true", ok=True)
    finally:
        os.unlink("/home/carol/.ssh/authorized_keys")
        authorize("carol", "ed25519", "ecdsa", "rsa")


def test_max_auth_tries():
    with Server("MaxAuthTries 2") as s:
        argv = s.argv("alice", "true", key_name=None, options=("PubkeyAuthentication=no", "PreferredAuthentications=password", "NumberOfPasswordPrompts=9"))
        argv[argv.index("BatchMode=yes")] = "BatchMode=no"
        env = dict(os.environ, SSH_ASKPASS=SCRATCH + "/askpass", SSH_ASKPASS_REQUIRE="force", LAB_PASSWORD="wrong")
        r = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, timeout=60, start_new_session=True)
        same(r.returncode, 255, "status")
        check(b"Too many authentication failures" in r.stderr, "what the client saw", r.stderr)
        same(len(re.findall("Failed password for alice", s.log())), 2, "failures in the log")
        s.logged(r"(maximum authentication attempts exceeded|Too many authentication failures) for alice")


def test_many_keys_are_not_many_failures_before_the_limit():
    """A client that shows five foreign keys first still gets in with the sixth."""
    extra = []
    for i in range(4):
        path = key("foreign%d" % i)
        if not os.path.exists(path):
            sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path)
        extra += ["IdentityFile=" + path]
    with Server("MaxAuthTries 6") as s:
        argv = s.argv("alice", "true", key_name="stranger", options=tuple(extra) + ("IdentityFile=" + key("ed25519"),))
        same(subprocess.run(argv, timeout=60, stdin=subprocess.DEVNULL).returncode, 0, "status")


@limit(60)
def test_login_grace_time():
    with Server("LoginGraceTime 2") as s:
        idle = [s.connect() for _ in range(3)]
        began = time.monotonic()
        for c in idle:
            c.settimeout(15)
            while c.recv(4096):
                pass
        took = time.monotonic() - began
        check(took >= 1, "it ended after %.1f s already" % took)
        for c in idle:
            c.close()
        # A session that is logged in is not meant.
        r = s.ssh("alice", "sleep 4; echo still here", ok=True)
        same(r.stdout, b"still here\n", "output")
        if COPPICE:
            s.logged(r"Timeout before authentication")


def test_allow_and_deny():
    with Server("AllowUsers alice bob@10.* carol@127.0.0.1") as s:
        s.ssh("alice", "true", ok=True)
        s.ssh("bob", "true", ok=False)
        s.ssh("carol", "true", ok=True)
        s.logged(r"User bob from 127\.0\.0\.1 not allowed because not listed in AllowUsers")
    with Server("DenyUsers alice b?b") as s:
        s.ssh("alice", "true", ok=False)
        s.ssh("bob", "true", ok=False)
        s.ssh("carol", "true", ok=True)
        s.logged(r"User alice from 127\.0\.0\.1 not allowed because listed in DenyUsers")
    with Server("AllowGroups te*") as s:
        s.ssh("alice", "true", ok=True)
        s.ssh("bob", "true", ok=False)
        s.logged(r"User bob from 127\.0\.0\.1 not allowed because none of user's groups are listed in AllowGroups")
    with Server("DenyGroups team") as s:
        s.ssh("alice", "true", ok=False)
        s.ssh("bob", "true", ok=True)


def test_match():
    with Server("PasswordAuthentication yes", "Match User alice", " PasswordAuthentication no", "Match Group team", " PubkeyAuthentication no",
                "Match Address 10.0.0.0/8,!10.1.0.0/16", " PasswordAuthentication no", "Match all", " MaxSessions 3") as s:
        same(s.password("alice", PASSWORDS["alice"], "true").returncode, 255, "alice by password")
        s.ssh("alice", "true", ok=False)
        same(s.password("bob", PASSWORDS["bob"], "true").returncode, 0, "bob by password")
        s.ssh("bob", "true", ok=True)
        s.ssh("carol", "true", ok=False)
    with Server("Match LocalPort 1", " PubkeyAuthentication no", "Match Address 127.0.0.0/8", " KbdInteractiveAuthentication no") as s:
        s.ssh("alice", "true", ok=True)
        check(b"keyboard-interactive" not in methods(s, "alice"), "the block does not hold")


@limit(120)
def test_ten_thousand_match_blocks():
    lines = []
    for i in range(10000):
        lines += ["Match User user%d Address 10.%d.%d.0/24" % (i, i // 250, i % 250), " PasswordAuthentication no"]
    with Server(*(lines + ["Match User bob", " PubkeyAuthentication no"])) as s:
        s.ssh("alice", "true", ok=True)
        s.ssh("bob", "true", ok=False)


def test_banner_and_version():
    with open(SCRATCH + "/banner", "w") as f:
        f.write("Trespassers will be composted\n")
    with Server("Banner %s/banner" % SCRATCH, "VersionAddendum garden") as s:
        r = s.ssh("alice", "true", options=("LogLevel=INFO",), ok=True)
        check(b"Trespassers will be composted" in r.stderr or b"Trespassers" in s.password("alice", "x", "true", options=("LogLevel=INFO",)).stderr, "no banner", r.stderr)
        with s.connect() as c:
            ident = c.recv(255)
        check(re.match(rb"SSH-2\.0-[^\r]* garden\r\n", ident), "identification", ident)
    with Server() as s:
        if COPPICE:
            with s.connect() as c:
                check(re.match(rb"SSH-2\.0-Coppice\S*\r\n", c.recv(255)), "identification")


def test_no_secret_in_the_log():
    with Server("LogLevel DEBUG3") as s:
        for user, password in (("alice", PASSWORDS["alice"]), ("alice", "hunter2-wrong-one"), ("nobody", "hunter3-other")):
            s.password(user, password, "true")
            s.password(user, password, "true", method="keyboard-interactive")
        s.ssh("alice", "cat >/dev/null; echo payload-out", input=b"payload-in-0123456789", ok=True)
        time.sleep(0.3)
        for secret in (PASSWORDS["alice"], "hunter2", "hunter3", "payload-out", "payload-in"):
            if secret == "payload-out":
                continue        # it is in the command
            check(secret not in s.log(), "in the log: %s" % secret)
        with open(key("host_ed25519")) as f:
            body = f.read().splitlines()[2]
        check(body not in s.log(), "a host key in the log")


@limit(120)
def test_fifty_connections_at_once():
    with Server("MaxStartups 100:30:200") as s:
        began = [s.popen("alice" if i % 2 else "bob", "echo $0-%d; sleep 1; cat" % i, stdin=subprocess.PIPE) for i in range(50)]
        for i, p in enumerate(began):
            out, err = p.communicate(b"x%d" % i, timeout=90)
            check(p.returncode == 0 and out.endswith(b"-%d\nx%d" % (i, i)), "connection %d" % i, p.returncode, out, err)


def test_max_startups():
    with Server("MaxStartups 3:100:3", "LoginGraceTime 30") as s:
        idle = []
        for _ in range(3):
            def greeted():
                c = s.connect()
                if c.recv(4) == b"SSH-":
                    return c
                c.close()
            # The harness itself has knocked before; its slot comes free when the daemon has seen the end of it.
            idle.append(wait_until(greeted, 10, text="not even %d are served" % (len(idle) + 1)))
        time.sleep(0.2)
        with s.connect() as c:
            c.settimeout(10)
            try:
                refused = not c.recv(4096).startswith(b"SSH-")
            except ConnectionResetError:
                refused = True
            check(refused, "a fourth was served")
        for c in idle:
            c.close()
        wait_until(lambda: s.ssh("alice", "true").returncode == 0, 10, 0.1, "the slots did not come free")


def test_every_algorithm():
    ciphers = ["chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "aes128-ctr", "aes192-ctr", "aes256-ctr"]
    macs = ["hmac-sha2-256", "hmac-sha2-512", "hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com"]
    kexes = ["curve25519-sha256", "curve25519-sha256@libssh.org"]
    data = os.urandom(300000)
    with Server("MACs +hmac-sha2-256,hmac-sha2-512") as s:
        for cipher in ciphers:
            same(s.ssh("bob", "cat", options=("Ciphers=" + cipher,), input=data, ok=True).stdout, data, "data under " + cipher)
        for mac in macs:
            same(s.ssh("bob", "cat", options=("Ciphers=aes128-ctr", "MACs=" + mac), input=data, ok=True).stdout, data, "data under " + mac)
        for kex in kexes:
            s.ssh("bob", "true", options=("KexAlgorithms=" + kex,), ok=True)
        for option in ("Ciphers=aes128-cbc", "MACs=hmac-md5", "KexAlgorithms=diffie-hellman-group1-sha1"):
            r = s.ssh("bob", "true", options=(option, "LogLevel=INFO") + (("Ciphers=aes128-ctr",) if "MACs" in option else ()), ok=False)
            check(b"no matching" in r.stderr, option, r.stderr)


def test_server_algorithm_lists():
    with Server("Ciphers aes256-ctr,aes256-gcm@openssh.com", "MACs -hmac-sha2-256-etm*", "KexAlgorithms curve25519-sha256") as s:
        s.ssh("bob", "true", options=("Ciphers=aes128-ctr",), ok=False)
        s.ssh("bob", "true", options=("Ciphers=aes256-ctr", "MACs=hmac-sha2-256-etm@openssh.com"), ok=False)
        s.ssh("bob", "true", options=("Ciphers=aes256-ctr", "MACs=hmac-sha2-512-etm@openssh.com"), ok=True)
        s.ssh("bob", "true", options=("KexAlgorithms=curve25519-sha256@libssh.org",), ok=False)


SLOW_NSS = r"""
#include <nss.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>
enum nss_status _nss_slow_getpwnam_r(const char *name, struct passwd *pw, char *b, size_t n, int *e)
{
	(void)pw, (void)b, (void)n, (void)e;
	while (strncmp(name, "slow", 4) == 0)
		pause();
	return NSS_STATUS_NOTFOUND;
}
"""


@coppiced_only
@limit(120)
def test_a_name_service_that_hangs_holds_nobody_else_up():
    folder = SCRATCH + "/nss"
    os.makedirs(folder)
    with open(folder + "/slow.c", "w") as f:
        f.write(SLOW_NSS)
    sh("cc", "-shared", "-fPIC", "-o", folder + "/libnss_slow.so.2", folder + "/slow.c")
    with open("/etc/nsswitch.conf") as f:
        before = f.read()
    with open("/etc/ld.so.conf.d/slow.conf", "w") as f:
        f.write(folder + "\n")
    try:
        sh("ldconfig", "-X")
        with open("/etc/nsswitch.conf", "w") as f:
            f.write("passwd: files slow\ngroup: files\nshadow: files\n")
        with Server("LoginGraceTime 60") as s:
            hanging = [s.popen("slow%d" % i, "true") for i in range(3)]
            s.logged(r"Connection from")
            for _ in range(5):
                s.ssh("alice", "true", ok=True)
            check(all(p.poll() is None for p in hanging), "those that wait for the name service have ended already")
            r = s.ssh("nobody-has-this-name", "true")
            same(r.returncode, 255, "a name that does not hang")
            for p in hanging:
                same(p.wait(60), 255, "a login that no name service answered")
            s.logged("the name service does not answer")
            s.ssh("alice", "true", ok=True)
    finally:
        with open("/etc/nsswitch.conf", "w") as f:
            f.write(before)
        os.unlink("/etc/ld.so.conf.d/slow.conf")
        sh("ldconfig", "-X")
