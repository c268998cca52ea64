"""What is random differs: from one connection to the next, over forks, fresh nurseries, upgrades, and from one daemon to another."""
import json
import os
import signal

import rawssh
from lab import Server, check, coppiced_only, key, limit, same, wait_until
from rawssh import ECDH_INIT, ECDH_REPLY, Key, Raw, Reader, s as string, u32

GEX = "diffie-hellman-group-exchange-sha256"
P256 = bytes.fromhex("046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
NINE = (9).to_bytes(32, "little")
# exchange: a client's share that is always the same, so that what differs is the server's doing
SHARES = {
    "curve25519-sha256": NINE,
    "mlkem768x25519-sha256": bytes(1184) + NINE,
    "curve448-sha512": (5).to_bytes(56, "little"),
    "ecdh-sha2-nistp256": P256,
    "diffie-hellman-group14-sha256": b"\2",
    GEX: b"\2",
}
EXCHANGES = "KexAlgorithms +" + ",".join(SHARES)
KEYS = ("ssh-ed25519", "ecdsa-sha2-nistp256", "rsa-sha2-512")


class Seen:
    """Every value with the place where it was met; none may come twice."""

    def __init__(self):
        self.at, self.count = {}, {}

    def add(self, sort, value, where):
        check(len(value) >= 16, "%s of %d bytes" % (sort, len(value)))
        self.count[sort] = self.count.get(sort, 0) + 1
        other = self.at.setdefault((sort, value), where)
        check(other is where, "the same %s twice: %s, and %s" % (sort, other, where), value[:40].hex())


def connect(server, seen, kex, host, where):
    """One connection as far as the host's signature. What it told goes to seen."""
    with Raw(server) as raw:
        raw.hello()
        raw.put(raw.kexinit([kex, host] + Raw.LISTS[2:]))
        raw.get_kexinit()
        seen.add("cookie", raw.peer_kexinit[1:17], where)
        if kex == GEX:
            raw.put(bytes([34]) + u32(2048) + u32(2048) + u32(8192))
            raw.expect(31)
        raw.put(bytes([32 if kex == GEX else ECDH_INIT]) + string(SHARES[kex]))
        r = raw.expect(33 if kex == GEX else ECDH_REPLY)
        r.string()
        share, signature = r.string(), Reader(r.string())
        if kex.startswith("mlkem"):
            seen.add("ciphertext", share[:1088], where)
            share = share[1088:]
        seen.add("share of " + kex, share, where)
        same(signature.string().decode(), host, "the signature's name")
        sig = signature.string()
        if host.startswith("ecdsa"):        # r is the nonce times the base point
            sig = Reader(sig).string()
        elif host.endswith("25519"):
            sig = sig[:32]                  # R, the same
        seen.add("nonce of " + host, sig, where)


def many(servers, seen, n, where):
    for i in range(n):
        kex = list(SHARES)[i % len(SHARES)]
        host = KEYS[i // len(SHARES) % len(KEYS)]
        connect(servers[i % len(servers)], seen, kex, host, "%s, connection %d, %s" % (where, i, kex))


def upgrade(s):
    old = s.pid_of("nursery")
    same(s.ctl("upgrade", timeout=60).returncode, 0, "upgrade")
    wait_until(lambda: not json.loads(s.ctl("upgrades", "--json").stdout)[0]["replacing"], 30, text="helpers are not replaced")
    check(s.pid_of("nursery") != old, "the nursery is the old one")


@coppiced_only
@limit(600)
def test_1000_connections():
    """One nursery forks 1,024 times, then another takes over."""
    seen = Seen()
    with Server(EXCHANGES, "MaxStartups 100:30:100", "LogLevel ERROR") as s:
        first = s.pid_of("nursery")
        many([s], seen, 1080, "one daemon")
        check(s.pid_of("nursery") != first, "it is the same nursery still")
    check(all(n == 1080 for sort, n in seen.count.items() if sort == "cookie") and len(seen.count) == 1 + 1 + len(SHARES) + len(KEYS), "counts", seen.count)


@coppiced_only
@limit(400)
def test_daemons_nurseries_upgrades():
    """Two daemons with the same keys, nurseries that die after a few forks, and a daemon that is executed anew."""
    seen = Seen()
    with Server(EXCHANGES, "MaxStartups 100:30:100") as a, Server(EXCHANGES, "MaxStartups 100:30:100") as b:
        many([a, b], seen, 120, "two daemons")
        for n in range(3):
            for s in (a, b):
                s.crash_expected = True
                old = s.pid_of("nursery")
                os.kill(old, signal.SIGKILL)
                wait_until(lambda: s.pid_of("nursery") not in (0, old), 20, text="no other nursery")
            many([a, b], seen, 36, "after death %d of the nurseries" % n)
        for n in range(2):
            upgrade(a)
            many([a, b], seen, 36, "after upgrade %d" % n)
    same(seen.count["cookie"], 120 + 3 * 36 + 2 * 36, "connections")


@coppiced_only
def test_a_rekey_and_a_move():
    """The same connection again, here and in another process: other cookies, other shares."""
    ed, seen = Key(key("ed25519")), Seen()
    with Server("RekeyLimit 1G 1h") as s:
        with Raw(s) as raw:
            raw.login("bob", ed)
            same(raw.session()[0], rawssh.CHANNEL_OPENED, "a channel")
            seen.add("cookie", raw.peer_kexinit[1:17], "at first")
            for n in range(6):
                if n % 2:
                    moved = json.loads(s.ctl("--json", "handoff", timeout=60).stdout)
                    check(moved, "nothing was moved")
                raw.put(raw.kexinit(Raw.LISTS))
                raw.get_kexinit()
                seen.add("cookie", raw.peer_kexinit[1:17], "rekey %d" % n)
                raw.put(raw.ecdh_init())
                reply = raw.expect(ECDH_REPLY)
                seen.add("share", share_of(raw.payload), "rekey %d" % n)
                finish(raw, reply)
    same(seen.count, {"cookie": 7, "share": 6}, "what was seen")


def share_of(payload):
    r = Reader(payload[1:])
    r.string()
    return r.string()


def finish(raw, reply):
    """finish_kex() of a reply that was read already."""
    expect = raw.expect
    raw.expect = lambda number: reply if number == ECDH_REPLY else expect(number)
    try:
        raw.finish_kex()
    finally:
        del raw.expect
