#!/usr/bin/env python3
"""Writes the seed corpus of mux_pair: one small file for each kind of conversation."""
import os
import struct

OPS = "open accept refuse write fill consume eof close request reply ask answer move events state tick run raw".split()
CLI, SRV = 0, 1


def op(name, side=CLI, chan=0, n=0, body=b""):
    if name == "raw":
        n = len(body)
    return bytes([OPS.index(name) << 1 | side, chan, n >> 8, n & 255]) + body


def u32(*v):
    return b"".join(struct.pack(">I", x) for x in v)


OPEN = op("open") + op("run") + op("accept", SRV) + op("run")
SEEDS = {
    "open_close": OPEN + op("close") + op("run"),
    "refuse": op("open") + op("run") + op("refuse", SRV) + op("run"),
    "both_close": OPEN + op("close") + op("close", SRV) + op("run") + OPEN,
    "data": OPEN + op("write", n=60000) + op("run") + op("consume", SRV, n=60000) + op("run"),
    "fill_err": OPEN + op("fill", SRV, 128, 30001) + op("run") + op("consume", n=30001) + op("run"),
    "fill_window": OPEN + op("fill", SRV, 0, 65535) * 4 + op("run") + op("consume", n=20000) * 3 + op("run"),
    "eof": OPEN + op("write", n=9) + op("eof") + op("eof", SRV) + op("run") + op("close", SRV) + op("run"),
    "requests": OPEN + op("request", n=1) * 3 + op("run") + op("reply", SRV, n=1) * 3 + op("run"),
    "global": op("ask", n=1) * 3 + op("run") + op("answer", SRV, n=1) * 3 + op("run"),
    "alive": op("tick", SRV, n=1000) * 3 + op("run") + op("answer") * 3 + op("run") + op("tick", SRV, n=1000),
    "state": OPEN + op("write", n=500) + op("state") + op("run") + op("state", SRV) + op("write", SRV, n=9) + op("run"),
    "many": b"".join(op("open", chan=i) for i in range(8)) + op("run") +
            b"".join(op("accept", SRV, i) for i in range(8)) + op("run"),
    "partial": OPEN + op("write", n=65535) + op("move") + op("events", SRV) + op("close", SRV) + op("move", SRV) +
               op("events") + op("run"),
    "raw_data": OPEN + op("raw", CLI, 14, body=u32(0, 4) + b"data") + op("run"),
    "raw_ext": OPEN + op("raw", CLI, 15, body=u32(0, 2, 4) + b"data") + op("run"),
    "raw_adjust": OPEN + op("raw", CLI, 13, body=u32(0, 0xffffffff)) + op("run"),
    "raw_open": op("raw", CLI, 10, body=u32(7) + b"session" + u32(0, 0, 0)) + op("run"),
    "raw_confirm": op("open", SRV) + op("raw", CLI, 11, body=u32(0, 5, 0, 1024)) + op("run") + op("write", SRV, n=5),
    "raw_failed": op("open", SRV) + op("raw", CLI, 12, body=u32(0, 1, 0, 0)) + op("run"),
    "raw_success": OPEN + op("raw", CLI, 19, body=u32(0)) + op("run"),
    "raw_close": OPEN + op("raw", CLI, 17, body=u32(0)) * 2 + op("run"),
    "raw_pty": OPEN + op("raw", CLI, 18, body=u32(0, 7) + b"pty-req\1" + u32(2) + b"vt" + u32(1, 1, 1, 1, 1) + b"\0") +
               op("run") + op("reply", SRV),
    "raw_global": op("raw", CLI, 0, body=u32(1) + b"x\1") + op("run") + op("answer", SRV),
}

if __name__ == "__main__":
    where = os.path.join(os.path.dirname(os.path.abspath(__file__)), "corpus", "mux_pair")
    os.makedirs(where, exist_ok=True)
    for name, data in SEEDS.items():
        with open(os.path.join(where, name), "wb") as f:
            f.write(data)
