"""The inside of the namespaces: a reaper as process 1, the bench as its child."""
import json
import os
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(os.path.dirname(HERE), "system")]


def bench():
    import figures
    import lab
    import server
    import table
    job = json.loads(os.environ["BENCH_JOB"])
    lab.furnish()
    server.furnish(job)
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


def main():
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = bench()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    while True:                             # process 1: every orphan of the namespace ends here
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)


sys.exit(main())
