"""What an administrator has begun goes on when the supervisor is killed or upgraded: drains, halted and added listeners, a reload that waits for its confirmation."""
import json
import socket
import time

from lab import HOST, Server, check, coppiced_only, limit, same, wait_until
from test_ctl import rows
from test_fleet import CLIENT, Cat, Proxied, ask, refused, v1, word
from test_reload import configuration, reload
from test_resume import kill_supervisor, resume

SECOND, THIRD, ADDED, HEALTH = 2950, 2951, 2952, 2900


def again(s, how):
    """Another supervisor: the next one, or the next program."""
    if how == "kill":
        kill_supervisor(s)
        resume(s)
    else:
        same(s.ctl("upgrade", timeout=60).returncode, 0, "upgrade")
        wait_until(lambda: not json.loads(s.ctl("upgrades", "--json").stdout)[0]["replacing"], 20, text="helpers are not replaced")


class Closed(Server):
    """A daemon whose port may be closed when it starts."""

    def answers(self):
        return super().answers() or "ev=resume" in self.log()


def is_open(port):
    try:
        with socket.create_connection((HOST, port), 10) as c:
            return c.recv(4) == b"SSH-"
    except (ConnectionRefusedError, ConnectionResetError):
        return False


def children(s, path=()):
    return sorted((r["path"], r["state"]) for r in json.loads(s.ctl("--json", "which-children", *path).stdout) if "listener" in r["path"])


@coppiced_only
@limit(240)
def test_a_drain():
    for how in ("kill", "upgrade"):
        with Closed("HealthListen 127.0.0.1:%d" % HEALTH) as s:
            s.crash_expected = True
            wait_until(lambda: word(HEALTH) == "ready\n", text="health is %r" % word(HEALTH))
            cat = Cat(s)
            same(ask(s, "drain", "--grace", "2").returncode, 0, "drain")
            again(s, how)                   # in the grace
            wait_until(lambda: word(HEALTH) == "drain\n", 5, text="health in the grace is %r" % word(HEALTH))
            wait_until(lambda: refused(s), 10, text="the port answers still, %s in the grace" % how)
            again(s, how)                   # closed
            check(refused(s), "the port answers again after " + how)
            wait_until(lambda: word(HEALTH) == "drain\n", 5, text="health when drained is %r" % word(HEALTH))
            cat.echo("still here")
            same(ask(s, "undrain").returncode, 0, "undrain")
            wait_until(lambda: is_open(s.port), text="the port stays closed")
            again(s, how)
            check(is_open(s.port), "the port is closed after an undrain and " + how)
            wait_until(lambda: word(HEALTH) == "ready\n", 5, text="health after undrain is %r" % word(HEALTH))
            same(ask(s, "drain", "--grace", "0", "--timeout", "3").returncode, 0, "drain")
            wait_until(lambda: refused(s), 10, text="the port answers still")
            again(s, how)
            cat.echo("until the timeout")
            wait_until(lambda: cat.p.poll() is not None, 15, text="the timeout is forgotten after " + how)


@coppiced_only
@limit(120)
def test_a_drain_that_ends_the_daemon():
    s = Closed()
    s.crash_expected = True
    cat = Cat(s)
    same(ask(s, "drain", "--grace", "0", "--exit").returncode, 0, "drain")
    wait_until(lambda: refused(s), 10, text="the port answers still")
    again(s, "kill")
    cat.echo("still here")
    cat.end()
    same(s.process.wait(20), 0, "status of a daemon that was drained to its end")
    s.stopped = True


@coppiced_only
@limit(240)
def test_listeners():
    for how in ("kill", "upgrade"):
        with Server("ListenAddress 127.0.0.1:%d" % SECOND, "ListenAddress 127.0.0.1:%d" % THIRD) as s:
            s.crash_expected = True
            cat = Cat(s)
            same(ask(s, "stop-listener", "127.0.0.1:%d" % SECOND).returncode, 0, "stop-listener")
            same(ask(s, "terminate-child", "listener 127.0.0.1:%d" % THIRD).returncode, 0, "terminate-child")
            r = ask(s, "start-child", "listener 127.0.0.1:%d" % ADDED)
            same(r.returncode, 0, "start-child (%r)" % r.stderr)
            wait_until(lambda: not is_open(SECOND) and is_open(ADDED), 10, text="not as it should be to begin with")
            before = children(s)
            for turn in range(2):
                again(s, how)
                same(children(s), before, "listeners after %s %d" % (how, turn))
                check(is_open(s.port) and is_open(ADDED), "an open one is closed after " + how)
                check(not is_open(SECOND), "a stopped one is open after " + how)
                cat.echo("still here")
            same(ask(s, "start-listener", "127.0.0.1:%d" % SECOND).returncode, 0, "start-listener")
            same(ask(s, "restart-child", "listener 127.0.0.1:%d" % THIRD).returncode, 0, "restart-child")
            again(s, how)
            wait_until(lambda: is_open(SECOND) and is_open(THIRD), 10, text="one that was started again is closed after " + how)
            same(reload(s).code, 0, "a reload")
            wait_until(lambda: not is_open(ADDED), 10, text="a reload keeps one that no configuration has")
            cat.end()


@coppiced_only
@limit(240)
def test_a_reload_that_waits_for_its_confirmation():
    for how in ("kill", "upgrade"):
        with Server("Banner none") as s:
            s.crash_expected = True
            s.write("DenyUsers alice")
            same(reload(s, "--confirm", "5").code, 0, "reload")
            s.ssh("alice", "true", ok=False)
            again(s, how)
            state = configuration(s)
            same(state["state"], "unconfirmed", "state after " + how)
            check(0 < state["goes_back_in_s"] <= 5, "remaining time", state)
            wait_until(lambda: configuration(s)["state"] == "in force", 20, text="it does not go back after " + how)
            s.ssh("alice", "true", ok=True)
            s.logged("was not confirmed in time")
            same(reload(s, "--confirm", "1h").code, 0, "again")
            again(s, how)
            same(s.ctl("confirm").returncode, 0, "confirm")
            again(s, how)
            same(configuration(s)["state"], "in force", "state")
            s.ssh("alice", "true", ok=False)
            s.write("DenyUsers bob")
            same(reload(s, "--confirm", "1h").code, 0, "another")
            again(s, how)
            same(reload(s, verb="rollback").code, 0, "rollback")
            s.ssh("bob", "true", ok=True)
            s.ssh("alice", "true", ok=False)
            if how == "kill":               # the time is over while nobody supervises
                same(reload(s, "--confirm", "1").code, 0, "the last")
                kill_supervisor(s)
                time.sleep(1.2)
                resume(s)
                wait_until(lambda: configuration(s)["state"] == "in force", 20, text="a deadline that passed meanwhile is forgotten")
                s.ssh("bob", "true", ok=True)


@coppiced_only
@limit(120)
def test_a_proxy_header_that_is_still_to_come():
    """The client's address is not known yet when the supervisor changes; the header is believed all the same, once."""
    for how in ("kill", "upgrade"):
        with Proxied("ProxyProtocol yes", "ProxyProtocolFrom 127.0.0.1", "LogLevel VERBOSE") as s:
            s.crash_expected = True
            with socket.create_connection((HOST, s.port), 20) as c:
                wait_until(lambda: [n for n in s.tree() if n["name"].startswith("connection") and n["state"] == "up"], 10, text="no connection")
                again(s, how)
                c.sendall(v1() + b"SSH-2.0-late\r\n")
                same(c.recv(4), b"SSH-", "said to a client whose header came after " + how)
                s.logged("Connection from %s" % CLIENT)
                time.sleep(0.2)
                check("broken-rules" not in s.log(), "the header broke the rules", s.log()[-500:])
                check(c.recv(4096), "the key exchange does not begin")


@coppiced_only
@limit(120)
def test_a_file_that_was_edited_before_a_kill():
    """The next supervisor reads the file as it is now; the helpers that it adopts must not go on with another one."""
    with Server("Banner none") as s:
        s.crash_expected = True
        cat = Cat(s)
        s.write("DenyUsers alice")
        s.ssh("alice", "true", ok=True)
        again(s, "kill")
        s.logged("another configuration than the file")
        s.logged("in force")
        s.ssh("alice", "true", ok=False)
        cat.echo("still here")
        again(s, "kill")
        s.ssh("bob", "true", ok=True)
        same(s.log().count("another configuration than the file"), 1, "reloads")
        cat.end()


@coppiced_only
@limit(120)
def test_log_levels_and_who():
    """What coppicectl loglevel said holds, sessions are logged as before, and who knows when they began."""
    for how in ("kill", "upgrade"):
        with Server("LogLevel VERBOSE") as s:
            s.crash_expected = True
            cat, other = Cat(s), Cat(s)
            first, second = sorted(rows(s, "who"), key=lambda r: r["session"])
            rows(s, "loglevel", str(second["session"]), "debug2")
            time.sleep(1.1)
            again(s, how)
            same([(r["session"], r["since_time"]) for r in sorted(rows(s, "who"), key=lambda r: r["session"])],
                 [(r["session"], r["since_time"]) for r in (first, second)], "who after " + how)
            same(rows(s, "loglevel", str(second["session"]))[0]["level"], "DEBUG2", "level of one session after " + how)
            same(rows(s, "loglevel")[0]["overridden"], False, "level of all")
            rows(s, "loglevel", "debug")
            again(s, how)
            same(rows(s, "loglevel")[0]["level"], "DEBUG", "level of all after " + how)
            rows(s, "loglevel", "default")
            again(s, how)
            same(rows(s, "loglevel")[0]["level"], "VERBOSE", "level of the configuration after " + how)
            for c in (cat, other):
                c.echo("here")
                c.end()
            s.logged("(?s)Disconnected from user bob.*Disconnected from user bob")
