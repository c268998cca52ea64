"""Reload: all or nothing, confirmed or undone, the last good configuration at start; sessions and listening sockets never notice."""
import json
import os
import re
import resource
import signal
import socket
import subprocess
import threading
import time

from lab import HOST, ROUNDS, Server, alive, below, check, coppiced_only, key, limit, rss, same, sanitized, status, wait_until
from movers import Exec

REFUSED = "the old one stays in force"


def stopped(pid):
    return (status(pid, "State") or "").startswith("T")


def generation(s):
    return configuration(s)["generation"]


def configuration(s):
    r = s.ctl("--json", "reload-status")
    same(r.returncode, 0, "reload-status (%r)" % r.stderr)
    return json.loads(r.stdout)[0]


class Answer:
    def __init__(self, r):
        self.code, self.sentence = r.returncode, r.stderr.decode()
        self.rows = json.loads(r.stdout) if r.stdout else []

    def of(self, kind):
        return [x for x in self.rows if x["kind"] == kind]

    def changes(self):
        return {x["keyword"]: (x["was"], x["now"]) for x in self.of("change")}

    def roles(self):
        return {x["role"]: x["result"] for x in self.of("role")}


def reload(s, *words, verb="reload"):
    return Answer(s.ctl("--json", verb, *words, timeout=40))


def start_reload(s, *words):
    return subprocess.Popen([s.program().replace("sbin/coppiced", "bin/coppicectl"), "-s", s.control, "--json", "reload"] + list(words),
                            stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, env=s.env())


def finish(p):
    out, err = p.communicate(timeout=40)
    return Answer(subprocess.CompletedProcess([], p.returncode, out, err))


def sshd(host, port):
    try:
        with socket.create_connection((host, port), 5) as c:
            return c.recv(4) == b"SSH-"
    except OSError:
        return False


def edit(s, was, now):
    with open(s.conf) as f:
        text = f.read()
    check(was in text, "%r is not in the configuration" % was)
    with open(s.conf, "w") as f:
        f.write(text.replace(was, now))


def inodes(port):
    """Of the listening sockets; another one when it was closed and opened again."""
    found = {}
    with open("/proc/net/tcp") as f:
        for line in f:
            w = line.split()
            if w[1].endswith(":%04X" % port) and w[3] == "0A":
                found[socket.inet_ntoa(bytes.fromhex(w[1].split(":")[0])[::-1])] = w[9]
    return found


class Rekeying(Exec):
    """Changes its keys all the time, so that the host key it began with has to sign."""

    def options(self):
        return super().options() + ("RekeyLimit=100K",)


class Knocker(threading.Thread):
    """Connects all the time, to each place in turn; a refusal is one too many."""

    def __init__(self, *places):
        super().__init__(daemon=True)
        self.places, self.bad, self.knocks, self.stopping = places, [], 0, False
        self.start()

    def run(self):
        while not self.stopping:
            for host, port in self.places:
                self.knocks += 1
                try:
                    with socket.create_connection((host, port), 15) as c:
                        c.settimeout(15)
                        if c.recv(4) != b"SSH-":
                            self.bad.append((host, port, "no greeting"))
                except OSError as e:
                    self.bad.append((host, port, str(e)))

    def finish(self):
        self.stopping = True
        self.join(30)
        check(self.knocks > 0, "nobody knocked")
        check(not self.bad, "%d of %d connections were refused or dropped" % (len(self.bad), self.knocks), self.bad[:3])


def moving(mover):
    wait_until(lambda: mover.progress > 0 or mover.fault, 30, text="the session does not move")
    check(not mover.fault, mover.fault)
    return mover


def moves_on(mover, text="the session stands still"):
    was = mover.progress
    wait_until(lambda: mover.progress > was or mover.fault, 20, text=text)
    check(not mover.fault, mover.fault)


def done(mover):
    mover.finish()
    check(not mover.fault, mover.fault)


# ---- what it says ----------------------------------------------------------------------------------------

@coppiced_only
def test_tells_what_changed():
    with Server("Banner none") as s:
        before = {n: s.pid_of(n) for n in ("auth", "keysign", "acceptor", "reporter")}
        s.write("Banner none", "MaxAuthTries 3", "LoginGraceTime 77", "Match User bob", " MaxSessions 3")
        a = reload(s)
        same(a.code, 0, "status (%s)" % a.sentence)
        same(a.changes().get("MaxAuthTries"), ("6", "3"), "MaxAuthTries")
        same(a.changes().get("LoginGraceTime"), ("120", "77"), "LoginGraceTime")
        check("Match" in a.changes() and "Port" not in a.changes(), "what changed", a.rows)
        same(a.roles().get("auth"), "accepted", "auth")
        same(a.roles().get("acceptor"), "not concerned", "acceptor")
        same(a.of("configuration")[0]["generation"], generation(s), "generation")
        same({n: s.pid_of(n) for n in before}, before, "processes")
        check(generation(s) > 1, "generation")
        s.ssh("bob", "true", ok=True)
        text = s.ctl("reload")
        check(text.returncode == 0 and b"in force" in text.stderr, "as text", text)


@coppiced_only
def test_a_bad_file_is_told_with_its_line():
    with Server("Banner none") as s:
        g = generation(s)
        with open(s.conf, "a") as f:
            f.write("MaxAuthTries many\n")
        n = sum(1 for _ in open(s.conf))
        a = reload(s)
        same(a.code, 1, "status")
        check("%s line %d: " % (s.conf, n) in a.sentence and REFUSED not in a.sentence and "stays in force" in a.sentence, "sentence", a.sentence)
        same(generation(s), g, "generation")
        check("line %d" % n in configuration(s)["last_refused"], "status remembers", configuration(s))
        s.write("Banner none")
        os.makedirs(s.dir + "/conf.d")
        with open(s.dir + "/conf.d/x.conf", "w") as f:
            f.write("# fine\nNonsense yes\n")
        s.write("Include %s/conf.d/*.conf" % s.dir)
        a = reload(s)
        check("conf.d/x.conf line 2: " in a.sentence, "an included file", a.sentence)
        s.write("Banner none")
        same(reload(s).code, 0, "a good one again")
        check("last_refused" not in configuration(s), "status forgets", configuration(s))


# ---- refusals -------------------------------------------------------------------------------------------------

@coppiced_only
@limit(120)
def test_whoever_dies_meanwhile_refuses_for_all():
    with Server("MaxAuthTries 5") as s:
        s.crash_expected = True
        for name in ("auth", "acceptor", "reporter", "keysign"):
            g = generation(s)
            pid = s.pid_of(name)
            os.kill(pid, signal.SIGSTOP)
            wait_until(lambda: stopped(pid), 10)
            s.write("LogLevel DEBUG", "MaxAuthTries 4", "MaxStartups 7:8:9", "SyslogFacility LOCAL1")
            p = start_reload(s)
            wait_until(lambda: configuration(s)["state"] == "reloading", 10)
            os.kill(pid, signal.SIGKILL)
            a = finish(p)
            same(a.code, 1, "status with a dead " + name)
            check(re.search(r"%s \(pid %d\) died" % (name, pid), a.sentence), "sentence", a.sentence)
            wait_until(lambda: s.pid_of(name) not in (0, pid), 20, text=name + " did not come back")
            same(generation(s), g, "generation")
            s.ssh("alice", "true", ok=True)
        same(reload(s).code, 0, "when everybody lives")
        s.ssh("alice", "true", ok=True)


@coppiced_only
@limit(120)
def test_whoever_does_not_answer_refuses_for_all():
    with Server("MaxStartups 50:30:100") as s:
        session = moving(Exec(s, 1))
        g, pid = generation(s), s.pid_of("auth")
        os.kill(pid, signal.SIGSTOP)
        s.write("MaxStartups 1:100:1", "DenyUsers alice")
        began = time.monotonic()
        p = start_reload(s)
        wait_until(lambda: configuration(s)["state"] == "reloading", 10)
        moves_on(session)
        check(sshd(HOST, s.port), "nobody is let in meanwhile")
        a = finish(p)
        check(4 < time.monotonic() - began < 15, "it took %.1f s" % (time.monotonic() - began))
        same(a.code, 1, "status")
        check("auth (pid %d) did not answer" % pid in a.sentence, "sentence", a.sentence)
        same(a.roles().get("acceptor"), "accepted", "acceptor")
        os.kill(pid, signal.SIGCONT)
        # nothing has changed anywhere: alice may log in, and two may knock at once
        s.ssh("alice", "true", ok=True)
        with s.connect() as one, s.connect() as two:
            same((one.recv(4), two.recv(4)), (b"SSH-", b"SSH-"), "MaxStartups of the old configuration")
        same((generation(s), s.pid_of("auth")), (g, pid), "generation and auth")
        # a queue of one: what was asked for meanwhile comes to pass
        a = reload(s)
        same(a.code, 0, "the next try (%s)" % a.sentence)
        s.ssh("alice", "true", ok=False)
        done(session)


@coppiced_only
@limit(120)
def test_a_nursery_that_does_not_come_up_refuses():
    with Server("LogLevel VERBOSE") as s:
        s.crash_expected = True
        keysign, nursery, g = s.pid_of("keysign"), s.pid_of("nursery"), generation(s)
        os.kill(keysign, signal.SIGSTOP)        # from which it would get the host keys
        s.write("Ciphers aes256-ctr")
        p = start_reload(s)

        def successor():
            return [x for x in below(s.pid) if x != nursery and status(x, "Name") == "nursery"]
        pid = wait_until(successor, 10, text="no new nursery is tried")[0]
        os.kill(pid, signal.SIGKILL)
        a = finish(p)
        os.kill(keysign, signal.SIGCONT)
        same(a.code, 1, "status")
        check("a new nursery does not come up" in a.sentence, "sentence", a.sentence)
        same((s.pid_of("nursery"), generation(s)), (nursery, g), "nursery and generation")
        s.ssh("alice", "true", options=("Ciphers=aes128-ctr",), ok=True)
        same(reload(s).code, 0, "with a nursery that lives")
        check(s.pid_of("nursery") != nursery, "the same nursery")
        s.ssh("alice", "true", options=("Ciphers=aes128-ctr",), ok=False)
        s.ssh("alice", "true", options=("Ciphers=aes256-ctr",), ok=True)


@coppiced_only
def test_a_helper_that_cannot_hold_it_refuses():
    if sanitized():
        return      # a sanitizer's malloc does not fail, it aborts
    with Server("Banner none") as s:
        g, pid = generation(s), s.pid_of("auth")
        size = int(status(pid, "VmSize").split()[0]) * 1024
        resource.prlimit(pid, resource.RLIMIT_AS, (size, resource.RLIM_INFINITY))
        s.write(*["DenyUsers %s%d" % ("x" * 200, i) for i in range(1200)])
        a = reload(s)
        same(a.code, 1, "status")
        check(re.search(r"auth \(pid %d\): .*(memory|read)" % pid, a.sentence), "sentence", a.sentence)
        same((generation(s), s.pid_of("auth")), (g, pid), "generation and auth")
        resource.prlimit(pid, resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
        s.ssh("alice", "true", ok=True)
        same(reload(s).code, 0, "with memory")


# ---- addresses and files ------------------------------------------------------------------------------------------

@coppiced_only
@limit(120)
def test_listeners_come_and_go():
    with Server("MaxStartups 200:30:300") as s:
        other = s.port + 500
        session = moving(Exec(s, 1))
        kept = inodes(s.port)
        knocker = Knocker((HOST, s.port))
        for _ in range(3):
            s.write("MaxStartups 200:30:300", "ListenAddress 127.0.0.2:%d" % other, "ListenAddress 127.0.0.3")
            same(reload(s).code, 0, "added")
            wait_until(lambda: sshd("127.0.0.2", other) and sshd("127.0.0.3", s.port), 15, text="the new addresses do not answer")
            far = Exec(s, 2)
            far_port, s.port = s.port, s.port
            moving(far)
            s.write("MaxStartups 200:30:300")
            same(reload(s).code, 0, "removed")
            wait_until(lambda: not inodes(other) and list(inodes(far_port)) == [HOST], 15, text="the old addresses are still open")
            moves_on(far)
            done(far)
        same(inodes(s.port), kept, "the socket that was kept")
        knocker.finish()
        moves_on(session)
        done(session)


@coppiced_only
@limit(120)
def test_wildcard_gives_way_to_an_address_and_back():
    with Server("MaxStartups 200:30:300") as s:
        session = moving(Exec(s, 1))
        for was, now in ((HOST, "0.0.0.0"), ("0.0.0.0", HOST), (HOST, "0.0.0.0"), ("0.0.0.0", HOST)):
            edit(s, "ListenAddress " + was, "ListenAddress " + now)
            a = reload(s)
            same(a.code, 0, "%s to %s (%s)" % (was, now, a.sentence))
            wait_until(lambda: list(inodes(s.port)) == [now], 15, text="%s does not listen alone" % now)
            check(sshd(HOST, s.port), "nobody answers on " + now)
        moves_on(session)
        done(session)


@coppiced_only
def test_an_address_that_is_taken_refuses():
    with Server("MaxAuthTries 5") as s, socket.socket() as taken:
        taken.bind((HOST, s.port + 500))
        taken.listen(1)
        g, kept = generation(s), inodes(s.port)
        s.write("MaxAuthTries 4", "ListenAddress 127.0.0.4:%d" % (s.port + 501), "ListenAddress %s:%d" % (HOST, s.port + 500))
        a = reload(s)
        same(a.code, 1, "status")
        check("Bind to port %d on %s failed" % (s.port + 500, HOST) in a.sentence, "sentence", a.sentence)
        same((generation(s), inodes(s.port), inodes(s.port + 501)), (g, kept, {}), "what listens")
        taken.close()
        same(reload(s).code, 0, "when it is free")
        wait_until(lambda: sshd(HOST, s.port + 500) and sshd("127.0.0.4", s.port + 501), 15)


@coppiced_only
@limit(90)
def test_names_are_looked_up_without_waiting():
    with Server("MaxAuthTries 5") as s, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
        other, g = s.port + 500, generation(s)
        s.write("AddressFamily inet", "ListenAddress localhost:%d" % other)
        a = reload(s)
        same(a.code, 0, "a name (%s)" % a.sentence)
        wait_until(lambda: sshd(HOST, other), 15, text="nobody listens on the name's address")
        same(generation(s), g + 1, "generation")
        # a name server that does not answer
        silent.bind(("127.0.0.9", 53))
        with open("/etc/resolv.conf", "w") as f:
            f.write("nameserver 127.0.0.9\noptions timeout:20\n")
        s.write("AddressFamily inet", "ListenAddress slow.example:%d" % other)
        p = start_reload(s)
        wait_until(lambda: configuration(s)["state"] == "reloading", 10)
        s.ssh("alice", "true", ok=True)
        same(configuration(s)["state"], "reloading", "it was not waited for")
        a = finish(p)
        same(a.code, 1, "status")
        check("names in ListenAddress" in a.sentence, "sentence", a.sentence)
        check(sshd(HOST, other), "the old address")
        with open("/etc/resolv.conf", "w") as f:
            f.write("nameserver 127.0.0.8\noptions timeout:1 attempts:1\n")
        s.write("AddressFamily inet", "ListenAddress nowhere.invalid:%d" % other)
        a = reload(s)
        same(a.code, 1, "status")
        check("nowhere.invalid" in a.sentence or "names in ListenAddress" in a.sentence, "sentence", a.sentence)


@coppiced_only
def test_pid_file_and_control_socket_move():
    with Server("Banner none") as s:
        wait_until(lambda: os.path.exists(s.dir + "/pid"), 10)
        old = s.control
        edit(s, "PidFile %s/pid" % s.dir, "PidFile %s/pid2" % s.dir)
        s.control = s.dir + "/control2"
        with open(s.conf) as f:
            text = f.read()
        with open(s.conf, "w") as f:
            f.write(text.replace("ControlSocket " + old, "ControlSocket " + s.control))
        new, s.control = s.control, old
        a = reload(s)               # the answer comes over the old one
        same(a.code, 0, "status (%s)" % a.sentence)
        check({"PidFile", "ControlSocket"} <= set(a.changes()), "what changed", a.rows)
        check(not os.path.exists(s.dir + "/pid") and not os.path.exists(old), "the old files are still there", os.listdir(s.dir))
        with open(s.dir + "/pid2") as f:
            same(int(f.read()), s.pid, "pid file")
        s.control = new
        same(generation(s) > 1, True, "over the new socket")
        # what cannot be moved refuses
        g = generation(s)
        for was, now in (("PidFile %s/pid2" % s.dir, "PidFile /nonexistent/dir/pid"), ("ControlSocket " + new, "ControlSocket /proc/no/control")):
            edit(s, was, now)
            a = reload(s)
            same(a.code, 1, now)
            check(now.split()[1] in a.sentence, "sentence", a.sentence)
            edit(s, now, was)
        same(generation(s), g, "generation")
        check(sorted(x for x in os.listdir(s.dir) if x.startswith(("pid", "control"))) == ["control2", "pid2"], "files", os.listdir(s.dir))
    check(not os.path.exists(s.dir + "/pid2"), "the pid file outlives the daemon")


# ---- confirmation ---------------------------------------------------------------------------------------------------

@coppiced_only
@limit(120)
def test_unconfirmed_goes_back():
    with Server("Banner none") as s:
        session = moving(Exec(s, 1))
        g = generation(s)
        s.write("DenyUsers alice", "Match User bob", " MaxSessions 0")
        a = reload(s, "--confirm", "3")
        same(a.code, 0, "status (%s)" % a.sentence)
        state = configuration(s)
        same(state["state"], "unconfirmed", "state")
        check(0 < state["goes_back_in_s"] <= 3, "remaining time", state)
        s.ssh("alice", "true", ok=False)
        wait_until(lambda: configuration(s)["state"] == "in force", 15, text="it does not go back")
        s.ssh("alice", "true", ok=True)
        s.logged("was not confirmed in time")
        check(generation(s) > g + 1, "a generation of its own", generation(s))
        same(s.ctl("confirm").returncode, 1, "nothing to confirm any more")
        # the file is as it was left: the next reload reads it again
        same(reload(s, "--confirm", "1h").code, 0, "again")
        s.ssh("alice", "true", ok=False)
        same(s.ctl("confirm").returncode, 0, "confirm")
        same(configuration(s)["state"], "in force", "state")
        s.ssh("alice", "true", ok=False)
        done(session)


@coppiced_only
@limit(120)
def test_rollback():
    with Server("Banner none") as s:
        same(reload(s, verb="rollback").code, 1, "nothing to go back to")
        s.write("DenyUsers alice")
        same(reload(s, "--confirm", "1h").code, 0, "first")
        s.write("DenyUsers bob")
        a = reload(s)           # SIGHUP or a second reload: the confirmation is still owed, for all of it
        same(a.code, 0, "second")
        check("waits for the confirmation" in a.sentence, "sentence", a.sentence)
        same(configuration(s)["state"], "unconfirmed", "state")
        s.ssh("bob", "true", ok=False)
        a = reload(s, verb="rollback")
        same(a.code, 0, "rollback (%s)" % a.sentence)
        same(a.changes().get("DenyUsers"), ("bob", ""), "what changed")
        same(configuration(s)["state"], "in force", "state")
        s.ssh("bob", "true", ok=True)
        s.ssh("alice", "true", ok=True)
        # a plain reload can be undone, too
        same(reload(s).code, 0, "third")
        s.ssh("bob", "true", ok=False)
        same(reload(s, verb="rollback").code, 0, "rollback of a plain one")
        s.ssh("bob", "true", ok=True)
        for words in (("--confirm",), ("--confirm", "soon"), ("--confirm", "0"), ("--nonsense", "1")):
            same(reload(s, *words).code, 1, " ".join(words))


# ---- host keys ------------------------------------------------------------------------------------------------------

def offered(s):
    return {line.split()[1] for line in subprocess.run(["ssh-keyscan", "-p", str(s.port), HOST], stdout=subprocess.PIPE,
                                                       stderr=subprocess.DEVNULL, timeout=60).stdout.decode().splitlines() if line}


@coppiced_only
@limit(150)
def test_host_keys_change_under_a_session():
    with Server("MaxStartups 200:30:300", hostkeys=("host_ed25519", "host_rsa")) as s:
        same(offered(s), {"ssh-ed25519", "ssh-rsa"}, "host keys")
        session = moving(Rekeying(s, 1))
        knocker = Knocker((HOST, s.port))
        keysign, auth = s.pid_of("keysign"), s.pid_of("auth")
        s.hostkeys = ("host_ecdsa",)
        s.write()
        a = reload(s)
        same(a.code, 0, "status (%s)" % a.sentence)
        same(a.roles().get("keysign"), "a successor is ready", "keysign")
        same(offered(s), {"ecdsa-sha2-nistp256"}, "host keys")
        s.ssh("alice", "true", ok=True)
        check(s.pid_of("keysign") != keysign and s.pid_of("auth") == auth, "keysign is another one, auth the same")
        was = session.progress
        wait_until(lambda: session.progress > was + 400000 or session.fault, 30, text="the session cannot change its keys any more")
        check(not session.fault, session.fault)
        check(alive(keysign), "the keysign of its host key is gone")
        knocker.finish()
        done(session)
        wait_until(lambda: not alive(keysign), 20, text="the old keysign stays without need")
        # no key that can be loaded: refused
        s.hostkeys = ("missing",)
        s.write()
        now = s.pid_of("keysign")
        a = reload(s)
        same(a.code, 1, "status")
        check("keysign does not come up" in a.sentence, "sentence", a.sentence)
        same((offered(s), s.pid_of("keysign")), ({"ecdsa-sha2-nistp256"}, now), "host keys")
        # more replacements than keysign may have restarts
        for i in range(7):
            s.hostkeys = ("host_ed25519",) if i % 2 == 0 else ("host_ecdsa",)
            s.write()
            same(reload(s).code, 0, "change %d" % i)
        same(offered(s), {"ssh-ed25519"}, "host keys")
        wait_until(lambda: sum(status(x, "Name") == "keysign" for x in below(s.pid)) == 1, 20, text="keysigns are left")


# ---- the last good one ----------------------------------------------------------------------------------------------

class Kept(Server):
    def env(self):
        return dict(super().env(), STATE_DIRECTORY=self.dir + "/state")

    def kept(self):
        try:
            return [self.dir + "/state/" + x for x in os.listdir(self.dir + "/state") if x.startswith("last-good")]
        except FileNotFoundError:
            return []

    def fails(self):
        r = subprocess.run([self.program(), "-D", "-e", "-f", self.conf] + self.args, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.STDOUT, env=self.env(), timeout=60)
        same(r.returncode, 255, "status with a bad file (%r)" % r.stdout)

    def again(self):
        self.stop()
        self.stopped = False
        return self


def break_file(s):
    with open(s.conf, "a") as f:
        f.write("Nonsense yes\n")


@coppiced_only
@limit(150)
def test_last_good_at_start():
    s = Kept("DenyUsers bob", wait=False)
    os.makedirs(s.dir + "/conf.d")
    with open(s.dir + "/conf.d/a.conf", "w") as f:
        f.write("Match User carol\n PubkeyAuthentication no\n")
    s.lines = ["DenyUsers bob", "FallbackToLastGood yes", "Include %s/conf.d/*.conf" % s.dir]
    s.write()
    s.start()
    path = wait_until(s.kept, 10, text="nothing is kept")
    same((len(path), os.stat(path[0]).st_mode & 0o7777), (1, 0o600), "mode of what is kept")
    check("carol" in open(path[0]).read(), "the included file is not in it")
    # a bad reload does not touch it, a good one does
    break_file(s)
    same(reload(s).code, 1, "bad")
    s.write("FallbackToLastGood yes", "DenyUsers alice", "Include %s/conf.d/*.conf" % s.dir)
    same(reload(s, "--confirm", "1h").code, 0, "good, unconfirmed")
    check("alice" not in open(path[0]).read(), "kept without confirmation")
    same(s.ctl("confirm").returncode, 0, "confirm")
    check("alice" in open(path[0]).read(), "not kept")
    s.again()
    break_file(s)
    for name in os.listdir(s.dir + "/conf.d"):
        os.unlink(s.dir + "/conf.d/" + name)
    s.start()
    state = configuration(s)
    same(state["state"], "fallback", "state")
    check("Nonsense" in state["fallback"], "why", state)
    s.logged("THE LAST GOOD ONE IS IN FORCE")
    s.logged(r"line \d+: .*Nonsense")
    for user, ok in (("alice", False), ("carol", False), ("bob", True)):
        s.ssh(user, "true", ok=ok)
    same(reload(s).code, 1, "the file is still bad")
    s.write("FallbackToLastGood yes", "DenyUsers bob")
    same(reload(s).code, 0, "mended")
    same(configuration(s)["state"], "in force", "state")
    s.ssh("alice", "true", ok=True)
    s.again()
    # no key that can be loaded, no file at all: bad as well
    os.rename(s.conf, s.conf + ".away")
    s.start()
    same(configuration(s)["state"], "fallback", "state without a file")
    s.again()
    os.rename(s.conf + ".away", s.conf)
    edit(s, "HostKey", "#HostKey")
    with open(s.conf, "a") as f:
        f.write("HostKey /nonexistent/key\n")
    s.start()
    same(configuration(s)["state"], "fallback", "state without host keys")
    s.again()
    # on the command line it can be forbidden
    s.write("FallbackToLastGood yes")
    break_file(s)
    s.args = ["-o", "FallbackToLastGood=no"]
    s.fails()
    s.args = []
    # a damaged one is none
    with open(path[0], "r+") as f:
        f.truncate(os.path.getsize(path[0]) - 3)
    s.fails()
    s.stopped = True


@coppiced_only
def test_without_the_keyword_a_bad_file_ends_it():
    s = Kept("DenyUsers bob")
    check(not s.kept(), "kept without being asked")
    s.write("FallbackToLastGood yes")
    same(reload(s).code, 0, "with it")
    wait_until(s.kept, 10)
    s.write("DenyUsers bob")
    same(reload(s).code, 0, "without it")
    check(not s.kept(), "what was kept outlives the wish")
    s.again()
    break_file(s)
    s.fails()
    s.stopped = True


# ---- the storm ------------------------------------------------------------------------------------------------------

def family(s):
    return {n["name"] + str(n["id"]): n["pid"] for n in s.tree() if n["pid"] and not n["name"].startswith(("connection", "exec", "nursery", "listener"))}


@coppiced_only
@limit(400)
def test_storm():
    """Reloads at 20 a second, half of them of a broken file: no session, no knock and no descriptor is the worse for it."""
    rounds = 60 if ROUNDS == 24 else ROUNDS
    with Server("MaxStartups 200:30:300") as s:
        sessions = [moving(Exec(s, i + 1)) for i in range(3)]
        good = [["MaxStartups 200:30:300", "MaxAuthTries %d" % (3 + i), "LoginGraceTime %d" % (100 + i), "SyslogFacility LOCAL%d" % i] for i in range(2)]

        def once(i):
            s.write(*good[i // 2 % 2])
            if i % 2:
                break_file(s)
            return reload(s).code

        for i in range(20):
            once(i)
        kept, pids = inodes(s.port), family(s)
        wait_until(lambda: configuration(s)["state"] == "in force", 10)
        fds = {p: len(os.listdir("/proc/%d/fd" % p)) for p in pids.values()}
        size = {p: rss(p) for p in pids.values()}
        knocker = Knocker((HOST, s.port))
        began, codes = time.monotonic(), []
        for i in range(rounds):
            late = began + i / 20 - time.monotonic()
            if late > 0:
                time.sleep(late)
            codes.append(once(i))
        took = time.monotonic() - began
        knocker.finish()
        same(codes, [i % 2 for i in range(rounds)], "statuses")
        for x in sessions:
            moves_on(x)
            done(x)
        same((inodes(s.port), family_without_sessions(s)), (kept, family_without_sessions_of(pids)), "sockets and processes")
        wait_until(lambda: not [n for n in s.tree() if n["name"].startswith("connection")], 20)
        wait_until(lambda: all(len(os.listdir("/proc/%d/fd" % p)) <= fds[p] for p in pids.values()), 20,
                   text="descriptors: %r, now %r" % (fds, {p: len(os.listdir("/proc/%d/fd" % p)) for p in pids.values()}))
        grown = {n: (size[p], rss(p)) for n, p in pids.items()}
        if rounds > 100:
            print("    %d reloads in %.1f s, %d knocks, RssAnon KiB before and after: %s" %
                  (rounds, took, knocker.knocks, ", ".join("%s %d %d" % (n.rstrip("0123456789"), a, b) for n, (a, b) in sorted(grown.items()))))
        if not sanitized():
            for name, (a, b) in grown.items():
                check(b <= a + 256, "%s grew from %d to %d KiB" % (name, a, b))


def family_without_sessions(s):
    return family_without_sessions_of(family(s))


def family_without_sessions_of(pids):
    return {n: p for n, p in pids.items() if not n.startswith("session")}
