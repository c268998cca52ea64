"""
A server in a control group of its own. The kernel keeps that group's CPU time in microseconds, for the living and
the dead alike, whoever reaped them; and the group's list of processes is the whole tree, orphans too.
"""
import os
import shutil
import signal
import subprocess

import lab

USER = "bob"                                # his shell is /bin/sh
_groups = lab.SCRATCH + "/cgroup"
_home = None                                # the group this process came from
_tag = None
_client = ["ssh"]
_tree = lab.SCRATCH + "/tree"


def furnish(job):
    """Mounts the control groups where only this namespace sees them; copies what sessions run."""
    global _home, _tag
    os.makedirs(_groups)
    lab.sh("mount", "-t", "cgroup2", "none", _groups)
    with open("/proc/self/cgroup") as f:
        own = next(x[3:].strip() for x in f if x.startswith("0::"))
    _home, _tag = _groups + own.rstrip("/"), job["tag"]
    shutil.copy(job["build"] + "/tests/bench/bench_usage", lab.SCRATCH + "/usage")


def furnish_tree(tree, client):
    """A Debian tree with this room's accounts, homes and scratch directory, seen by this namespace only. client: its ssh for everybody."""
    global _client
    os.makedirs(_tree)
    lab.sh("mount", "--bind", tree, _tree)
    lab.check(os.path.exists(_tree + "/usr/sbin/sshd"), "no sshd in " + tree)
    lab.sh("mount", "-t", "tmpfs", "tmpfs", _tree + os.path.dirname(lab.SCRATCH))
    os.makedirs(_tree + lab.SCRATCH)
    for path in ("/proc", "/dev"):
        lab.sh("mount", "--rbind", path, _tree + path)
    for path in (lab.SCRATCH, "/home", "/run", "/etc/passwd", "/etc/group", "/etc/shadow"):
        lab.sh("mount", "--bind", path, _tree + path)
    if client:
        _client = ["chroot", _tree, "ssh"]


def _enter(group):
    with open(group + "/cgroup.procs", "w") as f:
        f.write(str(os.getpid()))


class Measured(lab.Server):
    """coppiced or sshd, with the same configuration; more: lines for this one only, called variant."""

    def __init__(self, name, variant="", more=(), build=lab.BUILD):
        self.name, self.build = name, build
        self.variant = variant
        self.group = "%s/%s-%s%s" % (_home, _tag, name, variant)
        os.mkdir(self.group)
        super().__init__("LogLevel INFO", "MaxStartups 1000", "MaxSessions 1000", *more, hostkeys=("host_ed25519",), wait=False)

    def text(self):
        lines = super().text().splitlines()
        if self.name != "coppiced":
            lines = [x for x in lines if not x.startswith(("ControlSocket", "CrashDirectory"))] + ["UsePAM no"]
        return "\n".join(lines) + "\n"

    def program(self):
        return self.build + "/sbin/coppiced" if self.name == "coppiced" else "/usr/sbin/sshd"

    def argv(self, *words, **more):
        return _client + super().argv(*words, **more)[1:]

    def launch(self, *under):
        super().launch(*(("chroot", _tree) if self.name == "sshd-tree" else ()), *under)

    def ours(self, pid):
        """Is it a process of the server, not the user's shell or command?"""
        try:
            exe = os.readlink("/proc/%d/exe" % pid)
        except OSError:
            return False
        return exe.startswith(self.build + "/") if self.name == "coppiced" else "/sshd" in exe.split(" ")[0]

    def begin(self):
        """Starts it inside its group: what it forks at once is then in it too."""
        _enter(self.group)
        try:
            self.start()
        finally:
            _enter(_home)
        check = self.client("echo ok", stdout=subprocess.PIPE)      # the first login warms the files it reads
        lab.same(check.communicate()[0], b"ok\n", "answer to the first login")
        self.rest()
        self.base = len(self.pids())
        said = self.client("true", flags=("-v",), stderr=subprocess.PIPE).communicate()[1].decode(errors="replace")
        self.exchange = lab.re.search(r"kex: algorithm: (\S+)", said).group(1)
        with self.connect() as s:
            self.ident = s.makefile("rb").readline().decode(errors="replace").strip()
        self.rest()

    def pids(self):
        with open(self.group + "/cgroup.procs") as f:
            return [int(x) for x in f.read().split()]

    def rest(self):
        """Waits until the last connection's processes are gone and the CPU clock stands still."""
        if hasattr(self, "base"):
            lab.wait_until(lambda: len(self.pids()) <= self.base, 20, text="sessions outlived their clients: %r" % self.names())
        before = -1.0
        while self.cpu() - before > 0.0005:
            before = self.cpu()
            lab.time.sleep(0.1)

    def names(self):
        return [(p, lab.status(p, "Name")) for p in self.pids()]

    def cpu(self):
        """Seconds of CPU, of all processes that ever were in the group."""
        with open(self.group + "/cpu.stat") as f:
            return next(int(x.split()[1]) for x in f if x.startswith("usage_usec")) / 1e6

    def pss(self):
        """KiB of memory of the server's own processes, shared pages divided by those who share them; their number."""
        total, count = 0, 0
        for pid in filter(self.ours, self.pids()):
            with open("/proc/%d/smaps_rollup" % pid) as f:
                total += next(int(x.split()[1]) for x in f if x.startswith("Pss:"))
            count += 1
        return total, count

    def client(self, *command, flags=(), options=(), **more):
        """A stock ssh client; stdin, stdout and stderr are /dev/null unless given."""
        for name in ("stdin", "stdout", "stderr"):
            more.setdefault(name, subprocess.DEVNULL)
        return self.popen(USER, *command, flags=flags, options=options, **more)

    def end(self):
        """SIGTERM, then whatever of its group is left."""
        if self.process is not None and self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(20)
            except subprocess.TimeoutExpired:
                pass
        for pid in self.pids():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        try:
            lab.wait_until(lambda: not self.pids(), 5)
            os.rmdir(self.group)
        except (lab.Failure, OSError):
            pass                            # run sweeps it
