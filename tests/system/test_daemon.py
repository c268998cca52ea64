"""The daemon itself: options, configuration, reload, stop, tree, what it runs as, what it leaves behind."""
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import time

from lab import (BUILD, HOST, PASSWORDS, SCRATCH, Server, UIDS, account, alive, below, check, coppiced_only, key, limit, processes, same, sanitized,
                 sh, status, wait_until)
from movers import Exec, Master, moving

DAEMON = BUILD + "/sbin/coppiced"


def run(*argv, user=None, **more):
    more.setdefault("stdin", subprocess.DEVNULL)
    more.setdefault("timeout", 60)
    if user:
        more.update(user=user, group=UIDS[user], extra_groups=[])
        more.setdefault("env", {"PATH": "/usr/bin:/bin", "HOME": "/home/" + user, "ASAN_OPTIONS": "detect_leaks=0"})
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **more)


def readable(path, user):
    """Somewhere the user may look at."""
    os.chmod(SCRATCH, 0o755)
    shutil.chown(path, user, user)


# ---- the tree ---------------------------------------------------------------------------------------

@coppiced_only
def test_tree():
    with Server("ListenAddress 127.0.0.2") as s:
        master = Master(s, 1, "alice")
        mux = ("ControlPath=" + master.path, "ControlMaster=no")
        session = s.popen("alice", "exec cat", options=mux)
        shell = s.popen("alice", options=mux, flags=("-tt",))
        wait_until(lambda: len([n for n in s.tree() if n["name"].split()[0] in ("exec", "shell")]) == 2, 10, text="the workers are not in the tree")
        nodes = s.tree()
        names = [n["name"] for n in nodes]
        for name in ("coppiced", "reporter", "keeper", "guards", "keysign", "auth", "nursery", "sessions"):
            check(name in names, "no %s" % name, names)
        same(len([n for n in nodes if n["name"].startswith("acceptor")]), 2, "acceptors")
        same(nodes[0]["pid"], s.pid, "pid of the root")
        mine = [n for n in nodes if str(n.get("peer", "")).startswith(master.address + ":")]
        check(mine and all(n["user"] == "alice" for n in mine), "user and peer of the session", mine)
        table = processes()
        for n in nodes:
            for field in ("id", "kind", "state", "restarts", "uptime_ms"):
                check(field in n, "no %s" % field, n)
            if n["kind"] == "worker":
                check(n["pid"] in table, "no such process", n)
                same(table[n["pid"]], s.pid, "parent of " + n["name"])
            else:
                check("strategy" in n, "no strategy", n)
        # Everything below the daemon is in the tree, or is the child of something that is.
        pids = {n["pid"] for n in nodes}
        for p in below(s.pid):
            check(p in pids or table.get(p) in pids, "a process that is not in the tree: %d %s" % (p, status(p, "Name")))
        text = s.ctl("tree")
        same(text.returncode, 0, "status of the text form")
        for word in (b"keysign", b"one_for_one", b"rest_for_one", b"alice", master.address.encode()):
            check(word in text.stdout, "not in the text", word, text.stdout)
        session.stdin.close()
        session.wait(20)
        shell.kill()
        shell.wait()
        master.finish()
        wait_until(lambda: not [n for n in s.tree() if str(n.get("peer", "")).startswith(master.address + ":")], 15, text="the session stays in the tree")


@coppiced_only
def test_tree_of_many_sessions():
    with Server("MaxStartups 200:30:300") as s:
        masters = [Master(s, i + 1, "bob") for i in range(60)]
        for _ in range(5):
            users = [n for n in s.tree() if n["name"].startswith("connection") and n.get("user") == "bob"]
            same(len(users), 60, "connections in the tree")
        for m in masters:
            m.finish()


@coppiced_only
def test_ctl_is_for_root_only():
    with Server() as s:
        r = run(BUILD + "/bin/coppicectl", "-s", s.control, "tree", user="bob")
        check(r.returncode != 0 and b"keysign" not in r.stdout, "bob may look", r.stdout, r.stderr)
        r = run(BUILD + "/bin/coppicectl", "-s", s.control, "stop", user="bob")
        check(r.returncode != 0, "bob may stop it")
        s.ssh("alice", "true", ok=True)
    r = run(BUILD + "/bin/coppicectl", "-s", s.control, "tree")
    check(r.returncode not in (0, None) and r.stderr, "without a daemon", r)


@coppiced_only
def test_ctl_hostile_clients():
    """Garbage on the control socket, from root itself, and many who only sit there."""
    with Server() as s:
        for data in (b"", b"\0" * 100, b"\xff" * 60000, b"GET / HTTP/1.0\r\n\r\n", b"\x80\x01" + b"\xff" * 4):
            c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            c.connect(s.control)
            try:
                c.send(data)
                c.settimeout(5)
                c.recv(100)
            except OSError:
                pass
            c.close()
        idle = []
        for _ in range(100):
            c = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
            c.settimeout(2)
            try:
                c.connect(s.control)
            except OSError:
                break
            idle.append(c)
        s.ssh("alice", "true", ok=True)
        for c in idle:
            c.close()
        wait_until(lambda: s.ctl("tree").returncode == 0, 10, text="the control socket does not answer any more")


# ---- stop and reload ------------------------------------------------------------------------------------

@coppiced_only
def test_stop_by_the_tool():
    s = Server()
    session = s.popen("bob", "exec sleep 1000")
    wait_until(lambda: [n for n in s.tree() if n["name"].startswith("exec")], 10)
    same(s.ctl("stop").returncode, 0, "status of stop")
    same(s.process.wait(20), 0, "status of the daemon")
    s.stopped = True
    same(session.wait(20), 255, "status of the client")
    check(not os.path.exists(s.control), "the control socket is still there")
    s.healthy()


@coppiced_only
def test_stop_ends_sessions_in_order():
    s = Server()
    mark = "/home/bob/stopped"
    session = s.popen("bob", "trap 'echo hup > %s; exit' HUP; echo ready; exec >/dev/null 2>&1; while :; do sleep 0.1; done" % mark)
    same(session.stdout.readline(), b"ready\n", "start")
    family = below(s.pid)
    s.stop()
    wait_until(lambda: not [p for p in family if alive(p)], 10, text="processes are left")
    check(os.path.exists(mark), "the program got no SIGHUP")
    os.unlink(mark)
    session.wait(20)


def listening(port):
    """The inode of the listening socket, which changes when it is closed and opened again."""
    with open("/proc/net/tcp") as f:
        return {line.split()[9] for line in f if line.split()[1].endswith(":%04X" % port) and line.split()[3] == "0A"}


@coppiced_only
def test_reload():
    with Server("Banner none") as s:
        before = listening(s.port)
        old = moving(Exec(s, 1))
        s.write("DenyUsers alice", "MaxAuthTries 3")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: s.ssh("alice", "true").returncode == 255, 15, 0.1, "the new configuration does not hold")
        s.ssh("bob", "true", ok=True)
        same(listening(s.port), before, "the listening socket")
        was = old.progress
        wait_until(lambda: old.progress > was, 10, text="the session stands still")
        # and back
        s.write("Banner none")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: s.ssh("alice", "true").returncode == 0, 15, 0.1, "the third configuration does not hold")
        same(listening(s.port), before, "the listening socket")
        old.finish()
        check(not old.fault, old.fault)


@coppiced_only
def test_reload_of_a_bad_file():
    with Server() as s:
        for line, why in (("NoSuchKeyword yes", "NoSuchKeyword"), ("MaxAuthTries many", "MaxAuthTries"), ("Port 99999", "[Pp]ort"), ("Match Nonsense x", "Match")):
            with open(s.conf, "a") as f:
                f.write(line + "\n")
            number = sum(1 for _ in open(s.conf))
            s.process.send_signal(signal.SIGHUP)
            s.logged(r"line %d: .*%s" % (number, why), 10)
            s.ssh("alice", "true", ok=True)
            s.write()
        os.unlink(s.conf)
        s.process.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        s.ssh("alice", "true", ok=True)
        s.write()


@coppiced_only
@limit(90)
def test_reload_under_load_refuses_nobody():
    with Server("MaxStartups 200:30:300") as s:
        refused = 0
        end = time.monotonic() + 6
        hups = 0
        while time.monotonic() < end:
            s.process.send_signal(signal.SIGHUP)
            hups += 1
            for _ in range(10):
                try:
                    with s.connect() as c:
                        c.settimeout(10)
                        if c.recv(4) != b"SSH-":
                            refused += 1
                except ConnectionError:
                    refused += 1
        same(refused, 0, "refused or dropped connections during %d reloads" % hups)


@coppiced_only
def test_reload_moves_the_port():
    with Server() as s:
        session = moving(Exec(s, 1))
        second = s.port + 500
        with open(s.conf) as f:
            text = f.read()
        with open(s.conf, "w") as f:
            f.write(text.replace("Port %d" % s.port, "Port %d" % second))
        s.process.send_signal(signal.SIGHUP)

        def moved():
            try:
                with socket.create_connection((HOST, second), 2) as c:
                    return c.recv(4) == b"SSH-"
            except OSError:
                return False

        wait_until(moved, 15, text="nobody listens on the new port")
        wait_until(lambda: not listening(s.port), 15, text="the old port is still open")
        was = session.progress
        wait_until(lambda: session.progress > was, 10, text="the session over the old port stands still")
        session.finish()
        check(not session.fault, session.fault)


# ---- -t -T -i and other options -----------------------------------------------------------------------------

@coppiced_only
def test_check_configuration():
    with Server(wait=False) as s:
        readable(s.dir, "bob")
        for user in (None, "bob"):
            # bob cannot read root's host keys; the configuration alone is what -T needs
            same(run(DAEMON, "-T", "-f", s.conf, user=user).returncode, 0, "-T as %s" % (user or "root"))
        r = run(DAEMON, "-t", "-f", s.conf)
        same((r.returncode, r.stdout), (0, b""), "-t (%r)" % r.stderr)
        for bad, why in (("Nonsense yes", b"Nonsense"), ("Port many", b"Port|port"), ("UsePAM yes", b"UsePAM"), ("Ciphers rot13", b"Ciphers|rot13"), ("Match", b"Match"),
                         ("Include /etc/ssh/none/", b""), ("PermitRootLogin maybe", b"PermitRootLogin|maybe")):
            with open(s.conf, "a") as f:
                f.write(bad + "\n")
            number = sum(1 for _ in open(s.conf))
            r = run(DAEMON, "-t", "-f", s.conf)
            if why:
                same(r.returncode, 255, "status for %r (%r)" % (bad, r.stderr))
                check(re.search(rb"line %d: .*(%s)" % (number, why), r.stderr), "sentence for %r" % bad, r.stderr)
            s.write()
        same(run(DAEMON, "-t", "-f", s.dir + "/none").returncode, 255, "a file that is not there")
        check(run(DAEMON, "-Z").returncode != 0, "an unknown option")


@coppiced_only
def test_dump_reads_back():
    with Server("Match User alice", " PasswordAuthentication no", " MaxAuthTries 2", wait=False) as s:
        first = run(DAEMON, "-T", "-f", s.conf).stdout
        check(b"\npasswordauthentication yes\n" in first and b"loglevel VERBOSE" in first, "the dump", first)
        copy = s.dir + "/copy"
        with open(copy, "wb") as f:
            f.write(first)
        second = run(DAEMON, "-T", "-f", copy)
        same((second.returncode, second.stdout), (0, first), "the dump of the dump (%r)" % second.stderr)
        out = run(DAEMON, "-T", "-f", s.conf, "-C", "user=alice,addr=10.0.0.1,laddr=10.0.0.2,lport=22").stdout
        check(b"\npasswordauthentication no\n" in out and b"\nmaxauthtries 2\n" in out, "for alice", out)


@coppiced_only
def test_options_go_before_the_file():
    with Server(wait=False) as s:
        out = run(DAEMON, "-T", "-f", s.conf, "-o", "MaxAuthTries=4", "-o", "Port 77", "-g", "33", "-q").stdout
        for line in (b"maxauthtries 4", b"logingracetime 33", b"loglevel QUIET"):
            check(b"\n" + line + b"\n" in b"\n" + out, line.decode(), out)
        out = run(DAEMON, "-T", "-f", s.conf, "-p", "2022").stdout
        check(re.findall(rb"(?m)^port (\d+)$", out) == [b"2022"], "-p", out)
        check(b"0.1" in run(DAEMON, "-V").stderr + run(DAEMON, "-V").stdout, "-V")


def inetd_conf(user, *lines):
    """A configuration and host key that belong to that user; nothing else."""
    top = "%s/inetd-%s-%d" % (SCRATCH, user, time.monotonic_ns())
    os.makedirs(top)
    shutil.copy(key("host_ed25519"), top + "/hostkey")
    os.chmod(top + "/hostkey", 0o600)
    with open(top + "/conf", "w") as f:
        f.write("\n".join(("HostKey %s/hostkey" % top, "Subsystem sftp internal-sftp") + lines) + "\n")
    for path in (top, top + "/hostkey", top + "/conf"):
        shutil.chown(path, user, user)
    return top


@coppiced_only
def test_inetd_on_two_pipes_as_an_ordinary_user():
    top = inetd_conf("bob")
    home = {"PATH": "/usr/bin:/bin", "HOME": "/home/bob", "ASAN_OPTIONS": "detect_leaks=0"}
    for name in ("ed25519", "ed25519.pub"):
        shutil.copy(SCRATCH + "/keys/" + name, top + "/" + name)
        shutil.chown(top + "/" + name, "bob", "bob")
    os.chmod(top + "/ed25519", 0o600)
    command = ["-F", "none", "-o", "ProxyCommand=%s -i -e -f %s/conf 2>%s/log" % (DAEMON, top, top), "-o", "StrictHostKeyChecking=no", "-o",
               "UserKnownHostsFile=%s/known" % top, "-o", "IdentitiesOnly=yes", "-i", top + "/ed25519", "-o", "BatchMode=yes"]
    data = os.urandom(3 << 20)
    before = set(processes())
    r = run("ssh", *command, "bob@anywhere", "cat; id -un >&2; exit 4", user="bob", env=home, input=data, stdin=None)
    same((r.returncode, r.stdout == data), (4, True), "result (%r)" % r.stderr)
    check(b"bob\n" in r.stderr, "who it is", r.stderr)
    r = run("sftp", *command, "-b", "-", "bob@anywhere", user="bob", env=home, input=b"put %s copy\nrm copy\n" % (top + "/conf").encode(), stdin=None)
    same(r.returncode, 0, "sftp (%r)" % r.stderr)
    check(run("ssh", *command, "alice@anywhere", "true", user="bob", env=home).returncode == 255, "bob's daemon lets alice in")
    # A client that is gone ends it; nothing stays.
    wait_until(lambda: not [p for p in set(processes()) - before if (status(p, "Uid") or "").split()[:1] == ["2002"]], 15, text="processes of bob are left")


@coppiced_only
def test_inetd_on_a_socket_as_root():
    top = inetd_conf("bob", "AuthorizedKeysFile .ssh/authorized_keys")
    for path in (top, top + "/hostkey", top + "/conf"):
        os.chown(path, 0, 0)
    door = socket.create_server((HOST, 2999))
    client = subprocess.Popen(["ssh", "-F", "none", "-p", "2999", "-i", key("ed25519"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null",
                               "-o", "BatchMode=yes", "-o", "LogLevel=ERROR", "alice@" + HOST, "echo $SSH_CLIENT; exit 3"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
    conn, peer = door.accept()
    with open(top + "/log", "wb") as log:
        daemon = subprocess.Popen([DAEMON, "-i", "-e", "-f", top + "/conf"], stdin=conn, stdout=conn, stderr=log, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0"))
    conn.close()
    door.close()
    out = client.communicate(timeout=30)[0]
    same((client.returncode, out), (3, b"%s %d 2999\n" % (HOST.encode(), peer[1])), "result")
    same(daemon.wait(20), 0, "status of the daemon")


@coppiced_only
def test_detach_and_pid_file():
    with Server(wait=False) as s:
        r = run(DAEMON, "-f", s.conf, "-E", s.dir + "/log", env=s.env())
        same((r.returncode, r.stdout, r.stderr), (0, b"", b""), "start")
        with open(s.dir + "/pid") as f:
            pid = int(f.read())
        try:
            check(alive(pid), "no such process")
            same(os.getsid(pid) != os.getsid(0), True, "a session of its own")
            s.ssh("alice", "true", ok=True)        # it listens when the first command returns
            s.logged("Accepted publickey for alice")
            for fd in ("0", "1", "2"):
                check(os.readlink("/proc/%d/fd/%s" % (pid, fd)) in ("/dev/null", s.dir + "/log"), "descriptor " + fd, os.readlink("/proc/%d/fd/%s" % (pid, fd)))
            same(os.readlink("/proc/%d/cwd" % pid), "/", "directory")
            r = run(DAEMON, "-f", s.conf, "-E", s.dir + "/log2", env=s.env())
            check(r.returncode != 0 and r.stderr, "a second one on the same port", r)
            with open(s.dir + "/pid") as f:
                same(int(f.read()), pid, "pid file after it")
        finally:
            os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not alive(pid), 20, text="SIGTERM did not end it")
        wait_until(lambda: not os.path.exists(s.dir + "/pid"), 5, text="the pid file stays")


@coppiced_only
def test_errors_before_it_detaches():
    with Server("ListenAddress 203.0.113.1", wait=False, hostkeys=()) as s:
        s.lines, s.plain = ["Port 1", "ListenAddress 203.0.113.1", "HostKey /nonexistent/key"], True
        s.write()
        r = run(DAEMON, "-f", s.conf, "-E", s.dir + "/log", env=s.env())
        check(r.returncode != 0, "it started", r)


# ---- ordinary users, accounts, installation ---------------------------------------------------------------------

@coppiced_only
def test_daemon_of_an_ordinary_user():
    with Server(user="bob") as s:
        same(s.ssh("bob", "id -un", ok=True).stdout, b"bob\n", "who it is")
        s.ssh("alice", "true", ok=False)
        s.ssh("root", "true", ok=False)
        r = s.password("bob", PASSWORDS["bob"], "true")
        same(r.returncode, 255, "a password is asked for though nobody could check it")
        s.sftp("bob", "pwd\n")
        t = s.ssh("bob", "tty", flags=("-tt",), ok=True)
        check(b"/dev/pts/" in t.stdout, "a terminal", t.stdout)
        check(all((status(p, "Uid") or "").split()[0] == "2002" for p in below(s.pid)), "another uid")


@coppiced_only
def test_roles_run_as_the_table_says():
    """architecture.md: who runs as what, in which root, with which filter."""
    with Server() as s:
        session = moving(Exec(s, 1))
        nodes = {n["name"].split()[0]: n["pid"] for n in s.tree() if n["kind"] == "worker"}
        session_pids = [n["pid"] for n in s.tree() if n["name"].startswith("connection")]
        for role in ("keysign", "nursery", "acceptor", "reporter", "keeper", "connection"):
            pid = nodes.get(role) or session_pids[0]
            uid = (status(pid, "Uid") or "").split()
            check(uid and "0" not in uid, "%s is root" % role, uid)
            same(int(status(pid, "CapEff"), 16), 0, "capabilities of " + role)
            same(status(pid, "NoNewPrivs"), "1", "no_new_privs of " + role)
            same(status(pid, "Seccomp"), "2", "seccomp of " + role)
            same(os.listdir("/proc/%d/root" % pid) if role != "reporter" else [], [], "root directory of " + role)
        same(status(nodes["auth"], "Seccomp"), "2", "seccomp of auth")
        check(len({(status(nodes[r], "Uid") or "").split()[0] for r in ("keysign", "acceptor", "reporter")}) == 3, "three accounts")
        for role, pid in nodes.items():
            if role == "exec":
                continue
            fds = {fd: os.readlink("/proc/%d/fd/%s" % (pid, fd)) for fd in os.listdir("/proc/%d/fd" % pid)}
            files = [t for t in fds.values() if t.startswith("/") and not t.startswith(("/dev/null", "/dev/urandom")) and t not in (s.log_path, s.dir + "/crashes" if role == "reporter" else None)
                     and not (role == "keeper" and t in ("/memfd:coppice-state (deleted)", "/memfd:coppice-box (deleted)"))]
            check(not files, "open files of " + role, files)
        same((status(nodes["exec"], "Uid") or "").split(), ["2002"] * 4, "uid of the command")
        same(status(nodes["exec"], "NoNewPrivs"), "0", "no_new_privs of the command: sudo must work")
        session.finish()


@coppiced_only
def test_system_accounts_are_used_where_they_exist():
    for name, uid in (("coppice-net", 901), ("coppice-key", 902), ("coppice-log", 903)):
        account(name, uid, "/usr/sbin/nologin", "!")
    try:
        with Server() as s:
            for role, uid in (("acceptor", "901"), ("nursery", "901"), ("keysign", "902"), ("keeper", "902"), ("reporter", "903")):
                pid = [n["pid"] for n in s.tree() if n["name"].startswith(role)][0]
                same((status(pid, "Uid") or "").split()[0], uid, "uid of " + role)
    finally:
        for path in ("/etc/passwd", "/etc/shadow", "/etc/group"):
            with open(path) as f:
                lines = [x for x in f if not x.startswith("coppice-")]
            with open(path, "w") as f:
                f.writelines(lines)
    with Server() as s:
        s.logged(r"coppice-net.*unassigned")


def installed():
    """A copy of the build as it is installed, at a place of its own."""
    prefix = "%s/install-%d" % (SCRATCH, time.monotonic_ns())
    r = run("cmake", "--install", BUILD, "--prefix", prefix, timeout=120)
    same(r.returncode, 0, "cmake --install (%r)" % r.stderr[-500:])
    return prefix


@coppiced_only
@limit(240)
def test_installed_tree_runs_and_makes_its_keys():
    prefix = installed()
    for path in ("sbin/coppiced", "bin/coppicectl", "libexec/coppice/channel", "libexec/coppice/sftp-server"):
        check(os.access(prefix + "/" + path, os.X_OK), "not installed: " + path)
    manuals = sorted(n for _, _, names in os.walk(prefix) for n in names if re.fullmatch(r"coppice.*\.[158]", n))
    for name in ("coppiced.8", "coppicectl.1", "coppiced.conf.5"):
        check(name in manuals, "no manual " + name, manuals)
    port, control = 2998, prefix + "/control"
    options = ["-o", "ListenAddress=" + HOST, "-p", str(port), "-o", "PidFile=none", "-o", "ControlSocket=" + control]
    prints = None
    for turn in range(2):
        env = dict(os.environ, ASAN_OPTIONS="detect_leaks=0")
        env.pop("STATE_DIRECTORY")      # its own places, all of them
        with open(prefix + "/log", "wb") as log:
            p = subprocess.Popen([prefix + "/sbin/coppiced", "-D", "-e"] + options, stdin=subprocess.DEVNULL, stderr=log, env=env)
        try:
            def up():
                check(p.poll() is None, "it ended with %s" % p.returncode, open(prefix + "/log").read())
                try:
                    with socket.create_connection((HOST, port), 2) as c:
                        return c.recv(4) == b"SSH-"
                except OSError:
                    return False
            wait_until(up, 60, text="it does not answer")
            keys = sorted(n for n in os.listdir(prefix + "/etc/coppice") if n.endswith("_key"))
            same(keys, ["coppice_host_ed25519_key", "coppice_host_rsa_key"], "host keys made")
            same(stat.S_IMODE(os.stat(prefix + "/var/lib/coppice/crashes").st_mode), 0o700, "mode of the crash reports")
            for name in keys:
                same(stat.S_IMODE(os.stat("%s/etc/coppice/%s" % (prefix, name)).st_mode), 0o600, "mode of " + name)
                same(run("ssh-keygen", "-y", "-f", "%s/etc/coppice/%s" % (prefix, name)).returncode, 0, "ssh-keygen reads " + name)
            seen = sorted(line for line in run("ssh-keyscan", "-p", str(port), HOST).stdout.splitlines() if not line.startswith(b"#"))
            same(len(seen), 2, "host keys offered: %r" % seen)
            check(prints in (None, seen), "the keys changed at the second start")
            prints = seen
            r = run("ssh", "-F", "none", "-p", str(port), "-i", key("ed25519"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
                    "alice@" + HOST, "echo hello")
            same((r.returncode, r.stdout), (0, b"hello\n"), "login (%r)" % r.stderr)
            same(run(prefix + "/bin/coppicectl", "-s", control, "tree").returncode, 0, "coppicectl")
        finally:
            p.terminate()
            same(p.wait(20), 0, "status")


@coppiced_only
@limit(240)
def test_deleted_programs_go_on():
    prefix = installed()
    s = Server(wait=False)
    s.program = lambda: prefix + "/sbin/coppiced"
    s.start()
    s.crash_expected = True
    for folder in ("sbin", "libexec"):
        shutil.rmtree(prefix + "/" + folder)
    os.rename(prefix, prefix + "-gone")
    s.ssh("alice", "true", ok=True)
    s.sftp("bob", "pwd\n")
    for name in ("auth", "keysign", "nursery", "reporter", "keeper"):
        pid = s.pid_of(name)
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: s.pid_of(name) not in (0, pid), 20, text="%s did not come back" % name)
        s.ssh("alice", "true", ok=True)
    s.stop()


# ---- host keys, addresses ---------------------------------------------------------------------------------------

@coppiced_only
def test_host_keys_that_cannot_be_used():
    dsa = key("host_dsa")
    if not os.path.exists(dsa):
        sh("ssh-keygen", "-q", "-t", "dsa", "-N", "", "-f", dsa)
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "secret", "-f", key("host_locked"))
        sh("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", key("host_open"))
        with open(key("host_garbage"), "w") as f:
            f.write("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n")
    with Server("HostKey " + dsa, "HostKey " + key("host_locked"), "HostKey " + key("host_garbage"), "HostKey /nonexistent/key") as s:
        s.ssh("alice", "true", ok=True)
        for name in ("host_dsa", "host_locked", "host_garbage", "/nonexistent/key"):
            s.logged(r"(?i)(unable to load|skip|could not).*%s" % name)
    os.chmod(key("host_open"), 0o644)
    with Server("HostKey " + key("host_open")) as s:
        s.ssh("alice", "true", ok=True)
        s.logged(r"host_open")
    s = Server(hostkeys=(), wait=False)
    s.lines = ["HostKey " + dsa]
    s.write()
    r = run(DAEMON, "-D", "-e", "-f", s.conf, env=s.env(), timeout=60)
    check(r.returncode not in (0, None), "it started without any host key", r)


@coppiced_only
def test_ipv6_and_several_addresses():
    with Server("ListenAddress ::1", "ListenAddress 127.0.0.3:%d" % 2997) as s:
        r = run("ssh", "-F", "none", "-p", str(s.port), "-i", key("ed25519"), "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "BatchMode=yes",
                "alice@::1", "echo $SSH_CONNECTION")
        check(re.fullmatch(rb"::1 \d+ ::1 %d\n" % s.port, r.stdout), "over IPv6", r)
        s.logged(r"Accepted publickey for alice from ::1 port \d+ ssh2")
        with socket.create_connection(("127.0.0.3", 2997), 10) as c:
            same(c.recv(4), b"SSH-", "the third address")


@coppiced_only
def test_include():
    with Server(wait=False) as s:
        os.makedirs(s.dir + "/conf.d")
        for name, text in (("a.conf", "DenyUsers bob\n"), ("b.conf", "Match User alice\n PubkeyAuthentication no\n"), ("c.txt", "Nonsense\n")):
            with open(s.dir + "/conf.d/" + name, "w") as f:
                f.write(text)
        s.write("Include %s/conf.d/*.conf" % s.dir)
        s.start()
        s.ssh("bob", "true", ok=False)
        s.ssh("alice", "true", ok=False)
        s.ssh("carol", "true", ok=True)


# ---- what stays -----------------------------------------------------------------------------------------------------

def descriptors(pid):
    return len(os.listdir("/proc/%d/fd" % pid))


@coppiced_only
@limit(240)
def test_a_hundred_logins_leave_nothing():
    with Server("MaxStartups 100:30:200") as s:
        for _ in range(3):
            s.ssh("bob", "true", ok=True)
        s.password("bob", "wrong", "true")
        wait_until(lambda: not [n for n in s.tree() if n["name"].startswith("connection")], 15)
        fixed = {n["name"]: n["pid"] for n in s.tree() if n["pid"]}
        before = {name: descriptors(pid) for name, pid in fixed.items()}
        size = {name: int((status(pid, "VmRSS") or "0 kB").split()[0]) for name, pid in fixed.items()}
        ptys = set(os.listdir("/dev/pts"))
        for i in range(100):
            kind = i % 5
            if kind == 0:
                s.ssh("bob", "true", ok=True)
            elif kind == 1:
                s.ssh("bob", "echo x", flags=("-tt",), ok=True)
            elif kind == 2:
                s.ssh("bob", "true", key_name="stranger", ok=False)
            elif kind == 3:
                s.connect().close()
            else:
                p = s.popen("alice", "exec sleep 100")
                time.sleep(0.15)
                p.kill()
                p.wait()
        wait_until(lambda: not [n for n in s.tree() if n["name"].startswith("connection")], 15, text="sessions are left")
        for name, pid in fixed.items():
            if not alive(pid):
                continue
            wait_until(lambda: descriptors(pid) <= before[name] + 1, 10, text="%s: more descriptors than before" % name)
            now = int((status(fixed[name], "VmRSS") or "0 kB").split()[0])
            check(now < size[name] + 4096 or sanitized(), "%s: %d KiB, before %d" % (name, now, size[name]))
        same(set(os.listdir("/dev/pts")), ptys, "terminals")
        zombies = [p for p in os.listdir("/proc") if p.isdigit() and status(int(p), "PPid") == str(s.pid) and (status(int(p), "State") or "").startswith("Z")]
        check(not zombies, "zombies", zombies)


@coppiced_only
def test_exit_reports():
    """Who, where in the tree, how it ended, how long it lived, what the supervisor did."""
    with Server() as s:
        s.crash_expected = True
        pid = s.pid_of("keysign")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: s.pid_of("keysign") not in (0, pid), 20)
        s.logged(r"ev=exit node=guards/keysign role=keysign pid=%d how=signal:KILL lived=\S+ restarts=1/5 in=60s do=restart" % pid)
