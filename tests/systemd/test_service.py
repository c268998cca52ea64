"""The installed units, and the daemon they start."""
import os
import re
import socket
import subprocess
import threading
import time

from machine import GROUP, PORT, UNIT, NotHere, check, read, same, wait_until


def clean(text):
    return [x for x in text.splitlines() if x.strip()]


# ---- units ----------------------------------------------------------------------------------------

def test_units_are_right(m):
    folder = m.unit_folder()[len(m.root):]
    units = ["/etc/systemd/system/coppiced.service"] if m.version >= 254 else [folder + "/coppiced.service"]
    for unit in units + [folder + "/coppiced.socket"]:
        r = m.run("systemd-analyze", "verify", "--man=no", unit)
        said = [x for x in clean((r.stdout + r.stderr).decode()) if "coppiced" in x]
        check(r.returncode == 0 and not said, "systemd-analyze verify " + unit, said)
    score = m.run("systemd-analyze", "security", "--no-pager", UNIT).stdout.decode()
    value = re.search(r"Overall exposure level for %s: ([0-9.]+)" % re.escape(UNIT), score)
    check(value and float(value.group(1)) <= 8.5, "exposure", value and value.group(0))


def capabilities(m, pid, which):
    return int(re.search(r"%s:\s+(\w+)" % which, read("%s/proc/%s/status" % (m.root, pid))).group(1), 16)


def test_capabilities(m):
    """/proc/PID/io of a user's process: CAP_SYS_PTRACE (19) of the supervisor, and nobody else's."""
    m.start()
    same(m.show("NotifyAccess"), "main", "NotifyAccess")
    left, own = capabilities(m, 1, "CapEff"), capabilities(m, m.main_pid(), "CapEff")
    same(own >> 19 & 1, left >> 19 & 1, "CAP_SYS_PTRACE")
    same(own >> 16 & 1, 0, "CAP_SYS_MODULE")
    same(capabilities(m, m.node("keysign")["pid"], "CapEff"), 0, "capabilities of keysign")
    p, pid = m.session("echo $$; cat")
    same(capabilities(m, pid, "CapEff"), 0, "capabilities of a session")
    p.stdin.close()
    p.wait(20)


def test_start(m):
    m.start()
    same(m.state(), "active", "state")
    check(re.match(r"0 sessions, 0 authenticating, 0 restarts", m.show("StatusText")), "StatusText", m.show("StatusText"))
    main = m.main_pid()
    same(m.group_of(main), "/supervisor", "group of the supervisor")
    nodes = {n["name"]: n for n in m.tree_nodes()}
    same(nodes["coppiced"]["pid"], main, "pid of the root")
    same(m.group_of(nodes["keysign"]["pid"]), "/supervisor", "group of keysign")
    same(m.group_of(nodes["nursery"]["pid"]), "/preauth", "group of the nursery")
    r = m.ssh("env; id -un; cat /proc/self/oom_score_adj")
    for word in (b"NOTIFY_SOCKET", b"WATCHDOG_", b"LISTEN_", b"INVOCATION_ID", b"RUNTIME_DIRECTORY", b"STATE_DIRECTORY"):
        check(word not in r.stdout, "a session inherits %s" % word.decode(), r.stdout)
    if read("%s/proc/%d/oom_score_adj" % (m.root, main)).strip() == "0":       # as root without CAP_SYS_RESOURCE
        print("     (the kernel does not let us protect the daemon from the OOM killer)")
    same(r.stdout.split()[-1], b"0", "oom_score_adj of a session")      # the unit's own is negative, where the kernel lets it
    same(m.ssh("ulimit -Sn").stdout.strip(), b"1024", "descriptors of a session")
    check(int(re.search(r"Max open files +(\d+)", read("%s/proc/%d/limits" % (m.root, main))).group(1)) > 1024, "descriptors of the supervisor")
    check(os.path.isdir(m.root + "/run/coppice") and os.path.isdir(m.root + "/var/lib/coppice"), "the unit's folders")


def test_accounts(m):
    m.out("systemd-sysusers")
    names = read(m.root + "/etc/passwd")
    for name in ("coppice-net", "coppice-key", "coppice-log"):
        check(name + ":" in names, "no account " + name)
    m.start()
    uid = re.search(r"(?m)^coppice-key:[^:]*:(\d+)", names).group(1)
    pid = m.node("keysign")["pid"]
    same(re.search(r"Uid:\s+(\d+)", read("%s/proc/%d/status" % (m.root, pid))).group(1), uid, "uid of keysign")


# ---- life -------------------------------------------------------------------------------------------

def test_reload(m):
    m.start()
    main = m.main_pid()
    p, _ = m.session("echo here; cat")
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: len(m.journal("-u", UNIT, "--grep", "Configuration 2 in force")) == 1, 10)
    with open(m.root + m.conf, "a") as f:
        f.write("Nonsense yes\n")
    m.run("systemctl", "reload", UNIT)
    wait_until(lambda: re.match(r"reload failed: .*Nonsense.*, old configuration kept", m.show("StatusText")), 10, text="StatusText of a bad reload")
    wait_until(lambda: m.state() == "active", 10, text="a bad reload never ends")
    same(m.main_pid(), main, "MainPID")
    m.configure()
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: m.show("StatusText").startswith("1 sessions"), 10, text="StatusText of a good reload")
    p.stdin.write(b"still here\n")
    p.stdin.flush()
    same(p.stdout.readline(), b"still here\n", "the session")
    p.stdin.close()
    same(p.wait(20), 0, "status of the session")


def test_bad_configuration_is_not_tried_again(m):
    m.configure("Nonsense yes")
    check(m.run("systemctl", "start", UNIT).returncode != 0, "systemctl start did not fail")
    same(m.state(), "failed", "state")
    same(m.show("ExecMainStatus"), "255", "exit status")
    same(m.show("NRestarts"), "0", "restarts")
    check(m.journal("-u", UNIT, "--grep", "Nonsense"), "the journal does not say why")


def test_killed_again_and_again(m):
    m.start()
    for _ in range(7):                  # StartLimitBurst would be 5
        was = m.main_pid()
        m.out("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
        wait_until(lambda: m.main_pid() not in (0, was) and m.state() == "active", 20, text="it does not come back")
    m.ssh("true")
    same(m.show("NRestarts"), "7", "restarts")


def test_stop_with_sessions(m):
    m.start()
    sessions = [m.session("echo $$; cat") for _ in range(3)]
    stubborn, shell = m.session("trap '' HUP TERM; echo $$; while :; do sleep 1; done")
    m.drop_in("[Service]\nTimeoutStopSec=3s\n")     # shorter than a session may take: EXTEND_TIMEOUT_USEC
    m.out("systemctl", "stop", UNIT)
    same((m.state(), m.show("Result"), m.show("ExecMainStatus")), ("inactive", "success", "0"), "end of the service")
    for p, pid in sessions + [(stubborn, shell)]:
        check(p.wait(10) != 0, "a client was not told")
        check(not m.alive(pid), "a program outlived its session")
    wait_until(lambda: not os.path.exists(m.root + GROUP), 10, text="control groups are left")


def works(session):
    """A session of cat answers."""
    session.stdin.write(b"still here\n")
    session.stdin.flush()
    return session.stdout.readline() == b"still here\n"


def live_on(m, harm):
    """Sessions outlive what is done to the supervisor, and the next one knows them."""
    m.start()
    if m.node("keeper") is None:
        raise NotHere("no keeper")
    sessions = [m.session("echo $$; cat; exit 7") for _ in range(3)]
    groups = m.groups()
    was = m.main_pid()
    harm()
    wait_until(lambda: m.main_pid() not in (0, was) and m.state() == "active", 20, text="it does not come back")
    check(all(works(p) for p, _ in sessions), "a session does not answer")
    wait_until(lambda: m.show("StatusText").startswith("3 sessions"), 10, text="STATUS after it: " + m.show("StatusText"))
    m.ssh("true")
    wait_until(lambda: m.groups() == groups, 10, text="control groups of the sessions")
    nodes = m.tree_nodes()
    for p, pid in sessions:
        check([n for n in nodes if n.get("pid") == int(pid)], "a program is not in the tree", pid)
        p.stdin.close()
        same(p.wait(20), 7, "status of a program that outlived its supervisor")
    wait_until(lambda: not m.groups(), 10, text="groups stay")


def test_restart_with_sessions(m):
    live_on(m, lambda: m.out("systemctl", "restart", UNIT))
    same(m.show("Result"), "success", "result of the restart")


def test_crash_with_sessions(m):
    live_on(m, lambda: m.out("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT))


def test_stall_with_sessions(m):
    m.drop_in("[Service]\nWatchdogSec=2s\n")
    live_on(m, lambda: m.kill("STOP", m.main_pid()))


def test_sockets_and_sessions(m):
    """The manager passes its sockets again, the keeper has them too: each is listened on once."""
    sockets(m)
    live_on(m, lambda: m.out("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT))
    names = [n["name"] for n in m.tree_nodes()]
    for name in ("listener ssh", "listener ssh6", "listener box"):
        same(names.count(name), 1, "nodes " + name)
    m.out("python3", "-c", PROBE)
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: m.state() == "active", 10)
    m.out("python3", "-c", PROBE)


def test_upgrade_with_sessions_and_sockets(m):
    """Another program in the same process: the manager sees no difference."""
    sockets(m)
    m.drop_in("[Unit]\nRequires=test-a.socket test-b.socket test-c.socket\n[Service]\nSockets=test-a.socket test-b.socket test-c.socket\nWatchdogSec=2s\n")
    m.start()
    if m.node("keeper") is None:
        raise NotHere("no upgrade")
    main, (p, pid) = m.main_pid(), m.session("echo $$; cat; exit 7")
    m.kill("USR2", main)
    wait_until(lambda: m.journal("_SYSTEMD_INVOCATION_ID=" + m.show("InvocationID"), "--grep", "ev=resume.*by=upgrade"), 15, text="no upgrade")
    time.sleep(4)                       # its watchdog goes on being fed
    same((m.main_pid(), m.show("NRestarts"), m.state()), (main, "0", "active"), "the service")
    check(works(p), "the session does not answer")
    same(m.group_of(pid), "/sessions/" + m.groups()[0], "group of the session")
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: m.state() == "active", 10)
    m.out("python3", "-c", PROBE)
    names = [n["name"] for n in m.tree_nodes()]
    for name in ("listener ssh", "listener ssh6", "listener box"):
        same(names.count(name), 1, "nodes " + name)
    m.configure("Port 2299", listen=False)
    m.run("systemctl", "reload", UNIT)
    wait_until(lambda: "old configuration kept" in m.show("StatusText"), 10, text="a contradiction is not noticed any more")
    p.stdin.close()
    same(p.wait(20), 7, "status of a program that outlived an upgrade")


# ---- watchdog ------------------------------------------------------------------------------------------

def test_watchdog_of_the_supervisor(m):
    m.drop_in("[Service]\nWatchdogSec=2s\n")
    m.start()
    main = m.main_pid()
    time.sleep(4)                       # a watchdog that is fed does not bite
    same((m.main_pid(), m.show("NRestarts")), (main, "0"), "the daemon")
    m.kill("STOP", main)
    wait_until(lambda: m.main_pid() not in (0, main) and m.state() == "active", 30, text="a supervisor that stands still is not replaced")
    same(m.show("NRestarts"), "1", "restarts")
    m.ssh("true")


def test_hung_helper(m):
    m.configure("WatchdogInterval 1")
    m.drop_in("[Service]\nWatchdogSec=6s\n")
    m.start()
    main, victim = m.main_pid(), m.node("keysign")["pid"]
    m.kill("STOP", victim)
    wait_until(lambda: (m.node("keysign") or {}).get("pid") not in (None, victim), 20, text="no new keysign")
    m.ssh("true")
    same((m.main_pid(), m.show("NRestarts")), (main, "0"), "the daemon")
    check(m.journal("-u", UNIT, "--grep", "how=hung"), "no report")


# ---- sockets ------------------------------------------------------------------------------------------------

SOCKET = "[Socket]\nListenStream=%s\nFileDescriptorName=%s\nAccept=no\nService=coppiced.service\n%s"


def sockets(m, *more):
    m.configure(*more, listen=False)
    for unit, at, name, rest in (("a", "127.0.0.1:%d" % PORT, "ssh", ""), ("b", "[::1]:%d" % PORT, "ssh6", "BindIPv6Only=ipv6-only\n"),
                                 ("c", "/run/ssh.socket", "box", "")):
        m.unit("test-%s.socket" % unit, SOCKET % (at, name, rest))
    m.drop_in("[Unit]\nRequires=test-a.socket test-b.socket test-c.socket\nAfter=test-a.socket test-b.socket test-c.socket\n"
              "[Service]\nSockets=test-a.socket test-b.socket test-c.socket\n")
    for unit in "abc":
        m.out("systemctl", "start", "test-%s.socket" % unit)


PROBE = """import socket, sys
for family, at in ((socket.AF_INET, ("127.0.0.1", %d)), (socket.AF_INET6, ("::1", %d)), (socket.AF_UNIX, "/run/ssh.socket")):
    s = socket.socket(family); s.settimeout(20); s.connect(at); assert s.recv(4) == b"SSH-", at
""" % (PORT, PORT)

# A connect() that fails ends it; a client whose process was killed under it is counted.
FOR_EVER = """import socket, sys, time
end, n, lost = time.monotonic() + float(sys.argv[1]), 0, 0
while time.monotonic() < end:
    s = socket.create_connection(("127.0.0.1", %d), 20); s.settimeout(20)
    try:
        got = s.recv(4)
    except ConnectionResetError:
        got = b""
    if got == b"SSH-": n += 1
    else: lost += 1
    s.close(); time.sleep(0.02)
print(n, lost)
""" % PORT


def nobody_was_refused(probe, kills):
    out, err = probe.communicate(timeout=30)
    check(probe.returncode == 0, "a client was refused", err)
    served, lost = [int(x) for x in out.split()]
    check(served > 10 and lost <= kills, "served, lost", served, lost)


def test_sockets(m):
    sockets(m)
    same(m.state(), "inactive", "state before the first client")
    m.out("python3", "-c", PROBE)
    same(m.state(), "active", "state after it")
    names = [n["name"] for n in m.tree_nodes()]
    for name in ("listener ssh", "listener ssh6", "listener box"):
        check(name in names, "no node " + name, names)
    m.ssh("true")
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: m.state() == "active", 10)
    m.out("python3", "-c", PROBE)


def test_nobody_is_refused(m):
    sockets(m)
    m.start()
    probe = m.popen("python3", "-c", FOR_EVER, "4")
    was = m.main_pid()
    m.out("systemctl", "restart", UNIT)
    check(m.main_pid() not in (0, was), "no restart")
    for _ in range(2):
        was = m.main_pid()
        m.out("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
        wait_until(lambda: m.main_pid() not in (0, was), 20)
    nobody_was_refused(probe, 3)


def test_contradiction(m):
    sockets(m, "Port 2299")
    check(m.run("systemctl", "start", UNIT).returncode != 0, "systemctl start did not fail")
    same((m.state(), m.show("ExecMainStatus"), m.show("NRestarts")), ("failed", "255", "0"), "the service")
    check(m.journal("-u", UNIT, "--grep", "Port asks for port 2299.*service manager"), "the journal does not say why")


# ---- control groups ------------------------------------------------------------------------------------------

def test_group_of_a_session(m):
    m.start()
    p, shell = m.session("echo $$; cat")
    q, other = m.session("echo $$; cat")
    mine, theirs = m.group_of(shell), m.group_of(other)
    check(re.match(r"/sessions/\d+$", mine) and re.match(r"/sessions/\d+$", theirs) and mine != theirs, "groups", mine, theirs)
    same(len(m.groups()), 2, "number of groups")
    nodes = m.tree_nodes()
    session = next(n["parent"] for n in nodes if n["pid"] == int(shell))
    connection = next(n for n in nodes if n["parent"] == session and n["name"] == "connection")
    wait_until(lambda: m.group_of(connection["pid"]) == mine, 5, text="the connection is not in the group of its session")
    m.out("coppicectl", "handoff")
    moved = next(n for n in m.tree_nodes() if n["parent"] == session and n["name"] == "connection")
    check(moved["pid"] != connection["pid"], "it did not move")
    wait_until(lambda: m.group_of(moved["pid"]) == mine, 5, text="a connection that moved is not in the group of its session")
    for x in (p, q):
        x.stdin.close()
        x.wait(20)
    wait_until(lambda: not m.groups(), 10, text="groups stay")


def test_what_a_session_leaves(m):
    m.start()
    leave = "setsid sleep 1000 </dev/null >/dev/null 2>&1 & echo $!; sleep 0.2"
    left = m.ssh(leave).stdout.decode().strip()
    check(m.alive(left), "it was killed, and nobody asked for that")
    group = m.groups()
    same(len(group), 1, "groups with a process")
    m.kill("KILL", left)
    wait_until(lambda: not m.groups(), 10, text="an empty group stays")
    m.configure("KillSessionProcesses yes")
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: m.journal("-u", UNIT, "--grep", "Configuration 2 in force"), 10)
    left = m.ssh(leave).stdout.decode().strip()
    wait_until(lambda: not m.alive(left), 10, text="it was not killed")
    wait_until(lambda: not m.groups(), 10, text="an empty group stays")


def test_groups_after_a_crash(m):
    """Groups of sessions whose supervisor was killed are cleared away by the next one."""
    m.start()
    p, shell = m.session("echo $$; cat")
    q, child = m.session("setsid sleep 1000 >/dev/null 2>&1 & echo $!; cat")
    m.out("systemctl", "kill", "-s", "KILL", "--kill-who=main", UNIT)
    wait_until(lambda: m.state() == "active" and m.node("keysign"), 20)
    check(m.alive(child), "a program was killed with the supervisor")
    for x in (p, q):                # whether they lived on or not
        x.stdin.close()
        x.wait(20)
    m.kill("KILL", child)
    wait_until(lambda: not m.groups(), 20, text="groups stay")


# ---- journal ----------------------------------------------------------------------------------------------------

def test_journal(m):
    m.start()
    m.ssh("true")
    line = wait_until(lambda: m.journal("-u", UNIT, "--grep", "^Accepted publickey for alice"), 10)[0]
    same(line["_SYSTEMD_UNIT"], UNIT, "_SYSTEMD_UNIT")
    check(line.get("SYSLOG_IDENTIFIER", "").startswith("coppiced"), "SYSLOG_IDENTIFIER", line)
    same(line["PRIORITY"], "6", "PRIORITY")


def test_journal_fields(m):
    """What happened as fields of its own, by the journal's native protocol."""
    m.start()
    m.ssh("true")
    m.kill("SEGV", m.node("keysign")["pid"])
    wait_until(lambda: m.journal("-u", UNIT, "--grep", "how=signal:SEGV"), 10)
    invocation = "_SYSTEMD_INVOCATION_ID=" + m.show("InvocationID")
    rows = m.journal(invocation, "SSH_USER=alice")
    if not rows:
        raise NotHere("no native fields")
    login = rows[0]
    check(login["MESSAGE"].startswith("Accepted publickey for alice from 127.0.0.1 port "), "MESSAGE", login)
    check(re.match(r"127\.0\.0\.1:\d+$", login["SSH_REMOTE"]) and re.search(r"SHA256:\S{43}", login["SSH_KEY_FP"]) and
          re.match(r"[0-9a-f]{32}$", login["MESSAGE_ID"]), "fields of a login", login)
    same((login["SSH_METHOD"], login["PRIORITY"], login["SYSLOG_IDENTIFIER"], login["_TRANSPORT"]), ("publickey", "6", "coppiced", "journal"), "fields")
    check(m.journal(invocation, "SSH_CONN_ID=" + login["SSH_CONN_ID"]), "SSH_CONN_ID finds nothing")
    crash = m.journal(invocation, "NODE=guards/keysign", "HOW=signal:SEGV")
    check(crash and crash[0]["EXIT_SIGNAL"] == "SIGSEGV" and crash[0]["PRIORITY"] == "4" and "\n" in crash[0]["MESSAGE"], "the crash report", crash)


def test_journal_that_stands_still(m):
    m.start()
    p, _ = m.session("echo here; cat")
    journald = m.show("MainPID", "systemd-journald.service")
    m.kill("STOP", journald)
    try:
        for _ in range(15):
            m.ssh("true")
        check(m.main_pid() > 0 and m.state() == "active", "the daemon waits for the journal")
    finally:
        m.kill("CONT", journald)
    p.stdin.write(b"still here\n")
    p.stdin.flush()
    same(p.stdout.readline(), b"still here\n", "the session")
    p.stdin.close()
    same(p.wait(20), 0, "status of the session")
    m.ssh("true")
    invocation = "_SYSTEMD_INVOCATION_ID=" + m.show("InvocationID")
    rows = wait_until(lambda: m.journal(invocation, "--grep", "^Accepted publickey for alice"), 20)
    if rows[0]["_TRANSPORT"] == "journal":      # what did not fit its socket is counted
        wait_until(lambda: len(m.journal(invocation, "--grep", "^Accepted publickey for alice")) >= 17 or m.journal(invocation, "--grep", "dropped="),
                   20, text="lines are missing, and nothing says so")
