"""What a session is to the program in it: channels, terminals, environment, exits, pressure."""
import hashlib
import os
import re
import signal
import subprocess
import termios
import threading
import time

from lab import (COPPICE, UIDS, Server, alive, authorize, below, check, coppiced_only, digest_stream, feed, limit, module, public, random_file, rss, same, wait_until)
from movers import Exec, Master, Sftp, Shell
from terminal import Terminal


def test_exec_output_and_status():
    with Server() as s:
        r = s.ssh("bob", "echo out; echo err >&2; exit 3")
        same((r.returncode, r.stdout, r.stderr), (3, b"out\n", b"err\n"), "result")
        for code in (0, 1, 42, 127, 255):
            same(s.ssh("bob", "exit %d" % code).returncode, code, "status")
        same(s.ssh("bob", "no-such-command-here").returncode, 127, "status")
        same(s.ssh("bob", "cat", input=b"x" * 100001, ok=True).stdout, b"x" * 100001, "echo")


def test_login_shell_without_a_terminal():
    with Server() as s:
        r = s.ssh("alice", input=b"echo $0; shopt -q login_shell && echo login; exit 7\n")
        same(r.returncode, 7, "status")
        check(b"-bash\nlogin\n" in r.stdout, "output", r.stdout)
        same(s.ssh("bob", input=b"echo $0\n", ok=True).stdout, b"-sh\n", "bob's")


def test_exec_is_no_login_shell():
    with Server() as s:
        r = s.ssh("alice", "shopt -q login_shell || echo plain; echo $0", ok=True)
        same(r.stdout, b"plain\nbash\n", "output")


def test_killed_by_a_signal():
    with Server() as s:
        for name in ("TERM", "KILL", "SEGV", "USR1"):
            r = s.ssh("bob", "kill -%s $$" % name, options=("LogLevel=DEBUG1",))
            same(r.returncode, 255, "status for " + name)
            check(re.search(rb"exit-signal", r.stderr), "no exit-signal for " + name, r.stderr)


def test_environment():
    with Server() as s:
        r = s.ssh("alice", "env", ok=True)
        env = dict(line.split("=", 1) for line in r.stdout.decode().splitlines() if "=" in line)
        for name, value in (("HOME", "/home/alice"), ("USER", "alice"), ("LOGNAME", "alice"), ("SHELL", "/bin/bash")):
            same(env.get(name), value, name)
        check("/usr/bin" in env.get("PATH", ""), "PATH", env.get("PATH"))
        check(re.fullmatch(r"127\.0\.0\.1 \d+ %d" % s.port, env.get("SSH_CLIENT", "")), "SSH_CLIENT", env.get("SSH_CLIENT"))
        check(re.fullmatch(r"127\.0\.0\.1 \d+ 127\.0\.0\.1 %d" % s.port, env.get("SSH_CONNECTION", "")), "SSH_CONNECTION", env.get("SSH_CONNECTION"))
        check("SSH_TTY" not in env, "SSH_TTY without a terminal")
        leaked = [n for n in env if n.startswith(("LAB_", "ASAN", "UBSAN", "PYTHON"))]
        check(not leaked, "the daemon's own environment reached the user", leaked)
        same(s.ssh("alice", "pwd", ok=True).stdout, b"/home/alice\n", "directory")
        same(s.ssh("alice", "umask", ok=True).stdout, b"0022\n", "umask")


def test_accept_env():
    with Server("AcceptEnv LANG LC_* COLOR?") as s:
        env = dict(os.environ, LC_GARDEN="yes", COLOR1="one", COLOR22="no", EVIL="no", LANG="C")
        argv = s.argv("bob", "env", options=("SendEnv=LC_* COLOR* EVIL LANG",))
        out = subprocess.run(argv, env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=30).stdout
        check(b"LC_GARDEN=yes\n" in out and b"COLOR1=one\n" in out, "variables that may pass", out)
        check(b"COLOR22" not in out and b"EVIL" not in out, "variables that may not", out)
    with Server() as s:
        env = dict(os.environ, LD_PRELOAD_X="1", LC_GARDEN="no")
        out = subprocess.run(s.argv("bob", "env", options=("SendEnv=LC_* LD_*",)), env=env, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, timeout=30).stdout
        check(b"LC_GARDEN" not in out and b"LD_PRELOAD_X" not in out, "without AcceptEnv", out)


def test_long_commands():
    """A command, and one that was overruled, as long as a request may be; a longer one is refused and nothing else."""
    most = 32768
    command = ": " + "x" * (most - 2)
    with Server() as s:
        same(s.ssh("bob", command + "", ok=True).stdout, b"", "the longest command")
        if COPPICE:
            r = s.ssh("bob", command + "x", ok=False)
            check(b"exec request failed" in r.stderr, "what the client hears", r.stderr)
        authorize("bob", raw='command="printf %%s \\"$SSH_ORIGINAL_COMMAND\\" | sha256sum" %s\n' % public("ed25519"))
        try:
            for n in (10, 8170, 8192, most):
                same(s.ssh("bob", command[:n], ok=True).stdout.split()[0].decode(), hashlib.sha256(command[:n].encode()).hexdigest(), "%d bytes" % n)
        finally:
            authorize("bob", "ed25519", "ecdsa", "rsa")


def test_descriptors_of_a_command():
    """Pipes, and nothing else of ours: /dev/stdin opens, no stray descriptor, no signal ignored or blocked."""
    with Server() as s:
        out = s.ssh("bob", "exec ls -l /proc/self/fd", ok=True).stdout.decode()
        fds = {w[-3]: w[-1].split(":")[0] for w in (line.split() for line in out.splitlines()) if "->" in w}
        if COPPICE:  # 3 is the directory that ls reads
            same(sorted(f for f in fds if f != "3"), ["0", "1", "2"], "descriptors")
            same({fds[f] for f in "012"}, {"pipe"}, "what they are")
        same(s.ssh("bob", "head -c 2 /dev/stdin", input=b"ok", ok=True).stdout, b"ok", "/dev/stdin")
        out = s.ssh("bob", "grep -E '^Sig(Blk|Ign)' /proc/self/status", ok=True).stdout
        for line in out.splitlines():
            check(int(line.split()[1], 16) & 0x7fffffff & ~(1 << 12) == 0 or not COPPICE, "signals", out)
        same(s.ssh("bob", "cat /proc/self/oom_score_adj", ok=True).stdout, b"0\n", "oom_score_adj")


def test_eof_reaches_the_program_and_back():
    with Server() as s:
        p = s.popen("bob", "cat; echo end; exec >&- 2>&-; sleep 0.3; exit 5")
        out, err = p.communicate(b"data", timeout=30)
        same((p.returncode, out), (5, b"dataend\n"), "result")


def test_output_after_the_shell_ended():
    """A background program keeps the pipes: its output still comes, as with sshd."""
    with Server() as s:
        r = s.ssh("bob", "(sleep 0.5; echo late) & echo early; exit 4")
        same((r.returncode, r.stdout), (4, b"early\nlate\n"), "result")


# ---- terminals ----------------------------------------------------------------------------------------

def test_terminal_and_window_change():
    with Server() as s:
        t = Terminal(s, "alice", rows=33, cols=101)
        t.type("PS1=; stty -echo; echo re''ady\n")
        t.expect("ready\r\n")
        t.type("stty size; echo $TERM; tty; echo $SSH_TTY; ps -o tty= -p $$\n")
        t.expect("33 101\r\n")
        t.expect("xterm-test\r\n")
        name = t.expect("(/dev/pts/[0-9]+)\r\n").group(1)
        t.expect(re.escape(name) + b"\r\n")
        t.type("trap 'echo changed; stty size' WINCH; echo set\n")
        t.expect("set\r\n")
        t.size(50, 132)
        os.kill(t.process.pid, signal.SIGWINCH)
        t.expect("changed\r\n50 132\r\n")
        t.type("exit 6\n")
        t.end(6)


def test_terminal_modes_travel():
    def setup(fd):
        a = termios.tcgetattr(fd)
        a[3] &= ~termios.ECHO
        a[0] |= termios.IXANY
        a[6][termios.VINTR] = b"\x07"
        termios.tcsetattr(fd, termios.TCSANOW, a)

    with Server() as s:
        t = Terminal(s, "bob", "stty -a", setup=setup)
        out = b""
        try:
            while True:
                got = os.read(t.master, 4096)
                if not got:
                    break
                out += got
        except OSError:
            pass
        same(t.process.wait(20), 0, "status")
        check(re.search(rb"intr = \^G", out), "VINTR", out)
        check(re.search(rb" -echo ", out) and re.search(rb"[^-]ixany", out), "flags", out)


def test_interrupt_key_and_job_control():
    with Server() as s:
        t = Terminal(s, "alice")
        t.type("PS1=; stty -echo; echo re''ady\n")
        t.expect("ready\r\n")
        t.type("sleep 100; echo status $?\n")
        time.sleep(0.5)
        t.type(b"\x03")
        t.type("echo after\n")
        t.expect("after\r\n")
        t.type("sleep 0.1 & wait; echo jobs done\n")
        t.expect("jobs done\r\n")
        t.type("exit\n")
        t.end()


def test_terminal_owner_and_mode():
    with Server() as s:
        t = Terminal(s, "alice", "stat -c '%U %a' $SSH_TTY; test -t 0 && test -t 1 && test -t 2 && echo all")
        t.expect("alice (620|600)\r\n")
        t.expect("all\r\n")
        t.end(0)


def test_hangup_when_the_client_goes():
    """The program gets SIGHUP when its client is killed, with a terminal and without; nothing stays behind."""
    with Server() as s:
        mark = "/home/bob/hangup"
        for tty_flag in (True, False):
            if os.path.exists(mark):
                os.unlink(mark)
            if tty_flag:
                t = Terminal(s, "bob", "trap 'echo hup > %s; exit' HUP; echo ready; while :; do sleep 0.1; done" % mark)
                t.expect("ready\r\n")
                t.process.kill()
                t.process.wait()
                os.close(t.master)
            else:
                p = s.popen("bob", "trap 'echo hup > %s; exit' HUP; echo ready; exec >/dev/null 2>&1; while :; do sleep 0.1; done" % mark)
                same(p.stdout.readline(), b"ready\n", "start")
                p.kill()
                p.wait()
            if tty_flag or COPPICE:
                wait_until(lambda: os.path.exists(mark), 15, text="no SIGHUP %s a terminal" % ("with" if tty_flag else "without"))
        wait_until(lambda: not [p for p in below(s.pid) if os.stat("/proc/%d" % p).st_uid == UIDS["bob"]], 20, text="processes stay")


def test_a_program_that_ignores_hangup_ends_too():
    if not COPPICE:
        return
    with Server() as s:
        p = s.popen("bob", "trap '' HUP TERM; echo $$; exec >/dev/null 2>&1; while :; do sleep 0.1; done")
        pid = int(p.stdout.readline())
        p.kill()
        p.wait()
        wait_until(lambda: not alive(pid), 20, text="it is still there")


def test_signal_request():
    """RFC 4254 6.9, from a client that can: asyncssh."""
    import test_clients
    module("asyncssh")
    with Server() as s:
        out = test_clients.asyncssh_signal(s)
        same(out, ("TERM", None), "exit-signal and status")


# ---- many channels ----------------------------------------------------------------------------------------

def test_ten_channels_at_once():
    with Server("MaxSessions 12") as s:
        master = Master(s, 1, "alice")
        mux = ("ControlPath=" + master.path, "ControlMaster=no")
        running = [s.popen("alice", "cat; echo %d >&2; exit %d" % (i, i), options=mux) for i in range(10)]
        data = os.urandom(200000)
        results = [None] * 10

        def talk(i):
            results[i] = running[i].communicate(data, timeout=60)

        threads = [threading.Thread(target=talk, args=(i,)) for i in range(10)]
        for t in threads:
            t.start()
        for t in threads:
            t.join(70)
        for i, p in enumerate(running):
            same(p.returncode, i, "status")
            same(results[i], (data, b"%d\n" % i), "output")
        master.finish()


def test_channels_one_after_the_other():
    """Each gets its own status, however often a place in the server's tables was used before."""
    with Server() as s:
        master = Master(s, 1, "alice")
        for i in range(40):
            r = s.ssh("alice", "echo %d; exit %d" % (i, i), options=("ControlPath=" + master.path, "ControlMaster=no"))
            same((r.stdout, r.returncode), (b"%d\n" % i, i), "output and status of channel %d" % i)
        master.finish()


def test_max_sessions():
    with Server("MaxSessions 2") as s:
        master = Master(s, 1, "alice")
        mux = ("ControlPath=" + master.path, "ControlMaster=no")
        two = [s.popen("alice", "cat", options=mux) for _ in range(2)]
        time.sleep(0.5)
        third = s.ssh("alice", "echo third", options=mux)
        check(b"third" not in third.stdout or b"refused" in third.stderr, "a third was served on that connection", third.stdout, third.stderr)
        for p in two:
            p.communicate(timeout=20)
            same(p.returncode, 0, "status")
        same(s.ssh("alice", "echo again", options=mux, ok=True).stdout, b"again\n", "after the others ended")
        master.finish()


@limit(120)
def test_twenty_sessions_move_data():
    """The crash test's movers, without a crash: they can be trusted when they complain."""
    with Server("MaxStartups 100:30:200") as s:
        master = Master(s, 1)
        movers = [kind(s, 1, control=master.path) for kind in (Exec, Shell, Sftp)]
        movers += [kind(s, 2 + i) for i, kind in enumerate([Exec] * 7 + [Shell] * 5 + [Sftp] * 5)]
        wait_until(lambda: all(m.progress > (1 if isinstance(m, Sftp) else 200000) or m.fault for m in movers), 60, 0.1, "not all move")
        for m in movers:
            m.finish()
        master.finish()
        bad = [m.fault for m in movers if m.fault]
        check(not bad, "; ".join(bad))


# ---- bulk and pressure ----------------------------------------------------------------------------------------

@limit(300)
def test_64_megabytes_each_way():
    path, digest = random_file(64)
    with Server() as s:
        p = s.popen("bob", "sha256sum")
        t = feed(p.stdin, path)
        out = p.stdout.read()
        t.join()
        same((p.wait(60), out.split()[0].decode()), (0, digest), "up")
        p = s.popen("bob", "cat " + path)
        same((digest_stream(p.stdout), p.wait(60)), ((digest, 64 << 20), 0), "down")
        p = s.popen("bob", "cat")
        t = feed(p.stdin, path)
        same((digest_stream(p.stdout), p.wait(60)), ((digest, 64 << 20), 0), "both at once")


@limit(300)
def test_rekey_under_64_megabytes():
    path, digest = random_file(64)
    with Server() as s:
        for cipher in ("chacha20-poly1305@openssh.com", "aes128-gcm@openssh.com", "aes128-ctr"):
            p = s.popen("bob", "cat", options=("RekeyLimit=4M", "Ciphers=" + cipher))
            feed(p.stdin, path)
            same((digest_stream(p.stdout), p.wait(120)), ((digest, 64 << 20), 0), "client rekeys, " + cipher)
    with Server("RekeyLimit 4M") as s:
        p = s.popen("bob", "cat")
        feed(p.stdin, path)
        same((digest_stream(p.stdout), p.wait(120)), ((digest, 64 << 20), 0), "server rekeys")


def memory(s):
    return {p: rss(p) for p in below(s.pid) + [s.pid]}


@coppiced_only
@limit(120)
def test_a_client_that_does_not_read_stops_the_program():
    with Server() as s:
        before = max(memory(s).values())
        p = s.popen("bob", "dd if=/dev/zero bs=64k count=4096 2>/dev/null; echo done >&2")
        time.sleep(3)
        grown = {pid: kib for pid, kib in memory(s).items() if kib > before + 16 * 1024}
        check(not grown, "KiB by process while the client does not read", grown)
        check(p.poll() is None, "it ended")
        same(digest_stream(p.stdout)[1], 256 << 20, "bytes in the end")
        same(p.wait(30), 0, "status")


@coppiced_only
@limit(120)
def test_a_program_that_does_not_read_stops_the_client():
    with Server() as s:
        before = max(memory(s).values())
        p = s.popen("bob", "sleep 4; sha256sum")
        sent = [0]
        data = b"\0" * 65536

        def push():
            while sent[0] < 64 << 20:
                p.stdin.write(data)
                sent[0] += len(data)
            p.stdin.close()

        t = threading.Thread(target=push, daemon=True)
        t.start()
        time.sleep(3)
        check(sent[0] < 24 << 20, "%d bytes went to a program that does not read" % sent[0])
        grown = {pid: kib for pid, kib in memory(s).items() if kib > before + 16 * 1024}
        check(not grown, "KiB by process while the program does not read", grown)
        same(p.stdout.read().split()[0].decode(), hashlib.sha256(b"\0" * (64 << 20)).hexdigest(), "what arrived")
        t.join(30)
        same(p.wait(30), 0, "status")


@limit(120)
def test_one_stuck_channel_does_not_stop_its_siblings():
    with Server() as s:
        master = Master(s, 1)
        mux = ("ControlPath=" + master.path, "ControlMaster=no")
        stuck = s.popen("bob", "yes", options=mux)
        time.sleep(1)
        for i in range(5):
            same(s.ssh("bob", "cat", input=b"x" * 300000, options=mux, ok=True).stdout, b"x" * 300000, "a sibling")
        stuck.kill()
        stuck.wait()
        master.finish()


@limit(60)
def test_client_alive():
    with Server("ClientAliveInterval 1", "ClientAliveCountMax 2") as s:
        p = s.popen("bob", "exec sleep 1000")
        time.sleep(4)
        check(p.poll() is None, "a client that answers was thrown out")
        os.kill(p.pid, signal.SIGSTOP)
        try:
            wait_until(lambda: not [x for x in below(s.pid) if open("/proc/%d/comm" % x).read() == "sleep\n"], 20, 0.2,
                       "the session of a silent client goes on")
        finally:
            os.kill(p.pid, signal.SIGCONT)
        p.wait(20)
