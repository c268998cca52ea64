"""
A line with a long way: a relay that hands every byte on a fixed time after it came, in order, with no limit of its own that
matters (64 MiB under way). The figure asks for 100 ms there and back.
"""
import subprocess
import time

import figures
import lab
import relay


def seconds(client, **more):
    """Of one transfer without its login, which is some round trips of its own and timed by the caller."""
    began = time.monotonic()
    lab.same(client.wait(), 0, "status of ssh")
    return time.monotonic() - began


def rate(job, far, way):
    """MB/s of one transfer, less the time of a login that moves nothing."""
    command = {"up": "cat >/dev/null", "down": "head -c %d /dev/zero" % job["far_bytes"]}[way]
    empty = seconds(far.client("true", options=figures.CIPHER))
    if way == "up":
        with subprocess.Popen(["head", "-c", str(job["far_bytes"]), "/dev/zero"], stdout=subprocess.PIPE) as source:
            took = seconds(far.client(command, options=figures.CIPHER, stdin=source.stdout))
    else:
        took = seconds(far.client(command, options=figures.CIPHER))
    return job["far_bytes"] / 1e6 / max(took - empty, 0.001)


def figure(job, servers):
    """{server: {far_up_mb_s, far_down_mb_s}}"""
    relays = {s: relay.Relay(s, job["far_ms"] / 2e3) for s in servers}
    try:
        return {s: {"far_%s_mb_s" % way: rate(job, relays[s].far(), way) for way in ("up", "down")} for s in servers}
    finally:
        for r in relays.values():
            r.close()
