#!/usr/bin/python3
"""make_packet_corpus.py FOLDER - seeds of fuzz_packet: for each cipher with each MAC one of four changes to a packet."""
import os
import sys

PAIRS = 5 + 7 * 8       # AEADs, and the others with every MAC


def main(folder):
    os.makedirs(folder, exist_ok=True)
    changes = [("whole", 37, 0, b""), ("length", 50, 0x5a, b"\x80"), ("tag", 20, 0, bytes(48) + b"\1"), ("block", 1000, 0x33, bytes(16) + b"\x55" * 16)]
    seeds = [("%s-%d" % (changes[i % 4][0], i), i, i // 4 % 2) + changes[i % 4][1:] for i in range(PAIRS)]
    seeds.append(("long", 40, 0, 65535, 1, b"\0\0\0\x10"))
    for name, pair, role, length, noise, mask in seeds:
        with open(os.path.join(folder, name), "wb") as f:
            f.write(bytes([pair, role]) + length.to_bytes(2, "big") + bytes([noise]) + mask)


main(sys.argv[1])
