#!/usr/bin/env python3
"""Writes ipc/PROTOCOL.md from ipc/messages.def; with --check fails when the file differs."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SOURCE, TARGET = ROOT / "ipc/messages.def", ROOT / "ipc/PROTOCOL.md"
ROW = re.compile(r'MSG\((0x[0-9a-f]+),\s*(\w+),\s*([\w|]+),\s*([\w|]+),\s*FDS\((\d+),\s*(\d+)\),\s*([\w|]+),\s*(\w+),'
                 r'(.*?)"((?:[^"\\]|\\.)*)"\)', re.S)
ROLES = {"R_SUP": "supervisor", "R_ACC": "acceptor", "R_NUR": "nursery", "R_CONN": "connection", "R_KEY": "keysign",
         "R_AUTH": "auth", "R_REP": "reporter", "R_WRK": "worker", "R_CTL": "coppicectl", "R_KEEP": "keeper",
         "R_CHILD": "any helper", "R_ANY": "anyone"}


def words(bits, names):
    return ", ".join(names.get(b, b) for b in bits.split("|"))


def fields(text):
    return " ".join(f"`{kind} {name.split(',')[0].strip()}{'≤' + name.split(',')[1].strip() if ',' in name else ''}`"
                    for kind, name in re.findall(r"(\w+)\(([^)]*)\)", text))


def render():
    out = ["<!-- generated from messages.def by tests/lint/ipc-doc.py; do not edit -->",
           "# How Coppice's processes talk", "",
           "Each link is one `SOCK_SEQPACKET` socket whose two ends are fixed when it is made. A message is a number, its fields and its",
           "descriptors, in one datagram. Integers are big-endian, texts and bytes carry a 32-bit length. Both ends check, in this order: number,",
           "sender, receiver, state of the link, number of descriptors, exact length; only then a handler runs. A violation ends the link.",
           "", "States of a link: NEW until READY, UP, AUTHED once auth granted the connection's user; LOG is the log socket.", ""]
    text = re.sub(r"/\* ---- (.*?) -+ \*/", r"@@\1@@", SOURCE.read_text())
    rows = 0
    for part in re.split(r"(@@.*?@@)", text):
        if part.startswith("@@"):
            out += ["", f"## {part.strip('@').strip().capitalize()}", "",
                    "| number | message | from → to | state | descriptors | answer | fields | meaning |", "|---|---|---|---|---|---|---|---|"]
        for m in ROW.finditer(part):
            no, name, frm, to, lo, hi, when, answer, fs, doc = m.groups()
            fds = lo if lo == hi else f"{lo}–{hi}"
            out.append(f"| {no} | {name} | {words(frm, ROLES)} → {words(to, ROLES)} | {when.replace('W_', '').replace('|', ', ')} | {fds} | "
                       f"{'' if answer == 'NONE' else answer} | {fields(fs)} | {doc} |".replace('\\"', '"'))
            rows += 1
    declared = len(re.findall(r"^MSG\(", SOURCE.read_text(), re.M))
    if rows != declared:
        sys.exit(f"ipc-doc: {declared} rows declared, {rows} understood")
    return "\n".join(out) + "\n"


def main():
    text = render()
    if "--check" in sys.argv:
        if not TARGET.exists() or TARGET.read_text() != text:
            sys.exit("ipc/PROTOCOL.md is not what messages.def says; run tests/lint/ipc-doc.py")
        print("ipc/PROTOCOL.md is up to date")
    else:
        TARGET.write_text(text)


main()
