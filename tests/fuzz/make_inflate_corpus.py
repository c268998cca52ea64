#!/usr/bin/env python3
"""make_inflate_corpus - seeds of fuzz_inflate: what real peers' streams look like, and what bad ones do. make_inflate_corpus.py [DIR]"""
import random
import struct
import sys
import zlib
from pathlib import Path

TO = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "corpus" / "inflate"


def pieces(first, parts):
    return bytes([first]) + b"".join(struct.pack(">H", len(p)) + p for p in parts)


def stream(payloads, flush, level=6, window=15):
    z = zlib.compressobj(level, zlib.DEFLATED, window)
    return [z.compress(p) + z.flush(flush) for p in payloads]


def main():
    r = random.Random(1)
    words = [b"the quick brown fox ", b"drwxr-xr-x 2 root root 4096 ", b"\x5e\0\0\0\0\0\0\0\x05hello"]
    short = [r.choice(words) * r.randrange(1, 9) for _ in range(8)]
    noise = [r.randbytes(r.randrange(1, 900)) for _ in range(4)]
    seeds = {
        "partial": pieces(0, stream(short, zlib.Z_PARTIAL_FLUSH)), "sync": pieces(0, stream(short + noise, zlib.Z_SYNC_FLUSH)),
        "full": pieces(0, stream(short, zlib.Z_FULL_FLUSH)), "stored": pieces(0, stream(noise, zlib.Z_PARTIAL_FLUSH, 0)),
        "small-window": pieces(0, stream(short, zlib.Z_PARTIAL_FLUSH, 9, 9)), "ends": pieces(0, stream(short[:1], zlib.Z_FINISH)),
        "bomb": pieces(0, stream([bytes(1 << 20)], zlib.Z_SYNC_FLUSH)), "cut": pieces(0, [p[:-2] for p in stream(short, zlib.Z_SYNC_FLUSH)]),
        "putty": pieces(0, [bytes.fromhex("7801") + bytes([0x4b, 0x04, 0x40, 0x00]), bytes.fromhex("4a02002000")]),
        "payloads": pieces(1, short + noise), "payloads-moved": pieces(0xff, short + noise), "payload-big": pieces(0x55, [bytes(8000), r.randbytes(8000)]),
    }
    TO.mkdir(parents=True, exist_ok=True)
    for name, data in seeds.items():
        (TO / name).write_bytes(data)


if __name__ == "__main__":
    main()
