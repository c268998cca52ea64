"""What SurviveCrash costs: the same daemon without and with it, in turn, so that a slow minute meets both. Or what a change does: two builds."""
import os
import statistics
import sys
import time

import figures
import lab
import server
import table

CIPHERS = ("aes128-gcm@openssh.com", "chacha20-poly1305@openssh.com")
WAYS = {"down": figures.down, "up": figures.up}


def sample(job, servers, way, cipher):
    """CPU seconds per GB of each, once."""
    options = ("Ciphers=" + cipher,)
    return [WAYS[way](job, s, options)[way + "_cpu_s"] for s in servers]


def row(way, cipher, pairs):
    """The ratio is the median of the pairs' ratios: the two of a pair had the same minute."""
    no, yes = (statistics.median(x) for x in zip(*pairs))
    ratios = sorted(b / a for a, b in pairs)
    return "| exec %s, %s | %.3f | %.3f | %.3f | %.3f to %.3f |" % (way, cipher, no, yes, statistics.median(ratios), ratios[len(ratios) // 4],
                                                                  ratios[-1 - len(ratios) // 4])


def bench(job):
    began, load = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    if job["other"]:
        what, servers = ("other build", "this one"), [server.Measured("coppiced", "-other", build=os.path.abspath(job["other"])), server.Measured("coppiced")]
    else:
        what, servers = ("SurviveCrash no", "yes"), [server.Measured("coppiced", "-survive-" + x, ("SurviveCrash " + x,)) for x in ("no", "yes")]
    pairs = {}
    try:
        for s in servers:
            s.begin()
        for rep in range(job["reps"]):
            for way in (x for x in job["figures"] if x in WAYS):
                for cipher in job["cipher"] or CIPHERS:
                    print("bench: %s %s, repetition %d of %d" % (way, cipher, rep + 1, job["reps"]), file=sys.stderr, flush=True)
                    turn = servers if rep % 2 == 0 else servers[::-1]
                    got = dict(zip(turn, sample(job, turn, way, cipher)))
                    pairs.setdefault((way, cipher), []).append([got[s] for s in servers])
    finally:
        for s in servers:
            s.end()
    lab.check(pairs, "no figure of down and up was asked for")
    lines = ["| CPU, s per GB | %s | %s | ratio | half of the pairs within |" % what, "|---|---:|---:|---:|---:|"]
    lines += [row(way, cipher, got) for (way, cipher), got in pairs.items()]
    return "%s, %s, %d CPUs; medians of %d pairs of %g GB. Load average at the start: %.1f.\n\n%s" % (
        began, table.cpu_model(), os.cpu_count(), job["reps"], job["bytes"] / 1e9, load, "\n".join(lines))
