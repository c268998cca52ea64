"""
The laboratory: accounts, keys, the daemon, stock clients. Used inside the namespaces that "run" makes.
"""
import crypt
import functools
import glob
import hashlib
import importlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

SCRATCH = os.environ.get("LAB_SCRATCH", "/nonexistent")
BUILD = os.environ.get("LAB_BUILD", "/nonexistent")
SERVER = os.environ.get("LAB_SERVER", "coppiced")
ROUNDS = int(os.environ.get("LAB_ROUNDS", "24"))
SEED = int(os.environ.get("LAB_SEED", "1"))
COPPICE = SERVER == "coppiced"
HOST = "127.0.0.1"
os.environ["STATE_DIRECTORY"] = SCRATCH + "/state"     # where a daemon keeps what nobody said where to keep


def sanitized():
    """A build with ASan keeps what was freed; sizes of memory say nothing then."""
    try:
        with open(BUILD + "/CMakeCache.txt") as f:
            return re.search(r"(?m)^COPPICE_SANITIZE:BOOL=ON", f.read()) is not None
    except FileNotFoundError:
        return False

PASSWORDS = {"alice": "correct horse 1", "bob": "battery staple 2", "root": "root pass 3", "noshell": "no shell 4", "carol": "carol pass 5"}
UIDS = {"alice": 2001, "bob": 2002, "locked": 2003, "noshell": 2004, "carol": 2005}


ROLES = ("coppiced", "keysign", "auth", "nursery", "acceptor", "reporter", "keeper", "connection")


class Failure(Exception):
    pass


class NotHere(Exception):
    pass


def check(condition, text="not so", *more):
    if not condition:
        raise Failure(text + "".join("\n    " + repr(m) for m in more))


def same(got, wanted, what="value"):
    check(got == wanted, "%s is %r, not %r" % (what, short(got), short(wanted)))


def short(v):
    return v if not isinstance(v, (str, bytes)) or len(v) < 2000 else v[:600] + v[-1400:]


def coppiced_only(function):
    @functools.wraps(function)
    def wrapper():
        if not COPPICE:
            raise NotHere("only of coppiced")
        function()
    return wrapper


def module(name):
    """A client's library."""
    try:
        return importlib.import_module(name)
    except ImportError:
        raise NotHere("python3-%s is not installed" % name)


def limit(seconds):
    def mark(function):
        function.limit = seconds
        return function
    return mark


# ---- the room -------------------------------------------------------------------------------

def sh(*argv, **more):
    more.setdefault("check", True)
    more.setdefault("stdout", subprocess.PIPE)
    more.setdefault("stderr", subprocess.STDOUT)
    return subprocess.run(argv, **more).stdout


def tmpfs(path, mode="755"):
    os.makedirs(path, exist_ok=True)
    sh("mount", "-t", "tmpfs", "-o", "mode=" + mode, "tmpfs", path)


def furnish():
    """Own /etc, /home, /root, /run, loopback, terminals, accounts, keys."""
    sh("ip", "link", "set", "lo", "up")
    if not os.environ.get("LAB_KEEP"):
        tmpfs(SCRATCH)
    etc = SCRATCH + "/etc"
    sh("cp", "-a", "/etc", etc)
    sh("mount", "--bind", etc, "/etc")
    for where in ("/home", "/run"):
        tmpfs(where)
    tmpfs("/root", "700")
    sh("mount", "-t", "devpts", "-o", "newinstance,gid=5,mode=620,ptmxmode=666", "devpts", "/dev/pts")
    os.makedirs("/run/sshd", 0o755)
    shutil.rmtree("/etc/ssh", ignore_errors=True)
    os.makedirs("/etc/ssh")
    for name in ("nologin", "motd", "ssh/sshrc"):
        if os.path.lexists("/etc/" + name):
            os.unlink("/etc/" + name)
    accounts()
    keys()
    with open(SCRATCH + "/askpass", "w") as f:
        f.write("#!/bin/sh\nprintf '%s\\n' \"$LAB_PASSWORD\"\n")
    os.chmod(SCRATCH + "/askpass", 0o755)


def hashed(password):
    return crypt.crypt(password, "$6$rounds=1000$" + hashlib.sha256(password.encode()).hexdigest()[:12])


def replace_line(path, name, line):
    with open(path) as f:
        lines = [x for x in f if not x.startswith(name + ":")]
    with open(path, "w") as f:
        f.writelines(lines + [line + "\n"])


def account(name, uid, shell, secret):
    home = "/home/" + name
    replace_line("/etc/passwd", name, "%s:x:%d:%d:%s:%s:%s" % (name, uid, uid, name, home, shell))
    replace_line("/etc/group", name, "%s:x:%d:" % (name, uid))
    replace_line("/etc/shadow", name, "%s:%s:19000:0:99999:7:::" % (name, secret))
    os.makedirs(home + "/.ssh", exist_ok=True)
    os.chmod(home, 0o755)
    os.chmod(home + "/.ssh", 0o700)
    for at in (home, home + "/.ssh"):
        os.chown(at, uid, uid)


def accounts():
    account("alice", 2001, "/bin/bash", hashed(PASSWORDS["alice"]))
    account("bob", 2002, "/bin/sh", hashed(PASSWORDS["bob"]))
    account("locked", 2003, "/bin/sh", "!")
    account("noshell", 2004, "/nonexistent/shell", hashed(PASSWORDS["noshell"]))
    account("carol", 2005, "/bin/sh", hashed(PASSWORDS["carol"]))
    replace_line("/etc/group", "team", "team:x:3000:alice,carol")
    replace_line("/etc/passwd", "root", "root:x:0:0:root:/root:/bin/bash")
    replace_line("/etc/shadow", "root", "root:%s:19000:0:99999:7:::" % hashed(PASSWORDS["root"]))
    os.chmod("/etc/shadow", 0o640)


def key(name):
    return SCRATCH + "/keys/" + name


def public(name):
    with open(key(name) + ".pub") as f:
        return f.read().strip()


def keys():
    os.makedirs(SCRATCH + "/keys", 0o755)
    for name, kind in (("ed25519", ("ed25519",)), ("ecdsa", ("ecdsa", "-b", "256")), ("rsa", ("rsa", "-b", "2048")), ("stranger", ("ed25519",)),
                       ("host_ed25519", ("ed25519",)), ("host_ecdsa", ("ecdsa", "-b", "256")), ("host_rsa", ("rsa", "-b", "2048"))):
        sh("ssh-keygen", "-q", "-N", "", "-C", name, "-f", key(name), "-t", *kind)
    known = "".join("[%s]:* %s\n%s,* %s\n" % (HOST, public(h), HOST, public(h)) for h in ("host_ed25519", "host_ecdsa", "host_rsa"))
    with open(SCRATCH + "/known_hosts", "w") as f:
        f.write(known.replace("[%s]:*" % HOST, "*"))
    for user in list(UIDS) + ["root"]:
        authorize(user, "ed25519", "ecdsa", "rsa")


def home(user):
    return "/root" if user == "root" else "/home/" + user


def authorize(user, *names, raw=None, mode=0o600):
    path = home(user) + "/.ssh/authorized_keys"
    os.makedirs(os.path.dirname(path), 0o700, exist_ok=True)
    with open(path, "w") as f:
        f.write(raw if raw is not None else "".join(public(n) + "\n" for n in names))
    os.chmod(path, mode)
    os.chown(path, UIDS.get(user, 0), UIDS.get(user, 0))


# ---- processes ---------------------------------------------------------------------------------

def alive(pid):
    try:
        with open("/proc/%d/stat" % pid) as f:
            return f.read().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


def processes():
    """pid -> parent, of everything in this namespace that is not a zombie"""
    found = {}
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                fields = f.read().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        if fields[0] not in "ZX":
            found[int(path.split("/")[2])] = int(fields[1])
    return found


def below(pid):
    table, out, todo = processes(), [], [pid]
    while todo:
        at = todo.pop()
        kids = [p for p, parent in table.items() if parent == at]
        out += kids
        todo += kids
    return out


def status(pid, field):
    try:
        with open("/proc/%d/status" % pid) as f:
            for line in f:
                if line.startswith(field + ":"):
                    return line.split(":", 1)[1].strip()
    except (FileNotFoundError, ProcessLookupError):
        pass
    return None


def rss(pid):
    """KiB of memory that is not a file's"""
    value = status(pid, "RssAnon")
    return int(value.split()[0]) if value else 0


def wait_until(what, seconds=10, every=0.02, text="it did not happen"):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = what()
        if value:
            return value
        time.sleep(every)
    value = what()
    check(value, text)
    return value


_open = []          # servers of the running test


class Server:
    """One daemon with a configuration of its own; a context manager."""

    number = 0

    def __init__(self, *lines, user=None, args=(), hostkeys=("host_ed25519", "host_ecdsa", "host_rsa"), port=None, wait=True, plain=False):
        Server.number += 1
        self.dir = "%s/server-%d" % (SCRATCH, Server.number)
        os.makedirs(self.dir)
        if user:
            shutil.chown(self.dir, user, user)
        self.user, self.port = user, port or 2200 + Server.number
        self.conf, self.log_path, self.control = self.dir + "/config", self.dir + "/log", self.dir + "/control"
        self.hostkeys, self.lines, self.args = hostkeys, list(lines), list(args)
        self.stopped = self.crash_expected = False
        self.code, self.process, self.plain = None, None, plain
        self.write()
        _open.append(self)
        if wait:
            self.start()

    def text(self):
        lines = [] if self.plain else ["ListenAddress " + HOST, "Port %d" % self.port]
        lines += ["PidFile %s/pid" % self.dir]
        for name in self.hostkeys:
            path = self.dir + "/" + name
            if not os.path.exists(path) and os.path.exists(key(name)):
                shutil.copy(key(name), path)
                os.chmod(path, 0o600)
                if self.user:
                    shutil.chown(path, self.user, self.user)
            lines.append("HostKey " + path)
        defaults = ["LogLevel VERBOSE"]
        if not any(x.startswith("Subsystem sftp") for x in self.lines):
            defaults.append("Subsystem sftp internal-sftp")
        defaults += ["ControlSocket " + self.control, "CrashDirectory %s/crashes" % self.dir] if COPPICE else ["UsePAM no"]
        # The first value wins: what a test says stands before the defaults, a Match block at the very end.
        match = next((i for i, x in enumerate(self.lines) if x.lower().startswith("match")), len(self.lines))
        return "\n".join(lines + self.lines[:match] + defaults + self.lines[match:]) + "\n"

    def write(self, *lines):
        if lines:
            self.lines = list(lines)
        with open(self.conf, "w") as f:
            f.write(self.text())

    def program(self):
        return BUILD + "/sbin/coppiced" if COPPICE else "/usr/sbin/sshd"

    def env(self):
        return dict(os.environ, ASAN_OPTIONS="log_path=%s/asan:detect_leaks=0:abort_on_error=0" % self.dir, UBSAN_OPTIONS="log_path=%s/ubsan:print_stacktrace=1" % self.dir)

    def launch(self, *under):
        """Its process, which need not serve yet. under: a program, with arguments, that executes it."""
        self.log_file = open(self.log_path, "ab")
        self.process = subprocess.Popen(list(under) + [self.program(), "-D", "-e", "-f", self.conf] + self.args, stdin=subprocess.DEVNULL, stdout=self.log_file,
                                        stderr=self.log_file, env=self.env(), user=self.user, group=UIDS[self.user] if self.user else None,
                                        extra_groups=[] if self.user else None, cwd="/", start_new_session=True)

    def start(self):
        self.launch()
        wait_until(lambda: self.answers() or self.process.poll() is not None, 20, text="the daemon does not answer")
        check(self.process.poll() is None, "the daemon ended at once with %s" % self.process.returncode, self.log())
        return self

    def answers(self):
        try:
            with socket.create_connection((HOST, self.port), 5) as s:
                return s.recv(4) == b"SSH-"
        except OSError:
            return False

    def connect(self, timeout=30):
        return socket.create_connection((HOST, self.port), timeout)

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if kind is None:
            self.stop()

    @property
    def pid(self):
        return self.process.pid

    def log(self):
        try:
            with open(self.log_path, errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def logged(self, pattern, seconds=5):
        """The first match in the log, waiting for it a little: the log is written by another process."""
        return wait_until(lambda: re.search(pattern, self.log()), seconds, text="not in the log: %s" % pattern)

    def stop(self):
        """SIGTERM: an orderly end, status 0, nothing left behind. Also what every test ends with."""
        if self.stopped or self.process is None:
            return
        self.stopped = True
        check(self.process.poll() is None, "the daemon had ended before, with %s" % self.process.returncode)
        family = below(self.pid)
        self.process.send_signal(signal.SIGTERM)
        try:
            self.code = self.process.wait(20)
        except subprocess.TimeoutExpired:
            raise Failure("SIGTERM did not end the daemon")
        if COPPICE:
            same(self.code, 0, "exit status of the daemon")
            # what the supervisor killed at the very end needs a moment to be gone
            wait_until(lambda: not [p for p in family if alive(p) and status(p, "Name") in ROLES], 5, text="processes outlived the daemon")
        self.healthy()

    def healthy(self):
        """No sanitizer report, and no process of ours that ended by itself where the test wants none."""
        for path in glob.glob(self.dir + "/*san.*"):
            with open(path, errors="replace") as f:
                text = f.read()
            check(not text.strip(), "sanitizer report\n" + text[:3000])
        if COPPICE and not self.crash_expected:
            bad = [x for x in self.log().splitlines() if re.search(r"\bhow=signal:(SEGV|ABRT|BUS|FPE|ILL|SYS|TRAP)|AddressSanitizer|runtime error:|Assertion .* failed", x)]
            check(not bad, "a process crashed", *bad[:5])

    def orphans(self):
        """Helpers of this daemon that outlived it: they wait for the next one."""
        mine = ("log_path=%s/" % self.dir).encode()
        found = []
        for pid in processes():
            try:
                with open("/proc/%d/environ" % pid, "rb") as f:
                    if mine in f.read() and status(pid, "Name") in ("keysign", "auth", "nursery", "acceptor", "reporter", "keeper", "connection"):
                        found.append(pid)
            except OSError:
                pass
        return found

    def kill_orphans(self):
        for pid in self.orphans():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def kill(self):
        """However it stands: gone."""
        if self.process is not None and self.process.poll() is None:
            family = below(self.pid)
            self.process.kill()
            self.process.wait()
            for p in family:
                try:
                    os.kill(p, signal.SIGKILL)
                except ProcessLookupError:
                    pass
        if self.process is not None and COPPICE:
            self.kill_orphans()
        self.stopped = True

    # -- stock ssh

    def options(self, key_name="ed25519", *more):
        out = ["-F", "none"]
        for x in more:                  # the first value wins
            out += ["-o", x]
        out += ["-o", "UserKnownHostsFile=%s/known_hosts" % SCRATCH, "-o", "GlobalKnownHostsFile=none", "-o", "StrictHostKeyChecking=yes",
               "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", "-o", "HostKeyAlias=" + HOST]
        if key_name:
            out += ["-i", key(key_name)]
        return out

    def argv(self, user, *command, key_name="ed25519", options=(), flags=()):
        return ["ssh"] + self.options(key_name, *options) + list(flags) + ["-p", str(self.port), "%s@%s" % (user, HOST)] + list(command)

    def ssh(self, user, *command, key_name="ed25519", options=(), flags=(), input=b"", timeout=60, ok=None):
        r = subprocess.run(self.argv(user, *command, key_name=key_name, options=options, flags=flags), input=input, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, timeout=timeout)
        if ok is not None:
            check((r.returncode == 0) == ok, "ssh ended with %d" % r.returncode, short(r.stdout), short(r.stderr))
        return r

    def popen(self, user, *command, key_name="ed25519", options=(), flags=(), **more):
        for name in ("stdin", "stdout", "stderr"):
            more.setdefault(name, subprocess.PIPE)
        return subprocess.Popen(self.argv(user, *command, key_name=key_name, options=options, flags=flags), **more)

    def password(self, user, password, *command, method="password", options=(), **more):
        argv = self.argv(user, *command, key_name=None, options=("PreferredAuthentications=" + method, "PubkeyAuthentication=no",
                                                                  "NumberOfPasswordPrompts=1") + tuple(options))
        argv = [x for x in argv]
        argv[argv.index("BatchMode=yes")] = "BatchMode=no"
        env = dict(os.environ, SSH_ASKPASS=SCRATCH + "/askpass", SSH_ASKPASS_REQUIRE="force", DISPLAY="none", LAB_PASSWORD=password)
        return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=more.pop("timeout", 60),
                              start_new_session=True)

    def sftp(self, user, batch, *more, options=(), timeout=120, ok=True):
        argv = ["sftp", "-b", "-", "-P", str(self.port)] + self.options("ed25519", *options) + list(more) + ["%s@%s" % (user, HOST)]
        r = subprocess.run(argv, input=batch.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=timeout)
        if ok is not None:
            check((r.returncode == 0) == ok, "sftp ended with %d" % r.returncode, short(r.stdout))
        return r.stdout.decode(errors="replace")

    # -- the tree

    def ctl(self, *words, timeout=20):
        return subprocess.run([BUILD + "/bin/coppicectl", "-s", self.control] + list(words), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              stdin=subprocess.DEVNULL, timeout=timeout, env=self.env())

    def tree(self):
        """Every node as a dict, depth first, with "path" (names from the root)."""
        r = self.ctl("tree", "--json")
        same(r.returncode, 0, "status of coppicectl (%r)" % r.stderr)
        nodes, path = json.loads(r.stdout)["nodes"], {}
        for n in nodes:                 # parents come before their children
            n["path"] = path[n["id"]] = path.get(n["parent"], []) + [n["name"]]
        return nodes

    def node(self, name):
        found = [n for n in self.tree() if n["name"] == name]
        check(found, "no node %s in the tree" % name)
        return found[0]

    def pid_of(self, name):
        return self.node(name)["pid"]


def rows(server, *words, status=0):
    """What `coppicectl --json` answers."""
    r = server.ctl("--json", "--", *words)          # options behind a command are the command's own
    same(r.returncode, status, "status of coppicectl %s (%r)" % (" ".join(words), r.stderr))
    got = json.loads(r.stdout)
    check(isinstance(got, list), "not an array", got)
    return got


def connections(server):
    """session -> pid of its connection process"""
    return {n["parent"]: n["pid"] for n in server.tree() if n["name"] == "connection"}


def packets(server):
    """session -> packets that its client sent, as its connection process says; without those that do not answer"""
    return {r["session"]: int(r["in_packets"]) for r in rows(server, "who", "-v") if r["kind"] == "session" and r.get("in_packets")}


def end_of_test(failed=False):
    servers, _open[:] = list(_open), []
    try:
        if not failed:
            for s in servers:
                if s.process is not None:
                    s.stop()
    finally:
        for s in servers:
            s.kill()


def show_logs(name):
    for s in _open:
        lines = s.log().splitlines()
        print("---- log of %s, last lines" % name)
        print("\n".join(x[:300] for x in lines[-int(os.environ.get("LAB_LINES", "40")):]))
        for path in glob.glob(s.dir + "/*san.*"):
            with open(path, errors="replace") as f:
                print(f.read()[:4000])


# ---- data -------------------------------------------------------------------------------------------

@functools.lru_cache(None)
def random_file(megabytes):
    """A file of that many MiB that everybody may read, and its SHA-256."""
    path, digest = "%s/random-%d" % (SCRATCH, megabytes), hashlib.sha256()
    with open(path, "wb") as f:
        for _ in range(megabytes):
            block = os.urandom(1 << 20)
            digest.update(block)
            f.write(block)
    os.chmod(path, 0o644)
    return path, digest.hexdigest()


def digest_of(path):
    digest = hashlib.sha256()
    with open(path, "rb") as f:
        for block in iter(lambda: f.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()


def digest_stream(stream):
    digest, n = hashlib.sha256(), 0
    for block in iter(lambda: stream.read(1 << 16), b""):
        digest.update(block)
        n += len(block)
    return digest.hexdigest(), n


def feed(stream, path):
    """In a thread: a file into a pipe, then its end."""
    def go():
        try:
            with open(path, "rb") as f:
                shutil.copyfileobj(f, stream, 1 << 16)
            stream.close()
        except (BrokenPipeError, ValueError):
            pass
    t = threading.Thread(target=go, daemon=True)
    t.start()
    return t
