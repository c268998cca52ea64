"""Samples to a Markdown table and to what goes into the JSON file."""
import os
import platform
import statistics
import time

# figure, its row, digits, what coppiced / sshd should be (issue "Figures"), the floor's figure
ROWS = (
    ("login_cpu_ms", "login + `true`: CPU, ms", 2, "≤ 0.25", "login_cpu_ms"),
    ("login_wall_ms", "login + `true`: wall clock, ms", 1, "", "login_wall_ms"),
    ("session_pss_kib", "one idle session: memory (PSS), KiB", 0, "≤ 0.125", None),
    ("idle_pss_kib", "no session: memory of the daemon (PSS), KiB", 0, "", None),
    ("down_cpu_s", "exec down: CPU, s per GB", 3, "≤ 0.70", "down_cpu_s"),
    ("down_mb_s", "exec down: MB/s", 0, "≥ 1.00", "down_mb_s"),
    ("up_cpu_s", "exec up: CPU, s per GB", 3, "≤ 0.70", "up_cpu_s"),
    ("up_mb_s", "exec up: MB/s", 0, "≥ 1.00", "up_mb_s"),
    ("far_up_mb_s", "exec up, far away: MB/s", 1, "≥ 3", None),
    ("far_down_mb_s", "exec down, far away: MB/s", 1, "≥ 1.00", None),
    ("echo_median_us", "keystroke echo: median, µs", 0, "≤ 1.00", None),
    ("echo_p95_us", "keystroke echo: 95 of 100 within, µs", 0, "", None),
)

NOTES = """\
CPU is the kernel's account of the server's whole process tree (a control group), the dead included. Login: everything the server started, the
user's `sh -c true` too; %(logins)d logins, one here, one there. Memory: the server's processes without the user's shell, with %(sessions)d sessions on terminals, less
those with none, for each. Bulk: %(gb)g GB with aes128-gcm@openssh.com, one login included, without the CPU of the user's `head` or `cat`; the wall clock is the
client's. Far away: %(far)d MB through a relay that hands every byte on later, %(far_ms)d ms there and back, less the time of a login through it. Echo: %(keys)d keystrokes to a remote terminal, one here, one there. Floor: the bare work without a server, pipe, AES-128-GCM and loopback TCP in blocks of
256 KiB; fork and exec of `sh -c true` with the arithmetic of one handshake and login. Medians of %(reps)d repetitions in turn."""


def cpu_model():
    try:
        with open("/proc/cpuinfo") as f:
            return next(x.split(":", 1)[1].strip() for x in f if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def number(value, digits):
    return "" if value is None else "%.*f" % (digits, value)


def make(job, servers, samples, began, load):
    medians = {who: {k: statistics.median(v) for k, v in values.items()} for who, values in samples.items()}
    ours, theirs, floor = (medians.get(x, {}) for x in ("coppiced", "sshd", "floor"))
    idents = {s.name: s.ident.removeprefix("SSH-2.0-") for s in servers}
    lines = ["| | coppiced | sshd | ratio | aim | floor |", "|---|---:|---:|---:|---:|---:|"]
    for key, text, digits, aim, base in ROWS:
        a, b, c = ours.get(key), theirs.get(key), floor.get(base)
        if a is None and b is None and c is None:
            continue
        ratio = a / b if a is not None and b else None
        lines.append("| %s | %s | %s | %s | %s | %s |" % (text, number(a, digits), number(b, digits), number(ratio, 2), aim, number(c, digits)))
    where = "%s, %s, %d CPUs, Linux %s" % (began, cpu_model(), os.cpu_count(), platform.release())
    notes = NOTES % dict(job, gb=job["bytes"] / 1e9, far=job["far_bytes"] // 10**6)
    said = ", ".join("%s is %s" % x for x in sorted(idents.items()))
    text = "%s; %s. Load average at the start: %.1f.\n\n%s\n\n%s\n" % (where, said, load, "\n".join(lines), notes)
    data = {"date": began, "ended": time.strftime("%Y-%m-%d %H:%M"), "cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "load": load, "servers": idents, "options": {k: job[k] for k in ("reps", "logins", "sessions", "bytes", "far_bytes", "far_ms", "keys")},
            "medians": medians, "samples": samples}
    return text, data
