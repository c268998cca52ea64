"""Supervision on live nodes: Supervise, back-off, the port that keeps listening, OTP's functions by coppicectl."""
import json
import os
import re
import shutil
import signal
import socket
import time

from lab import BUILD, HOST, ROUNDS, SCRATCH, NotHere, Server, alive, below, check, coppiced_only, limit, same, sanitized, sh, status, wait_until

HELPERS = ("reporter", "keysign", "auth", "nursery", "acceptor")


class Own(Server):
    """A daemon from a tree of programs of its own, so that a helper can be broken and repaired."""

    def __init__(self, *lines, **more):
        self.prefix = "%s/own-%d" % (SCRATCH, Server.number)
        if not os.path.exists(self.prefix):
            os.makedirs(self.prefix + "/libexec")
            shutil.copytree(BUILD + "/sbin", self.prefix + "/sbin")
            shutil.copytree(BUILD + "/libexec/coppice", self.prefix + "/libexec/coppice")
        super().__init__(*lines, **more)
        self.crash_expected = True

    def program(self):
        return self.prefix + "/sbin/coppiced"

    def breaks(self, name):
        """Open programs cannot be replaced for a running daemon; but they can become what nobody can execute."""
        os.chmod("%s/libexec/coppice/%s" % (self.prefix, name), 0)

    def repair(self, name):
        os.chmod("%s/libexec/coppice/%s" % (self.prefix, name), 0o755)


def rows(server, *words):
    r = server.ctl("--json", *words)
    same(r.returncode, 0, "status of %s (%r)" % (words, r.stderr))
    return json.loads(r.stdout)


def child(server, of, name):
    found = [x for x in rows(server, "which-children", *([of] if of else [])) if x["name"] == name]
    check(found, "no child %s of %s" % (name, of or "the root"))
    return found[0]


def parent(name):
    return {"keysign": "guards", "auth": "guards"}.get(name)


def refused(server, sentence, *words):
    r = server.ctl(*words)
    same(r.returncode, 1, "status of %s (%r)" % (words, r.stdout + r.stderr))
    check(sentence in r.stderr.decode(), "%s answers %r, not %r" % (words, r.stderr, sentence))


def knock(server):
    with socket.create_connection((HOST, server.port), 10):
        pass


def up_again(server, name, pid):
    """READY, not only started: its death before that would be a failed start."""
    wait_until(lambda: (lambda n: n["state"] == "up" and n["pid"] != pid)(server.node(name)), 20, text="%s did not come back" % name)


def crash(server, name):
    pid = server.pid_of(name)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not alive(pid), 10)


# ---- crash loops --------------------------------------------------------------------------------------

def broken_and_repaired(name):
    with Own("Supervise %s backoff=20ms:200ms" % name, "LogLevel DEBUG", "MaxStartups 200") as s:
        session = s.popen("bob", "exec cat")
        session.stdin.write(b"before\n")
        session.stdin.flush()
        same(session.stdout.readline(), b"before\n", "echo")
        pid = s.pid
        s.breaks(name)
        others = {x: s.pid_of(x) for x in HELPERS if x != name and not (name == "keysign" and x == "auth")}
        crash(s, name)
        seen = parent(name) if name != "acceptor" else "listener %s:%d" % (HOST, s.port)
        # more failures than any intensity of the table allows restarts
        row = wait_until(lambda: (lambda x: x["failed_starts"] >= 12 and x["state"] == "throttled" and x)(child(s, seen, name)), 30,
                         text="%s is not tried again" % name)
        same(row["child"], "restarting", "child")
        check("cannot be executed" in row["last_exit"], "last exit %r" % row["last_exit"])
        node = s.node(name)
        same(node["state"], "throttled", "state in the tree")
        check(re.search(r"failed starts, next try in", node["last_exit"]), "the tree says %r" % node["last_exit"])
        for x, was in others.items():
            same(s.pid_of(x), was, "pid of %s" % x)
        for _ in range(20):
            knock(s)            # refused would raise
        session.stdin.write(b"meanwhile\n")
        session.stdin.flush()
        same(session.stdout.readline(), b"meanwhile\n", "echo of a session")
        login = s.popen("alice", "echo in")
        s.repair(name)
        wait_until(lambda: child(s, seen, name)["state"] == "up", 10, text="%s did not come back" % name)
        same(child(s, seen, name)["failed_starts"], 0, "failed starts")
        out, err = login.communicate(timeout=60)
        same((login.returncode, out), (0, b"in\n"), "a login that waited for %s (%r)" % (name, err))
        same(s.pid, pid, "the daemon")
        check(alive(pid), "the daemon is gone")
        same(len(re.findall(r"do=give-up", s.log())), 0, "supervisors that gave up")
        s.logged(r"ev=exit node=.*%s .*do=back-off fails=" % name)
        session.stdin.close()
        same(session.wait(20), 0, "status of the session")


@coppiced_only
@limit(120)
def test_keysign_broken_and_repaired():
    broken_and_repaired("keysign")


@coppiced_only
@limit(120)
def test_auth_broken_and_repaired():
    broken_and_repaired("auth")


@coppiced_only
@limit(120)
def test_the_nursery_broken_and_repaired():
    broken_and_repaired("nursery")


@coppiced_only
@limit(120)
def test_the_reporter_broken_and_repaired():
    broken_and_repaired("reporter")


@coppiced_only
@limit(120)
def test_an_acceptor_broken_and_repaired():
    broken_and_repaired("acceptor")


@coppiced_only
@limit(120)
def test_host_keys_gone_and_back():
    """keysign starts, looks, and says that there is no key: the same from inside."""
    with Server("Supervise keysign backoff=20ms:200ms", hostkeys=("host_ed25519",)) as s:
        s.crash_expected = True
        path = s.dir + "/host_ed25519"
        os.rename(path, path + ".away")
        crash(s, "keysign")
        row = wait_until(lambda: (lambda x: x["failed_starts"] >= 6 and x)(child(s, "guards", "keysign")), 30, text="keysign is not tried again")
        check(row["last_exit"].startswith("exit status"), "last exit %r" % row["last_exit"])
        knock(s)
        os.rename(path + ".away", path)
        wait_until(lambda: child(s, "guards", "keysign")["state"] == "up", 10, text="keysign did not come back")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_the_first_start_fails_the_daemon():
    """As in OTP: what cannot start at all says so at once."""
    s = Own(wait=False)
    s.breaks("acceptor")
    try:
        s.start()
    except Exception:
        pass
    same(s.process.wait(20), 255, "exit status")
    check("acceptor" in s.log(), "the log does not say what")
    s.stopped = True


@coppiced_only
@limit(60)
def test_a_crash_loop_is_paced():
    """Intensity as high as it goes: the daemon lives, and does not spin."""
    with Server("Supervise coppiced intensity=1000 period=1d", "Supervise guards intensity=1000 period=1d") as s:
        s.crash_expected = True
        seen = False
        for _ in range(16):
            wait_until(lambda: s.node("auth")["state"] == "up", 10)    # or it would be a start that failed
            before = s.node("auth")
            os.kill(before["pid"], signal.SIGKILL)
            wait_until(lambda: s.pid_of("auth") != before["pid"], 10)
            seen |= s.node("auth")["state"] == "throttled"
        check(seen, "restarts were never put off")
        wait_until(lambda: s.node("auth")["state"] == "up", 10)
        s.ssh("alice", "true", ok=True)


def cpu(pid):
    """seconds of processor so far"""
    with open("/proc/%d/stat" % pid) as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@coppiced_only
@limit(120)
def test_a_crash_loop_costs_the_supervisor_less_than_one_percent():
    if ROUNDS < 100 or sanitized():
        raise NotHere("only in the long form of a release build")
    with Server("Supervise coppiced intensity=1000 period=1d", "Supervise guards intensity=1000 period=1d") as s:
        s.crash_expected = True
        seen, kills = {}, 0

        def loop(seconds):
            nonlocal kills
            end = time.monotonic() + seconds
            while time.monotonic() < end:
                for pid in below(s.pid):
                    # all that lived for 50 ms was READY; nobody asks the daemon, that would cost it something
                    if status(pid, "Name") in ("auth", "nursery", "acceptor") and time.monotonic() - seen.setdefault(pid, time.monotonic()) > 0.05:
                        os.kill(pid, signal.SIGKILL)
                        kills += 1
                time.sleep(0.01)

        loop(5)                 # the burst
        began, was = time.monotonic(), cpu(s.pid)
        kills = 0
        loop(30)
        share = (cpu(s.pid) - was) / (time.monotonic() - began)
        print("     %d kills, %.2f %% of a processor" % (kills, share * 100))
        check(kills >= 30, "too few kills: %d" % kills)
        check(share < 0.01, "%.2f %%" % (share * 100))
        wait_until(lambda: all(s.node(x)["state"] == "up" for x in HELPERS), 20)
        s.ssh("alice", "true", ok=True)


# ---- the configuration ----------------------------------------------------------------------------------

@coppiced_only
@limit(60)
def test_supervise_is_read_checked_and_printed():
    with Server("Supervise guards intensity=7 period=2m", "Supervise auth shutdown=9") as s:
        same(child(s, None, "guards")["intensity"], 7, "intensity")
        same(child(s, None, "guards")["period_ms"], 120000, "period")
        same(child(s, "guards", "auth")["shutdown"], "9", "shutdown")
        node = s.node("guards")
        same((node["intensity"], node["period"]), (7, 120), "in the tree")
        out = sh(s.program(), "-T", "-f", s.conf).decode()
        check("supervise guards restart=permanent intensity=7 period=120 shutdown=infinity start=infinity backoff=100ms:30\n" in out, "-T", out)
        s.write("Supervise guards intensity=7", "Supervise session restart=permanent")
        line = 1 + s.text().splitlines().index("Supervise session restart=permanent")
        out = sh(s.program(), "-t", "-f", s.conf, check=False).decode()
        same(out, "%s line %d: Supervise session: it stays temporary: what served a client cannot be restarted\n" % (s.conf, line), "-t")


@coppiced_only
@limit(60)
def test_a_reload_changes_the_live_nodes():
    with Server() as s:
        s.crash_expected = True
        pids = {x: s.pid_of(x) for x in HELPERS}
        same(child(s, None, "guards")["intensity"], 5, "intensity")
        for _ in range(4):
            pid = s.pid_of("auth")
            os.kill(pid, signal.SIGKILL)
            up_again(s, "auth", pid)
        pids["auth"] = s.pid_of("auth")
        same(child(s, None, "guards")["in_window"], 4, "restarts in the window")
        s.write("Supervise guards intensity=100", "Supervise keysign shutdown=brutal_kill", "Supervise auth restart=temporary")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: child(s, None, "guards")["intensity"] == 100, 10, text="the reload does not show")
        same(child(s, "guards", "keysign")["shutdown"], "brutal_kill", "shutdown")
        same(child(s, None, "guards")["in_window"], 4, "the window")
        for x, pid in pids.items():
            same(s.pid_of(x), pid, "pid of %s" % x)
        crash(s, "keysign")         # four more than five
        wait_until(lambda: s.node("keysign")["pid"] not in (0, None, pids["keysign"]), 20)
        s.write("Supervise guards intensity=100", "Supervise auth intensity=3")
        s.process.send_signal(signal.SIGHUP)
        s.logged(r"line \d+: Supervise auth: intensity is a supervisor's")
        same(child(s, None, "guards")["intensity"], 100, "intensity after a bad file")


# ---- OTP's functions -------------------------------------------------------------------------------------

@coppiced_only
@limit(60)
def test_which_children_and_count_children():
    with Server() as s:
        session = s.popen("bob", "exec cat")
        session.stdin.write(b"x\n")
        session.stdin.flush()
        session.stdout.readline()
        names = [x["name"] for x in rows(s, "which-children")]
        same(names, ["reporter", "keeper", "guards", "nursery", "sessions", "listener %s:%d" % (HOST, s.port)], "children of the root")
        same(rows(s, "which-children", "root"), rows(s, "which-children", "coppiced"), "the root by both names")
        for name in ("keysign", "auth"):
            row = child(s, "guards", name)
            same(row["child"], str(s.pid_of(name)), "pid")
            same((row["path"], row["type"], row["restart"], row["significant"], row["state"], row["shutdown"]),
                 ("guards/" + name, "worker", "permanent", False, "up", "2"), "row")
        row = child(s, None, "sessions")
        same((row["type"], row["strategy"], row["child"]), ("supervisor", "simple_one_for_one", str(s.pid)), "sessions")
        number = s.node("sessions")["id"]
        one = rows(s, "which-children", str(number))
        same(len(one), 1, "sessions by number")
        parts = rows(s, "which-children", one[0]["name"])
        same([(x["name"].split()[0], x["restart"], x["significant"]) for x in parts], [("connection", "temporary", True), ("exec", "temporary", False)], "a session")
        count = lambda *of: {k: v for k, v in rows(s, "count-children", *of)[0].items() if k not in ("kind", "supervisor")}
        same(count(), {"specs": 6, "active": 6, "supervisors": 3, "workers": 3}, "of the root")
        same(count("guards"), {"specs": 2, "active": 2, "supervisors": 0, "workers": 2}, "of the guards")
        same(count("sessions"), {"specs": 1, "active": 1, "supervisors": 1, "workers": 0}, "of the sessions")
        text = s.ctl("count-children", "guards").stdout.decode()
        same(text, "supervisor:  guards\nspecs:       2\nactive:      2\nsupervisors: 0\nworkers:     2\n", "text")
        refused(s, "only supervisors have children", "which-children", "keysign")
        refused(s, "not_found", "which-children", "nobody")
        refused(s, "not_found", "count-children", "999999")
        session.stdin.close()
        same(session.wait(20), 0, "status of the session")


@coppiced_only
@limit(120)
def test_terminate_restart_delete_start():
    with Server() as s:
        for name in ("keysign", "auth", "nursery", "reporter"):
            above, pid = parent(name), s.pid_of(name)
            path = (above + "/" if above else "") + name
            others = {x: s.pid_of(x) for x in HELPERS if x != name}
            refused(s, "running: %s runs" % path, "restart-child", name)
            refused(s, "running: %s runs" % path, "delete-child", path)
            refused(s, "already_started: %s runs" % path, "start-child", path)
            same(rows(s, "terminate-child", path)[0]["state"], "terminated", "state")
            check(not alive(pid), "answered before it was gone")
            row = child(s, above, name)
            same((row["child"], row["state"]), ("undefined", "terminated"), "row")
            same((s.node(name)["state"], s.node(name)["last_exit"]), ("down", "terminated"), "in the tree")
            same(s.ctl("terminate-child", path).returncode, 0, "a second terminate-child")
            refused(s, "already_present: %s is terminated" % path, "start-child", name)
            for x, was in others.items():
                same(s.pid_of(x), was, "pid of %s while %s is terminated" % (x, name))
            knock(s)
            row = rows(s, "restart-child", name)[0]
            same((row["child"], row["state"]), (str(s.pid_of(name)), "up"), "after restart-child")
            s.ssh("alice", "true", ok=True)
            # out of the tree and back
            same(s.ctl("terminate-child", name).returncode, 0, "terminate-child")
            count = rows(s, "count-children", *([above] if above else []))[0]
            same(s.ctl("delete-child", name).returncode, 0, "delete-child")
            same(rows(s, "count-children", *([above] if above else []))[0]["specs"], count["specs"] - 1, "specs")
            check(not [n for n in s.tree() if n["name"] == name], "still in the tree")
            refused(s, "not_found", "restart-child", name)
            refused(s, "not_found", "terminate-child", path)
            same(rows(s, "start-child", path)[0]["state"], "up", "after start-child")
            s.ssh("alice", "true", ok=True)
        same(s.node("coppiced")["restarts"], 0, "restarts")
        check("do=give-up" not in s.log(), "somebody gave up")
        refused(s, "nobody's child", "terminate-child", "coppiced")


@coppiced_only
@limit(60)
def test_logins_wait_for_a_terminated_helper():
    with Server() as s:
        for name in ("nursery", "keysign", "auth"):
            same(s.ctl("terminate-child", name).returncode, 0, "terminate-child")
            login = s.popen("alice", "echo in")
            wait_until(lambda: [n for n in s.tree() if n["name"].startswith("session ")], 10, text="no session")
            check(login.poll() is None, "it did not wait")
            same(s.ctl("restart-child", name).returncode, 0, "restart-child")
            out, err = login.communicate(timeout=60)
            same((login.returncode, out), (0, b"in\n"), "a login that waited for %s (%r)" % (name, err))


@coppiced_only
@limit(60)
def test_without_auth_a_login_ends_with_the_grace_time_and_a_line():
    with Server("LoginGraceTime 2") as s:
        same(s.ctl("terminate-child", "auth").returncode, 0, "terminate-child")
        login = s.popen("alice", "echo in")
        same(login.wait(30), 255, "status")
        s.logged("Timeout before authentication")
        same(s.ctl("restart-child", "auth").returncode, 0, "restart-child")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_a_supervisor_terminated_and_restarted():
    with Server() as s:
        old = s.pid_of("keysign"), s.pid_of("auth")
        same(s.ctl("terminate-child", "guards").returncode, 0, "terminate-child")
        check(not alive(old[0]) and not alive(old[1]), "its children are not gone")
        refused(s, "its supervisor does not run", "restart-child", "keysign")
        refused(s, "already_present", "start-child", "guards")
        same(rows(s, "restart-child", "guards")[0]["state"], "up", "state")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_restart_child_that_fails_says_why():
    with Own() as s:
        same(s.ctl("terminate-child", "auth").returncode, 0, "terminate-child")
        s.breaks("auth")
        refused(s, "guards/auth: exit status 127: the program cannot be executed", "restart-child", "auth")
        same(child(s, "guards", "auth")["state"], "terminated", "state")
        s.repair("auth")
        same(s.ctl("restart-child", "auth").returncode, 0, "restart-child")
        s.breaks("auth")
        crash(s, "auth")
        wait_until(lambda: child(s, "guards", "auth")["state"] == "throttled", 10)
        refused(s, "restarting", "restart-child", "auth")
        refused(s, "restarting", "delete-child", "auth")
        same(s.ctl("terminate-child", "auth").returncode, 0, "terminate-child of one that waits")
        same(child(s, "guards", "auth")["child"], "undefined", "child")
        s.repair("auth")
        same(s.ctl("restart-child", "auth").returncode, 0, "restart-child")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_sessions_by_command():
    with Server() as s:
        session = s.popen("bob", "exec cat")
        node = wait_until(lambda: [n for n in s.tree() if n["name"].startswith("session ") and n.get("user") == "bob"], 20, text="no session")[0]
        refused(s, "simple_one_for_one", "restart-child", node["name"])
        refused(s, "simple_one_for_one", "delete-child", node["name"])
        refused(s, "only a client can start a session", "start-child", "session 99")
        refused(s, "already_started", "start-child", "sessions")
        refused(s, "connection is a significant child: %s is what can be terminated" % node["name"], "terminate-child", node["name"] + "/connection")
        family = [n["pid"] for n in s.tree() if n["path"][:3] == node["path"] and n["pid"]]
        same(s.ctl("terminate-child", node["name"]).returncode, 0, "terminate-child")
        same(session.wait(20), 255, "status of the client")
        wait_until(lambda: not any(alive(p) for p in family), 10, text="processes are left")
        same(rows(s, "count-children", "sessions")[0]["active"], 0, "sessions")


@coppiced_only
@limit(60)
def test_listeners_by_command():
    with Server() as s:
        name = "listener %s:%d" % (HOST, s.port)
        extra = s.port + 1000
        here = "%s:%d" % (HOST, extra)
        refused(s, "already_started", "start-child", name)
        refused(s, "is no ADDRESS:PORT", "start-child", "listener", "localhost:22")
        with socket.create_server(("127.0.0.3", extra)):
            refused(s, "Address already in use", "start-child", "listener", "127.0.0.3:%d" % extra)
        same(rows(s, "start-child", "listener", here)[0]["state"], "up", "state")

        def greets(port):
            with socket.create_connection((HOST, port), 5) as c:
                return c.recv(4) == b"SSH-"

        check(greets(extra), "the new one does not serve")
        refused(s, "'acceptor' is more than one node", "terminate-child", "acceptor")
        # terminated: nobody is refused, nobody is served
        same(s.ctl("terminate-child", "listener " + here).returncode, 0, "terminate-child")
        refused(s, "already_present", "start-child", "listener", here)
        with socket.create_connection((HOST, extra), 5) as waits:
            check(s.answers(), "the other port")
            same(s.ctl("restart-child", "listener " + here).returncode, 0, "restart-child")
            waits.settimeout(10)
            same(waits.recv(4), b"SSH-", "what waited")
        same(s.ctl("terminate-child", here).returncode, 1, "a name that is no node")
        same(s.ctl("terminate-child", "listener " + here).returncode, 0, "terminate-child")
        same(s.ctl("delete-child", "listener " + here).returncode, 0, "delete-child")
        try:
            knocked = socket.create_connection((HOST, extra), 5)
            knocked.close()
            check(False, "a deleted listener still accepts")
        except ConnectionRefusedError:
            pass
        # until a reload finds it in no configuration
        same(rows(s, "start-child", "listener", here)[0]["state"], "up", "state")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: len([n for n in s.tree() if n["name"].startswith("listener")]) == 1, 10, text="the reload left it")
        check(s.answers(), "the configured one")


@coppiced_only
@limit(60)
def test_a_listener_that_cannot_start_leaves_the_others_alone():
    with Own("Supervise listener backoff=20ms:200ms", "Supervise acceptor backoff=20ms:200ms") as s:
        acceptor = s.pid_of("acceptor")
        s.breaks("acceptor")
        here = "%s:%d" % (HOST, s.port + 1000)
        s.lines.append("ListenAddress " + here)
        s.write()
        s.process.send_signal(signal.SIGHUP)
        node = wait_until(lambda: [n for n in s.tree() if n["name"] == "listener " + here and n["state"] == "throttled"], 10, text="it is not tried again")[0]
        check("acceptor: exit status 127" in node["last_exit"], "it says %r" % node["last_exit"])
        same([n["pid"] for n in s.tree() if n["name"] == "acceptor" and n["state"] == "up"], [acceptor], "the other acceptor")
        check(s.answers(), "the other port")
        s.repair("acceptor")
        wait_until(lambda: s.node("listener " + here)["state"] == "up", 10, text="it did not come up")
        with socket.create_connection((HOST, s.port + 1000), 5) as c:
            same(c.recv(4), b"SSH-", "identification")


@coppiced_only
@limit(60)
def test_start_child_of_a_listener_that_cannot_start():
    with Own() as s:
        s.breaks("acceptor")
        here = "%s:%d" % (HOST, s.port + 1000)
        r = s.ctl("start-child", "listener", here)
        same(r.returncode, 1, "status (%r)" % r.stderr)
        same(len([n for n in s.tree() if n["name"].startswith("listener")]), 1, "listeners")
        s.repair("acceptor")
        same(s.ctl("start-child", "listener", here).returncode, 0, "status")


@coppiced_only
@limit(60)
def test_answers_come_when_it_is_done():
    with Server("Supervise auth shutdown=1") as s:
        s.crash_expected = True
        auth, keysign = s.pid_of("auth"), s.pid_of("keysign")
        os.kill(auth, signal.SIGSTOP)           # it cannot end when asked
        same(rows(s, "terminate-child", "auth")[0]["child"], "undefined", "child")
        check(not alive(auth), "answered before it was gone")
        check("signal 9" in child(s, "guards", "auth")["last_exit"], "it was not killed")
        same(s.ctl("restart-child", "auth").returncode, 0, "restart-child")
        # while the supervisor is busy with a restart a call waits, and is answered by what is then
        auth = s.pid_of("auth")
        os.kill(auth, signal.SIGSTOP)
        os.kill(keysign, signal.SIGKILL)        # rest_for_one: auth has to end first, which takes its second
        wait_until(lambda: s.node("auth")["state"] == "stopping", 10)
        refused(s, "running: guards/auth runs", "restart-child", "auth")
        same(s.node("auth")["state"], "up", "state")
        check(s.pid_of("auth") != auth, "answered too early")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(60)
def test_what_takes_too_long_is_said():
    if ROUNDS < 100:
        raise NotHere("only in the long form")
    with Server("Supervise auth shutdown=infinity") as s:
        auth = s.pid_of("auth")
        os.kill(auth, signal.SIGSTOP)
        refused(s, "guards/auth: stopping after 12 s, and it goes on", "terminate-child", "auth")
        os.kill(auth, signal.SIGCONT)
        wait_until(lambda: child(s, "guards", "auth")["state"] == "terminated", 10)
        same(s.ctl("restart-child", "auth").returncode, 0, "restart-child")
