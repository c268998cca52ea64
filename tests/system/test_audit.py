"""What ssh-audit says of the defaults, host keys made at the first start included: no failure, no warning."""
import glob
import os
import re
import shutil
import subprocess

from lab import BUILD, HOST, SCRATCH, NotHere, Server, check, coppiced_only, key, same, sh

TRIXIE = os.environ.get("TRIXIE", "/var/tmp/trixie")
# Debian 12's is from 2021 and warns of what it has not heard of: a post-quantum exchange, and what protects from Terrapin.
TOO_NEW = {"mlkem768x25519-sha256", "sntrup761x25519-sha512", "kex-strict-s-v00@openssh.com"}


def audit(s, argv, **env):
    """Failures and warnings as (algorithm, text); whether all kinds were looked at."""
    r = subprocess.run(argv + ["-n", "-p", str(s.port), HOST], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60, env=dict(os.environ, **env))
    found, name = set(), None
    for line in r.stdout.decode().splitlines():
        m = re.match(r"\((\w+)\) (\S+)", line)
        name = m.group(2) if m else name
        m = re.search(r"\[(fail|warn)\] (.*)", line)
        if m:
            found.add((name, m.group(2)))
    for kind in ("kex", "key", "enc", "mac"):
        check(re.search(r"(?m)^\(%s\) " % kind, r.stdout.decode()), "no line about " + kind, r.stdout, r.stderr)
    return found, r.stdout.decode()


def made_at_first_start():
    """Names of the host keys that a daemon without any makes."""
    sh(BUILD + "/libexec/coppice/keysign", "--generate", SCRATCH + "/keys", env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    names = [os.path.basename(p) for p in sorted(glob.glob(key("coppice_host_*_key")))]
    check(len(names) >= 2, "host keys", names)
    return names


def clean(argv, **env):
    with Server(hostkeys=made_at_first_start()) as s:
        found, text = audit(s, argv, **env)
        wrong = {f for f in found if f[1] != "unknown algorithm" or f[0] not in TOO_NEW}
        check(not wrong, "ssh-audit complains\n" + text, *sorted(wrong))
        if "[info] hybrid key exchange" in text:
            same(found, set(), "what a newer one finds")
    with Server("KexAlgorithms +ecdh-sha2-nistp256", "MACs +hmac-sha2-256", hostkeys=("host_ed25519", "host_ecdsa")) as s:
        names = {f[0] for f in audit(s, argv, **env)[0]}
        check({"ecdh-sha2-nistp256", "hmac-sha2-256", "ecdsa-sha2-nistp256"} <= names, "it sees nothing", names)


@coppiced_only
def test_defaults():
    if not shutil.which("ssh-audit"):
        raise NotHere("ssh-audit is not installed")
    clean(["ssh-audit"])


@coppiced_only
def test_defaults_13():
    """Debian 13's, 3.3, from its tree; it needs nothing but Python."""
    if not os.path.exists(TRIXIE + "/usr/lib/python3/dist-packages/ssh_audit"):
        raise NotHere("no ssh-audit in a Debian 13 tree")
    clean(["/usr/bin/python3", "-m", "ssh_audit.ssh_audit"], PYTHONPATH=TRIXIE + "/usr/lib/python3/dist-packages")
