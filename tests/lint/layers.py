#!/usr/bin/env python3
"""layers - includes and link libraries against tests/lint/layers.txt. Prints offenders; exit 1 when there are any."""
import fnmatch
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
INCLUDE = re.compile(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', re.M)
KINDS = {"PUBLIC", "PRIVATE", "INTERFACE"}


def read_rules(text):
    """{folder: {include, only, also, link, library}}, guarded headers."""
    rules, guarded, now = {}, [], None
    for line in text.splitlines():
        line = line.split("#")[0].strip()
        if not line:
            continue
        if line.startswith("["):
            now = rules.setdefault(line.strip("[]"), {k: [] for k in ("include", "only", "also", "link", "library")})
            continue
        word, *rest = line.split()
        if word == "guarded":
            guarded = rest
        elif word == "system":
            now[rest[0]] += rest[1:]
        else:
            now[word] += rest
    return rules, guarded


def folder_of(path, rules):
    """The longest folder of the table that path lies in."""
    return max((f for f in rules if path.startswith(f + "/")), key=len, default=None)


def matches(name, patterns):
    return any(fnmatch.fnmatchcase(name, p) for p in patterns)


def include_faults(path, text, rules, guarded):
    """What one source file includes and must not."""
    folder = folder_of(path, rules)
    rule, faults, firsts = rules[folder], [], INCLUDE.findall(text)
    for quote, name in firsts:
        if quote == '"':
            owner = folder_of(name, rules)
            if owner is None:
                faults.append(f'{path}: "{name}" is not written from the root, or its folder is in no layer')
            elif owner != folder and owner not in rule["include"] and name not in rule["include"]:
                faults.append(f'{path}: {folder} may not include "{name}"')
        elif rule["only"]:
            if not matches(name, rule["only"]):
                faults.append(f"{path}: {folder} may not include <{name}>")
        elif matches(name, guarded) and not matches(name, rule["also"]):
            faults.append(f"{path}: {folder} may not include <{name}>")
    own = path[:-2] + ".h"
    if path.endswith(".c") and (ROOT / own).exists() and (not firsts or firsts[0] != ('"', own)):
        faults.append(f"{path}: its own header must be included first")
    return faults


def commands(text, name):
    text = re.sub(r"#[^\n]*", "", text)
    return [m.split() for m in re.findall(name + r"\s*\(([^)]*)\)", text)]


def link_faults(path, text, rules):
    """What the targets of one CMakeLists.txt link and must not."""
    home = path.rsplit("/", 1)[0]
    owner = {lib: f for f, r in rules.items() for lib in r["library"]}
    wanted = [(a[0], [w for w in a[1:] if w not in KINDS]) for a in commands(text, "target_link_libraries")]
    for a in commands(text, "coppice_program"):
        wanted.append((a[0], a[a.index("LIBS") + 1:] if "LIBS" in a else []))
    faults = [f"{path}: library {a[0]} is in no line of layers.txt" for a in commands(text, "add_library")
              if a[0] not in owner]
    for target, libs in wanted:
        folder = owner.get(target, home)
        allowed = rules[folder]["link"] + rules[folder]["library"]
        faults += [f"{path}: {target} ({folder}) may not link {lib}" for lib in libs if lib not in allowed]
    return faults


def main():
    rules, guarded = read_rules((HERE / "layers.txt").read_text())
    faults, files = [], 0
    for folder in sorted(rules):
        base = ROOT / folder
        for f in sorted(p for p in base.glob("*") if p.suffix in (".c", ".h", ".def")):
            faults += include_faults(str(f.relative_to(ROOT)), f.read_text(), rules, guarded)
            files += 1
        cmake = base / "CMakeLists.txt"
        if cmake.exists():
            faults += link_faults(str(cmake.relative_to(ROOT)), cmake.read_text(), rules)
    for cmake in sorted(ROOT.glob("*/CMakeLists.txt")):
        if cmake.parent.name not in rules and cmake.parent.name not in ("tests", "build"):
            faults.append(f"{cmake.parent.name}/: a folder that is in no layer")
    for f in faults:
        print("OFFENDER", f)
    if files == 0:
        faults.append("nothing")
        print("OFFENDER no source file was found")
    if not faults:
        print(f"OK {files} files")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
