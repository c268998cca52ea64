"""A keysign that computes wrongly: what it got wrong does not leave it, and what it got right does."""
import os
import shutil

from lab import BUILD, SCRATCH, NotHere, Server, check, coppiced_only, limit, same
from rawssh import ECDH_REPLY, Closed, Raw, Reader


class Faulty(Server):
    """The daemon with a keysign that spoils every second signature (keysign_faulty.c)."""

    def program(self):
        place = SCRATCH + "/faulty"
        if not os.path.exists(place):
            if not os.path.exists(BUILD + "/variants/keysign-faulty"):
                raise NotHere("this build has no program that computes wrongly")
            for folder in ("sbin", "bin", "libexec"):
                shutil.copytree(BUILD + "/" + folder, place + "/" + folder, symlinks=True)
            shutil.copy(BUILD + "/variants/keysign-faulty", place + "/libexec/coppice/keysign")
        return place + "/sbin/coppiced"


def ask(server, host):
    """The signature that a connection gets, or None."""
    with Raw(server) as raw:
        raw.hello()
        raw.put(raw.kexinit([Raw.LISTS[0], host] + Raw.LISTS[2:]))
        raw.get_kexinit()
        raw.put(raw.ecdh_init())
        try:
            raw.expect(ECDH_REPLY)
        except Closed:
            return None
        r = Reader(raw.payload[1:])
        r.string(), r.string()
        if host == "ssh-ed25519":               # whose signature this client can verify
            payload = raw.payload
            raw.expect = lambda number: Reader(payload[1:]) if number == ECDH_REPLY else Raw.expect(raw, number)
            raw.finish_kex()
        return r.string()


@coppiced_only
@limit(240)
def test_a_wrong_signature_does_not_leave():
    for name, host in (("host_ed25519", "ssh-ed25519"), ("host_ecdsa", "ecdsa-sha2-nistp256"), ("host_rsa", "rsa-sha2-512")):
        with Faulty(hostkeys=(name,)) as s:
            got = [ask(s, host) for _ in range(10)]
            same([g is None for g in got], [n % 2 == (got[1] is None) for n in range(10)], "which connections had no signature")
            same(len([g for g in got if g is None]), 5, "signatures that were held back with " + host)
            same(s.log().count("host key signature failed"), 5, "what the log says")
            check(len(set(got) - {None}) == 5, "the same signature twice")


@coppiced_only
def test_the_right_keysign_never_fails():
    """Shows that the test above can tell."""
    with Server(hostkeys=("host_ed25519",)) as s:
        check(None not in [ask(s, "ssh-ed25519") for _ in range(10)], "a connection had no signature")
        check("host key signature failed" not in s.log(), "the log says so")
