"""Extensions and manners: what is told and answered besides the protocol itself, with real clients and a raw one."""
import hashlib
import os
import re
import signal
import socket
import struct
import subprocess
import time

import rawssh
from lab import (BUILD, HOST, SCRATCH, NotHere, Server, below, check, coppiced_only, key, limit, public, rss, same, sh, status, wait_until)
from rawssh import Closed, Key, Raw, Reader, s as string, u32
from test_kex import trixie

PING, PONG = 192, 193
REQUEST_SUCCESS, REQUEST_FAILURE = 81, 82


class Talker(Raw):
    """Takes every message, EXT_INFO too, and keeps what a server says by itself."""

    def take(self):
        """The next message, whatever it is."""
        head = self.need(4)
        n = struct.unpack(">I", head)[0]
        if self.rx:
            body = self.rx[0].decrypt(self.rx[1], self.need(n + 16), head)
            self.rx[1] = rawssh.step(self.rx[1])
        else:
            body = self.need(n)
        payload = body[1:len(body) - body[0]]
        return payload[0], Reader(payload[1:])


def extensions(r):
    return [(r.string(), r.string()) for _ in range(r.u32())]


@limit(30)
def test_the_first_flight_waits_for_nobody():
    """Identification and KEXINIT are there before the client has said a byte (RFC 4253 4.2, 7.1)."""
    with Server() as server, socket.create_connection((HOST, server.port), 20) as c:
        got = b""
        while b"\r\n" not in got or len(got) < got.index(b"\r\n") + 2 + 6:
            more = c.recv(4096)
            check(more, "the server closed", got)
            got += more
        check(got.startswith(b"SSH-2.0-"), "no identification", got[:40])
        same(got[got.index(b"\r\n") + 2 + 5], rawssh.KEXINIT, "first message")


# ---- EXT_INFO ------------------------------------------------------------------------------

@coppiced_only
def test_ext_info_is_the_first_packet():
    with Server("PubkeyAcceptedAlgorithms ssh-ed25519,rsa-sha2-512") as s:
        with Talker(s) as raw:
            raw.handshake()
            number, r = raw.take()
            same(number, rawssh.EXT_INFO, "the packet behind NEWKEYS")
            same(extensions(r), [(b"server-sig-algs", b"ssh-ed25519,rsa-sha2-512"), (b"publickey-hostbound@openssh.com", b"0"), (b"ping@openssh.com", b"0")], "what it says")
        lists = list(Raw.LISTS)
        lists[0] = "curve25519-sha256"
        with Talker(s) as raw:
            raw.LISTS = lists
            raw.handshake()
            raw.put(bytes([rawssh.SERVICE_REQUEST]) + string("ssh-userauth"))
            same(raw.take()[0], rawssh.SERVICE_ACCEPT, "a client that does not ask for it")


# ---- publickey-hostbound-v00@openssh.com (OpenSSH PROTOCOL 3.1) ---------------------------------

@coppiced_only
def test_ssh_signs_for_this_host():
    """Stock ssh does so as soon as it is offered, whatever the types of keys; and need not."""
    with Server() as s:
        for host in ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512"):
            for name in ("ed25519", "ecdsa", "rsa"):
                r = s.ssh("alice", "true", key_name=name, options=("LogLevel=DEBUG3", "HostKeyAlgorithms=" + host), ok=True)
                check(b"publickey-hostbound-v00@openssh.com" in r.stderr, "it did not use it", r.stderr[-1500:])
        r = s.ssh("alice", "true", options=("LogLevel=DEBUG3", "PubkeyAuthentication=unbound"), ok=True)
        check(b"publickey-hostbound-v00" not in r.stderr, "it used it all the same", r.stderr[-1500:])


@coppiced_only
def test_an_agent_that_signs_for_one_host_only():
    """Destination constraints (ssh-add -h): the agent gives no signature but over the host key it knows."""
    with Server() as s:
        path = SCRATCH + "/bound.sock"
        agent = subprocess.Popen(["ssh-agent", "-D", "-a", path], stdout=subprocess.DEVNULL)
        env = dict(os.environ, SSH_AUTH_SOCK=path)
        try:
            wait_until(lambda: os.path.exists(path), 10, text="no agent")

            def login(hosts):
                subprocess.run(["ssh-add", "-q", "-D"], env=env, check=True, stderr=subprocess.DEVNULL)
                subprocess.run(["ssh-add", "-q", "-H", hosts, "-h", HOST, key("ed25519")], env=env, check=True)
                argv = s.argv("alice", "true", key_name=None, options=("IdentitiesOnly=no", "IdentityFile=none"))
                return subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30).returncode

            with open(SCRATCH + "/other_hosts", "w") as f:
                f.write("%s %s\n" % (HOST, public("ecdsa")))
            same(login(SCRATCH + "/known_hosts"), 0, "for this host")
            check(login(SCRATCH + "/other_hosts") != 0, "a key for a host with another key let it in")
        finally:
            agent.terminate()
            agent.wait()


@coppiced_only
def test_a_signature_for_another_host():
    """Refused, also when it is a good signature over this session; a good one gets in."""
    ed = Key(key("ed25519"))
    with Server("LogLevel DEBUG") as s:
        with Raw(s) as raw:
            raw.begin()
            raw.put(raw.bound("alice", ed, raw.host))
            number = rawssh.USERAUTH_BANNER
            while number == rawssh.USERAUTH_BANNER:
                number, _ = raw.get()
            same(number, rawssh.USERAUTH_SUCCESS, "with the right host key")
        for wrong in (lambda h: ed.blob(), lambda h: b"", lambda h: h[:-1], lambda h: h + b"\0"):
            with Raw(s) as raw:
                raw.begin()
                raw.put(raw.bound("alice", ed, wrong(raw.host)))
                try:
                    check(False, "with another one: message", raw.get())
                except Closed as e:
                    check("publickey-hostbound-v00@openssh.com packet contained wrong host key" in str(e), "why", e)


@coppiced_only
def test_ext_info_of_a_client():
    def says(raw, count, *pairs):
        raw.put(bytes([rawssh.EXT_INFO]) + u32(count) + b"".join(string(a) + string(b) for a, b in pairs))

    with Server() as s:
        with Raw(s) as raw:
            raw.handshake()
            says(raw, 402, ("ext-info-in-auth@openssh.com", "0"), ("no-flow-control", "p"), *[("x%d@example.com" % i, b"\0\xff\0") for i in range(400)])
            raw.service()
        for count in (0xffffffff, 0x80000000, 3, 1):
            with Raw(s) as raw:
                raw.handshake()
                says(raw, count, ("a@b", "c"), ("d@e", "f"))
                try:
                    raw.service()
                    check(False, "count %d of 2 was taken" % count)
                except Closed:
                    pass
        with Raw(s) as raw:     # twice
            raw.handshake()
            says(raw, 0)
            says(raw, 0)
            try:
                raw.service()
                check(False, "a second one was taken")
            except Closed:
                pass


# ---- ping@openssh.com ------------------------------------------------------------------------

@coppiced_only
def test_ping():
    with Server() as s:
        with Raw(s) as raw:
            raw.handshake()
            raw.put(bytes([PING]) + string("before login"))
            raw.service()           # nothing was said to it
            raw.put(raw.signed("bob", Key(key("ed25519"))))
            while raw.get()[0] != rawssh.USERAUTH_SUCCESS:
                pass
            for data in (b"", b"x", os.urandom(30000)):
                raw.put(bytes([PING]) + string(data))
                number, r = answer(raw)
                same((number, r.string()), (PONG, data), "the answer")
            raw.put(bytes([PONG]) + string("nobody asked"))
            raw.put(bytes([PING]) + string("still there"))
            same(answer(raw)[1].string(), b"still there", "the answer")
            raw.put(bytes([PING]) + u32(100) + b"short")
            try:
                answer(raw)
                check(False, "a malformed one was answered")
            except Closed:
                pass


def answer(raw):
    """The next message that is no global request of the server."""
    while True:
        number, r = raw.get()
        if number != rawssh.GLOBAL_REQUEST:
            return number, r


@coppiced_only
@limit(120)
def test_a_flood_of_pings_is_not_read():
    with Server() as s:
        with Raw(s) as raw:
            raw.login("bob", Key(key("ed25519")))
            pid = wait_until(lambda: [p for p in below(s.pid) if status(p, "Name") == "connection"], text="no connection")[-1]
            base = rss(pid)
            raw.sock.settimeout(2)
            one = bytes([PING]) + string(b"p" * 1000)
            sent = 0
            try:
                for _ in range(100000):
                    raw.send(raw.packet(one))
                    sent += 1
            except OSError:
                pass
            check(sent < 60000, "it goes on reading: %d pings, nothing of the answers read" % sent)
            check(rss(pid) < base + 16384, "%d KiB, from %d" % (rss(pid), base))
            s.ssh("bob", "true", ok=True)       # nobody else waits
            raw.sock.settimeout(20)
            for i in range(sent):
                same(answer(raw)[0], PONG, "answer %d of %d" % (i, sent))


@coppiced_only
@limit(120)
def test_openssh_10_hides_keystrokes():
    """Its ObscureKeystrokeTiming sends pings between the keys that are typed."""
    tree = os.environ.get("TRIXIE", "/var/tmp/trixie")
    trixie("-V")        # NotHere without a tree
    import pty
    with Server() as s:
        argv = s.argv("bob", options=("LogLevel=DEBUG3", "ObscureKeystrokeTiming=interval:20"))
        words = [tree + "/usr/lib64/ld-linux-x86-64.so.2", "--library-path", tree + "/usr/lib/x86_64-linux-gnu", tree + "/usr/bin/ssh", "-tt"] + argv[1:]
        master, slave = pty.openpty()
        p = subprocess.Popen(words, stdin=slave, stdout=slave, stderr=subprocess.PIPE, start_new_session=True)
        os.close(slave)
        try:
            time.sleep(0.7)
            for ch in b"echo hidden $((40+2))\n":
                os.write(master, bytes([ch]))
                time.sleep(0.05)
            time.sleep(1.5)
            os.write(master, b"exit\n")
            err = p.communicate(timeout=30)[1].decode()
        finally:
            p.kill()
            os.close(master)
        check("ping@openssh.com=<0>" in err, "it does not see the extension", err[-1500:])
        found = re.search(r"obfuscate_keystroke_timing: stopping: .*\((\d+) chaff packets sent\)", err)
        check(found and int(found.group(1)) > 0, "no chaff", err[-3000:])
        same(p.returncode, 0, "exit status")


# ---- hostkeys-00, hostkeys-prove-00 --------------------------------------------------------------

def blob(name):
    import base64
    return base64.b64decode(public(name).split()[1])


def announced(raw):
    raw.put(bytes([PING]) + string("behind it"))
    same(answer(raw)[0], PONG, "the answer")
    check(raw.hostkeys is not None, "no announcement")
    r, keys = Reader(raw.hostkeys), []
    while r.at < len(r.data):
        keys.append(r.string())
    return keys


def prove(raw, *keys):
    raw.put(bytes([rawssh.GLOBAL_REQUEST]) + string("hostkeys-prove-00@openssh.com") + b"\1" + b"".join(string(k) for k in keys))
    return answer(raw)


@coppiced_only
def test_all_host_keys_are_announced_and_proved():
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding, utils, ec
    from cryptography.hazmat.primitives.serialization import load_ssh_public_key
    names = ("host_ed25519", "host_ecdsa", "host_rsa")
    with Server("MaxAuthTries 20") as s:
        with Raw(s) as raw:
            lists = list(Raw.LISTS)
            lists[1] = "ssh-ed25519,rsa-sha2-256"
            raw.LISTS = lists
            raw.login("bob", Key(key("ed25519")))
            same(sorted(announced(raw)), sorted(blob(n) for n in names), "the keys")
            number, r = prove(raw, blob("host_rsa"), blob("host_ed25519"), blob("host_ecdsa"))
            same(number, REQUEST_SUCCESS, "the answer")
            for name, alg in (("host_rsa", b"rsa-sha2-256"), ("host_ed25519", b"ssh-ed25519"), ("host_ecdsa", b"ecdsa-sha2-nistp256")):
                sig = Reader(r.string())
                same(sig.string(), alg, "the algorithm of " + name)
                text = string("hostkeys-prove-00@openssh.com") + string(raw.session_id) + string(blob(name))
                pub, value = load_ssh_public_key(public(name).encode()), sig.string()
                if name == "host_rsa":
                    pub.verify(value, text, padding.PKCS1v15(), hashes.SHA256())
                elif name == "host_ed25519":
                    pub.verify(value, text)
                else:
                    v = Reader(value)
                    pub.verify(utils.encode_dss_signature(int.from_bytes(v.string(), "big"), int.from_bytes(v.string(), "big")), text, ec.ECDSA(hashes.SHA256()))
            same(r.at, len(r.data), "nothing more")
            same(prove(raw, blob("stranger"))[0], REQUEST_FAILURE, "a key that is not ours")
            same(prove(raw, blob("host_rsa"), blob("host_rsa"))[0], REQUEST_FAILURE, "a key twice")
            same(prove(raw)[0], REQUEST_FAILURE, "no key")
            for i in range(3):
                same(prove(raw, blob("host_ed25519"))[0], REQUEST_SUCCESS, "one key")
            for i in range(5):
                same(prove(raw, blob("host_ed25519"))[0], REQUEST_FAILURE, "more than four of them")
            # answers have no number: they come in the order of their requests
            same(raw.session()[0], rawssh.CHANNEL_OPENED, "the connection goes on")


@coppiced_only
def test_answers_stay_in_order():
    with Server() as s:
        with Raw(s) as raw:
            raw.login("bob", Key(key("ed25519")))
            announced(raw)
            ask = bytes([rawssh.GLOBAL_REQUEST]) + string("hostkeys-prove-00@openssh.com") + b"\1" + string(blob("host_ed25519")) + string(blob("host_ecdsa"))
            alive = bytes([rawssh.GLOBAL_REQUEST]) + string("keepalive@openssh.com") + b"\1"
            more = bytes([rawssh.GLOBAL_REQUEST]) + string("no-more-sessions@openssh.com") + b"\1"
            raw.send(b"".join(raw.packet(x) for x in (alive, ask, alive, more, ask, alive)))
            same([answer(raw)[0] for _ in range(6)], [82, 81, 82, 81, 82, 82], "the answers")


def learn(s, program, known, *more):
    """A login that updates known, and lasts until it has."""
    argv = s.argv("bob", "sleep 2", options=("UserKnownHostsFile=" + known, "UpdateHostKeys=yes", "LogLevel=DEBUG1", "HostKeyAlgorithms=ssh-ed25519,rsa-sha2-512") + more)[1:]
    return program(*argv)


def stock(*words):
    return subprocess.run(["ssh"] + list(words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, timeout=60)


def updates(program, where):
    with Server() as s:
        known = "%s/known-%s" % (SCRATCH, where)
        name = HOST + " "        # the laboratory says HostKeyAlias
        with open(known, "w") as f:
            f.write(name + public("host_ed25519") + "\n" + name + public("stranger") + "\n")
        r = learn(s, program, known)
        same(r.returncode, 0, "ssh (%r)" % r.stderr[-800:])
        with open(known) as f:
            text = f.read()
        for n in ("host_ed25519", "host_rsa"):
            check(" ".join(public(n).split()[:2]) in text, n + " was not learned", text, r.stderr.decode()[-2500:])
        check(public("stranger").split()[1] not in text, "the key that is no more is still there", text)
        os.unlink(known)


@coppiced_only
@limit(60)
def test_update_host_keys():
    updates(stock, "stock")


@coppiced_only
@limit(60)
def test_update_host_keys_openssh_10():
    trixie("-V")
    updates(trixie, "trixie")


# ---- the identification ------------------------------------------------------------------------------

def ident(s):
    with s.connect() as c:
        return c.makefile("rb").readline()


@coppiced_only
def test_version_string():
    with Server("VersionString hi there", "VersionAddendum garden") as s:
        same(ident(s), b"SSH-2.0-hi there garden\r\n", "the identification")
        s.ssh("bob", "true", ok=True)
    with Server("VersionString random") as s:
        seen = {ident(s) for _ in range(12)}
        check(len(seen) > 6, "not one for each connection", seen)
        for line in seen:
            check(re.match(rb"SSH-2\.0-[a-z]{2,5}\r\n$", line), "identification", line)
        s.ssh("bob", "true", ok=True)
    with Server("VersionString random 30 32") as s:
        for _ in range(4):
            check(re.match(rb"SSH-2\.0-[a-z]{30,32}\r\n$", ident(s)), "identification", ident(s))
        s.ssh("bob", "true", ok=True)


@coppiced_only
def test_other_identifications():
    with Server() as s:
        for said, text in ((b"SSH-1.5-old", b"Protocol major versions differ."), (b"SSH-3.0-new", b"Protocol major versions differ."),
                           (b"GET / HTTP/1.1", b"Invalid SSH identification string."), (b"SSH-2.0-a\x1b[2Jb", b"Invalid SSH identification string."),
                           (b"SSH-2.0-" + b"x" * 300, b"Invalid SSH identification string.")):
            with s.connect() as c:
                c.sendall(said + b"\r\n")
                got = c.makefile("rb").read()
                check(got.endswith(text + b"\r\n"), "to %r" % said[:40], got[-80:])
        s.logged(r"banner exchange: Connection from 127\.0\.0\.1 port \d+: could not read protocol version")
        with Raw(s) as raw:
            raw.IDENT = b"SSH-1.99-both"
            raw.login("bob", Key(key("ed25519")))


# ---- the end of it: what a client prints ------------------------------------------------------------------

def said(s, user="bob", command="true", **more):
    return s.ssh(user, command, ok=False, **more).stderr.decode()


@coppiced_only
@limit(120)
def test_disconnects_that_clients_show():
    with Server("MaxAuthTries 1") as s:
        text = said(s, key_name="stranger", options=("LogLevel=INFO",))
        check("Received disconnect from %s port %d:2: Too many authentication failures" % (HOST, s.port) in text, "too many failures", text)
    with Server("Ciphers aes256-ctr") as s:
        text = said(s, options=("Ciphers=aes128-ctr", "LogLevel=INFO"))
        check("no matching cipher found. Their offer: aes256-ctr" in text, "no cipher", text)
        with Raw(s) as raw:
            raw.hello()
            raw.put(raw.kexinit())
            raw.expect(rawssh.KEXINIT)
            try:
                raw.get()
                check(False, "no end")
            except Closed as e:
                check("no matching cipher found" in str(e), "what it says", str(e))
    with Server("ClientAliveInterval 1", "ClientAliveCountMax 1") as s:
        p = s.popen("bob", "sleep 60", options=("LogLevel=INFO",), stdin=subprocess.DEVNULL)
        s.logged("Accepted publickey for bob")
        time.sleep(0.3)
        p.send_signal(signal.SIGSTOP)
        s.logged("Timeout, client not responding", 20)
        p.send_signal(signal.SIGCONT)
        text = p.communicate(timeout=20)[1].decode()
        check("Received disconnect from %s port %d:2: Timeout, client not responding." % (HOST, s.port) in text, "silence", text)


def ctl(s, *words):
    return subprocess.run([BUILD + "/bin/coppicectl", "-s", s.control] + list(words), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=60)


@coppiced_only
@limit(120)
def test_disconnects_by_the_operator():
    def end_of(s, act):
        p = s.popen("bob", "sleep 60", options=("LogLevel=INFO",), stdin=subprocess.DEVNULL)
        wait_until(lambda: b"bob" in ctl(s, "who").stdout, text="no session")
        wait_until(lambda: [x for x in below(s.pid) if status(x, "Name") == "sleep"], text="no program")
        act(s)
        return p.communicate(timeout=30)[1].decode()

    head = "Received disconnect from %s port %d:11: "
    with Server() as s:
        text = end_of(s, lambda s: check(ctl(s, "kick", "bob").returncode == 0, "kick"))
        check(head % (HOST, s.port) in text, "kick", text)
    with Server() as s:
        text = end_of(s, lambda s: s.stop())
        check(head % (HOST, s.port) in text, "stop", text)
