"""Rooms for tests: mount, pid, network and IPC namespaces of their own, which vanish with everything in them."""
import glob
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback

FORGET = ("SSH_AUTH_SOCK", "SSH_ASKPASS", "DISPLAY", "XDG_RUNTIME_DIR", "NOTIFY_SOCKET", "LISTEN_FDS", "LISTEN_PID", "LISTEN_FDNAMES", "WATCHDOG_USEC")


def inside(script, arguments, build, keep=False, **settings):
    """Runs a Python script in a room with LAB_* settings; its exit status. Needs root."""
    if os.geteuid() != 0:
        sys.exit("these tests make accounts in namespaces of their own, which needs root")
    scratch = tempfile.mkdtemp(prefix="coppice-system-")
    os.chmod(scratch, 0o755)
    env = dict(os.environ, LAB_SCRATCH=scratch, LAB_BUILD=os.path.abspath(build), LAB_KEEP="1" if keep else "", PYTHONWARNINGS="ignore",
               PYTHONDONTWRITEBYTECODE="1", LC_ALL="C.UTF-8", **{"LAB_" + k.upper(): str(v) for k, v in settings.items()})
    for name in FORGET:
        env.pop(name, None)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        return subprocess.call(["setpriv", "--pdeathsig", "KILL", "unshare", "--mount", "--pid", "--net", "--ipc", "--uts", "--fork", "--kill-child",
                                "--mount-proc", sys.executable, script] + arguments, env=env, stdin=subprocess.DEVNULL)
    finally:
        for left in glob.glob("/sys/fs/cgroup/{0}".format(os.path.basename(scratch))) + glob.glob("/sys/fs/cgroup/*/{0}".format(os.path.basename(scratch))):
            remove_group(left)  # a test that was killed did not
        if keep:
            print("kept: " + scratch)
        else:
            shutil.rmtree(scratch, ignore_errors=True)


def remove_group(path, seconds=10):
    """Who was in it has been killed, and may need a moment to be gone."""
    end = time.monotonic() + seconds
    while True:
        try:
            os.rmdir(path)
            return
        except FileNotFoundError:
            return
        except OSError as e:
            if time.monotonic() >= end:
                print("%s stays: %s" % (path, e), file=sys.stderr)
                return
            time.sleep(0.05)


def reap_for(runner):
    """In a room: process 1, where every orphan ends; runner() is its child, whose result is the exit status."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = runner()
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)
    while True:
        pid, status = os.wait()
        if pid == child:
            return os.waitstatus_to_exitcode(status)
