"""The inside of the room: the runner of the tests."""
import glob
import importlib
import os
import signal
import sys
import time
import traceback

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, HERE)

import room  # noqa: E402

MODULES = sorted(os.path.basename(path)[:-3] for path in glob.glob(os.path.join(HERE, "test_*.py")))
LIMIT = 180         # seconds for one test, unless it says otherwise


def tests():
    found = []
    for name in MODULES:
        module = importlib.import_module(name)
        for key, value in vars(module).items():
            if key.startswith("test_") and callable(value) and value.__module__ == name:
                found.append((name[5:] + "." + key[5:], value))
    return found


def too_long(signum, frame):
    raise TimeoutError("the test took too long")


def run_one(name, function):
    import lab
    began = time.monotonic()
    signal.signal(signal.SIGALRM, too_long)
    signal.alarm(getattr(function, "limit", LIMIT))
    try:
        function()
        signal.alarm(0)
        lab.end_of_test()
        result = None
    except lab.NotHere as e:
        result = "not run: %s" % e
    except BaseException as e:              # a failure must not stop the others
        signal.alarm(0)
        result = "%s: %s" % (type(e).__name__, e)
        if os.environ.get("LAB_TRACE") or not isinstance(e, lab.Failure):
            traceback.print_exc()
        lab.show_logs(name)
        try:
            lab.end_of_test(failed=True)
        except BaseException:
            traceback.print_exc()
    finally:
        signal.alarm(0)
    took = time.monotonic() - began
    word = "ok  " if result is None else "skip" if result.startswith("not run") else "FAIL"
    print("%s %-44s %6.1f s%s" % (word, name, took, "" if result is None else "  " + result), flush=True)
    return word


def runner():
    import lab
    lab.furnish()
    wanted = sys.argv[1:]
    count = {"ok  ": 0, "FAIL": 0, "skip": 0}
    part, parts = (int(n) for n in os.environ.get("LAB_PART", "1/1").split("/"))
    chosen = [(name, function) for name, function in tests() if not wanted or any(w in name for w in wanted)]
    for name, function in chosen[part - 1::parts]:
        count[run_one(name, function)] += 1
    print("%d passed, %d failed" % (count["ok  "], count["FAIL"]) + (", %d do not apply" % count["skip"] if count["skip"] else ""))
    return 1 if count["FAIL"] or not count["ok  "] else 0


def main():
    if sys.argv[1:] == ["--list"]:
        print("\n".join(name for name, _ in tests()))
        return 0
    return room.reap_for(runner)


sys.exit(main())
