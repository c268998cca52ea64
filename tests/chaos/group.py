"""Control groups of the harms, of whichever version this machine has."""
import os
import signal

import lab
from lab import NotHere, wait_until

ROOT = "/sys/fs/cgroup"
# what is limited -> controller of version 1, its knob; knob of version 2
KNOBS = {"memory": ("memory", "memory.limit_in_bytes", "memory.max"), "pids": ("pids", "pids.max", "pids.max"), "cpu": ("cpu", "cpu.cfs_quota_us", "cpu.max")}


class Group:
    """A group with a limit. A context manager: who is in it at the end goes back to where it came from. room.inside() removes it should we be killed."""

    def __init__(self, limit, what="memory"):
        v1, old, new = KNOBS[what]
        self.v1 = os.path.isdir(os.path.join(ROOT, v1))
        self.top = os.path.join(ROOT, v1) if self.v1 else ROOT
        self.path = os.path.join(self.top, os.path.basename(lab.SCRATCH))
        self.knob = old if self.v1 else new
        try:
            os.mkdir(self.path)
            self.limit(limit)
        except OSError as e:
            self.remove()
            raise NotHere("no control group for %s can be made here: %s" % (what, e))

    def limit(self, n):
        with open("%s/%s" % (self.path, self.knob), "w") as f:
            f.write(str(n))

    @staticmethod
    def move(pid, to):
        """0 when it was too late for that: the process is gone, or is about to go."""
        fd = os.open(to + "/cgroup.procs", os.O_WRONLY)
        try:
            os.write(fd, b"%d" % pid)
        except ProcessLookupError:
            return 0
        finally:
            os.close(fd)
        return 1

    def take(self, pids):
        return sum(self.move(pid, self.path) for pid in pids)

    def inside(self):
        with open(self.path + "/cgroup.procs") as f:
            return [int(x) for x in f.read().split() if x != "0"]       # 0: of another room

    def event(self, name, word):
        with open("%s/%s" % (self.path, name)) as f:
            return next(int(x.split()[1]) for x in f if x.startswith(word + " "))

    def killed(self):
        """How many the kernel killed for memory."""
        return self.event("memory.oom_control" if self.v1 else "memory.events", "oom_kill")

    def refused(self):
        """How often fork() failed for the limit."""
        return self.event("pids.events", "max")

    def kill_all(self, seconds=20):
        """Again and again: they may fork faster than one looks."""
        def empty():
            for pid in self.inside():
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    pass
            return not self.inside()

        wait_until(empty, seconds, 0.01, "processes of the control group do not die")

    def remove(self):
        """While somebody is moved out others may end, or be born inside."""
        def gone():
            for pid in self.inside():
                self.move(pid, self.top)
            try:
                os.rmdir(self.path)
            except OSError:
                return False
            return True

        if os.path.isdir(self.path):
            wait_until(gone, 10, text="the control group stays")

    def __enter__(self):
        return self

    def __exit__(self, *what):
        self.remove()
