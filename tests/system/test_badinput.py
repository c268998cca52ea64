"""Hostile bytes: a clean end or a failure, little memory, a tidy log, and nobody else notices."""
import os
import random
import re
import socket
import threading
import time

import rawssh
from lab import (COPPICE, PASSWORDS, SEED, Failure, Server, authorize, below, check, coppiced_only, key, limit, rss, same, status, wait_until)
from movers import Exec
from rawssh import Closed, Key, Raw, s as string, u32

L = 2 ** 252 + 27742317777372353535851937790883648493
P = 2 ** 255 - 19


class Yard:
    """A server with a bystander in it, and an eye on everybody's memory."""

    def __init__(self, *lines):
        self.server = Server(*lines, "MaxStartups 500:30:500", "LoginGraceTime 20", "MaxAuthTries 50")

    def __enter__(self):
        self.bystander = Exec(self.server, 9)
        wait_until(lambda: self.bystander.progress > 50000 or self.bystander.fault, 20, text="the bystander does not move")
        self.base = max(rss(p) for p in self.ours())
        self.high, self.watching = 0, True
        self.watcher = threading.Thread(target=self.watch, daemon=True)
        self.watcher.start()
        return self

    def ours(self):
        return [p for p in below(self.server.pid) if status(p, "Name") not in ("cat", "sh", "bash", None)]

    def watch(self):
        while self.watching:
            self.high = max([self.high] + [rss(p) for p in self.ours()])
            time.sleep(0.02)

    def __exit__(self, kind, value, trace):
        self.watching = False
        self.watcher.join()
        if kind:
            return
        was = self.bystander.progress
        wait_until(lambda: self.bystander.progress > was + 50000 or self.bystander.fault, 20, text="the bystander stands still")
        self.bystander.finish()
        check(not self.bystander.fault, "another session was touched: %s" % self.bystander.fault)
        if COPPICE:
            check(self.high < self.base + 8192, "a process grew to %d KiB, from %d" % (self.high, self.base))
        with open(self.server.log_path, "rb") as f:
            odd = [line for line in f.read().split(b"\n") if re.search(rb"[^\x20-\x7e\t\r]|\r.", line)]
        check(not odd or not COPPICE, "bytes of a peer in the log", *odd[:3])
        self.server.ssh("alice", "true", ok=True)
        self.server.stop()

    def ends(self, what, talk, ident=True):
        """talk(raw) and then the server closes; nothing may follow that says it believed it."""
        with Raw(self.server) as raw:
            try:
                if ident:
                    raw.hello()
                talk(raw)
                while True:
                    number, _ = raw.get()
                    if number == rawssh.NEWKEYS and not raw.rx:
                        raw.drain()         # what follows is encrypted, and we never agreed to read it
                        return
                    check(number in (20, 3, 6, 31, 21, 51), "%s was answered with message %d" % (what, number))
            except Closed:
                return
            except socket.timeout:
                raise Failure("%s: the connection stays open" % what)
            except AssertionError as e:
                raise Failure("%s: %s" % (what, e))


def quiet_end(yard, what, data):
    """Bytes instead of an identification."""
    with Raw(yard.server) as raw:
        try:
            raw.send(data)
            raw.drain()
        except Closed:
            pass
        except socket.timeout:
            raise Failure("%s: the connection stays open" % what)


def test_no_identification():
    rng = random.Random(SEED)
    with Yard() as y:
        quiet_end(y, "HTTP", b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        quiet_end(y, "SSH 1.5", b"SSH-1.5-old\r\n")
        quiet_end(y, "SSH 3", b"SSH-3.0-new\r\n")
        quiet_end(y, "not quite", b"SSH-2.0\r\n")
        quiet_end(y, "TLS", bytes.fromhex("16030100c8010000c40303") + os.urandom(190) + b"\n" * 3)
        quiet_end(y, "70 kB without a newline", b"A" * 70000)
        quiet_end(y, "70 kB of SSH-2.0", b"SSH-2.0-" + b"A" * 70000)
        quiet_end(y, "escapes", b"\x1b]0;owned\x07\x1b[2J\r\nFailed password for root\r\n")
        quiet_end(y, "a NUL", b"SSH-2.0-a\0b\r\n" + b"x" * 200) if COPPICE else None
        for n in (300, 3000, 30000):
            quiet_end(y, "random bytes", rng.randbytes(n) + b"\n\n")


def test_identification_with_escapes():
    """It is legal enough to be logged, so it has to be logged harmlessly."""
    with Yard("LogLevel DEBUG3") as y:
        for ident in (b"SSH-2.0-\x1b[31mred\x1b[0m", b"SSH-2.0-x\x7f\x9b\xff", b"SSH-2.0-%s%n%x"):
            with Raw(y.server) as raw:
                try:
                    raw.hello(ident)
                    raw.put(raw.kexinit())
                    raw.get_kexinit()
                except Closed:
                    pass


def test_packet_lengths():
    with Yard() as y:
        for n in (0, 1, 2, 3, 4, 5, 7, 8, 11, 13, 35001, 262145, 2 ** 31 - 1, 2 ** 31, 2 ** 32 - 1):
            y.ends("length %d" % n, lambda raw: raw.send(u32(n) + b"\x0a" + os.urandom(300)) or raw.sock.shutdown(socket.SHUT_WR))
        for n in (0, 1, 2 ** 31, 2 ** 32 - 1, 300000):
            def talk(raw):
                raw.handshake()
                raw.send(u32(n) + os.urandom(400))
                raw.sock.shutdown(socket.SHUT_WR)
            y.ends("encrypted length %d" % n, talk, ident=False)


def test_padding():
    with Yard() as y:
        for total, pad in ((12, 12), (12, 255), (12, 11), (20, 200), (12, 0), (12, 3), (28, 3)):
            body = bytes([pad]) + b"\x14" * (total - 1)
            y.ends("padding %d of %d" % (pad, total), lambda raw: raw.send(u32(total) + body) or raw.sock.shutdown(socket.SHUT_WR))


def test_corrupt_packet():
    with Yard() as y:
        def talk(raw):
            raw.handshake()
            p = bytearray(raw.packet(bytes([rawssh.SERVICE_REQUEST]) + string("ssh-userauth")))
            p[-1] ^= 1
            raw.send(bytes(p))
        y.ends("a wrong tag", talk, ident=False)


def test_kexinit_twice_and_newkeys_early():
    with Yard() as y:
        y.ends("KEXINIT twice", lambda raw: (raw.put(raw.kexinit()), raw.put(raw.kexinit())))
        y.ends("NEWKEYS first", lambda raw: raw.put(bytes([rawssh.NEWKEYS])))
        y.ends("NEWKEYS after KEXINIT", lambda raw: (raw.put(raw.kexinit()), raw.put(bytes([rawssh.NEWKEYS]))))
        y.ends("ECDH_INIT first", lambda raw: raw.put(raw.ecdh_init()))
        y.ends("ECDH_INIT twice", lambda raw: (raw.put(raw.kexinit()), raw.put(raw.ecdh_init()), raw.put(raw.ecdh_init())))

        def newkeys_twice(raw):
            raw.handshake()
            raw.put(bytes([rawssh.NEWKEYS]))
        y.ends("NEWKEYS twice", newkeys_twice, ident=False)


@coppiced_only
def test_strict_kex_allows_nothing_between():
    with Yard() as y:
        for number in (rawssh.IGNORE, rawssh.DEBUG, rawssh.UNIMPLEMENTED, 192):
            extra = bytes([number]) + u32(0) + u32(0) + u32(0)
            y.ends("message %d before KEXINIT's answer" % number, lambda raw: (raw.put(raw.kexinit()), raw.put(extra)))

            def before_newkeys(raw):
                raw.put(raw.kexinit())
                raw.get_kexinit()
                raw.put(raw.ecdh_init())
                raw.expect(rawssh.ECDH_REPLY)
                raw.put(extra)
            y.ends("message %d before NEWKEYS" % number, before_newkeys)


def test_bad_kexinits():
    lists = Raw.LISTS
    with Yard() as y:
        for what, new in (("no kex", ["nothing"] + lists[1:]), ("empty kex", [""] + lists[1:]), ("no cipher", lists[:2] + ["rot13"] + lists[3:]),
                          ("no host key", lists[:1] + ["ssh-dss"] + lists[2:]), ("no compression", lists[:6] + ["lzma"] + lists[7:]),
                          ("many names", [",".join("name%d@example.com" % i for i in range(1500))] + lists[1:]),
                          ("one endless name", ["x" * 30000] + lists[1:])):
            y.ends(what, lambda raw: raw.put(raw.kexinit(new)))
        y.ends("a cut KEXINIT", lambda raw: raw.put(raw.kexinit()[:60]))
        y.ends("a KEXINIT with more behind it", lambda raw: raw.put(raw.kexinit() + b"more")) if COPPICE else None
        y.ends("a string beyond the packet", lambda raw: raw.put(bytes([20]) + os.urandom(16) + u32(0xffffffff) + b"abc"))


def test_wrong_guesses():
    """RFC 4253 7: one packet of a wrong guess is passed over, no more; a right guess counts."""
    ed = Key(key("ed25519"))
    # RFC 4253 7.1: right is a guess when the first names of both sides are the same.
    wrong = ["diffie-hellman-group14-sha256,curve25519-sha256,kex-strict-c-v00@openssh.com"] + Raw.LISTS[1:]
    with Yard("KexAlgorithms curve25519-sha256", "HostKeyAlgorithms ssh-ed25519") as y:
        for lists, guess, again in ((Raw.LISTS, None, False), (wrong, bytes([30]) + string(b"\1" * 257), True)):
            with Raw(y.server) as raw:
                raw.hello()
                raw.put(raw.kexinit(lists, follows=1))
                raw.put(guess or raw.ecdh_init())
                raw.get_kexinit()
                if again:
                    raw.put(raw.ecdh_init())
                raw.finish_kex()
                raw.service()
                raw.put(raw.signed("bob", ed))
                raw.expect(rawssh.USERAUTH_SUCCESS)
        y.ends("two wrong guesses", lambda raw: (raw.put(raw.kexinit(wrong, follows=1)), raw.put(bytes([30]) + string(b"\1" * 257)),
                                                  raw.put(bytes([30]) + string(b"\1" * 257))))


LOW_ORDER = [0, 1, 325606250916557431795983626356110631294008115727848805560023387167927233504,
             39382357235489614581723060781553021112529911719440698176882885853963445705823, P - 1, P, P + 1]


def test_degenerate_x25519_shares():
    with Yard() as y:
        shares = [n.to_bytes(32, "little") for n in LOW_ORDER] + [(n | 1 << 255).to_bytes(32, "little") for n in LOW_ORDER]
        shares += [b"", b"\1", b"\2" * 31, b"\2" * 33, b"\2" * 64, b"\2" * 2000]
        for share in shares:
            y.ends("share %s" % share[:40].hex(), lambda raw: (raw.put(raw.kexinit()), raw.put(raw.ecdh_init(share))))


class Degenerate:
    """An Ed25519 public key that is none, with a signature that a careless check finds good."""

    def __init__(self, public):
        self.public = public

    def blob(self):
        return string("ssh-ed25519") + string(self.public)


DEGENERATE = [bytes(32), b"\1" + bytes(31), b"\2" + bytes(31), bytes.fromhex("ec" + "ff" * 30 + "7f"), bytes.fromhex("ed" + "ff" * 30 + "7f"),
              bytes.fromhex("ee" + "ff" * 30 + "7f"), b"\1" + bytes(30) + b"\x80", b"\xff" * 32,
              bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"),
              bytes.fromhex("c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a")]


@coppiced_only              # Debian 12's sshd lets the first of them in
@limit(240)
def test_degenerate_ed25519_keys():
    import base64
    keys = [Degenerate(p) for p in DEGENERATE] + [Degenerate(b"\3" * n) for n in (0, 1, 31, 33, 64, 5000)]
    try:
        # They stand in the file: authorised, so that the signature is really looked at.
        authorize("carol", raw="".join("ssh-ed25519 %s d\n" % base64.b64encode(k.blob()).decode() for k in keys))
        with Yard() as y:
            for k in keys:
                with Raw(y.server) as raw:
                    raw.begin()
                    head = raw.auth_head("carol", "ssh-ed25519", k.blob())
                    try:
                        raw.put(head.replace(b"publickey\1", b"publickey\0"))
                        raw.get()
                        for signature in (b"\1" + bytes(63), bytes(64), k.public[:32].ljust(32, b"\0") + bytes(32), b"\xff" * 64, b"", b"\1" * 63, b"\1" * 65):
                            raw.put(head + string(string("ssh-ed25519") + string(signature)))
                            number, _ = raw.get()
                            same(number, rawssh.USERAUTH_FAILURE, "answer to key %s" % k.public[:32].hex())
                    except Closed:
                        pass
    finally:
        authorize("carol", "ed25519", "ecdsa", "rsa")


def test_signatures_with_s_beyond_l():
    ed = Key(key("ed25519"))

    def plus(times):
        def change(raw):
            return raw[:32] + ((int.from_bytes(raw[32:], "little") + times * L) % 2 ** 256).to_bytes(32, "little")
        return change

    with Yard() as y:
        with Raw(y.server) as raw:
            raw.begin()
            for change in (plus(1), plus(2), plus(15), lambda r: r[:32] + b"\xff" * 32, lambda r: r[:63], lambda r: r + b"\0", lambda r: bytes(64),
                           lambda r: bytes([r[0] ^ 1]) + r[1:], lambda r: r[:63] + bytes([r[63] ^ 0x80])):
                raw.put(raw.signed("bob", ed, change))
                number, _ = raw.get()
                if number == rawssh.USERAUTH_SUCCESS and not COPPICE:
                    return              # OpenSSH of Debian 12 takes S + L; nothing more to ask of it
                same(number, rawssh.USERAUTH_FAILURE, "answer to a spoilt signature")
            raw.put(raw.signed("bob", ed))
            raw.expect(rawssh.USERAUTH_SUCCESS)


def test_names_that_do_not_fit():
    """Algorithm of the request, of the key and of the signature are one and the same, or it fails."""
    ed = Key(key("ed25519"))
    with Yard() as y:
        with Raw(y.server) as raw:
            raw.begin()
            for alg in ("rsa-sha2-256", "ecdsa-sha2-nistp256", "ssh-rsa", "ssh-dss", "", "ssh-ed25519-cert-v01@openssh.com", "x" * 5000):
                head = raw.auth_head("bob", alg, ed.blob())
                try:
                    raw.put(head + string(ed.sign(string(raw.session_id) + head)))
                    number, _ = raw.get()
                    same(number, rawssh.USERAUTH_FAILURE, "answer to " + alg[:40])
                except Closed:
                    raw = Raw(y.server).begin()
            head = raw.auth_head("bob", "ssh-ed25519", ed.blob())
            signature = ed.private.sign(string(raw.session_id) + head)
            for name in ("rsa-sha2-256", "", "ssh-ed25519x"):
                try:
                    raw.put(head + string(string(name) + string(signature)))
                    number, _ = raw.get()
                    same(number, rawssh.USERAUTH_FAILURE, "answer to a signature of " + name)
                except Closed:
                    raw = Raw(y.server).begin()
            # A signature of this session is no use in another, nor for another user.
            stolen = raw.signed("bob", ed)
            with Raw(y.server) as second:
                second.begin()
                second.put(stolen)
                same(second.get()[0], rawssh.USERAUTH_FAILURE, "answer to a signature from elsewhere")


@coppiced_only
@limit(240)
def test_connection_messages_before_login():
    """RFC 4252 6: they end the connection, whatever is in them."""
    bodies = {80: string("tcpip-forward") + b"\1" + string("") + u32(0), 90: string("session") + u32(0) + u32(1 << 20) + u32(32768),
              93: u32(0) + u32(1), 94: u32(0) + string("data"), 98: u32(0) + string("exec") + b"\1" + string("touch /tmp/owned")}
    with Yard() as y:
        for number in list(range(80, 83)) + list(range(90, 101)):
            for stage in ("handshake", "begin"):
                def talk(raw):
                    getattr(raw, stage)()
                    raw.put(bytes([number]) + bodies.get(number, u32(0)))
                    while True:
                        got, _ = raw.get()
                        check(got < 80, "message %d was answered with %d" % (number, got))
                y.ends("message %d after %s" % (number, stage), talk, ident=False)
    check(not os.path.exists("/tmp/owned"), "it ran")


@coppiced_only
@limit(240)
def test_messages_only_a_server_sends():
    ed = Key(key("ed25519"))
    with Yard() as y:
        for number in (6, 31, 51, 52, 53, 60):
            body = bytes([number]) + string("x") + string("y") + b"\0"
            y.ends("message %d before kex" % number, lambda raw: raw.put(body))
            y.ends("message %d in kex" % number, lambda raw: (raw.put(raw.kexinit()), raw.put(body)))
            for stage in ("handshake", "begin"):
                def talk(raw):
                    getattr(raw, stage)()
                    raw.put(body)
                    raw.put(bytes([rawssh.CHANNEL_OPEN]) + string("session") + u32(0) + u32(1 << 20) + u32(32768))
                y.ends("message %d after %s" % (number, stage), talk, ident=False)

            def after_login(raw):
                raw.login("bob", ed)
                raw.put(body)
            y.ends("message %d after login" % number, after_login, ident=False)


@coppiced_only
def test_unknown_message_numbers():
    """RFC 4253 11.4: UNIMPLEMENTED, once login is done; before, the end is as good."""
    ed = Key(key("ed25519"))
    with Yard() as y:
        with Raw(y.server) as raw:
            raw.login("bob", ed)
            for number in (8, 19, 22, 49, 70, 101, 127, 191, 255):
                raw.put(bytes([number]) + b"body")
                raw.expect(rawssh.UNIMPLEMENTED)
            same(raw.session()[0], rawssh.CHANNEL_OPENED, "a channel after them")


def test_odd_names_in_a_login():
    with Yard("LogLevel DEBUG3") as y:
        for user in (b"root\nAccepted password for root", b"\x1b[2J", b"a\0b", b"", b"x" * 255, b"x" * 256, b"x" * 30000, b"../../etc/passwd", b"-oProxy",
                     b"\xff\xfe", b"%n%n%s", b"alice "):
            with Raw(y.server) as raw:
                try:
                    raw.sock.settimeout(10)
                    raw.begin()
                    for method, rest in ((b"none", b""), (b"password", b"\0" + string(b"x")), (b"publickey", b"\0" + string("ssh-ed25519") + string(b"blob")),
                                         (b"\x1b]0;x\x07", b"")):
                        raw.put(bytes([rawssh.USERAUTH_REQUEST]) + string(user) + string("ssh-connection") + string(method) + rest)
                        number, _ = raw.get()
                        check(number in (rawssh.USERAUTH_FAILURE, 60), "answer %d to %r" % (number, user[:20]))
                except Closed:
                    pass
                except socket.timeout:
                    raise Failure("no answer to user %r, method %r" % (user[:40], method))


def test_long_passwords():
    with Yard() as y:
        for n in (1024, 1025, 30000, 34000):
            with Raw(y.server) as raw:
                try:
                    raw.begin()
                    raw.put(bytes([rawssh.USERAUTH_REQUEST]) + string("alice") + string("ssh-connection") + string("password") + b"\0" +
                            string((PASSWORDS["alice"] + "x" * n)[:n]))
                    same(raw.get()[0], rawssh.USERAUTH_FAILURE, "answer to %d bytes" % n)
                except Closed:
                    pass


@coppiced_only
@limit(120)
def test_floods_before_login():
    """Packets without end, and nobody reading the answers: they end, or stop; memory stays (the yard looks)."""
    with Yard() as y:
        for payload in (bytes([rawssh.IGNORE]) + string(b"x" * 30000), bytes([rawssh.SERVICE_REQUEST]) + string("ssh-userauth"),
                        bytes([rawssh.USERAUTH_REQUEST]) + string("nobody") + string("ssh-connection") + string("none")):
            with Raw(y.server) as raw:
                raw.begin()
                raw.sock.settimeout(3)
                sent = 0
                try:
                    while sent < 64 << 20:
                        raw.put(payload)
                        sent += len(payload)
                except (Closed, socket.timeout):
                    pass
                check(sent < 16 << 20, "%d bytes were taken before login" % sent)


@coppiced_only
@limit(240)
def test_channels_that_lie():
    ed = Key(key("ed25519"))

    def opened(raw, **more):
        raw.login("bob", ed)
        number, r = raw.session(**more)
        same(number, rawssh.CHANNEL_OPENED, "answer to the open")
        r.u32()
        return r.u32()

    with Yard() as y:
        with Raw(y.server) as raw:          # CVE-2026-59843: a packet size of nothing
            raw.login("bob", ed)
            same(raw.session(packet=0)[0], rawssh.CHANNEL_OPEN_FAILURE, "packet size 0")
            same(raw.session(window=0)[0], rawssh.CHANNEL_OPENED, "window 0 is only slow")
        for what, talk in (
                ("data for no channel", lambda raw, c: raw.put(bytes([rawssh.DATA]) + u32(c + 1) + string("x"))),
                ("data for channel 2^32-1", lambda raw, c: raw.put(bytes([rawssh.DATA]) + u32(2 ** 32 - 1) + string("x"))),
                ("more than the window", lambda raw, c: [raw.put(bytes([rawssh.DATA]) + u32(c) + string(b"x" * 32768)) for _ in range(400)]),
                ("a packet over the size", lambda raw, c: raw.put(bytes([rawssh.DATA]) + u32(c) + string(b"x" * 200000))),
                ("a window over 2^32", lambda raw, c: [raw.put(bytes([rawssh.WINDOW_ADJUST]) + u32(c) + u32(2 ** 32 - 1)) for _ in range(2)]),
                ("data after end of file", lambda raw, c: (raw.put(bytes([rawssh.EOF]) + u32(c)), raw.put(bytes([rawssh.DATA]) + u32(c) + string("x")))),
                ("a reply nobody asked for", lambda raw, c: raw.put(bytes([rawssh.SUCCESS]) + u32(c + 7))),
                ("a string beyond the packet", lambda raw, c: raw.put(bytes([rawssh.REQUEST]) + u32(c) + u32(2 ** 32 - 1) + b"x")),
                ("an open that is cut", lambda raw, c: raw.put(bytes([rawssh.CHANNEL_OPEN]) + string("session") + u32(0)))):
            with Raw(y.server) as raw:
                chan = opened(raw)
                try:
                    talk(raw, chan)
                    raw.sock.settimeout(5)
                    while True:
                        raw.get()
                except Closed:
                    pass
                except socket.timeout:
                    check(what in ("data after end of file", "a window over 2^32", "a reply nobody asked for"), "%s: the connection stays open" % what)
        with Raw(y.server) as raw:          # one connection cannot have channels without end
            raw.login("bob", ed)
            answers = []
            for i in range(300):
                answers.append(raw.session(number=i)[0])
            check(rawssh.CHANNEL_OPEN_FAILURE in answers, "300 channels were opened")
        with Raw(y.server) as raw:          # requests that fail do not add up
            chan = opened(raw)
            for i in range(2000):
                raw.put(bytes([rawssh.REQUEST]) + u32(chan) + string("subsystem") + b"\1" + string("none-such-%d" % i))
                check(raw.get()[0] in (rawssh.FAILURE, rawssh.CLOSE, rawssh.EOF), "an unknown subsystem")


def test_half_packets_and_silence():
    """A peer that stops anywhere is ended by the grace time and holds nobody up."""
    with Yard("LoginGraceTime 3") as y:
        cut = []
        for talk in (lambda raw: None, lambda raw: raw.send(b"SSH-2.0-slow"), lambda raw: raw.hello(), lambda raw: (raw.hello(), raw.send(u32(1000) + b"\4half")),
                     lambda raw: (raw.hello(), raw.put(raw.kexinit())), lambda raw: raw.handshake(), lambda raw: raw.begin(),
                     lambda raw: (raw.begin(), raw.send(u32(200) + b"half of it"))):
            raw = Raw(y.server)
            talk(raw)
            cut.append(raw)
        for raw in cut:
            try:
                raw.sock.settimeout(15)
                raw.drain()
            except socket.timeout:
                raise Failure("a silent peer is still connected")
            raw.sock.close()


@limit(240)
def test_mutated_sessions():
    """Seeded: a good start of a session with bytes changed, left out or doubled in the clear part."""
    rng = random.Random(SEED)
    with Yard() as y:
        for i in range(150):
            with Raw(y.server) as raw:
                raw.hello()
                data = bytearray(raw.packet(raw.kexinit()) + raw.packet(raw.ecdh_init()) + raw.packet(bytes([rawssh.NEWKEYS])))
                for _ in range(rng.randrange(1, 6)):
                    at = rng.randrange(len(data))
                    kind = rng.randrange(3)
                    if kind == 0:
                        data[at] ^= 1 << rng.randrange(8)
                    elif kind == 1:
                        del data[at:at + rng.randrange(1, 50)]
                    else:
                        data[at:at] = data[at:at + rng.randrange(1, 50)]
                try:
                    raw.send(bytes(data))
                    raw.sock.shutdown(socket.SHUT_WR)
                    raw.drain()
                except (Closed, OSError) as e:
                    check(not isinstance(e, socket.timeout), "round %d: the connection stays open" % i)
