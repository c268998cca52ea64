"""The supervisor is killed: sessions live on, the next one takes them over, and everything about them works as before."""
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import threading
import time

from lab import BUILD, HOST, PASSWORDS, ROUNDS, SEED, NotHere, Server, alive, below, check, coppiced_only, limit, processes, same, status, wait_until
from movers import Exec, Master, Sftp, Shell, moving

ROLES = ("coppiced", "keysign", "auth", "nursery", "acceptor", "reporter", "connection", "keeper", "channel", "sftp-server")


def fds(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


def ours():
    """Every process of a daemon in this namespace, by name."""
    found = {}
    for pid in processes():
        name = status(pid, "Name")
        if name in ROLES:
            found.setdefault(name, []).append(pid)
    return found


def kill_supervisor(server):
    os.kill(server.pid, signal.SIGKILL)
    server.process.wait()


def resume(server):
    """The same command again; it must take over, and serve."""
    before = len(re.findall("ev=resume", server.log()))
    server.start()
    wait_until(lambda: len(re.findall("ev=resume", server.log())) > before, 10, text="the new supervisor did not take over")


def names(server):
    return sorted((n["id"], n["name"], n["pid"]) for n in server.tree() if n["name"] not in ("coppiced", "nursery"))


@coppiced_only
@limit(300)
def test_sessions_outlive_a_killed_supervisor():
    server = Server("LogLevel VERBOSE")
    server.crash_expected = True
    master = Master(server, 1)
    movers = [moving(kind(server, n, control=control)) for n, kind, control in
              ((1, Exec, master.path), (1, Shell, master.path), (2, Exec, None), (3, Shell, None), (4, Sftp, None))]
    waits = server.popen("alice", "read x; exit $x")
    wait_until(lambda: any(n["name"] == "exec" and n.get("user") == "alice" for n in server.tree()), 20)
    time.sleep(0.3)
    before = names(server)
    kept = dict(ours())
    counts = []
    for turn in range(5):
        kill_supervisor(server)
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] for m in movers if not isinstance(m, Sftp)), 20, text="sessions stand still without a supervisor")
        resume(server)
        wait_until(lambda: names(server) == before, 10, text="the tree after kill %d: %s, before: %s" % (turn + 1, names(server), before))
        r = server.ssh("bob", "echo new; exit 3")
        same((r.returncode, r.stdout), (3, b"new\n"), "a login after kill %d (%r)" % (turn + 1, r.stderr))
        r = subprocess.run(["ssh", "-S", master.path, "x@" + HOST, "echo channel; exit 4"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
        same((r.returncode, r.stdout), (4, b"channel\n"), "a new channel on an old connection")
        check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] for m in movers), 20, text="sessions stand still after it")
        wait_until(lambda: {k: len(v) for k, v in ours().items()} == {k: len(v) for k, v in kept.items()}, 15,
                   text="processes: %s, before: %s" % (ours(), kept))
        counts.append(fds(server.pid))
    check(max(counts[1:]) - min(counts[1:]) <= 2, "descriptors of the supervisor grow", counts)
    out, err = waits.communicate(b"7\n", timeout=20)
    same(waits.returncode, 7, "exit status of a program that outlived five supervisors (%r)" % err)
    for m in movers:
        m.finish()
    master.finish()
    check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
    wait_until(lambda: "connection" not in ours() and "channel" not in ours(), 10, text="something is left: %s" % ours())
    server.stop()
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())


@coppiced_only
def test_the_keeper_lets_go():
    """Of dead processes it hears together, and of the last ones, too."""
    with Server() as server:
        keeper = next(n["pid"] for n in server.tree() if n["name"] == "keeper")
        server.ssh("bob", "true", ok=True)
        time.sleep(0.5)
        before = fds(keeper)
        for _ in range(20):
            server.ssh("bob", "true", ok=True)
        wait_until(lambda: fds(keeper) <= before, 5, text="descriptors of the keeper: %s, before: %s" % (fds(keeper), before))
        open_ones = [server.popen("bob", "read x") for _ in range(3)]
        wait_until(lambda: fds(keeper) > before, 5, text="it is told of the living at once")
        for p in open_ones:
            p.communicate(b"\n", timeout=20)
        wait_until(lambda: fds(keeper) <= before, 5, text="descriptors of the keeper: %s, before: %s" % (fds(keeper), before))


@coppiced_only
@limit(120)
def test_what_ended_while_nobody_supervised_is_told_truly():
    server = Server()
    server.crash_expected = True
    ends = [(server.popen("alice", "read x; exit 7"), 7), (server.popen("alice", "kill -STOP $$; exit 9"), 9),
            (server.popen("bob", "read x; kill -TERM $$"), 255), (server.popen("bob", "read x; exit 0", flags=("-tt",)), 0)]
    wait_until(lambda: len([n for n in server.tree() if n["name"].startswith("exec") and n["state"] == "up"]) == 4, 20)
    stopped = [n["pid"] for n in server.tree() if n["name"] == "exec" and status(n["pid"], "State").startswith("T")]
    closing = server.popen("bob", "trap 'echo hup > /home/bob/hup; exit' HUP; while :; do sleep 0.1; done", flags=("-tt",))
    wait_until(lambda: len([n for n in server.tree() if n["name"].startswith("exec") and n["state"] == "up"]) == 5, 20)
    time.sleep(0.2)
    kill_supervisor(server)
    for process, _ in (ends[0], ends[2], ends[3]):
        process.stdin.write(b"go\n")
        process.stdin.close()
    for pid in stopped:
        os.kill(pid, signal.SIGCONT)
    closing.stdin.close()
    closing.kill()                  # its connection ends: nobody is there to hang its program up but the terminal
    time.sleep(0.5)
    resume(server)
    for process, code in ends:
        same(process.wait(20), code, "exit status of a program that ended meanwhile")
    wait_until(lambda: os.path.exists("/home/bob/hup"), 10, text="no SIGHUP for a program whose client left meanwhile")
    wait_until(lambda: not [n for n in server.tree() if n["name"].startswith("session ")], 15, text="sessions are left")
    wait_until(lambda: "channel" not in ours() and "connection" not in ours(), 10, text="something is left: %s" % ours())
    server.stop()


@coppiced_only
@limit(120)
def test_signals_and_hang_ups_reach_adopted_programs():
    server = Server()
    server.crash_expected = True
    shell = server.popen("bob", "trap 'echo hup > /home/bob/hup2; exit' HUP; echo ready; while :; do sleep 0.1; done", flags=("-tt",))
    check(shell.stdout.readline().strip() == b"ready", "the program")
    background = server.popen("alice", "trap '' HUP; echo ready; exec sleep 1000")
    check(background.stdout.readline().strip() == b"ready", "the program")
    kill_supervisor(server)
    resume(server)
    shell.kill()
    wait_until(lambda: os.path.exists("/home/bob/hup2"), 10, text="no SIGHUP for an adopted program whose client left")
    background.kill()
    wait_until(lambda: not [n for n in server.tree() if n["name"].startswith("session ")], 20, text="an adopted program that ignores SIGHUP is not killed")
    server.stop()


@coppiced_only
@limit(120)
def test_logins_under_way_outlive_a_killed_supervisor():
    """Killed at any moment of twelve logins: each of them succeeds once the next one is there."""
    rng = random.Random(SEED)
    server = Server("MaxStartups 100:30:200")
    server.crash_expected = True
    for turn in range(max(3, ROUNDS // 6)):
        logins = [server.popen("alice", "echo %d; exit %d" % (i, i)) for i in range(12)]
        time.sleep(rng.random() * 0.5)
        kill_supervisor(server)
        time.sleep(rng.random() * 0.1)
        resume(server)
        for i, p in enumerate(logins):
            out, err = p.communicate(timeout=30)
            same((p.returncode, out), (i, b"%d\n" % i), "login %d of turn %d (%r)" % (i, turn, err))
    wait_until(lambda: not [n for n in server.tree() if n["name"].startswith("session ")], 15, text="sessions are left")
    server.stop()


@coppiced_only
@limit(120)
def test_the_keeper_dies_first():
    server = Server()
    server.crash_expected = True
    session, old = moving(Exec(server, 1)), server.pid_of("keeper")
    os.kill(old, signal.SIGKILL)
    wait_until(lambda: server.pid_of("keeper") not in (0, old) and server.node("keeper")["state"] == "up", 10)
    kill_supervisor(server)
    resume(server)                  # the second keeper had been told everything
    check(not session.fault, session.fault)
    os.kill(server.pid_of("keeper"), signal.SIGSTOP)
    keeper = server.pid_of("keeper")
    kill_supervisor(server)
    session.excused = True
    os.kill(keeper, signal.SIGKILL)
    wait_until(session.ended, 10, text="a session without supervisor and keeper does not end")
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())
    server.start()
    server.ssh("alice", "true", ok=True)
    session.finish()
    server.stop()


@coppiced_only
@limit(60)
def test_the_keeper_gives_up_in_time():
    server = Server("KeeperTime 1")
    server.crash_expected = True
    session = moving(Exec(server, 1))
    session.excused = True
    kill_supervisor(server)
    wait_until(session.ended, 10, text="sessions do not end when the keeper gave up")
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())
    server.start()
    server.ssh("alice", "true", ok=True)
    session.finish()
    server.stop()


@coppiced_only
@limit(120)
def test_the_next_start_is_clean_after_a_kill_while_it_ended():
    """What the killed one left goes away in a moment; the next one waits for its port instead of ending with 255."""
    server = Server()
    server.crash_expected = True
    for turn in range(12):
        sessions = [server.popen("alice", "exec sleep 1000") for _ in range(3)]
        wait_until(lambda: len([n for n in server.tree() if n["name"] == "exec" and n["state"] == "up"]) == 3, 20)
        server.process.terminate()
        time.sleep(turn * 0.002)
        kill_supervisor(server)
        server.start()
        server.ssh("alice", "true", ok=True)
        for s in sessions:
            s.kill()            # the kill may have come before the SIGTERM was read: then they live
            s.communicate()
    server.stop()
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())


@coppiced_only
@limit(60)
def test_a_second_daemon_does_not_steal():
    server = Server()
    session = moving(Exec(server, 1))
    before = names(server)
    second = subprocess.run([server.program(), "-D", "-e", "-f", server.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                            env=server.env(), timeout=30)
    check(second.returncode == 255 and b"another coppiced" in second.stdout and b"Cannot bind any address" in second.stdout, "the second daemon", second)
    same(names(server), before, "the tree")
    r = server.ssh("alice", "true", ok=True)
    check(not session.fault, session.fault)
    session.finish()
    server.stop()


@coppiced_only
@limit(60)
def test_a_broken_configuration_keeps_the_sessions():
    """The new supervisor does not start; what it was to take over waits until it does."""
    server = Server()
    server.crash_expected = True
    session = moving(Exec(server, 1))
    kill_supervisor(server)
    server.write("Nonsense yes")
    r = subprocess.run([server.program(), "-D", "-e", "-f", server.conf], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       env=server.env(), timeout=30)
    same(r.returncode, 255, "status of a start with a broken configuration (%r)" % r.stdout)
    server.write("LogLevel VERBOSE")
    resume(server)
    was = session.progress
    wait_until(lambda: session.progress > was or session.fault, 10)
    check(not session.fault, session.fault)
    session.finish()
    server.stop()


# ---- upgrade -------------------------------------------------------------------------------------------------------

class Installed:
    """A daemon of a tree of its own, whose program can be exchanged."""

    def __init__(self, *lines):
        if not os.path.exists(BUILD + "/variants"):
            raise NotHere("this build has no programs to upgrade to")
        self.server = Server(*lines, wait=False)
        self.prefix = self.server.dir + "/prefix"
        os.makedirs(self.prefix + "/sbin")
        shutil.copytree(BUILD + "/libexec", self.prefix + "/libexec")
        self.server.program = lambda: self.prefix + "/sbin/coppiced"
        self.exchange("sbin/coppiced")

    def exchange(self, program):
        """As a package manager does it: the new file under the old name, the old one unlinked."""
        shutil.copy(BUILD + "/" + program, self.prefix + "/sbin/new")
        os.rename(self.prefix + "/sbin/new", self.prefix + "/sbin/coppiced")

    def row(self):
        return json.loads(self.server.ctl("upgrades", "--json").stdout)[0]

    def upgrade(self):
        return self.server.ctl("upgrade", timeout=60)

    def helpers(self):
        return {n["name"]: n["pid"] for n in self.server.tree() if n["kind"] == "worker" and not n["name"].startswith(("connection", "exec", "shell", "sftp"))}

    def replaced(self, old):
        """Every helper is another process, none counts a restart."""
        def done():
            now = self.helpers()
            return set(now) == set(old) and not any(now[k] == old[k] for k in old) and not self.row()["replacing"]
        wait_until(done, 30, text="helpers were not replaced: %s" % old)
        same([n["name"] for n in self.server.tree() if n.get("restarts")], [], "restarts")


@coppiced_only
@limit(600)
def test_upgrades_to_and_fro_disconnect_nobody():
    place = Installed("LogLevel VERBOSE")
    server = place.server.start()
    master = Master(server, 1)
    movers = [moving(kind(server, n, control=control)) for n, kind, control in
              ((1, Exec, master.path), (1, Shell, master.path), (2, Exec, None), (3, Shell, None), (4, Sftp, None))]
    waits = server.popen("alice", "read x; exit $x")
    pid, old = server.pid, place.helpers()
    version = place.row()["version"]
    for turn in range(max(2, ROUNDS // 8)):
        program = "variants/coppiced-next" if turn % 2 == 0 else "sbin/coppiced"
        place.exchange(program)
        old = place.helpers()
        if turn % 2 == 0:
            r = place.upgrade()
            same(r.returncode, 0, "coppicectl upgrade (%r)" % r.stderr)
        else:
            os.kill(pid, signal.SIGUSR2)
        wait_until(lambda: place.row()["upgrades"] == turn + 1, 20, text="no upgrade")
        row = place.row()
        same((row["pid"], row["version"]), (pid, "9.2.0" if turn % 2 == 0 else version), "the program that runs")
        place.replaced(old)
        r = server.ssh("bob", "echo new; exit 3")
        same((r.returncode, r.stdout), (3, b"new\n"), "a login after upgrade %d (%r)" % (turn + 1, r.stderr))
        r = subprocess.run(["ssh", "-S", master.path, "x@" + HOST, "echo channel; exit 4"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, timeout=30)
        same((r.returncode, r.stdout), (4, b"channel\n"), "a new channel on an old connection")
        was = {m: m.progress for m in movers}
        wait_until(lambda: all(m.progress > was[m] for m in movers) or any(m.fault for m in movers), 20, text="sessions stand still after it")
        check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
    waits.communicate(b"7\n", timeout=20)
    same(waits.returncode, 7, "exit status of a program older than the daemon")
    for m in movers:
        m.finish()
    master.finish()
    check(not [m.fault for m in movers if m.fault], "faults", [m.fault for m in movers if m.fault])
    server.stop()
    wait_until(lambda: not ours(), 10, text="something is left: %s" % ours())


@coppiced_only
@limit(120)
def test_an_upgrade_after_a_kill_sees_adopted_processes_end():
    """Those of a killed supervisor are nobody's children, and stay so when the next one executes another program."""
    server = Server()
    server.crash_expected = True
    waits = server.popen("alice", "read x; exit $x")
    wait_until(lambda: any(n["name"] == "exec" and n["state"] == "up" for n in server.tree()), 20)
    kill_supervisor(server)
    resume(server)
    before = {k: len(v) for k, v in ours().items()}
    r = server.ctl("upgrade", timeout=60)
    same(r.returncode, 0, "coppicectl upgrade (%r)" % r.stderr)
    waits.communicate(b"7\n", timeout=20)
    same(waits.returncode, 7, "exit status of a program older than a kill and an upgrade")
    wait_until(lambda: not [n for n in server.tree() if n["name"].startswith("session ")], 15, text="sessions are left")
    wait_until(lambda: len(ours()["keeper"]) == before["keeper"], 10, text="processes: %s, before: %s" % (ours(), before))
    time.sleep(5.5)                 # who ended and was not noticed would be killed now
    same([x for x in server.log().splitlines() if "it does not end" in x], [], "helpers whose end was not seen")
    server.stop()


@coppiced_only
@limit(120)
def test_an_upgrade_that_cannot_be_is_refused():
    place = Installed()
    server = place.server.start()
    session = moving(Exec(server, 1))
    before = place.helpers()
    for program, words in (("variants/coppiced-stranger", b"reads state formats 6 to 6"), ("bin/coppicectl", b"upgrade refused")):
        place.exchange(program)
        r = place.upgrade()
        same(r.returncode, 1, "status of an upgrade to " + program)
        check(words in r.stderr, "the words", r.stderr)
    os.unlink(place.prefix + "/sbin/coppiced")
    r = place.upgrade()
    check(r.returncode == 1 and b"No such file" in r.stderr, "without a program", r)
    place.exchange("variants/coppiced-next")
    with open(server.conf, "a") as f:
        f.write("Nonsense yes\n")
    r = place.upgrade()
    check(r.returncode == 1 and b"Nonsense" in r.stderr, "with a configuration the new program does not take", r)
    same(place.helpers(), before, "helpers")
    same(place.row()["upgrades"], 0, "upgrades")
    check(not session.fault, session.fault)
    session.finish()
    server.stop()


@coppiced_only
@limit(120)
def test_a_failing_upgrade_goes_one_step_back():
    place = Installed()
    server = place.server.start()
    sessions = [moving(Exec(server, 1)), moving(Shell(server, 2))]
    version, before = place.row()["version"], place.helpers()
    for _ in range(2):
        place.exchange("variants/coppiced-broken")
        r = place.upgrade()
        check(r.returncode == 1 and b"could not take over" in r.stderr, "the answer", r)
        row = place.row()
        same((row["version"], row["pid"], row["upgrades"]), (version, server.pid, 0), "what runs")
        same(place.helpers(), before, "helpers")
        server.ssh("alice", "true", ok=True)
    server.logged("ev=upgrade version 9.4.0 cannot take over; back to " + version)
    place.exchange("variants/coppiced-next")
    same(place.upgrade().returncode, 0, "an upgrade to a sound program after it")
    place.replaced(before)
    for s in sessions:
        check(not s.fault, s.fault)
        s.finish()
    server.stop()


def said(port, request=b""):
    with socket.create_connection((HOST, port), 10) as c:
        c.sendall(request)
        c.settimeout(10)
        out = b""
        while True:
            got = c.recv(65536)
            if not got:
                return out
            out += got


@coppiced_only
@limit(60)
def test_metrics_and_health_are_served_by_the_next_one():
    """Their ports were bound by the one that is gone; helpers of it still have them."""
    with Server("Metrics 127.0.0.1:2799", "HealthListen 127.0.0.1:2798") as s:
        s.crash_expected = True

        def served():
            try:
                return b"coppice_" in said(2799, b"GET /metrics HTTP/1.0\r\n\r\n") and said(2798) == b"ready\n"
            except OSError:
                return False

        wait_until(served, 10, text="not served at all")
        for how in ("upgrade", "kill", "upgrade", "kill"):
            before = {s.pid_of("reporter")}
            if how == "kill":
                s.process.kill()
                s.process.wait()
                s.start()
                wait_until(lambda: not json.loads(s.ctl("upgrades", "--json").stdout)[0]["replacing"], 20, text="helpers are not replaced")  # what the upgrade began goes on
                os.kill(s.pid_of("reporter"), signal.SIGKILL)
            else:
                same(s.ctl("upgrade", timeout=60).returncode, 0, "upgrade")
            wait_until(lambda: s.pid_of("reporter") not in before | {0, None}, 20, text="the reporter is the old one")
            wait_until(served, 10, text="not served after " + how)


class Visits(threading.Thread):
    """Logs in again and again, by key or by password; each login counts, and what its program says and ends with."""

    def __init__(self, server, number):
        super().__init__(daemon=True)
        self.server, self.number, self.stopping, self.visits, self.failed = server, number, False, 0, []
        self.start()

    def visit(self, word, code):
        command = "echo %s; sleep 0.0%d; exit %d" % (word, code, code)
        if self.number % 4 == 3:
            return self.server.password("bob", PASSWORDS["bob"], command)
        return self.server.ssh("alice", command)

    def run(self):
        while not self.stopping:
            word, code = "visit-%d-%d" % (self.number, self.visits), self.visits % 10
            try:
                r = self.visit(word, code)
                good, text = (r.returncode, r.stdout) == (code, word.encode() + b"\n"), "%d %r %r" % (r.returncode, r.stdout, r.stderr[-300:])
            except subprocess.TimeoutExpired:
                good, text = False, "no end in 60 s"
            if not good:
                self.failed.append("%s: %s" % (word, text))
            self.visits += 1


@coppiced_only
@limit(300)
def test_logins_under_way_outlive_upgrades():
    """Logins at every step while helpers are replaced and connections move, again and again: none fails."""
    with Server("MaxStartups 300:30:400", "LogLevel VERBOSE") as s:
        visitors = [Visits(s, i) for i in range(8)]
        for turn in range(max(10, ROUNDS)):
            same(s.ctl("upgrade", timeout=60).returncode, 0, "upgrade %d" % turn)
            check(not any(v.failed for v in visitors), "a login failed in turn %d" % turn, *[f for v in visitors for f in v.failed])
        for v in visitors:
            v.stopping = True
        for v in visitors:
            v.join(90)
        check(not any(v.failed for v in visitors), "a login failed", *[f for v in visitors for f in v.failed])
        print("%d logins" % sum(v.visits for v in visitors))
        check(sum(v.visits for v in visitors) > 20, "too few logins", [v.visits for v in visitors])
        wait_until(lambda: not [n for n in s.tree() if n["name"].startswith("session ")], 15, text="sessions are left")


@coppiced_only
@limit(120)
def test_the_last_events_of_adopted_processes():
    """A crash report of one that has had another supervisor before tells what one of our own would."""
    for how in ("kill", "upgrade"):
        with Server("LogLevel VERBOSE") as s:
            s.crash_expected = True
            session = s.popen("alice", "echo here; exec cat")
            same(session.stdout.readline(), b"here\n", "the program")
            victims = {"keysign": s.pid_of("keysign")}
            if how == "kill":
                kill_supervisor(s)
                resume(s)
                victims["connection"] = s.pid_of("connection")
            else:                       # a helper would be replaced, and a connection that hears us would move
                victims = {"connection": s.pid_of("connection")}
                os.kill(victims["connection"], signal.SIGSTOP)
                same(s.ctl("upgrade", timeout=60).returncode, 0, "upgrade")
            for name, pid in victims.items():
                os.kill(pid, signal.SIGSEGV)
                if how == "upgrade":
                    os.kill(pid, signal.SIGCONT)
                row = wait_until(lambda: next((c for c in crash_rows(s) if c["pid"] == pid), None), 20, text="no report of " + name)
                text = s.ctl("crashes", str(row["number"])).stdout.decode()
                check("last events of the process" in text and "link in" in text, "the last events of a %s after %s" % (name, how), text)
                report = json.loads(s.ctl("--json", "crashes", str(row["number"])).stdout)
                check(report["maxrss_kib"] > 0 and report["minor_faults"] > 0, "resources", report)
                same("resources_seen_ms_ago" in report, how == "kill", "says when they were seen (%r)" % report)
            session.kill()


def crash_rows(s):
    r = s.ctl("--json", "crashes")
    return json.loads(r.stdout) if r.returncode == 0 and r.stdout else []
