"""A machine that a systemd of its own runs (see boot), with Coppice installed: commands and clients inside it."""
import glob
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(HERE), "system"))

from lab import Failure, check, same, wait_until  # noqa: E402

PORT = 2222
UNIT = "coppiced.service"
GROUP = "/sys/fs/cgroup/system.slice/" + UNIT
TARGET = """[Unit]
Requires=basic.target
After=basic.target
AllowIsolate=yes
Wants=systemd-logind.service dbus.service
"""
JOURNAL = "[Journal]\nStorage=volatile\nRateLimitIntervalSec=0\nForwardToConsole=no\n"


class NotHere(Exception):
    pass


def read(path):
    with open(path) as f:
        return f.read()


def write(path, text, mode=0o644):
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "w") as f:
        f.write(text)
    os.chmod(path, mode)


class Machine:
    def __init__(self, build, tree="/"):
        self.build, self.tree = os.path.abspath(build), os.path.abspath(tree)
        if os.geteuid() != 0 or not os.path.exists(self.tree + "/lib/systemd/systemd"):
            raise NotHere("needs root and systemd in " + self.tree)
        self.scratch = tempfile.mkdtemp(prefix="coppice-systemd-", dir="/var/tmp")
        self.stage = tempfile.mkdtemp(prefix="coppice-stage-", dir="/var/tmp")
        os.chmod(self.stage, 0o755)         # it becomes / of the machine
        self.process, self.pid1, self.version = None, None, 0

    # -- what is laid over the tree

    def key(self, name):
        path = self.stage + "/etc/coppice-keys/" + name
        os.makedirs(os.path.dirname(path), mode=0o755, exist_ok=True)
        subprocess.run(["ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-C", name, "-f", path], check=True)
        return read(path + ".pub")

    def furnish(self):
        etc = self.stage + "/etc/"
        r = subprocess.run(["cmake", "--install", self.build], env=dict(os.environ, DESTDIR=self.stage), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(r.returncode == 0, "cmake --install failed", r.stdout[-2000:])
        self.prefix = re.search(r"(?m)^CMAKE_INSTALL_PREFIX:PATH=(.*)$", read(self.build + "/CMakeCache.txt")).group(1)
        self.conf = ("" if self.prefix == "/usr" else self.prefix) + "/etc/coppice/coppiced.conf"
        for name, line in (("passwd", "alice:x:2001:2001::/home/alice:/bin/bash"), ("group", "alice:x:2001:"), ("shadow", "alice:*:19000:0:99999:7:::")):
            write(etc + name, read(self.tree + "/etc/" + name).rstrip("\n") + "\n" + line + "\n", 0o640 if name == "shadow" else 0o644)
        self.key("host")
        user = self.key("user")
        write(self.stage + "/home/alice/.ssh/authorized_keys", user, 0o600)
        for path in ("/home/alice", "/home/alice/.ssh", "/home/alice/.ssh/authorized_keys"):
            os.chown(self.stage + path, 2001, 2001)
        write(etc + "coppice-keys/known", "* " + read(etc + "coppice-keys/host.pub"))
        write(etc + "systemd/system/coppice-test.target", TARGET)
        write(etc + "systemd/journald.conf.d/test.conf", JOURNAL)
        write(self.stage + self.conf, self.text())

    def text(self, *lines, listen=True):
        usual = ["ListenAddress 127.0.0.1", "Port %d" % PORT] if listen else []
        return "\n".join(usual + ["HostKey /etc/coppice-keys/host", "LogLevel VERBOSE"] + list(lines)) + "\n"

    def unit_folder(self):
        """Where the installed unit lies, and the one for this machine's systemd."""
        found = glob.glob(self.root + self.prefix + "/**/systemd/system/coppiced.service", recursive=True) + \
            glob.glob(self.root + "/*/lib/systemd/system/coppiced.service") + glob.glob(self.root + "/lib/systemd/system/coppiced.service")
        check(found, "no unit was installed")
        return os.path.dirname(found[0])

    # -- on and off

    def boot(self):
        self.furnish()
        self.console = open(self.scratch + ".console", "wb")
        self.process = subprocess.Popen([HERE + "/boot", self.scratch, self.tree, self.stage], stdin=subprocess.DEVNULL, stdout=self.console,
                                        stderr=self.console, start_new_session=True)
        wait_until(self.find_pid1, 30, text="no systemd came up")
        wait_until(lambda: self.run("systemctl", "is-system-running").stdout.strip() in (b"running", b"degraded"), 60, 0.2, "systemd does not get ready")
        self.version = int(self.out("systemctl", "--version").split()[1].split(".")[0])
        if self.version >= 254:
            doc = glob.glob(self.root + self.prefix + "/share/doc/*/systemd/coppiced-254.service")
            check(doc, "the unit for 254 was not installed")
            shutil.copy(doc[0], self.root + "/etc/systemd/system/coppiced.service")
            self.out("systemctl", "daemon-reload")

    def find_pid1(self):
        check(self.process.poll() is None, "the machine ended", read(self.scratch + ".console")[-3000:])
        try:
            kids = read("/proc/%d/task/%d/children" % (self.process.pid, self.process.pid)).split()
            if kids and read("/proc/%s/comm" % kids[0]).strip() == "systemd":
                self.pid1 = int(kids[0])
                self.root = "/proc/%d/root" % self.pid1
                return True
        except FileNotFoundError:
            pass
        return False

    def off(self, keep=False):
        if self.process is not None:
            if self.pid1:
                os.kill(self.pid1, signal.SIGKILL)
            else:
                self.process.kill()
            self.process.wait(20)
        for top in ("/sys/fs/cgroup/unified/", "/sys/fs/cgroup/"):
            own = top + os.path.basename(self.scratch)
            wait_until(lambda: not os.path.isdir(own) or self.rmdirs(own), 10, text="its control groups cannot be removed")
        if keep:
            print("console: " + self.scratch + ".console")
        elif os.path.exists(self.scratch + ".console"):
            os.unlink(self.scratch + ".console")
        for path in (self.scratch, self.stage):
            shutil.rmtree(path, ignore_errors=True)

    @staticmethod
    def rmdirs(top):
        for where, _, _ in os.walk(top, topdown=False):
            try:
                os.rmdir(where)
            except OSError:
                return False
        return True

    # -- inside

    def argv(self, *words):
        # the child, not nsenter, joins init.scope: a process from outside would show as pid 0 in the groups inside
        join = 'echo $$ >/sys/fs/cgroup/init.scope/cgroup.procs; exec "$@"'
        return ["nsenter", "-t", str(self.pid1), "-m", "-u", "-i", "-n", "-p", "-C", "-r", "-w", "--", "/usr/bin/env", "-i", "HOME=/root", "TERM=dumb",
                "LC_ALL=C.UTF-8", "PATH=%s/sbin:%s/bin:/usr/sbin:/usr/bin:/sbin:/bin" % (self.prefix, self.prefix), "sh", "-c", join, "sh"] + list(words)

    def run(self, *words, timeout=60, **more):
        more.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(self.argv(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=timeout, **more)

    def out(self, *words, **more):
        r = self.run(*words, **more)
        check(r.returncode == 0, "%s: status %d" % (" ".join(words), r.returncode), r.stdout[-2000:], r.stderr[-2000:])
        return r.stdout.decode()

    def popen(self, *words):
        return subprocess.Popen(self.argv(*words), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def show(self, name, unit=UNIT):
        return self.out("systemctl", "show", "-P", name, unit).strip()

    def state(self, unit=UNIT):
        return self.show("ActiveState", unit)

    def journal(self, *words):
        return [json.loads(x) for x in self.out("journalctl", "-o", "json", "--no-pager", *words).splitlines() if x]

    def configure(self, *lines, listen=True):
        write(self.root + self.conf, self.text(*lines, listen=listen))

    def drop_in(self, text, unit=UNIT):
        write(self.root + "/run/systemd/system/%s.d/test.conf" % unit, text)
        self.out("systemctl", "daemon-reload")

    def unit(self, name, text):
        write(self.root + "/run/systemd/system/" + name, text)

    def reset(self):
        """As before the first test: nothing of ours runs."""
        for unit in glob.glob(self.root + "/run/systemd/system/*.socket"):
            self.run("systemctl", "stop", os.path.basename(unit))
        self.run("systemctl", "stop", UNIT)
        self.run("systemctl", "kill", "-s", "KILL", UNIT)
        self.run("systemctl", "reset-failed")
        for path in glob.glob(self.root + "/run/systemd/system/*"):         # the folder itself says that systemd runs
            shutil.rmtree(path) if os.path.isdir(path) else os.unlink(path)
        self.configure()
        self.out("systemctl", "daemon-reload")

    # -- the daemon

    def start(self):
        r = self.run("systemctl", "start", UNIT)
        check(r.returncode == 0, "systemctl start failed", r.stderr, self.out("journalctl", "-u", UNIT, "-n", "20", "--no-pager"))

    def main_pid(self):
        """As seen inside."""
        return int(self.show("MainPID"))

    def tree_nodes(self):
        return json.loads(self.out("coppicectl", "tree", "--json"))["nodes"]

    def node(self, name):
        found = [n for n in self.tree_nodes() if n["name"] == name]
        return found[0] if found else None

    def kill(self, sig, pid):
        self.out("kill", "-" + sig, str(pid))

    def ssh_words(self, *command, options=(), port=PORT):
        words = ["ssh", "-F", "none", "-T", "-o", "UserKnownHostsFile=/etc/coppice-keys/known", "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes",
                 "-o", "HostKeyAlias=machine", "-o", "LogLevel=ERROR", "-o", "ConnectTimeout=20", "-i", "/etc/coppice-keys/user", "-p", str(port)]
        for o in options:
            words += ["-o", o]
        return words + ["alice@127.0.0.1"] + list(command)

    def ssh(self, *command, ok=True, **more):
        r = self.run(*self.ssh_words(*command, **more))
        if ok is not None:
            check((r.returncode == 0) == ok, "ssh ended with %d" % r.returncode, r.stdout, r.stderr)
        return r

    def session(self, *command):
        """A session that says a line when it stands: its ssh, and the line."""
        p = self.popen(*self.ssh_words(*command))
        line = p.stdout.readline().decode().strip()
        check(line, "the session says nothing", p.stderr.read() if p.poll() is not None else b"")
        return p, line

    def group_of(self, pid):
        """Of a process inside: below the unit's group."""
        text = read("%s/proc/%s/cgroup" % (self.root, pid))
        path = re.search(r"(?m)^0::(.*)$", text).group(1)
        return path.split(UNIT, 1)[1] if UNIT in path else path

    def groups(self):
        return sorted(os.path.basename(x) for x in glob.glob(self.root + GROUP + "/sessions/*") if os.path.isdir(x))

    def alive(self, pid):
        try:
            return read("%s/proc/%s/stat" % (self.root, pid)).rpartition(")")[2].split()[0] not in "ZX"
        except (FileNotFoundError, ProcessLookupError):
            return False


__all__ = ["Failure", "GROUP", "Machine", "NotHere", "PORT", "UNIT", "check", "read", "same", "time", "wait_until", "write"]
