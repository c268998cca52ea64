"""What SurviveCrash costs: the same daemon without and with it, in turn, so that a slow minute meets both. Or what a change does: two builds."""
import os
import statistics
import sys
import time

import figures
import lab
import server
import table

HEAD = "| CPU | %s: median | %s: median | ratio | half of the pairs within | %s: least | %s: least | ratio |"


def servers_of(job):
    """(their names in the table, they themselves): first what the second is compared with."""
    if not job["other"]:
        return ("SurviveCrash no", "yes"), [server.Measured("coppiced", "-survive-" + x, ("SurviveCrash " + x,)) for x in ("no", "yes")]
    other = os.path.abspath(job["other"])
    lab.check(os.path.exists(other + "/sbin/coppiced"), "no daemon was built in " + other)
    return ("other build", "this one"), [server.Measured("coppiced", "-other", build=other), server.Measured("coppiced")]


def sample(job, turn, figure, cipher):
    """CPU of each, once: {server: value}. Logins take turns among themselves."""
    if figure == "login":
        return {s: got["login_cpu_ms"] for s, got in figures.login(job, turn).items()}
    return {s: figures.WAYS[figure](job, s, ("Ciphers=" + cipher,))[figure + "_cpu_s"] for s in turn}


def row(figure, cipher, pairs):
    """The first ratio is the median of the pairs' ratios: the two of a pair had the same minute."""
    a, b = zip(*pairs)
    ratios = sorted(y / x for x, y in pairs)
    within = "%.3f to %.3f" % (ratios[len(ratios) // 4], ratios[-1 - len(ratios) // 4])
    what = "login + `true`, ms" if figure == "login" else "exec %s, %s, s per GB" % (figure, cipher)
    return "| %s | %.3f | %.3f | %.3f | %s | %.3f | %.3f | %.3f |" % (what, statistics.median(a), statistics.median(b), statistics.median(ratios), within,
                                                                     min(a), min(b), min(b) / min(a))


def rounds(job):
    """(figure, cipher) of one repetition"""
    return [(f, c) for f in job["figures"] if f == "login" or f in figures.WAYS for c in ((None,) if f == "login" else job["cipher"] or figures.CIPHERS)]


def bench(job):
    began, load = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    names, servers = servers_of(job)
    pairs = {}
    lab.check(rounds(job), "no figure of login, down and up was asked for")
    try:
        for s in servers:
            s.begin()
        for rep in range(job["reps"]):
            for figure, cipher in rounds(job):
                print("bench: %s, repetition %d of %d" % (" ".join(filter(None, (figure, cipher))), rep + 1, job["reps"]), file=sys.stderr, flush=True)
                got = sample(job, servers if rep % 2 == 0 else servers[::-1], figure, cipher)
                pairs.setdefault((figure, cipher), []).append([got[s] for s in servers])
    finally:
        for s in servers:
            s.end()
    lines = [HEAD % (names * 2), "|---|---:|---:|---:|---:|---:|---:|---:|"]
    lines += [row(figure, cipher, got) for (figure, cipher), got in pairs.items()]
    return "%s, %s, %d CPUs; %d pairs, each of %d logins, %g GB. Load average at the start: %.1f.\n\n%s" % (
        began, table.cpu_model(), os.cpu_count(), job["reps"], job["logins"], job["bytes"] / 1e9, load, "\n".join(lines))
