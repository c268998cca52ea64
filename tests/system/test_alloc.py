"""No allocation for each packet: what the connection process asks of the allocator does not depend on how much it moves."""
import contextlib
import os
import struct
import threading

import lab
from lab import NotHere, Server, check, coppiced_only, limit, same, wait_until

HERE = os.path.dirname(os.path.abspath(__file__))
ROW = struct.Struct("=QQ")
ROWS = 65536                # as in counted.c
PACKET = 32768              # of the stock client, both ways
BULK = 128                  # packets
KEYS = 200
TRIES = 8
AEAD = ("aes128-gcm@openssh.com", "aes256-gcm@openssh.com", "chacha20-poly1305@openssh.com")
OTHERS = ("aes128-ctr", "aes192-ctr", "aes256-ctr", "aes128-cbc", "3des-cbc")
MACS = ("hmac-sha2-256-etm@openssh.com", "hmac-sha2-512-etm@openssh.com", "hmac-sha2-256", "hmac-sha2-512", "hmac-sha1-etm@openssh.com", "hmac-sha1")
_file = lab.SCRATCH + "/counted"


@contextlib.contextmanager
def counting():
    """Programs that begin meanwhile are counted; the room has an /etc of its own."""
    if lab.sanitized():
        raise NotHere("a sanitizer has its own malloc")
    with open(_file, "wb") as f:
        f.truncate(ROWS * ROW.size)
    os.chmod(_file, 0o666)
    lib = lab.SCRATCH + "/counted.so"
    lab.sh("cc", "-shared", "-fPIC", "-O2", "-fno-builtin", '-DCOUNT_FILE="%s"' % _file, "-o", lib, HERE + "/counted.c")
    with open("/etc/ld.so.preload", "w") as f:
        f.write(lib + "\n")
    try:
        yield
    finally:
        os.unlink("/etc/ld.so.preload")


def row(pid):
    with open(_file, "rb") as f:
        f.seek(pid % ROWS * ROW.size)
        return ROW.unpack(f.read(ROW.size))


class Session:
    """A client's session, and its connection process, whose allocations are counted."""

    def __init__(self, server, command, *options, flags=()):
        before = set(lab.connections(server).values()) | {None}     # None: just being forked
        self.client = server.popen("bob", command, options=options, flags=flags)
        (self.pid,) = wait_until(lambda: set(lab.connections(server).values()) - before, text="no connection process")

    def write(self, data):
        self.client.stdin.write(data)
        self.client.stdin.flush()

    def read(self, n):
        got = 0
        while got < n:
            data = os.read(self.client.stdout.fileno(), min(1 << 20, n - got))
            check(data, "the session ended")
            got += len(data)

    def up(self, packets):
        self.write(b"%d\n" % (packets * PACKET) + bytes(packets * PACKET))
        self.read(1)

    def down(self, packets):
        self.write(b"%d\n" % (packets * PACKET))
        self.read(packets * PACKET)

    def both(self, packets):
        feeder = threading.Thread(target=self.write, args=(bytes(packets * PACKET),))
        feeder.start()
        self.read(packets * PACKET)
        feeder.join()

    def keys(self, number):
        for _ in range(number):
            self.write(b"x")
            self.read(1)

    def cost(self, move, amount):
        """(allocations, frees) of the connection while that is moved"""
        before = row(self.pid)
        move(amount)
        after = row(self.pid)
        check(before[0] > 0, "nothing of %d was counted at all" % self.pid)
        return tuple(b - a for a, b in zip(before, after))

    def close(self):
        self.client.stdin.close()
        self.client.stdout.close()
        same(self.client.wait(30), 0, "status of ssh")


    def settles(self, what, move, amount):
        """Once its queues are as long as they get, it asks for nothing, whatever the amount. A pause lets them go, so it has some tries."""
        move(amount)
        seen = []
        while len(seen) < TRIES and (0, 0) not in seen:
            seen.append(self.cost(move, 2 * amount))
        check((0, 0) in seen, "%s: allocations and frees for twice %d packets, again and again" % (what, amount), seen)


# bash reads byte by byte from a pipe and so leaves head what is head's
UP = "bash -c 'while read -r n; do head -c $n >/dev/null; printf k; done'"
DOWN = "bash -c 'while read -r n; do head -c $n /dev/zero; done'"
WAYS = (("up", UP, Session.up), ("down", DOWN, Session.down), ("both ways", "cat", Session.both))


def bulk(server, *options):
    for name, command, how in WAYS:
        session = Session(server, command, *options)
        session.settles("%s, %s" % (name, " ".join(options)), lambda n: how(session, n), BULK)
        session.close()


@coppiced_only
def test_bulk_with_an_aead():
    with counting(), Server() as s:
        for cipher in AEAD:
            bulk(s, "Ciphers=" + cipher)


@coppiced_only
@limit(300)
def test_bulk_with_a_mac():
    with counting(), Server("Ciphers +" + ",".join(OTHERS), "MACs +" + ",".join(MACS)) as s:
        for i in range(max(len(OTHERS), len(MACS))):
            bulk(s, "Ciphers=" + OTHERS[i % len(OTHERS)], "MACs=" + MACS[i % len(MACS)])


@coppiced_only
def test_bulk_compressed():
    with counting(), Server("Compression yes") as s:
        bulk(s, "Compression=yes")


@coppiced_only
def test_bulk_that_survives():
    with counting(), Server("SurviveCrash yes") as s:
        bulk(s)


@coppiced_only
def test_keystrokes():
    with counting(), Server() as s:
        for command, flags in (("cat", ()), ("stty raw -echo; printf r; exec cat", ("-tt",))):
            session = Session(s, command, flags=flags)
            if flags:
                session.read(1)
            session.settles(command, session.keys, KEYS)
            session.client.terminate()
            session.client.wait(30)


@coppiced_only
def test_what_allocates_is_seen():
    """Shows that the tests above can tell: a login is not free."""
    with counting(), Server() as s:
        session = Session(s, "cat")
        session.keys(1)
        opened = row(session.pid)
        check(opened[0] > 20 and opened[1] > 10, "a login asked for %d blocks and gave %d back" % opened)
        session.close()
