#!/usr/bin/env python3
"""sizes - files above 600 lines and functions above 60 are named; above 900 and 120 they are an error.

A test's file may be as long as the table it covers: it is only named."""
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FILE_LONG, FILE_MOST, FUNCTION_LONG, FUNCTION_MOST = 600, 900, 60, 120
FOLDERS = ["base", "ssh", "ssh/crypto", "ipc", "conf", "supervisor", "ctl", "reporter", "keeper", "acceptor", "guard",
           "connection", "channels", "subsystems"]


def functions(lines):
    """(index of the first line, number of lines) of each function: its braces stand alone in column 0."""
    start = None
    for i, line in enumerate(lines):
        if line == "{" and start is None:
            start = i
            while start > 0 and lines[start - 1].strip() and lines[start - 1][0] not in "}#/*" \
                    and not lines[start - 1].endswith(("*/", ";")):
                start -= 1
        elif line == "}" and start is not None:
            yield start, i - start + 1
            start = None


def main():
    failed, files = False, 0
    for folder in FOLDERS + ["tests"]:
        base = ROOT / folder
        found = base.rglob("*.c") if folder == "tests" else base.glob("*.[ch]")
        for f in sorted(found):
            lines = f.read_text().splitlines()
            files += 1
            name = f.relative_to(ROOT)
            if len(lines) > FILE_LONG:
                most = len(lines) > FILE_MOST and folder != "tests"
                failed |= most
                print(f"{'OFFENDER' if most else 'long'} {name}: {len(lines)} lines")
            for at, n in functions(lines):
                if n > FUNCTION_LONG:
                    failed |= n > FUNCTION_MOST
                    print(f"{'OFFENDER' if n > FUNCTION_MOST else 'long'} {name}:{at + 1}: {n} lines: {lines[at].strip()}")
    if files == 0:
        print("OFFENDER no source file was found")
    elif not failed:
        print(f"OK {files} files")
    return 1 if failed or files == 0 else 0


if __name__ == "__main__":
    sys.exit(main())
