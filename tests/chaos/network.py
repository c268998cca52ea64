"""
A bad network. Where the kernel has netem, on the room's own loopback: delay, jitter, loss, reordering, duplicates, wrong bits.

Where it has not, a relay does what can be done above TCP: delay with jitter, stalls, segments of a few bytes, wrong bits (there
they reach the daemon, since no checksum is in the way). Loss, reordering and duplicates have no meaning above TCP.
"""
import os
import random
import re
import subprocess
import threading

import lab
import relay
from harm import harm
from lab import NotHere, check, same

NETEM = "delay 200ms 100ms loss 3% reorder 10% duplicate 2% corrupt 0.1%"
SIZE = 2 << 20
PAST_KEYS = 6000        # by then both sides have said NEWKEYS: every bit is covered by a MAC


class Bad(relay.Relay):
    """jitter: seconds, more or less; segment: most bytes sent in one go; stall: how often a piece waits a second more; flip: (to the server,
    offset) of the wrong bit of a connection."""

    UNDER_WAY = 4 << 20
    PIECE = 65536

    def __init__(self, server, seed, delay=0.0, jitter=0.0, segment=1400, stall=0.0, flip=None):
        self.rng, self.jitter, self.segment, self.stall, self.flip = random.Random(seed), jitter, segment, stall, flip
        self.flipped = False
        super().__init__(server, delay)

    def when(self):
        return super().when() + self.jitter * (2 * self.rng.random() - 1) + (self.rng.random() < self.stall)

    def change(self, way, data):
        if self.flip and self.flip[0] == way.inwards and way.came <= self.flip[1] < way.came + len(data):
            data = bytearray(data)
            data[self.flip[1] - way.came] ^= 1 << self.rng.randrange(8)
            self.flipped = True
        return bytes(data)

    def send(self, sink, data):
        while data:
            n = self.rng.randint(1, self.segment)
            sink.sendall(data[:n])
            data = data[n:]


def transfers(server, number):
    """Files and streams to and fro: every hash is that of what was sent."""
    path, digest = lab.random_file(SIZE >> 20)
    there, back = "/home/alice/far-%d" % number, "%s/far-%d" % (server.dir, number)
    server.sftp("alice", "put %s %s\nget %s %s\n" % (path, there, there, back), timeout=300)
    same((lab.digest_of(there), lab.digest_of(back)), (digest, digest), "hashes of a file put and taken back")
    with open(path, "rb") as f:
        data = f.read()
    r = server.ssh("alice", "exec cat", input=data, timeout=300)
    check(r.returncode == 0 and r.stdout == data, "a stream did not come back as it was: status %d, %d of %d bytes" % (r.returncode, len(r.stdout), len(data)))
    for at in (there, back):
        os.unlink(at)


def together(jobs):
    bad = []

    def run(job):
        try:
            job()
        except Exception as e:
            bad.append(str(e))

    threads = [threading.Thread(target=run, args=(job,)) for job in jobs]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(not bad, "; ".join(bad[:3]))


@harm("bad network: late, in bits and pieces")
def slow_network(field):
    lab.random_file(SIZE >> 20)     # once, before two threads want it
    relays = [Bad(field.server, field.rng.random(), delay=0.2, jitter=0.1, stall=0.01), Bad(field.server, field.rng.random(), delay=0.02, jitter=0.02, segment=9)]
    try:
        together([lambda r=r, i=i: transfers(r.far(), i) for i, r in enumerate(relays)])
    finally:
        for r in relays:
            r.close()


@harm("bad network: wrong bits")
def wrong_bits(field):
    """A wrong bit ends its session, whichever way it went; never does a client get other bytes and status 0."""
    before = len(field.server.log())
    data = field.rng.randbytes(SIZE // 2)

    def session(number, inwards, offset):
        bad = Bad(field.server, number, flip=(inwards, offset))
        try:
            r = bad.far().ssh("alice", "exec cat", input=data, timeout=120)
            check(bad.flipped, "the bit was never flipped")
            check(r.returncode != 0, "a wrong bit at %d %s was not noticed" % (offset, "to the server" if inwards else "to the client"))
            check(data.startswith(r.stdout), "wrong bytes were handed out")
        finally:
            bad.close()

    together([lambda n=n: session(n, n % 2 == 0, field.rng.randrange(PAST_KEYS, SIZE // 4)) for n in range(8)])
    check(not re.search(r"how=signal:(SEGV|ABRT|BUS|SYS)", field.server.log()[before:]), "a process crashed over it")


@harm("bad network: netem", logins=True, doors=True)
def netem(field):
    r = subprocess.run(["tc", "qdisc", "add", "dev", "lo", "root", "netem"] + NETEM.split(), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    if r.returncode != 0:
        raise NotHere("no netem in this kernel: %s; the relay stands in for it" % r.stdout.decode(errors="replace").strip())
    try:
        transfers(field.server, 9)
    finally:
        lab.sh("tc", "qdisc", "del", "dev", "lo", "root")
