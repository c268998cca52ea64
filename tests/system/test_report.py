"""
Reports, events, crash files, metrics: what the daemon tells those who run it, and what it must not.
"""
import json
import os
import re
import signal
import socket
import subprocess
import threading
import time

import lab
from lab import BUILD, HOST, SCRATCH, NotHere, Server, UIDS, alive, check, coppiced_only, key, limit, same, sh, status, wait_until


def crash(s, number):
    """Report number as a dict."""
    r = s.ctl("--json", "crashes", str(number))
    same(r.returncode, 0, "status of coppicectl crashes %d (%r)" % (number, r.stderr))
    return json.loads(r.stdout)


def crashes(s):
    r = s.ctl("--json", "crashes")
    if b"is being replaced" in r.stderr:
        return []
    same(r.returncode, 0, "status of coppicectl crashes (%r)" % r.stderr)
    return json.loads(r.stdout)


def pid_of(s, name, before=None):
    """Of a process that is there and ready; before: another one than that. (One that dies before it is ready is a failed start, which is not counted.)"""
    def now():
        found = [n["pid"] for n in s.tree() if n["name"].startswith(name) and n["state"] == "up"]
        return found and found[0] not in (0, None, before) and found[0]
    return wait_until(now, 20, text="no %s, or still the old one" % name)


class Follower:
    """coppicectl events, as a list that grows."""

    def __init__(self, s, *words):
        self.process = subprocess.Popen([BUILD + "/bin/coppicectl", "-s", s.control, "events"] + list(words), stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=s.env())
        self.lines = []
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        for line in self.process.stdout:
            self.lines.append(json.loads(line))

    def has(self, kind, seconds=10, **fields):
        def found():
            return [e for e in list(self.lines) if e["event"] == kind and all(e.get(k) == v for k, v in fields.items())]
        return wait_until(found, seconds, text="no event %s %r among %r" % (kind, fields, self.lines))[0]

    def __enter__(self):
        return self

    def __exit__(self, *how):
        self.process.kill()
        self.process.wait()


def fatal(name):
    """A sanitizer takes SEGV and BUS for itself, and exits."""
    return getattr(signal, "SIG" + ({"SEGV": "ABRT", "BUS": "TRAP"}.get(name, name) if lab.sanitized() else name))


def session_of(s, user):
    return wait_until(lambda: [n for n in s.tree() if n["name"].startswith("connection") and n.get("user") == user], 20, text="no session of " + user)[0]


# ---- crash reports ------------------------------------------------------------------------------------------------

@coppiced_only
@limit(120)
def test_a_crash_of_each_role_is_reported():
    with Server("LogLevel INFO") as s:
        s.crash_expected = True
        roles = {"guards/keysign": "SEGV", "guards/auth": "KILL", "nursery": "ABRT", "listener": "BUS", "reporter": "SEGV"}
        n = 0
        for node, name in roles.items():
            leaf = {"listener": "acceptor"}.get(node, node.split("/")[-1])
            s.ssh("bob", "true", ok=True)       # so that each has done something
            pid = pid_of(s, leaf)
            os.kill(pid, fatal(name))
            n += 1
            pid_of(s, leaf, pid)
            wait_until(lambda: os.path.exists("%s/crashes/crash-%06d" % (s.dir, n)), 10, text="no file for " + leaf)
            c = crash(s, n)
            same((c["event"], c["role"], c["pid"], c["signal"], c["action"]), ("crash", leaf, pid, fatal(name).name, "restart"), "the report of " + leaf)
            check(c["node"].startswith(node), "node", c["node"])
            same((c["restart"], c["type"], c["significant"]), ("permanent", "worker", False), "child specification")
            check(c["restarts"] >= 1 and c["intensity"] > 0 and c["period_s"] == 60, "the window", c)
            check(c["maxrss_kib"] > 0 and c["minor_faults"] > 0 and c["lived_ms"] > 0 and "user_ms" in c and "voluntary" in c, "resources", c)
            if leaf != "reporter":
                check(c["events"], "no last events of " + leaf)
            check(any(e.get("message") == "READY" for e in c["events"]) or leaf in ("auth", "nursery", "reporter"), "its first words", c["events"])
        text = s.ctl("crashes", "1").stdout.decode()
        check(text.startswith("=CRASH REPORT====") and "last events of the process:" in text, "as text", text)
        listed = s.ctl("crashes").stdout.decode().splitlines()
        same(len(listed), n, "lines of the list")
        check("guards/keysign" in listed[-1] and "signal:" + fatal("SEGV").name[3:] in listed[-1], "the oldest is the last", listed[-1])
        same([c["number"] for c in crashes(s)], list(range(n, 0, -1)), "the list as JSON")
        log = s.log()
        check(re.search(r"(?m)^=SUPERVISOR REPORT====.*\n    context: +child_terminated\n    reason: +signal\n    node: +guards/keysign$", log), "supervisor report in the log")
        mode = os.stat(s.dir + "/crashes/crash-000001")
        check(mode.st_mode & 0o777 == 0o600 and mode.st_uid != 0, "owner and mode of the file", oct(mode.st_mode), mode.st_uid)


@coppiced_only
@limit(60)
def test_a_crashed_connection_names_its_user_and_no_secret():
    secret, typed = "battery staple 2", "echo VERY-SECRET-COMMAND-17"
    with Server("LogLevel DEBUG3") as s:
        s.crash_expected = True
        env = dict(os.environ, SSH_ASKPASS=SCRATCH + "/askpass", SSH_ASKPASS_REQUIRE="force", DISPLAY="none", LAB_PASSWORD=secret)
        argv = s.argv("bob", typed + "; read x; echo got $x; exec sleep 100", key_name=None,
                      options=("PreferredAuthentications=password", "PubkeyAuthentication=no", "BatchMode=no"))
        client = subprocess.Popen(argv, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True)
        same(client.stdout.readline(), b"VERY-SECRET-COMMAND-17\n", "the command")
        client.stdin.write(b"TYPED-SECRET-18\n")
        client.stdin.flush()
        same(client.stdout.readline(), b"got TYPED-SECRET-18\n", "its answer")
        with Follower(s) as f:
            node = session_of(s, "bob")
            os.kill(node["pid"], fatal("SEGV"))
            client.wait(20)
            f.has("crash", role="connection", user="bob")
            f.has("session-end", user="bob")
        c = crash(s, 1)
        same((c["role"], c["user"], c["signal"], c["pid"]), ("connection", "bob", fatal("SEGV").name, node["pid"]), "the report")
        check(c["peer"].startswith(HOST + ":") and c["session"] > 0, "who it was", c)
        names = [e.get("message") for e in c["events"]]
        check("CHANNEL_DATA" in names and "WORKER_EXIT" not in names, "message numbers", names)
        check(len(c["events"]) <= 32, "number of events", len(c["events"]))
        os.kill(s.pid_of("auth"), fatal("SEGV"))
        wait_until(lambda: os.path.exists(s.dir + "/crashes/crash-000002"), 10)
        check(any("Accepted password for bob" in e.get("line", "") for e in crash(s, 2)["events"]), "auth's last lines", crash(s, 2)["events"])
        found = s.log() + json.dumps(f.lines)
        for name in os.listdir(s.dir + "/crashes"):
            with open(s.dir + "/crashes/" + name) as file:
                found += file.read()
        for word in (secret, "VERY-SECRET", "TYPED-SECRET", "SECRET-18"):
            check(word not in found, "%s stands in what people read" % word)


@coppiced_only
@limit(60)
def test_the_sftp_server_is_ours_and_a_users_program_is_not():
    with Server() as s:
        s.crash_expected = True
        s.ssh("bob", "kill -SEGV $$")
        master = subprocess.Popen(["sftp", "-b", "-", "-P", str(s.port)] + s.options() + ["bob@" + HOST], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                  stderr=subprocess.STDOUT)
        node = wait_until(lambda: [n for n in s.tree() if n["name"].startswith("sftp")], 20, text="no sftp server")[0]
        os.kill(node["pid"], fatal("SEGV"))
        master.stdin.close()
        master.wait(20)
        wait_until(lambda: crashes(s), 10, text="no report")
        same([(c["role"], c["user"], c["pid"]) for c in crashes(s)], [("worker", "bob", node["pid"])], "crashes")


@coppiced_only
@limit(60)
def test_reaching_the_intensity_is_a_supervisor_report():
    with Server() as s:
        s.crash_expected = True
        with Follower(s, "supervisor", "action=give-up") as f:
            for _ in range(6):
                pid = pid_of(s, "auth")
                os.kill(pid, signal.SIGKILL)
                pid_of(s, "auth", pid)
            e = f.has("supervisor", node="guards/auth")
            same((e["reason"], e["context"]), ("reached_max_restart_intensity", "shutdown"), "why")


# ---- where they are kept ---------------------------------------------------------------------------------------------

def kill_auth(s, times, how=signal.SIGKILL):
    for _ in range(times):
        pid = pid_of(s, "auth")
        os.kill(pid, how)
        pid_of(s, "auth", pid)


@coppiced_only
@limit(60)
def test_the_oldest_reports_go():
    with Server("CrashReports 3") as s:
        s.crash_expected = True
        kill_auth(s, 5)
        wait_until(lambda: [c["number"] for c in crashes(s)] == [5, 4, 3], 10, text="the list")
        same(sorted(os.listdir(s.dir + "/crashes")), ["crash-000003", "crash-000004", "crash-000005"], "the directory")
        r = s.ctl("crashes", "1")
        check(b"no crash report 1" in r.stdout + r.stderr, "a report that is gone", r)
        for bad in ("x", "-1", "0", "1x"):
            same(s.ctl("crashes", bad).returncode in (1, 2), True, "status of crashes " + bad)
        # a restart of the daemon goes on with the numbers
        s.stop()
        s.stopped = False
        s.start()
        same([c["number"] for c in crashes(s)], [5, 4, 3], "after a restart of the daemon")
        kill_auth(s, 1)
        wait_until(lambda: [c["number"] for c in crashes(s)] == [6, 5, 4], 10, text="numbers go on")


@coppiced_only
@limit(60)
def test_a_full_disk_costs_reports_and_nothing_else():
    with Server() as first:
        owner = os.stat(first.dir + "/crashes").st_uid
    with Server(wait=False) as s:
        s.crash_expected = True
        os.makedirs(s.dir + "/crashes")
        sh("mount", "-t", "tmpfs", "-o", "size=16k,uid=%d" % owner, "tmpfs", s.dir + "/crashes")
        try:
            ballast = os.open(s.dir + "/crashes/ballast", os.O_WRONLY | os.O_CREAT)
            os.write(ballast, b"x" * 20000)     # as much of it as there is room for
            os.close(ballast)
            s.start()
            kill_auth(s, 2)
            s.logged(r"ev=crash-file")
            s.ssh("bob", "true", ok=True)
            same(crashes(s), [], "reports")
            os.unlink(s.dir + "/crashes/ballast")
            kill_auth(s, 1)
            wait_until(lambda: len(crashes(s)) == 1, 10, text="a report when there is room again")
            s.stop()
        finally:
            sh("umount", "-l", s.dir + "/crashes")


@coppiced_only
@limit(60)
def test_no_directory_no_reports():
    with Server("CrashDirectory none") as s:
        s.crash_expected = True
        kill_auth(s, 1)
        s.logged("=CRASH REPORT====")
        same(crashes(s), [], "reports")


@coppiced_only
@limit(60)
def test_the_reporter_dies_in_between():
    with Server() as s:
        s.crash_expected = True
        with Follower(s) as f:
            rep = s.pid_of("reporter")
            os.kill(rep, signal.SIGSTOP)
            os.kill(s.pid_of("auth"), signal.SIGKILL)
            time.sleep(0.2)
            os.kill(rep, signal.SIGKILL)
            same(f.process.wait(20), 0, "the follower ends with the reporter")
        wait_until(lambda: sorted(c["role"] for c in crashes(s)) == ["auth", "reporter"], 20, text="both reports")


@coppiced_only
@limit(60)
def test_a_helper_that_hangs_is_reported_as_that():
    with Server("WatchdogInterval 1") as s:
        s.crash_expected = True
        pid = pid_of(s, "auth")
        os.kill(pid, signal.SIGSTOP)
        s.answers()             # a client comes: the watchdog asks
        c = wait_until(lambda: crashes(s), 30, 0.2, "no report")[0]
        same((c["role"], c["pid"], c["how"], c["reason"]), ("auth", pid, "hung", "hung"), "the report")


# ---- events --------------------------------------------------------------------------------------------------------------

@coppiced_only
@limit(60)
def test_events():
    with Server() as s:
        with Follower(s) as f, Follower(s, "login", "user=bob") as one:
            wait_until(lambda: s.ctl("--json", "stats").returncode == 0, 10)
            time.sleep(0.2)                     # both follow: SHOW was sent before stats answered
            s.ssh("alice", "true", ok=True)
            s.ssh("bob", "exit 3")
            s.ssh("bob", "true", key_name="stranger", ok=False)
            same(s.password("bob", "wrong", "true").returncode, 255, "a wrong password")
            c = f.has("connection")
            login = f.has("login", user="bob", method="publickey")
            check(login["key"].startswith("ED25519 SHA256:") and login["login_ms"] >= 0 and "Accepted publickey for bob" in login["message"], "login", login)
            f.has("login-failed", user="bob", method="password", session=f.has("login-failed", user="bob", method="password")["session"])
            start = f.has("channel-start", user="bob", session=login["session"])
            same(f.has("channel-exit", session=login["session"])["status"], 3, "exit status")
            same(f.has("channel-exit", session=login["session"])["pid"], start["pid"], "pid")
            f.has("session-end", session=login["session"])
            check(c["peer"].startswith(HOST), "peer", c)
            s.process.send_signal(signal.SIGHUP)
            f.has("reload", result="ok")
            s.ctl("drain")
            f.has("drain")
            s.ctl("undrain")
            one.has("login", user="bob")
            same({(e["event"], e.get("user")) for e in one.lines}, {("login", "bob")}, "what the filter lets through")


@coppiced_only
@limit(60)
def test_a_slow_follower_loses_events_and_hears_how_many():
    with Server("LogLevel INFO") as s:
        slow = subprocess.Popen([BUILD + "/bin/coppicectl", "-s", s.control, "events"], stdout=subprocess.PIPE, env=s.env())
        wait_until(lambda: s.ctl("--json", "stats").returncode == 0, 10)
        time.sleep(0.2)
        os.kill(slow.pid, signal.SIGSTOP)
        for _ in range(700):
            with s.connect() as c:
                c.recv(1)
        s.ssh("bob", "true", ok=True, timeout=20)
        os.kill(slow.pid, signal.SIGCONT)
        gap = None
        for line in slow.stdout:
            e = json.loads(line)
            if e["event"] == "gap":
                gap = e
                break
        slow.kill()
        slow.wait()
        check(gap and gap["lost"] > 0, "no gap was told")


@coppiced_only
@limit(60)
def test_followers_are_bounded():
    with Server() as s:
        many = [Follower(s) for _ in range(20)]
        wait_until(lambda: sum(f.process.poll() is not None for f in many) >= 4, 20, text="nobody was refused")
        for f in many:
            f.process.kill()
            f.process.wait()
        with Follower(s) as f:
            wait_until(lambda: s.ssh("bob", "true").returncode == 0 and f.lines, 20, text="no place is free again")


# ---- the journal -----------------------------------------------------------------------------------------------------------

def parse_native(data):
    """The native protocol, strictly."""
    out, at = {}, 0
    while at < len(data):
        end = data.index(b"\n", at)
        line = data[at:end]
        if b"=" in line:
            k, v = line.split(b"=", 1)
            at = end + 1
        else:
            k, n = line, int.from_bytes(data[end + 1:end + 9], "little")
            v = data[end + 9:end + 9 + n]
            check(data[end + 9 + n:end + 10 + n] == b"\n", "no newline behind a value", data)
            at = end + 10 + n
        check(re.fullmatch(rb"[A-Z0-9_]{1,64}", k), "name of a field", k)
        out.setdefault(k.decode(), v.decode("ascii"))
    return out


@coppiced_only
@limit(60)
def test_the_journal_gets_native_fields():
    os.makedirs("/run/systemd/journal", exist_ok=True)
    journal = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    journal.bind("/run/systemd/journal/socket")
    os.chmod("/run/systemd/journal/socket", 0o666)
    got = []

    def read():
        while True:
            try:
                data = journal.recv(1 << 20)
            except OSError:
                return
            if not data:
                return
            got.append(parse_native(data))

    reader = threading.Thread(target=read, daemon=True)
    reader.start()

    def entry(**fields):
        return wait_until(lambda: [e for e in list(got) if all(e.get(k) == v for k, v in fields.items())], 20, text="no entry %r in %r" % (fields, got[-20:]))[0]

    try:
        s = Server("LogLevel INFO", wait=False)
        s.crash_expected = True
        s.process = subprocess.Popen([s.program(), "-D", "-f", s.conf], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=s.env(),
                                     cwd="/", start_new_session=True)
        wait_until(s.answers, 20)
        s.ssh("bob", "true", ok=True)
        e = entry(COPPICE_EVENT="login", SSH_USER="bob")
        check(re.fullmatch(r"Accepted publickey for bob from 127\.0\.0\.1 port \d+ ssh2: ED25519 SHA256:\S+", e["MESSAGE"]), "the sentence", e)
        same((e["PRIORITY"], e["SYSLOG_FACILITY"], e["SYSLOG_IDENTIFIER"], e["SYSLOG_PID"]), ("6", "4", "coppiced", str(s.pid_of("auth"))), "what syslog has")
        check(re.fullmatch("[0-9a-f]{32}", e["MESSAGE_ID"]) and e["SSH_REMOTE"].startswith(HOST + ":") and e["SSH_CONN_ID"].isdigit(), "fields", e)
        kill_auth(s, 1)
        e = entry(COPPICE_EVENT="crash", NODE="guards/auth")
        check(e["MESSAGE"].startswith("=CRASH REPORT====") and "\n    how:" in e["MESSAGE"], "several lines", e["MESSAGE"])
        same((e["EXIT_SIGNAL"], e["ROLE"], e["SUPERVISOR"], e["ACTION"], e["PRIORITY"]), ("SIGKILL", "auth", "guards", "restart", "4"), "fields of a crash")
        # journald restarted: another socket at the same place
        journal.shutdown(socket.SHUT_RDWR)      # also wakes the reader, who would keep it open
        reader.join()
        journal.close()
        os.unlink("/run/systemd/journal/socket")
        with Follower(s, "login") as f:
            s.ctl("stats")
            wait_until(lambda: s.ssh("bob", "true", ok=True) and f.lines, 20, text="no login")     # the reporter has met the closed door
        again = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        again.bind("/run/systemd/journal/socket")
        os.chmod("/run/systemd/journal/socket", 0o666)
        again.settimeout(20)
        s.ssh("alice", "true", ok=True)
        seen = []
        while not any(x.get("SSH_USER") == "alice" for x in seen):
            seen.append(parse_native(again.recv(1 << 20)))
        check(any(re.match(r"ev=log dropped=\d+", x["MESSAGE"]) for x in seen), "the lines that were lost are told", seen)
        s.stop()
    finally:
        if os.path.exists("/run/systemd/journal/socket"):
            os.unlink("/run/systemd/journal/socket")


@coppiced_only
@limit(30)
def test_json_lines_in_the_log():
    with Server("LogFormat json") as s:
        s.ssh("bob", "true", ok=True)
        s.logged(r'"event":"login"')
        lines = [x for x in s.log().splitlines() if x.startswith("{")]
        for x in lines:
            e = json.loads(x)
            check({"time", "event", "level", "from", "from_pid", "message"} <= set(e), "keys", e)
        check([e for e in map(json.loads, lines) if e["event"] == "login" and e["user"] == "bob"], "the login")


# ---- metrics -----------------------------------------------------------------------------------------------------------------

def http(place, request, timeout=20):
    c = socket.socket(socket.AF_UNIX if isinstance(place, str) else socket.AF_INET, socket.SOCK_STREAM)
    c.settimeout(timeout)
    c.connect(place)
    c.sendall(request)
    data = b""
    while True:
        more = c.recv(65536)
        if not more:
            break
        data += more
    c.close()
    head, _, body = data.partition(b"\r\n\r\n")
    return head.decode(), body.decode()


def get(place, *headers):
    return http(place, ("GET /metrics HTTP/1.1\r\nHost: x\r\n" + "".join(h + "\r\n" for h in headers) + "\r\n").encode())


def value(page, name):
    found = re.search(r"(?m)^%s (\S+)$" % re.escape(name), page)
    check(found, "no %s in\n%s" % (name, page))
    return float(found.group(1))


@coppiced_only
@limit(60)
def test_metrics():
    with Server("Metrics unix:%s/metrics" % "/run/coppice-test") as s:
        place = "/run/coppice-test/metrics"
        s.crash_expected = True
        s.ssh("bob", "true", ok=True)
        s.password("bob", "wrong", "true")
        held = s.popen("alice", "exec sleep 100")
        session_of(s, "alice")
        kill_auth(s, 1)
        wait_until(lambda: value(get(place)[1], 'coppice_restarts_total{role="auth"}') == 1, 10, 0.3, "restarts")
        wait_until(lambda: value(get(place)[1], 'coppice_channels') == 1, 10, 0.3, "channels")
        head, page = get(place)
        check(head.startswith("HTTP/1.1 200 OK") and "Content-Type: text/plain; version=0.0.4" in head and "Connection: close" in head, "head", head)
        same(int(re.search(r"Content-Length: (\d+)", head).group(1)), len(page), "length")
        same(value(page, 'coppice_logins_total{method="publickey"}'), 2, "logins")
        same(value(page, 'coppice_login_failures_total{method="password"}'), 1, "failures")
        same(value(page, 'coppice_sessions{phase="open"}'), 1, "sessions")
        same(value(page, 'coppice_login_seconds_count'), 2, "logins in the histogram")
        same(value(page, 'coppice_events_total{event="crash"}'), 1, "crashes")
        check(value(page, 'coppice_process_resident_bytes{role="auth"}') > 100000, "memory")
        check(value(page, 'coppice_process_cpu_seconds_total{role="supervisor"}') >= 0, "time")
        check(abs(value(page, "coppice_start_time_seconds") - time.time()) < 60, "start time")
        if os.path.exists("/usr/bin/promtool"):
            r = subprocess.run(["promtool", "check", "metrics"], input=page.encode(), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            same((r.returncode, r.stdout), (0, b""), "promtool check metrics")
        head, page = get(place, "Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
        check("application/openmetrics-text; version=1.0.0" in head and page.endswith("# EOF\n") and "# TYPE coppice_logins counter" in page, "OpenMetrics", head, page[:300])
        held.kill()
        held.wait()


@coppiced_only
@limit(60)
def test_the_metrics_port_stands_what_comes():
    with Server("Metrics 127.0.0.1:9122") as s:
        place = (HOST, 9122)
        same(http(place, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")[0].split("\r\n")[0], "HTTP/1.1 404 Not Found", "another path")
        same(http(place, b"POST /metrics HTTP/1.1\r\nHost: x\r\n\r\n")[0].split("\r\n")[0], "HTTP/1.1 405 Method Not Allowed", "another method")
        same(http(place, b"GET /metrics HTTP/1.1\r\n\r\n")[0].split("\r\n")[0], "HTTP/1.1 400 Bad Request", "no Host")
        same(http(place, b"\x00\xff\n\n")[0].split("\r\n")[0], "HTTP/1.1 400 Bad Request", "nonsense")
        same(http(place, b"GET /metrics HTTP/1.1\r\n" + b"A: b\r\n" * 3000)[0].split("\r\n")[0], "HTTP/1.1 431 Request Header Fields Too Large", "too much")
        head, body = http(place, b"HEAD /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        check(head.startswith("HTTP/1.1 200") and body == "", "HEAD", head, body)
        idle = [socket.create_connection(place) for _ in range(20)]     # all places taken by clients that say nothing
        head, page = wait_until(lambda: get(place), 30)
        check("coppice_build_info" in page, "a scrape behind twenty silent clients")
        for c in idle:
            c.close()
        s.ssh("bob", "true", ok=True)


@coppiced_only
@limit(30)
def test_metrics_are_not_for_the_network():
    for bad, why in (("0.0.0.0:9122", "loopback addresses only"), ("[::]:9122", "loopback addresses only"), ("192.0.2.1:1", "loopback addresses only"), ("9122", "bad Metrics place"),
                     ("unix:metrics", "bad Metrics place"), ("127.0.0.1", "bad Metrics place")):
        s = Server("Metrics " + bad, wait=False)
        r = subprocess.run([s.program(), "-t", "-f", s.conf], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        check(r.returncode == 255 and re.search(r"config line \d+: .*" + why, r.stdout.decode()), "Metrics " + bad, r)


# ---- the box of the reporter itself ------------------------------------------------------------------------------------------

@coppiced_only
@limit(30)
def test_the_reporter_reaches_no_file_but_its_own():
    """Landlock and the system call filter, seen from outside."""
    with Server() as s:
        pid = s.pid_of("reporter")
        same(status(pid, "Seccomp"), "2", "filter")
        same(status(pid, "NoNewPrivs"), "1", "no new privileges")
        check(status(pid, "CapEff") == "0000000000000000", "capabilities")
        for node in s.tree():
            if node.get("pid") and node["name"] in ("keysign", "auth", "reporter"):
                with open("/proc/%d/maps" % node["pid"]) as f:
                    same(f.read().count("coppice-box"), 1, "pages of last events in " + node["name"])
        held = [s.popen(user, "exec sleep 100") for user in ("alice", "bob")]
        pids = [session_of(s, u)["pid"] for u in ("alice", "bob")]
        for p in pids:
            with open("/proc/%d/maps" % p) as f:
                lines = [x for x in f if "coppice-box" in x]
            same(len(lines), 1, "pages of last events in a connection")
            low, high = lines[0].split()[0].split("-")
            same(int(high, 16) - int(low, 16), 4096, "and it is only its own")
        for h in held:
            h.kill()
            h.wait()


@coppiced_only
def test_a_directory_of_somebody_else_is_not_taken_over():
    """CrashDirectory /var/log must not become the reporter's."""
    theirs = SCRATCH + "/theirs"
    os.makedirs(theirs)
    with open(theirs + "/file", "w") as f:
        f.write("somebody's")
    with Server("CrashDirectory " + theirs) as s:
        s.logged("crash reports cannot be kept in %s: it is not empty, and does not belong to coppice-log" % re.escape(theirs))
        same(os.stat(theirs).st_uid, 0, "owner")
        s.ssh("alice", "true", ok=True)
