"""Samples to a Markdown table and to what goes into the JSON file."""
import os
import platform
import statistics
import time

# figure, its row, digits, what coppiced / sshd should be (issue "Figures")
ROWS = (
    ("login_cpu_ms", "login + `true`: CPU, ms", 2, "≤ 0.143"),
    ("login_wall_ms", "login + `true`: wall clock, ms", 1, ""),
    ("session_pss_kib", "one idle session: memory (PSS), KiB", 0, "≤ 0.125"),
    ("idle_pss_kib", "no session: memory of the daemon (PSS), KiB", 0, ""),
    ("down_cpu_s", "exec down, aes128-gcm: CPU, s per GB", 3, "≤ 0.70"),
    ("down_chacha_cpu_s", "exec down, chacha20-poly1305: CPU, s per GB", 3, ""),
    ("down_mb_s", "exec down, aes128-gcm: MB/s", 0, "≥ 1.00"),
    ("down_chacha_mb_s", "exec down, chacha20-poly1305: MB/s", 0, "≥ 1.00"),
    ("up_cpu_s", "exec up, aes128-gcm: CPU, s per GB", 3, "≤ 0.70"),
    ("up_chacha_cpu_s", "exec up, chacha20-poly1305: CPU, s per GB", 3, ""),
    ("up_mb_s", "exec up, aes128-gcm: MB/s", 0, "≥ 1.00"),
    ("up_chacha_mb_s", "exec up, chacha20-poly1305: MB/s", 0, "≥ 1.00"),
    ("far_up_mb_s", "exec up, far away: MB/s", 1, "≥ 3"),
    ("far_down_mb_s", "exec down, far away: MB/s", 1, "≥ 1.00"),
    ("echo_median_us", "keystroke echo: median, µs", 0, "≤ 1.00"),
    ("echo_p95_us", "keystroke echo: 95 of 100 within, µs", 0, ""),
)

# what stands in the first column, digits, coppiced's figure, the floor's figure, what the one / the other should be
FLOOR = (
    ("login + `true`, ms: **floor**, one process", 2, "login_cpu_ms", "login_cpu_ms", "≤ 1.50"),
    ("of it arithmetic of the handshake", 3, None, "login_arithmetic_cpu_ms", ""),
    ("of it fork and wait of an empty child", 3, None, "login_fork_cpu_ms", ""),
    ("of it exec of `sh -c true`", 3, None, "login_exec_cpu_ms", ""),
    ("login + `true`, ms: *separated*, four processes, three users", 2, "login_cpu_ms", "login_separated_cpu_ms", ""),
    ("exec down, aes128-gcm, s per GB: **floor**, packets of 32 KiB", 3, "down_cpu_s", "down_cpu_s", "≤ 1.25"),
    ("exec down, aes128-gcm, s per GB: *packets of 256 KiB*", 3, "down_cpu_s", "down_256k_cpu_s", ""),
    ("exec down, chacha20-poly1305, s per GB: **floor**, packets of 32 KiB", 3, "down_chacha_cpu_s", "down_chacha_cpu_s", "≤ 1.25"),
    ("exec down, chacha20-poly1305, s per GB: *packets of 256 KiB*", 3, "down_chacha_cpu_s", "down_chacha_256k_cpu_s", ""),
    ("exec up, aes128-gcm, s per GB: **floor**, packets of 32 KiB", 3, "up_cpu_s", "up_cpu_s", "≤ 1.25"),
    ("exec up, aes128-gcm, s per GB: *packets of 256 KiB*", 3, "up_cpu_s", "up_256k_cpu_s", ""),
    ("exec up, chacha20-poly1305, s per GB: **floor**, packets of 32 KiB", 3, "up_chacha_cpu_s", "up_chacha_cpu_s", "≤ 1.25"),
    ("exec up, chacha20-poly1305, s per GB: *packets of 256 KiB*", 3, "up_chacha_cpu_s", "up_chacha_256k_cpu_s", ""),
)

NOTES = """\
CPU is the kernel's account of the server's whole process tree (a control group), the dead included. Login: everything the server started, the
user's `sh -c true` too; %(logins)d logins, one here, one there; the key exchange is what the client and each server agree on (%(kex)s). Memory: the server's
processes without the user's shell, with %(sessions)d sessions on terminals, less those with none, for each. Bulk: %(gb)g GB, one login included, without the CPU of
the user's `head` or `cat`; the wall clock is the client's. Far away: %(far)d MB through a relay that hands every byte on later, %(far_ms)d ms there and back, less
the time of a login through it. Echo: %(keys)d keystrokes to a remote terminal, one here, one there.

The floor is the bare work without a server. Bulk: pipe, cipher and loopback TCP in blocks of 256 KiB, by libgcrypt, in packets of 32 KiB, which are what the
client sends and the largest it takes; with packets of 256 KiB it would be what stands below it. Login: in one process the arithmetic of coppiced's key exchange, of an
Ed25519 host signature, its check and that of the user's, then fork and exec of `sh -c true`. *Separated* is not the floor, but what no server can do without that
gives each part its own user: a process for the arithmetic, one that becomes the user to read his keys, one that becomes him and executes his shell, without a
word between them. Figures are medians of %(reps)d repetitions; ratios are medians of the ratios within one repetition, in which servers and floor take turns."""


def cpu_model():
    try:
        with open("/proc/cpuinfo") as f:
            return next(x.split(":", 1)[1].strip() for x in f if x.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def number(value, digits):
    return "" if value is None else "%.*f" % (digits, value)


def line(*cells):
    return "| %s |" % " | ".join(cells)


def head(*cells):
    return [line(*cells), "|---|" + "---:|" * (len(cells) - 1)]


class Samples:
    def __init__(self, samples):
        self.samples = samples
        self.medians = {who: {k: statistics.median(v) for k, v in values.items()} for who, values in samples.items()}

    def median(self, who, key):
        return self.medians.get(who, {}).get(key)

    def ratio(self, ours, theirs, key, other):
        """Of what was measured in the same repetition."""
        a, b = self.samples.get(ours, {}).get(key), self.samples.get(theirs, {}).get(other)
        return statistics.median(x / y for x, y in zip(a, b)) if a and b else None


def beside_servers(got, names):
    others = [n for n in names if n != "coppiced"]
    lines = head("", *(["coppiced"] if "coppiced" in names else []), *(x for n in others for x in (n, "ratio")), "aim")
    for key, text, digits, aim in ROWS:
        if all(got.median(n, key) is None for n in names):
            continue
        ours = [number(got.median("coppiced", key), digits)] if "coppiced" in names else []
        lines.append(line(text, *ours, *(x for n in others for x in (number(got.median(n, key), digits), number(got.ratio("coppiced", n, key, key), 3))), aim))
    return lines


def beside_floor(got):
    lines = head("CPU", "coppiced", "floor", "ratio", "aim")
    for text, digits, key, base, aim in FLOOR:
        if got.median("floor", base) is not None:
            lines.append(line(text, number(got.median("coppiced", key), digits), number(got.median("floor", base), digits),
                              number(got.ratio("coppiced", "floor", key, base), 3), aim))
    return lines if len(lines) > 2 else []


def make(job, servers, samples, began, load):
    got = Samples(samples)
    idents = {s.name: s.ident.removeprefix("SSH-2.0-") for s in servers}
    where = "%s, %s, %d CPUs, Linux %s" % (began, cpu_model(), os.cpu_count(), platform.release())
    kex = ", ".join("%s: %s" % (s.name, s.exchange) for s in servers)
    notes = NOTES % dict(job, gb=job["bytes"] / 1e9, far=job["far_bytes"] // 10**6, kex=kex)
    said = ", ".join("%s is %s" % x for x in sorted(idents.items()))
    tables = [beside_servers(got, list(idents)) if servers else [], beside_floor(got)]
    text = "%s; %s. Load average at the start: %.1f.\n\n%s\n\n%s\n" % (where, said, load, "\n\n".join("\n".join(t) for t in tables if t), notes)
    data = {"date": began, "ended": time.strftime("%Y-%m-%d %H:%M"), "cpu": cpu_model(), "cpus": os.cpu_count(), "kernel": platform.release(),
            "load": load, "servers": idents, "exchanges": {s.name: s.exchange for s in servers},
            "options": {k: job[k] for k in ("reps", "logins", "sessions", "bytes", "far_bytes", "far_ms", "keys")},
            "medians": got.medians, "samples": samples}
    return text, data
