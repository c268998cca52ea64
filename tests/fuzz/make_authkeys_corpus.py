#!/usr/bin/env python3
"""Writes the seeds of tests/fuzz/authkeys.c: lines that let its fixed key in, nearly so, or not at all."""
import base64
import pathlib
import struct


def string(b):
    return struct.pack(">I", len(b)) + b


KEY = b"ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(b"\x11" * 32))
OTHER = b"ssh-ed25519 " + base64.b64encode(string(b"ssh-ed25519") + string(b"\x22" * 32))

SEEDS = {
    "plain": KEY + b" comment\n",
    "crlf": KEY + b"\r\n",
    "second": b"# x\n\n" + OTHER + b"\n" + KEY,
    "restrict": b"restrict,pty " + KEY,
    "command": b'command="echo \\"a, b\\"",no-pty,no-X11-forwarding ' + KEY,
    "from": b'from="192.0.2.0/24,!192.0.2.8,*.example.com" ' + KEY,
    "from_not": b'from="198.51.100.0/24" ' + KEY,
    "expiry": b'expiry-time="20991231235959Z",expiry-time="20990101" ' + KEY,
    "expired": b'expiry-time="20200101Z" ' + KEY,
    "places": b'permitopen="a:1",permitlisten="2",tunnel="0",environment="A=b",principals="x" ' + KEY,
    "flags": b"no-port-forwarding,agent-forwarding,no-user-rc,verify-required,no-touch-required " + KEY,
    "ca": b"cert-authority " + KEY,
    "unknown": b"nonsense,restrict " + KEY + b"\nrestrict " + KEY,
    "open_quote": b'command="x ' + KEY + b"\n",
    "middle": b"# " + b"x" * 300 + KEY + b"\n" + OTHER + b" " + KEY,
    "nul": KEY[:-4] + b"\0" + KEY[-4:] + b"\n",
    "ask": b"\2" + string(b"ssh-ed25519") + string(b"blob") + string(b"sig") + string(b"id") + string(b"ssh-connection"),
    "answer": b"\1" + struct.pack(">I", 31) + b"\1" + string(b"ls") + b"\1\3" + string(b"a line"),
    "time": b"20250102030405Z",
}

where = pathlib.Path(__file__).parent / "corpus" / "authkeys"
where.mkdir(parents=True, exist_ok=True)
for name, data in SEEDS.items():
    (where / name).write_bytes(data)
