#!/usr/bin/env python3
"""Writes the seed corpus of the sftp_server fuzz target: one file per request and a few whole sessions."""
import os
import struct

OUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "sftp_server")


def u32(n):
    return struct.pack(">I", n)


def u64(n):
    return struct.pack(">Q", n)


def s(text):
    text = text if isinstance(text, bytes) else text.encode()
    return u32(len(text)) + text


def packet(kind, *fields):
    body = bytes([kind]) + b"".join(fields)
    return u32(len(body)) + body


INIT = packet(1, u32(3))
H0 = s(u32(0) + u32(0))
OPEN = packet(3, u32(1), s("f"), u32(0x0f), u32(0))
ATTRS = u32(15) + u64(10) + u32(1) + u32(2) + u32(0o644) + u32(5) + u32(6)

SEEDS = {
    "init": b"",
    "open-read": OPEN + packet(5, u32(2), H0, u64(0), u32(50)) + packet(4, u32(3), H0),
    "open-write": OPEN + packet(6, u32(2), H0, u64(10), s("data")) + packet(8, u32(3), H0),
    "read-huge": OPEN + packet(5, u32(2), H0, u64(0), u32(0xffffffff)),
    "read-far": OPEN + packet(5, u32(2), H0, u64(1 << 63), u32(1)),
    "write-far": OPEN + packet(6, u32(2), H0, u64((1 << 63) - 2), s("data")),
    "bad-handle": packet(5, u32(2), s("x"), u64(0), u32(1)) + packet(4, u32(3), s(u32(7) + u32(0))),
    "lstat": packet(7, u32(1), s("f")),
    "stat": packet(17, u32(1), s("nothing")),
    "setstat": packet(9, u32(1), s("f"), ATTRS),
    "setstat-huge": packet(9, u32(1), s("f"), u32(1) + u64(0xffffffffffffffff)),
    "fsetstat": OPEN + packet(10, u32(2), H0, ATTRS),
    "attrs-extended": packet(9, u32(1), s("f"), u32(0x80000000) + u32(1) + s("a") + s("b")),
    "attrs-extended-many": packet(9, u32(1), s("f"), u32(0x80000000) + u32(0xffffffff)),
    "dir": packet(11, u32(1), s("/")) + packet(12, u32(2), H0) * 4 + packet(4, u32(3), H0),
    "remove": packet(13, u32(1), s("f")),
    "mkdir-rmdir": packet(14, u32(1), s("d"), u32(4) + u32(0o700)) + packet(15, u32(2), s("d")),
    "realpath": packet(16, u32(1), s("")) + packet(16, u32(2), s("a/../b")),
    "rename": packet(18, u32(1), s("f"), s("g")),
    "links": packet(20, u32(1), s("f"), s("l")) + packet(19, u32(2), s("l")),
    "nul-path": packet(17, u32(1), s(b"a\0b")),
    "long-path": packet(17, u32(1), s("a" * 5000)),
    "unknown": packet(99, u32(1)) + packet(101, u32(2), u32(0), s(""), s("")),
    "short": packet(3, u32(1)) + packet(17, u32(2), u32(100)),
    "init-twice": INIT,
    "posix-rename": packet(200, u32(1), s("posix-rename@openssh.com"), s("f"), s("g")),
    "statvfs": packet(200, u32(1), s("statvfs@openssh.com"), s("/")),
    "fstatvfs": OPEN + packet(200, u32(1), s("fstatvfs@openssh.com"), H0),
    "hardlink": packet(200, u32(1), s("hardlink@openssh.com"), s("f"), s("h")),
    "fsync": OPEN + packet(200, u32(1), s("fsync@openssh.com"), H0),
    "lsetstat": packet(200, u32(1), s("lsetstat@openssh.com"), s("f"), u32(4) + u32(0o600)),
    "limits": packet(200, u32(1), s("limits@openssh.com")),
    "expand": packet(200, u32(1), s("expand-path@openssh.com"), s("~/x")) + packet(200, u32(2), s("home-directory"), s("me")),
    "ext-unknown": packet(200, u32(1), s("nobody@example.com"), s("body")),
}


def main():
    os.makedirs(OUT, exist_ok=True)
    for name, body in SEEDS.items():
        for how in (0, 7):
            with open(os.path.join(OUT, "%s-%d" % (name, how)), "wb") as f:
                f.write(bytes([how]) + INIT + body)
    for name, body in (("no-init", OPEN), ("too-big", u32(262145)), ("too-small", u32(4) + b"\5\0\0\0"), ("zero", u32(0))):
        with open(os.path.join(OUT, name), "wb") as f:
            f.write(b"\4" + body)


main()
