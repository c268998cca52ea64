"""coppicectl: who is there, what can be done about them, and how it reads."""
import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time

from lab import BUILD, HOST, PASSWORDS, SCRATCH, UIDS, Failure, Server, check, coppiced_only, rows, same, wait_until
from terminal import Terminal


class Tmux:
    """A terminal of a size, of which one can see what is on the screen."""

    def __init__(self, server, *words, width=80, height=24, term=None, env=None):
        self.name = "%s/tmux-%d" % (SCRATCH, os.getpid() * 1000 + Server.number)
        for left in (self.name, self.name + ".status"):
            if os.path.exists(left):
                os.unlink(left)
        env = dict(server.env(), **(env or {}))
        prefix = ["env", "TERM=" + term] if term else []
        # tmux 3.3a may miss the end of its child: the shell says how it was
        prefix += ["sh", "-c", '"$@"; echo $? >"$0.new"; mv "$0.new" "$0.status"', self.name]
        self.run("-f", "/dev/null", "new-session", "-d", "-x", str(width), "-y", str(height),
                 *prefix, BUILD + "/bin/coppicectl", "-s", server.control, *words, env=env)
        self.run("set-option", "-g", "remain-on-exit", "on")

    def run(self, *words, env=None):
        return subprocess.run(["tmux", "-S", self.name, *words], check=True, stdout=subprocess.PIPE, timeout=20, env=env).stdout.decode()

    def screen(self):
        return self.run("capture-pane", "-p").rstrip("\n").split("\n")

    def colours(self):
        """escape sequences of the screen as it is, attributes included"""
        return self.run("capture-pane", "-p", "-e")

    def keys(self, *keys):
        self.run("send-keys", *keys)

    def until(self, pattern, seconds=20):
        def seen():
            self.last = self.screen()
            return re.search(pattern, "\n".join(self.last))
        try:
            return wait_until(seen, seconds, 0.05)
        except Failure:
            raise Failure("the screen does not show %r\n%s" % (pattern, "\n".join(self.last)))

    def ended(self):
        wait_until(lambda: os.path.exists(self.name + ".status"), 15, text="top does not end")

    def status(self):
        with open(self.name + ".status") as f:
            return f.read().strip()

    def close(self):
        self.run("kill-server")



def shells(server, count):
    """That many sessions of alice with a prompt, and what who says of them."""
    terminals = [Terminal(server) for _ in range(count)]
    for t in terminals:
        t.until(rb"\$ ")
    return terminals


def session_of(server, user):
    return wait_until(lambda: next((r for r in rows(server, "who", "-v") if r["kind"] == "session" and r["user"] == user and r["what"]), None))


# ---- looking ------------------------------------------------------------------------------------------

@coppiced_only
def test_who():
    with Server("MaxSessions 4") as s:
        wait_until(lambda: rows(s, "who") == [], 10, text="the knock of the start is still there")
        terminal, = shells(s, 1)
        reader = s.popen("bob", "head -c 3000000 /dev/zero; cat >/dev/null")
        same(len(reader.stdout.read(3000000)), 3000000)
        wait_until(lambda: len([r for r in rows(s, "who") if r["what"]]) == 2)
        alice, bob = rows(s, "who")
        same((alice["user"], alice["what"], alice["from"], alice["state"], alice["method"]), ("alice", "shell", HOST, "open", "publickey"))
        check(re.fullmatch(r"pts/\d+", alice["tty"]), "no terminal", alice)
        check(re.fullmatch(r"ED25519 SHA256:[A-Za-z0-9+/]{43}", alice["key"]), "no fingerprint", alice)
        print_of = subprocess.run(["ssh-keygen", "-lf", SCRATCH + "/keys/ed25519.pub"], stdout=subprocess.PIPE).stdout.decode().split()[1]
        same(alice["key"].split()[1], print_of)
        same((bob["what"], bob["tty"]), ("exec", ""))
        check(abs(alice["since_time"] - time.time()) < 60, "since", alice)
        wait_until(lambda: rows(s, "who", "-v", "bob")[0]["tcp_out_bytes"] > 3000000, text="what the client has is not counted")
        full = rows(s, "who", "-v", "bob")
        same([r["kind"] for r in full], ["session", "channel"])
        session, channel = full
        same(session["cipher_in"], "chacha20-poly1305@openssh.com")
        same((session["compression_in"], session["compression_out"]), ("none", "none"))
        check("OpenSSH" in session["client"] and session["strict_kex"] and session["answers"], "algorithms", session)
        check(session["out_bytes"] > 3000000 and session["tcp_out_bytes"] > 3000000 and channel["out_bytes"] == 3000000, "bytes", full)
        check(session["rtt_us"] > 0 and session["cwnd"] > 0, "the kernel's numbers", session)
        check(channel["pid"] > 0 and alive_name(channel["pid"]), "the program's pid", channel)
        check(channel["window_in_bytes"] > 0, "windows", channel)
        same([r["session"] for r in rows(s, "who", str(alice["session"]))], [alice["session"]])
        # a client that offers a name and nothing more is logging in
        with s.connect() as idle:
            idle.sendall(b"SSH-2.0-Weird\x9b2J_client\r\n")      # of 7-bit control characters none gets this far (RFC 4253 4.2)
            stranger = wait_until(lambda: next((r for r in rows(s, "who", "-v") if r["kind"] == "session" and r.get("client", "").startswith("SSH-2.0-Weird")), None))
            same((stranger["user"], stranger["state"]), ("", "key-exchange"))
            text = s.ctl("who", "-v").stdout
            check(b"\x9b" not in text and b"\\2332J" in text, "a client's escape sequences reach the terminal", text)
        text = s.ctl("who").stdout.decode().splitlines()
        check(text[0].split()[:5] == ["SESSION", "USER", "FROM", "PORT", "SINCE"] and "alice" in "".join(text), "the table", text)
        reader.kill()
        terminal.close()


def alive_name(pid):
    try:
        with open("/proc/%d/comm" % pid) as f:
            return f.read().strip()
    except OSError:
        return None


@coppiced_only
def test_a_silent_connection_holds_nobody_up():
    with Server() as s:
        one, two = shells(s, 2)
        first, second = rows(s, "who", "-v")[0::2]
        os.kill(first["pid"], signal.SIGSTOP)
        try:
            got = [r for r in rows(s, "who", "-v") if r["kind"] == "session"]
            same([r["answers"] for r in got], [False, True])
            same(got[0]["user"], "alice")
            told = rows(s, "message", "all", "hello")
            same([r["result"] for r in told], ["no answer", "shown"])
        finally:
            os.kill(first["pid"], signal.SIGCONT)
        wait_until(lambda: all(r["answers"] for r in rows(s, "who", "-v") if r["kind"] == "session"))
        one.close()
        two.close()


@coppiced_only
def test_status_and_stats():
    with Server("MaxStartups 2:100:2", "LoginGraceTime 30") as s:
        def counter(family, of=""):
            return next(r["value"] for r in rows(s, "stats") if r["counter"] == family and r["of"] == of)

        s.ssh("alice", "true", ok=True)
        s.ssh("alice", "true", key_name="stranger", ok=False)
        same(s.password("alice", "wrong", "true").returncode, 255)
        same(s.password("bob", PASSWORDS["bob"], "true").returncode, 0)
        s.ssh("nobody-here", "true", ok=False)
        same([counter("logins", m) for m in ("publickey", "password", "keyboard-interactive")], [1, 1, 0], "logins")
        check(counter("login_failures", "publickey") >= 2 and counter("login_failures", "password") == 1, "failures", rows(s, "stats"))
        same(counter("invalid_users"), 1)
        same(counter("programs", "exec"), 2)
        wait_until(lambda: not rows(s, "who"))
        check(counter("bytes", "in") > 5000 and counter("bytes", "out") > 5000, "bytes of sessions that are over")
        idle = [s.connect() for _ in range(6)]
        wait_until(lambda: counter("connections_refused", "max_startups") >= 4, text="drops are not counted")
        same(rows(s, "status")[0]["authenticating"], 2)
        for x in idle:
            x.close()
        os.kill(s.pid_of("keysign"), signal.SIGKILL)
        wait_until(lambda: counter("restarts", "keysign") == 1 and counter("restarts", "auth") == 0)
        status, = rows(s, "status")
        same((status["kind"], status["state"], status["ready"], status["pid"], status["privileged"]), ("status", "serving", True, s.pid, True))
        check(status["restarts"] >= 1 and status["listeners"] == "%s:%d" % (HOST, s.port) and status["config"] == s.conf, "status", status)
        same(status["last_reload"], "never")
        s.write("Banner none", "Nonsense yes")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: rows(s, "status")[0]["last_reload"].startswith("refused"))
        s.write("Banner none")
        s.process.send_signal(signal.SIGHUP)
        wait_until(lambda: rows(s, "status")[0]["last_reload"].startswith("taken"))
        check(re.search(r"(?m)^state: +serving$", s.ctl("status").stdout.decode()), "a block")


# ---- doing --------------------------------------------------------------------------------------------

@coppiced_only
def test_kick():
    with Server() as s:
        mark = SCRATCH + "/hung-up"
        stay, = shells(s, 1)
        os.makedirs(mark)
        os.chmod(mark, 0o777)
        victim = s.popen("bob", "trap 'echo hup > %s/hup; exit 0' HUP; echo ready; while :; do sleep 0.1; done" % mark)
        same(victim.stdout.readline(), b"ready\n")
        number = session_of(s, "bob")["session"]
        kicked, = rows(s, "kick", "bob", "back", "at", "noon")
        same((kicked["session"], kicked["user"], kicked["told"]), (number, "bob", True))
        same(victim.wait(15), 255)
        check(b"back at noon" in victim.stderr.read(), "the client was not told why")
        wait_until(lambda: os.path.exists(mark + "/hup"), text="its program got no SIGHUP")
        s.logged(r'ev=ctl verb=kick by="root \(uid 0, pid \d+\)" args=bob back at noon')
        s.logged(r"ev=kick session=%d user=bob from 127\.0\.0\.1 port \d+ by=\"root" % number)
        wait_until(lambda: [r["user"] for r in rows(s, "who")] == ["alice"])
        stay.type(b"echo $((6*7))\n")
        stay.until(rb"[\r\n]42\r")
        # one that does not listen goes by the rules of the tree
        deaf = session_of(s, "alice")
        os.kill(deaf["pid"], signal.SIGSTOP)
        rows(s, "kick", str(deaf["session"]))
        wait_until(lambda: not rows(s, "who"), 15, text="a stopped connection was not ended")
        same(rows(s, "kick", "alice", status=1), [])
        stay.close()


@coppiced_only
def test_message():
    with Server() as s:
        terminal, = shells(s, 1)
        pipe = s.popen("bob", "echo begun; cat")
        same(pipe.stdout.readline(), b"begun\n")
        told = rows(s, "message", "all", "Grüße; \x1b]0;title\x07 reboot at 12")
        same({r["user"]: (r["terminals"], r["shown"], r["result"]) for r in told}, {"alice": (1, 1, "shown"), "bob": (0, 0, "no terminal")})
        terminal.until("\r\nMessage from root: Grüße; \\?]0;title\\? reboot at 12\r\n".encode())
        check(b"\x1b]0;title" not in terminal.text.replace(b"\x1b]0;alice", b""), "an escape sequence reached the terminal")
        pipe.stdin.close()
        same(pipe.stdout.read(), b"", "a program's pipe got the message")
        log = s.log()
        check("reboot at 12" not in log and re.search(r"verb=message by=\S+ .*args=all\n", log), "the log", log[-500:])
        same([r["result"] for r in rows(s, "message", "alice", "just you")], ["shown"])
        terminal.until(rb"just you")
        same(s.ctl("message", "carol", "x").returncode, 1)
        terminal.close()


@coppiced_only
def test_loglevel():
    with Server("LogLevel INFO") as s:
        one, two = shells(s, 2)
        first, second = [r for r in rows(s, "who", "-v") if r["kind"] == "session"]
        same(rows(s, "loglevel")[0], {"kind": "loglevel", "level": "INFO", "configured": "INFO", "overridden": False})
        same(rows(s, "loglevel", str(first["session"]), "debug2")[0]["level"], "DEBUG2")
        same([r["log_level"] for r in rows(s, "who", "-v") if r["kind"] == "session"], ["DEBUG2", "INFO"])
        # it stays so in the process that takes the connection over, with what was counted
        before = rows(s, "who", "-v", str(first["session"]))
        same([r["result"] for r in rows(s, "handoff", str(first["session"]))], ["moved"])
        after = rows(s, "who", "-v", str(first["session"]))
        same((after[0]["log_level"], after[1]["out_bytes"]), ("DEBUG2", before[1]["out_bytes"]))
        check(after[0]["pid"] != first["pid"] and after[0]["out_bytes"] >= before[0]["out_bytes"], "the move", before, after)
        one.type(b"exit\n")
        two.type(b"exit\n")
        one.process.wait(15)
        two.process.wait(15)
        s.logged(r"\[%d\]: ev=session chan=0 from=running to=close" % after[0]["pid"])
        check("[%d]: ev=session" % second["pid"] not in s.log(), "the other session is louder, too")
        # all of them, and those that come later: the nursery's children, a guard started anew
        rows(s, "loglevel", "verbose")
        check("Starting session" not in s.log())
        s.ssh("alice", "true", ok=True)
        s.logged("Starting session: command for alice")
        s.process.send_signal(signal.SIGHUP)
        s.logged("Configuration 2 in force")
        same(rows(s, "loglevel")[0]["level"], "VERBOSE", "after a reload")
        rows(s, "loglevel", "default")
        before = s.log().count("Starting session")
        s.ssh("alice", "true", ok=True)
        s.logged(r"(?s)Accepted.*Accepted.*Accepted.*Accepted")
        same(s.log().count("Starting session"), before)
        same(s.ctl("loglevel", "shout").returncode, 1)
        same(s.ctl("loglevel", "99999", "INFO").returncode, 1)
        one.close()
        two.close()


@coppiced_only
def test_the_command_line():
    with Server() as s:
        for words, status in ((("kick",), 2), (("message", "all"), 2), (("tree", "extra"), 2), (("nonsense",), 2), (("top", "--what"), 2),
                              (("who", "1", "2", "3"), 2), (("who", "nobody"), 1), (("help",), 0), (("help", "kick"), 0), (("kick", "--help"), 0), (("--version",), 0)):
            same(s.ctl(*words).returncode, status, "status of " + " ".join(words))
        for words in (("who",), ("who", "-v"), ("status",), ("stats",), ("loglevel",), ("message", "all", "x")):
            rows(s, *words)
        tree = json.loads(s.ctl("--json", "tree").stdout)
        check(tree["nodes"][0]["name"] == "coppiced", "tree")
        ascii_tree = subprocess.run([BUILD + "/bin/coppicectl", "-s", s.control, "tree"], stdout=subprocess.PIPE, env=dict(s.env(), LC_ALL="C")).stdout
        check(ascii_tree.isascii() and b"|-guards" in ascii_tree, "without UTF-8", ascii_tree)
        # another user is not even heard
        r = subprocess.run([BUILD + "/bin/coppicectl", "-s", s.control, "status"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, user="alice", group=UIDS["alice"], extra_groups=[])
        same((r.returncode, r.stdout), (3, b""))
    same(s.ctl("who").returncode, 3, "status without a daemon")
    same(s.ctl("who", "--json").stdout, b"", "no document without an answer")


# ---- top ----------------------------------------------------------------------------------------------

@coppiced_only
def test_top_as_text():
    with Server() as s:
        terminal, = shells(s, 1)
        busy = s.popen("bob", "cat /dev/zero", stdout=subprocess.DEVNULL)
        session_of(s, "bob")
        text = s.ctl("top", "--once", "-d", "0.3").stdout.decode()
        check(re.search(r"(?m)^ +\d+ bob +127\.0\.0\.1 .* exec$", text) and re.search(r"(?m)^ +\d+ alice .* shell pts/\d+$", text), "sessions", text)
        check("\x1b" not in text, "escape sequences in text")
        check(re.search(r"(?m)^│ └ auth +\d+ up", s.ctl("top", "--once", "--tree", "-d", "0.1").stdout.decode()), "tree")
        lines = s.ctl("--json", "top", "-n", "2", "-d", "0.3").stdout.decode().splitlines()
        same(len(lines), 2, "JSON lines")
        for line in lines:
            got = {x["user"]: x for x in json.loads(line)["sessions"]}
            check(got["bob"]["out_rate"] > 1e6 and got["bob"]["memory_kib"] > 100 and got["bob"]["cpu"] > 0, "rates", got["bob"])
            check(got["alice"]["out_rate"] < 1e6, "rates", got["alice"])
        busy.kill()
        terminal.close()
    same(s.ctl("top", "--once").returncode, 3, "status without a daemon")


@coppiced_only
def test_top_on_a_screen():
    with Server() as s:
        terminal, = shells(s, 1)
        quiet = s.popen("bob", "cat")
        bob, alice = session_of(s, "bob")["session"], session_of(s, "alice")["session"]
        m = Tmux(s, "top", "-d", "0.2")
        try:
            m.until(r"(?s)SESS.*alice.*bob")
            same(len(m.screen()), 24, "lines")
            check(all(len(line) <= 80 for line in m.screen()), "a line longer than the screen", m.screen())
            same(m.screen()[-1].split()[:2], ["q", "quit"])
            m.keys("v")
            m.until(r"(?s)NODE +PID.*└ auth +\d+ up")
            m.keys("l")
            m.until("Log level of the daemon")
            m.keys("DEBUG", "Enter")
            wait_until(lambda: rows(s, "loglevel")[0]["level"] == "DEBUG")
            # a node down and up again: the reporter is the one below the root
            m.keys("Home", "Down", "t")
            m.until(r"Terminate reporter\? \(y or n\)")
            m.keys("y")
            m.until("terminate-child reporter: done")
            m.until(r"reporter +down")
            m.keys("r")
            m.until(r"Restart reporter\?")
            m.keys("y")
            m.until(r"reporter +\d+ up")
            m.keys("v")
            m.until(r"SESS")
            m.keys(">")
            m.until(r"USER\*")
            m.keys("R")
            m.until(r"(?s)USER\^.*bob.*alice")
            m.keys("Home")                  # bob is the first now
            m.keys("k")
            m.until(r"Kick session %d of bob\? \(y or n\)" % bob)
            m.keys("n")
            m.until("nothing done")
            m.keys("m")
            m.keys("Down", "h", "i", "x", "BSpace", "Enter")
            m.until("message %d of bob: done" % bob)
            m.keys("k")
            m.until("Kick session")
            m.keys("y")
            same(quiet.wait(15), 255)
            m.until(r"(?s)SESS(?!.*bob)")
            m.keys("l")
            m.until("Log level of session %d of alice" % alice)
            m.keys("DEBUG2", "Enter")
            wait_until(lambda: rows(s, "loglevel", str(alice))[0]["level"] == "DEBUG2")
            m.keys("Space")
            m.until(r"\[paused\]")
            m.keys("Space", "h")
            m.until("reverse the order")
            m.keys("Escape")
            m.until("SESS")
            m.run("resize-window", "-x", "120", "-y", "30")
            m.until(r"CPU% WHAT(?s:.*)shell pts/\d+")
            wait_until(lambda: len(m.screen()) == 30 and m.screen()[-1].startswith("q quit"))
            m.run("resize-window", "-x", "40", "-y", "8")
            wait_until(lambda: len(m.screen()) == 8 and m.screen()[-1].startswith("q quit"))
            m.keys("q")
            m.ended()
            same(m.status(), "0")
        finally:
            m.close()
        terminal.close()


@coppiced_only
def test_top_on_a_plain_terminal():
    """vt100 has no colours; NO_COLOR wants none; dumb cannot."""
    with Server() as s:
        terminal, = shells(s, 1)
        for term, env in (("vt100", {}), ("xterm-256color", {"NO_COLOR": "1"})):
            m = Tmux(s, "top", "-d", "0.2", term=term, env=env)
            try:
                m.until(r"(?s)SESS.*alice")
                check(not re.search(r"\x1b\[[0-9;]*3[0-7]", m.colours()), "colours on " + term, m.colours())
                check(re.search(r"\x1b\[7m", m.colours()), "nothing is chosen on " + term)
                m.keys("q")
                m.ended()
            finally:
                m.close()
        master, slave = pty.openpty()
        r = subprocess.run([BUILD + "/bin/coppicectl", "-s", s.control, "top"], stdin=slave, stdout=slave, stderr=subprocess.PIPE,
                           env=dict(s.env(), TERM="dumb"), timeout=20)
        same(r.returncode, 2)
        check(b"--once" in r.stderr, "it does not say what to do", r.stderr)
        os.close(master)
        os.close(slave)
        terminal.close()


@coppiced_only
def test_top_gives_the_terminal_back():
    with Server() as s:
        for how in ("q", signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            master, slave = pty.openpty()
            fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            before = termios.tcgetattr(slave)
            p = subprocess.Popen([BUILD + "/bin/coppicectl", "-s", s.control, "top", "-d", "0.2"], stdin=slave, stdout=slave, stderr=slave,
                                 env=dict(s.env(), TERM="xterm"), start_new_session=True)
            seen = b""
            while b"SESS" not in seen:
                check(select.select([master], [], [], 15)[0], "nothing on the screen", seen)
                seen += os.read(master, 65536)
            check(termios.tcgetattr(slave) != before, "it does not take the terminal: the test proves nothing")
            if how == "q":
                os.write(master, b"q")
            else:
                p.send_signal(how)

            def gone():
                nonlocal seen
                if select.select([master], [], [], 0.05)[0]:
                    seen += os.read(master, 65536)
                return p.poll() is not None
            wait_until(gone, 15, text="top does not end by %s" % how)
            while select.select([master], [], [], 0.05)[0]:
                seen += os.read(master, 65536)
            same(p.returncode, 0, "status after %s" % how)
            same(termios.tcgetattr(slave), before, "modes of the terminal after %s" % how)
            check(seen.rfind(b"\x1b[?1049l") > seen.rfind(b"\x1b[?1049h") >= 0, "the screen was not given back after %s" % how, seen[-100:])
            os.close(master)
            os.close(slave)


# ---- completion -----------------------------------------------------------------------------------------

def bash_completes(server, line):
    """The words bash offers for the last one of line."""
    script = """
        source %s/ctl/coppicectl.bash
        COMP_WORDS=(%s); COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
        _coppicectl; printf '%%s\\n' "${COMPREPLY[@]}"
    """ % (BUILD, line)
    r = subprocess.run(["bash", "--norc", "-u", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=dict(server.env(), PATH=BUILD + "/bin:" + os.environ["PATH"]), timeout=20)
    same(r.stderr, b"", "what bash complains about")
    return r.stdout.decode().split("\n")[:-1]


def zsh_completes(server, line):
    """The line after a Tab in a zsh of its own."""
    script = r"""
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "PS1=; stty -echo; fpath=(%s/ctl $fpath); autoload -U compinit; compinit -u -D; bindkey '^I' complete-word; bindkey '^X' kill-whole-line"
        zpty -w z "show() { print -r -- \"<<\$BUFFER>>\"; BUFFER=; }; zle -N show; bindkey '^T' show; print re''ady"
        while zpty -r z got; do [[ $got == *ready* ]] && break; done
        zpty -w -n z "%s"$'\t'$'\x14'
        while zpty -r z got; do [[ $got == *'<<'*'>>'* ]] && break; done
        got=${got##*<<}; print -r -- "${got%%%%>>*}"
        zpty -d z
    """ % (BUILD, line)
    r = subprocess.run(["zsh", "-f", "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL,
                       env=dict(server.env(), PATH=BUILD + "/bin:" + os.environ["PATH"], TERM="dumb"), timeout=30)
    same(r.stderr, b"", "what zsh complains about")
    return r.stdout.decode().rstrip("\r\n")


@coppiced_only
def test_completion():
    with Server() as s:
        terminal, = shells(s, 1)
        number = str(session_of(s, "alice")["session"])
        ctl = "coppicectl -s %s " % s.control
        same(bash_completes(s, "coppicectl ki"), ["kick"])
        check({"tree", "who", "top", "loglevel", "help"} <= set(bash_completes(s, "coppicectl ''")), "all commands")
        same(bash_completes(s, ctl + "kick ''"), sorted([number, "alice"]))
        same(bash_completes(s, ctl + "kick al"), ["alice"])
        same(bash_completes(s, ctl + "message ''"), sorted([number, "alice", "all"]))
        check({number, "INFO", "DEBUG"} <= set(bash_completes(s, ctl + "loglevel ''")), "session or level", bash_completes(s, ctl + "loglevel ''"))
        check("DEBUG" in bash_completes(s, ctl + "loglevel %s ''" % number), "level")
        same(bash_completes(s, ctl + "who -"), ["--help", "--json", "-v"])
        same(bash_completes(s, ctl + "drain --"), ["--exit", "--grace", "--help", "--json", "--message", "--timeout", "--wait"])
        same(bash_completes(s, "coppicectl help stat"), ["stats", "status"])
        same(zsh_completes(s, "coppicectl ki"), "coppicectl kick ")
        same(zsh_completes(s, ctl + "kick al"), ctl + "kick alice ")
        same(zsh_completes(s, ctl + "loglevel %s de" % number), ctl + "loglevel %s default " % number)
        terminal.close()
