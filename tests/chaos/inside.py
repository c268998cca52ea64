"""The inside of the room: breaks things one after the other, looks at the invariants after each, and says what it saw."""
import os
import random
import shutil
import struct
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "..", "system")]

import lab  # noqa: E402
import room  # noqa: E402
import between  # noqa: E402,F401  its harms
import crowd  # noqa: E402,F401  its harms
import network  # noqa: E402,F401  its harms
import starve  # noqa: E402,F401  its harms
from harm import HARMS  # noqa: E402
from lab import Failure, NotHere, check, wait_until  # noqa: E402
from load import SECOND, Load  # noqa: E402
from watch import Snapshot, Watcher, cpu_seconds, deaths_logged, secrets_in, settled  # noqa: E402

SHORT = ("kill keysign", "kill auth", "kill nursery", "kill reporter", "kill acceptor", "kill connection", "kill shell", "kill exec", "kill sftp",
         "segv connection", "stop supervisor", "stop connection", "descriptors of supervisor", "processes of nursery", "fork fails in supervisor", "disk full",
         "clock jumps", "reload storm", "signal storm", "second daemon", "binaries removed", "hasty clients", "kill supervisor", "upgrade", "kill supervisor between calls", "out of memory: a program", "bad network: wrong bits",
         "kill all acceptors", "stop keeper", "state directory read-only", "upload to a full disk", "no more processes", "endless output")
LIFE = 8            # harms to one daemon: fewer restarts than any intensity of its tree allows within a minute
SECRET = "s3cret-typed-at-the-prompt"


class Field:
    """One daemon of a life, its load, and those who watch it."""

    def __init__(self, rng, size, visitors):
        self.rng, self.killed, self.measures = rng, [], {}
        self.log_dir = "%s/log-%d" % (lab.SCRATCH, lab.Server.number)
        lab.tmpfs(self.log_dir)
        lab.sh("mount", "-o", "remount,size=64m", self.log_dir)
        self.libexec = lab.BUILD + "/libexec"
        self.server = lab.Server("ListenAddress " + SECOND, "MaxStartups 600:30:800", "LogLevel VERBOSE",
                                 args=["-E", self.log_dir + "/log"], wait=False)
        self.server.log_path, self.stderr = self.log_dir + "/log", self.server.log_path
        self.server.crash_expected = True
        self.state_dir = self.server.dir + "/crashes"
        lab.tmpfs(self.state_dir, "700")
        lab.sh("mount", "-o", "remount,size=16m", self.state_dir)
        self.server.start()
        wait_until(lambda: len([n for n in self.server.tree() if n["name"].startswith("acceptor") and n["state"] == "up"]) == 2, 20, text="two acceptors")
        self.before = Snapshot(self.server)
        self.watcher = Watcher(self.server)
        self.began, self.cpu = time.monotonic(), cpu_seconds(self.server.pid)
        self.server.password("carol", SECRET, "true")     # refused; must appear nowhere
        self.load = Load(self.server, size, visitors)

    def measure(self, what, seconds):
        self.measures.setdefault(what, []).append(seconds)

    def shift_clock(self, seconds):
        if lab.sanitized():
            raise NotHere("a sanitizer wants to be loaded first")
        with open(lab.SCRATCH + "/shift", "r+b") as f:
            f.write(struct.pack("=q", seconds))

    def after(self, harm, since):
        """The invariants that can be seen at once."""
        self.load.moving(60)
        bad = []
        doors = self.load.prober
        for when, door in doors.since(doors.refused, since):
            bad.append("%s:%d refused a connection" % door)
        if not harm.doors_may_drop and doors.since(doors.dropped, since):
            bad.append("%d connections were dropped before the greeting" % len(doors.since(doors.dropped, since)))
        if not harm.logins_may_fail:
            bad += ["a login failed: " + text for v in self.load.visitors for began, ended, text in v.failed if ended >= since]
        r = self.server.ssh("alice", "echo hello")
        if (r.returncode, r.stdout) != (0, b"hello\n"):
            bad.append("a login afterwards: %d %r" % (r.returncode, r.stderr[-200:]))
        check(not bad, "; ".join(bad[:4]))

    def end(self):
        """The rest of them, when the load is over."""
        self.load.end()
        left = settled(self.server, self.before)
        findings = ["left behind: " + x for x in left] + self.watcher.findings()
        self.watcher.stopping = True
        lost = deaths_logged(self.server.log(), self.killed) if "dropped=" not in self.server.log() else []
        findings += ["no single report of the death of %d" % pid for pid in lost]
        findings += ["the secret is in " + path for path in secrets_in(self.server, [SECRET])]
        self.server.stop()
        lab.sh("umount", "-l", self.log_dir, self.state_dir)
        return findings


class Account:
    """What happened, for the end."""

    def __init__(self):
        self.lines, self.passed, self.failed, self.measures, self.stalls, self.waits, self.skipped = [], 0, 0, {}, [], [], {}

    def say(self, text):
        self.lines.append(text)
        print(text, flush=True)

    def result(self, name, took, fault=None):
        self.passed += fault is None
        self.failed += fault is not None
        self.say("%s %-32s %6.1f s%s" % ("ok  " if fault is None else "FAIL", name, took, "  " + fault if fault else ""))

    def life_over(self, field):
        for what, values in field.measures.items():
            self.measures.setdefault(what, []).extend(values)
        self.stalls += list(field.load.stalls.longest.values())
        self.waits += [w for _, w in field.load.prober.waits]

    def close(self, seed):
        self.say("")
        self.say("seed %d" % seed)
        for name, why in sorted(self.skipped.items()):
            self.say("not done: %s (%s)" % (name, why))
        for what, values in sorted(self.measures.items()) + [("greeting", self.waits), ("longest standstill of a session", self.stalls)]:
            if values:
                v = sorted(values)
                self.say("%s: %d times, p50 %.3f s, p99 %.3f s, longest %.3f s" % (what, len(v), v[len(v) // 2], v[min(len(v) - 1, len(v) * 99 // 100)], v[-1]))
        self.say("%d passed, %d failed" % (self.passed, self.failed))
        path = os.environ.get("LAB_REPORT")
        if path:
            with open(path, "w") as f:
                f.write("\n".join(self.lines) + "\n")


def one_harm(account, field, function):
    began = time.monotonic()
    try:
        function(field)
        field.after(function, began)
        account.result(function.harm, time.monotonic() - began)
        return True
    except NotHere as e:
        account.skipped[function.harm] = str(e)
        return True
    except Exception as e:
        account.result(function.harm, time.monotonic() - began, str(e).replace("\n", " ")[:600])
        if not isinstance(e, Failure):
            traceback.print_exc()
        lab.show_logs(function.harm)
        return False


def life(account, rng, plan, size, visitors):
    """One daemon and its harms. 0: something went wrong, the daemon is of no further use."""
    field = Field(rng, size, visitors)
    began, good = time.monotonic(), True
    for function in plan:
        good = one_harm(account, field, function)
        if not good:
            break
    account.life_over(field)
    if good:
        findings = field.end()
        account.result("end of a life", time.monotonic() - began, "; ".join(findings[:6]) or None)
    field.watcher.stopping = True
    lab.end_of_test(failed=True)


def prepare():
    """A copy of the build that may be moved about, and a clock that can be shifted."""
    copy = lab.SCRATCH + "/build"
    for name in ("sbin", "bin", "libexec"):
        shutil.copytree(os.path.join(lab.BUILD, name), os.path.join(copy, name))
    shutil.copy(lab.BUILD + "/CMakeCache.txt", copy)
    lab.BUILD = copy
    with open(lab.SCRATCH + "/shift", "wb") as f:
        f.write(bytes(8))
    os.chmod(lab.SCRATCH + "/shift", 0o644)
    with open(lab.SCRATCH + "/malloc", "wb") as f:
        f.write(bytes(16))
    os.chmod(lab.SCRATCH + "/malloc", 0o666)
    if not lab.sanitized():
        lib = lab.SCRATCH + "/preloaded.so"
        lab.sh("cc", "-shared", "-fPIC", "-O2", "-fno-builtin", '-DSHIFT_FILE="%s/shift"' % lab.SCRATCH, '-DFAIL_FILE="%s/malloc"' % lab.SCRATCH,
               "-o", lib, HERE + "/clock.c", HERE + "/malloc.c", "-ldl")
        with open("/etc/ld.so.preload", "w") as f:
            f.write(lib + "\n")


def runner():
    lab.furnish()
    prepare()
    seed, minutes, size = int(os.environ["LAB_SEED"]), float(os.environ["LAB_MINUTES"]), int(os.environ["LAB_SIZE"])
    short = bool(os.environ["LAB_SHORT"])
    names = [n for n in (SHORT if short else HARMS) if n in HARMS and (not sys.argv[1:] or any(w in n for w in sys.argv[1:]))]
    rng, account = random.Random(seed), Account()
    end = time.monotonic() + minutes * 60
    plan = []
    while True:
        if not plan:
            plan = [HARMS[n] for n in names]
            rng.shuffle(plan)
        now, plan = plan[:LIFE], plan[LIFE:]
        life(account, rng, now, size, 1 if short else 3)
        if not plan and time.monotonic() >= end:
            break
    account.close(seed)
    return 1 if account.failed or not account.passed else 0


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(HARMS))
        return 0
    return room.reap_for(runner)


sys.exit(main())
