"""The inside of the room: the bench."""
import json
import os
import sys
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]

import room  # noqa: E402


def bench():
    import figures
    import lab
    import profiles
    import server
    import survive
    import table
    job = json.loads(os.environ["BENCH_JOB"])
    lab.furnish()
    server.furnish(job)
    if job["tree"]:
        server.furnish_tree(job["tree"], job["tree_client"])
    if job["survive"] or job["other"]:
        print(survive.bench(job))
        return 0
    if job["profile"]:
        print(profiles.bench(job))
        return 0
    began, load = time.strftime("%Y-%m-%d %H:%M"), os.getloadavg()[0]
    servers = [server.Measured(name) for name in job["servers"]]
    try:
        samples = figures.take(job, servers)
        text, data = table.make(job, servers, samples, began, load)
    finally:
        for s in servers:
            s.end()
    with open(job["build"] + "/bench.json", "w") as f:
        json.dump(data, f, indent=1)
        f.write("\n")
    print(text)
    return 0


sys.exit(room.reap_for(bench))
