"""Live connections move to other processes (coppicectl handoff) under load: nobody notices."""
import subprocess

from lab import BUILD, HOST, Server, check, coppiced_only, limit, same, wait_until
import json


def handoff(server, *session):
    r = subprocess.run([BUILD + "/bin/coppicectl", "-s", server.control, "--json", "handoff", *session], stdout=subprocess.PIPE,
                       stderr=subprocess.PIPE, timeout=60)
    same(r.returncode, 0, "status of coppicectl handoff (%r)" % r.stderr)
    return json.loads(r.stdout)


@coppiced_only
def test_one_session_moves():
    with Server() as server:
        with server.popen("alice", "cat") as p:
            p.stdin.write(b"one\n")
            p.stdin.flush()
            same(p.stdout.readline(), b"one\n")
            rows = handoff(server)
            p.stdin.write(b"two\n")
            p.stdin.flush()
            same(p.stdout.readline(), b"two\n")
            p.stdin.close()
            same(p.wait(10), 0)
