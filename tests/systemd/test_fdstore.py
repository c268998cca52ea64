"""What systemd keeps for the daemon (FDSTORE), and what the next start makes of it."""
import json
import re

from machine import GROUP, UNIT, check, same, time, wait_until
from test_service import FOR_EVER, nobody_was_refused, works

HELPERS = ("reporter", "keysign", "auth", "nursery", "acceptor")
OWN = 5             # four log sockets and the journal


def stored(m):
    return int(m.show("NFileDescriptorStore"))


def due(m):
    """What has to lie there: pidfd and link of helpers and of connections, pidfds of the keeper and of programs."""
    nodes = [n for n in m.tree_nodes() if n["pid"] and n["kind"] == "worker"]
    return (OWN + sum(2 if n["name"] in HELPERS + ("connection",) else 1 for n in nodes)
            + len([n for n in m.tree_nodes() if n["name"].startswith("listener ")]))


def settled(m, text):
    wait_until(lambda: stored(m) == due(m), 15, text="%s: stored, due" % text)
    if m.version >= 254:
        names = [x["fdname"] for x in json.loads(m.out("systemd-analyze", "fdstore", "--json=short", UNIT))]
        same(len(names), stored(m), "names")
        strange = [x for x in names if not re.match(r"coppice-(listen-[0-9a-f._]+_\d+|log-[0-3]|state-[1-9a-f][0-9a-f]*|proc-[1-9a-f][0-9a-f]*)$", x)]
        check(not strange, "names", strange)
        same(len([x for x in names if x.startswith("coppice-state-")]), 1, "journals")


def kill_both(m):
    was, keeper = m.main_pid(), m.node("keeper")["pid"]
    m.out("kill", "-KILL", str(was), str(keeper))
    wait_until(lambda: m.main_pid() not in (0, was) and m.state() == "active", 20, text="it does not come back")


def taken_over(m):
    return m.run("journalctl", "-u", UNIT, "-o", "cat", "--no-pager", "--grep", "ev=resume from=.* by=store").stdout.count(b"ev=resume")


def ask(p, line, answer):
    p.stdin.write(line + b"\n")
    p.stdin.flush()
    got = b""
    while answer not in got:
        more = p.stdout.readline()
        check(more, "no answer", line, got)
        got += more


def clients(m):
    """A program, a terminal, a file transfer, and a connection for more channels."""
    words = m.ssh_words("echo $$; cat; exit 7")
    at = words.index("-T")
    exec_, pid = m.session("echo $$; cat; exit 7")
    pty = m.popen(*(words[:at] + ["-tt"] + words[at + 1:-1] + ["stty -echo; echo here; exec cat"]))
    check(b"here" in pty.stdout.readline(), "the terminal")
    port = words.index("-p")
    sftp = m.popen("sftp", "-q", "-b", "-", "-P", words[port + 1], *(words[1:at] + words[at + 1:port] + words[port + 2:-1]))
    ask(sftp, b"pwd", b"/home/alice")
    master = m.popen(*(words[:at] + ["-M", "-S", "/tmp/master"] + words[at:-1] + ["echo here; exec cat"]))
    same(master.stdout.readline(), b"here\n", "the master")
    return exec_, pid, pty, sftp, master


def channel(m):
    r = m.run("ssh", "-S", "/tmp/master", "x@127.0.0.1", "echo new; exit 4")
    same((r.returncode, r.stdout), (4, b"new\n"), "a new channel on an old connection")


def test_both_killed(m):
    """Supervisor and keeper at once, three times: what systemd has is enough."""
    m.configure("ListenAddress ::1")
    m.start()
    settled(m, "idle")
    idle = stored(m)
    exec_, pid, pty, sftp, master = clients(m)
    groups, taken = m.groups(), taken_over(m)
    for turn in range(3):
        wait_until(lambda: stored(m) == due(m) >= idle + 12, 15, text="sessions are not stored")
        before = {n["id"]: n["pid"] for n in m.tree_nodes() if n["name"] not in ("coppiced", "keeper", "nursery")}
        probe = m.popen("python3", "-c", FOR_EVER, "3")
        kill_both(m)
        check(works(exec_), "the program does not answer")
        ask(pty, b"to the terminal", b"to the terminal")
        ask(sftp, b"put /etc/hostname turn%d" % turn, b"")
        ask(sftp, b"ls -1", b"turn%d" % turn)
        channel(m)
        m.ssh("true")
        nobody_was_refused(probe, 3)
        wait_until(lambda: m.show("StatusText").startswith("4 sessions"), 10, text="STATUS after it: " + m.show("StatusText"))
        wait_until(lambda: taken_over(m) == taken + turn + 1, 10, text="it did not take over from the store")
        same({n["id"]: n["pid"] for n in m.tree_nodes() if n["name"] not in ("coppiced", "keeper", "nursery")}, before, "the tree")
        same(m.groups(), groups, "control groups")
        settled(m, "after kill %d" % (turn + 1))
    m.out("coppicectl", "kick", str(next(n["name"].split()[1] for n in m.tree_nodes() if n["id"] == session_of(m, pid))))
    check(exec_.wait(20) != 0, "kicked, and it ended well")
    wait_until(lambda: not m.alive(pid), 10, text="the program of a kicked session lives")
    pty.stdin.write(b"\x04")            # its line ends, not the file
    for p in (pty, sftp, master):
        p.stdin.close()
        p.wait(20)
    wait_until(lambda: not m.groups(), 10, text="groups stay")
    settled(m, "at the end")
    same(stored(m), idle, "descriptors in the store")


def session_of(m, pid):
    return next(n["parent"] for n in m.tree_nodes() if n["pid"] == int(pid))


def test_what_ended_meanwhile(m):
    """Programs that end while nobody supervises: their pidfds, which systemd has, know how, where the kernel tells."""
    m.start()
    p, pid = m.session("echo $$; read x; exit 7")
    q, other = m.session("echo $$; read x; kill -SEGV $$")
    wait_until(lambda: stored(m) == due(m), 15, text="sessions are not stored")
    m.drop_in("[Service]\nRestartSec=2s\n")
    was, keeper = m.main_pid(), m.node("keeper")["pid"]
    m.out("kill", "-KILL", str(was), str(keeper))
    for x in (p, q):
        x.stdin.write(b"go\n")
        x.stdin.flush()
    wait_until(lambda: not m.alive(pid) and not m.alive(other), 2, text="programs do not end")
    wait_until(lambda: m.main_pid() not in (0, was) and m.state() == "active", 20, text="it does not come back")
    same((p.wait(20), q.wait(20)), (7, 255), "exit status, and the signal")
    wait_until(lambda: not m.groups(), 10, text="groups stay")
    settled(m, "at the end")


def test_short_logins_are_not_stored(m):
    m.start()
    settled(m, "idle")
    idle = stored(m)
    for _ in range(10):
        m.ssh("true")
    settled(m, "after logins")
    same(stored(m), idle, "descriptors in the store")


def test_many_sessions_are_passed(m):
    """More descriptors than the soft limit of the unit, which systemd has to pass all."""
    m.configure("MaxStartups 400", "MaxSessions 400", "LogLevel INFO")
    m.start()
    settled(m, "idle")
    words = m.ssh_words("x")
    at = words.index("-T")
    master = m.popen(*(words[:at] + ["-M", "-S", "/tmp/many"] + words[at:-1] + ["echo here; exec cat"]))
    same(master.stdout.readline(), b"here\n", "the master")
    many = [m.popen("ssh", "-S", "/tmp/many", "x@127.0.0.1", "echo here; exec cat") for _ in range(60)]
    for p in many:
        same(p.stdout.readline(), b"here\n", "a channel")
    wait_until(lambda: stored(m) == due(m), 20, text="sessions are not stored")
    kill_both(m)
    check(all(works(p) for p in many), "a channel does not answer")
    for p in many:
        p.stdin.close()
        same(p.wait(20), 0, "status")
    master.stdin.close()
    master.wait(20)
    settled(m, "at the end")


def test_store_of_the_manager(m):
    """Listening sockets outlive even all of our processes; what is not configured any more leaves the store."""
    m.configure("ListenAddress ::1")
    m.start()
    settled(m, "idle")
    probe = m.popen("python3", "-c", FOR_EVER, "5")
    was = m.main_pid()
    m.out("systemctl", "kill", "-s", "KILL", UNIT)
    wait_until(lambda: m.main_pid() not in (0, was) and m.state() == "active", 20)
    was = m.main_pid()
    m.out("systemctl", "restart", UNIT)
    check(m.main_pid() not in (0, was), "no restart")
    nobody_was_refused(probe, 2)
    settled(m, "after restarts")
    two = stored(m)
    m.configure()
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: stored(m) == two - 3, 10, text="a socket that was removed stays in the store, or its acceptor")
    m.configure("ListenAddress 127.0.0.2")
    m.out("systemctl", "reload", UNIT)
    wait_until(lambda: stored(m) == two, 10, text="a new socket is not stored")
    m.configure()                   # and one that left while nobody ran
    m.out("systemctl", "restart", UNIT)
    wait_until(lambda: stored(m) == two - 3, 10, text="a socket nobody wants stays in the store")
    settled(m, "at the end")
