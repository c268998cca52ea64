"""The clients: which are here, and what they know."""
import os
import shutil
import socket
import subprocess
import threading

from lab import HOST, SCRATCH

HERE = os.path.dirname(os.path.abspath(__file__))
TRIXIE = os.environ.get("TRIXIE", "/var/tmp/trixie")
NODE_PATH = os.environ.get("NODE_PATH", "/var/tmp/coppice-npm/node_modules")
KINDS = ("kex", "hostkey", "cipher", "mac", "comp")
# Bugs of clients, seen with Debian's sshd, too: client, kind of row, part of the name, how it ends, what it is. These cells are tried and must end so.
CANNOT = (("go", "mac-cbc", "-etm@", "status 255", "agrees to encrypt-then-MAC with CBC and then does not do it (newCBCCipher() never looks at etm)"),)


def cannot(client, kind, alg):
    """(how it ends, why) of a cell that cannot be right, or None."""
    for name, of, part, how, what in CANNOT:
        if client == name and kind == of and part in alg:
            return how, what
    return None


class NotInstalled(Exception):
    pass


class Client:
    def __init__(self, name, argv, **env):
        self.name, self.argv, self.env = name, argv, dict(os.environ, HOME=SCRATCH, **env)
        self.version, self.known = "?", set()

    def popen(self, *words, **more):
        return subprocess.Popen(self.argv + list(words), env=self.env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)

    def ask(self, candidates, key, hostpub):
        """What it knows of (kind, algorithm) pairs."""
        text = "".join("%s %s\n" % c for c in sorted(candidates))
        p = self.popen("known", stdin=subprocess.PIPE)
        out, err = p.communicate(text.encode(), timeout=120)
        if p.returncode != 0:
            raise NotInstalled(err.decode(errors="replace").strip().splitlines()[-1])
        for line in out.decode().splitlines():
            kind, _, name = line.partition(" ")
            if kind == "version":
                self.version = name
            elif kind == "offers":
                self.known |= self.offers(key, hostpub)
            else:
                self.known.add((kind, name))
        self.known &= candidates

    def offers(self, key, hostpub):
        """Reads its KEXINIT. With its keys it signs as it verifies."""
        got = {}
        with socket.create_server((HOST, 0)) as door:
            door.settimeout(30)
            reader = threading.Thread(target=lambda: got.update(kexinit(door)))
            reader.start()
            p = self.popen("exec", "host=" + HOST, "port=%d" % door.getsockname()[1], "user=alice", "key=" + key, "hostpub=" + hostpub, "command=true", "comp=zlib",
                           stdin=subprocess.DEVNULL)
            p.communicate(timeout=60)
            reader.join()
        return {(kind, name) for kind, names in got.items() for name in names} | {("userkey", name) for name in got["hostkey"]}


def kexinit(door):
    """RFC 4253 7.1, as the client sends it: the first packet after its identification."""
    s, _ = door.accept()
    with s, s.makefile("rb") as f:
        s.sendall(b"SSH-2.0-Nobody\r\n")
        f.readline()
        length = int.from_bytes(f.read(4), "big")
        packet = f.read(length)
        at, lists = 1 + 1 + 16, []
        for _ in range(8):
            n = int.from_bytes(packet[at:at + 4], "big")
            lists.append(packet[at + 4:at + 4 + n].decode().split(","))
            at += 4 + n
    return dict(zip(KINDS, (lists[0], lists[1], lists[2], lists[4], lists[6])))


# ---- where they are ---------------------------------------------------------------------------------

def driver(name):
    return os.path.join(HERE, "driver_" + name)


def need(*programs):
    for program in programs:
        if not shutil.which(program):
            raise NotInstalled(program + " is not installed")


def compiled(name, library):
    need("cc")
    path = "%s/driver_%s" % (SCRATCH, name)
    r = subprocess.run(["cc", "-Wall", "-Wextra", "-O1", "-o", path, driver(name) + ".c", library], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        if b"No such file" in r.stdout:
            raise NotInstalled(name + "'s headers are not installed")
        raise RuntimeError(r.stdout.decode())
    return Client(name, [path])


def script(name, program, suffix, **env):
    need(*program)
    return Client(name, [driver(name) + suffix], **env)


def openssh_13():
    if not os.path.exists(TRIXIE + "/usr/bin/ssh"):
        raise NotInstalled("no Debian 13 tree at " + TRIXIE)
    return Client("ssh-13", [driver("openssh.sh")], SSH="%s/usr/lib64/ld-linux-x86-64.so.2 --library-path %s/usr/lib/x86_64-linux-gnu %s/usr/bin/ssh" % (TRIXIE, TRIXIE, TRIXIE))


def go():
    need("go")
    path = SCRATCH + "/driver_go"
    env = dict(os.environ, GO111MODULE="off", GOPATH="/usr/share/gocode", GOCACHE=SCRATCH + "/go-cache", CGO_ENABLED="0")
    if not os.path.exists("/usr/share/gocode/src/golang.org/x/crypto/ssh"):
        raise NotInstalled("golang-golang-x-crypto-dev is not installed")
    # -w: without DWARF, which the linker cannot write for what go:linkname takes
    r = subprocess.run(["go", "build", "-ldflags=-w", "-o", path, "."], cwd=HERE + "/go", env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        raise RuntimeError(r.stdout.decode())
    version = subprocess.run(["dpkg-query", "-f", "${Version}", "-W", "golang-golang-x-crypto-dev"], stdout=subprocess.PIPE).stdout.decode()
    return Client("go", [path], GO_VERSION=version)


ALL = {
    "ssh": lambda: script("openssh", ("ssh",), ".sh", SSH="ssh"),
    "ssh-13": openssh_13,
    "plink": lambda: script("plink", ("plink", "puttygen"), ".sh"),
    "dbclient": lambda: script("dbclient", ("dbclient",), ".sh"),
    "paramiko": lambda: script("paramiko", (), ".py"),
    "asyncssh": lambda: script("asyncssh", (), ".py"),
    "erlang": lambda: script("erlang", ("escript",), ".escript"),
    "go": go,
    "libssh": lambda: compiled("libssh", "-lssh"),
    "libssh2": lambda: compiled("libssh2", "-lssh2"),
    "ssh2": lambda: script("ssh2", ("node",), ".js", NODE_PATH=NODE_PATH),
}


def find(name, candidates, key, hostpub):
    client = ALL[name]()
    client.name = name
    client.ask(candidates, key, hostpub)
    if not client.known:
        raise RuntimeError("%s says that it knows nothing" % name)
    return client
