"""sftp and scp, by the stock programs."""
import os
import stat
import subprocess

from lab import (COPPICE, HOST, Server, UIDS, below, check, digest_of, key, limit, random_file, same, wait_until)


def scp(s, *words, flags=(), ok=True):
    argv = ["scp", "-P", str(s.port)] + s.options() + list(flags) + list(words)
    r = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, timeout=120)
    if ok is not None:
        check((r.returncode == 0) == ok, "scp ended with %d" % r.returncode, r.stdout)
    return r.stdout


@limit(600)
def test_sftp_256_megabytes_each_way():
    path, digest = random_file(256)
    with Server() as s:
        back = s.dir + "/back"
        s.sftp("bob", "put %s big\nget big %s\nrm big\n" % (path, back), timeout=500)
        same(digest_of(back), digest, "digest")
        os.unlink(back)


def test_sftp_every_command():
    with Server() as s:
        here = s.dir + "/here"
        os.makedirs(here + "/tree/sub")
        for name in ("a", "tree/b", "tree/sub/c"):
            with open("%s/%s" % (here, name), "w") as f:
                f.write("content of " + name)
        out = s.sftp("bob", """lcd {0}
pwd
mkdir d
put a d/a
put -R tree d
chmod 640 d/a
ls -la d
rename d/a d/A
ln d/A d/hard
ln -s A d/soft
ls -l d/soft
get d/A {0}/A
get -p d/soft {0}/soft
get -R d/tree {0}/tree-back
-mkdir d
-rm none
-get none
-rmdir d
df -h d
-reput a d/A
-reget d/A {0}/A
""".format(here))
        check("Remote working directory: /home/bob" in out, "pwd", out)
        for name, original in (("A", "a"), ("soft", "a"), ("tree-back/b", "tree/b"), ("tree-back/sub/c", "tree/sub/c")):
            with open("%s/%s" % (here, name)) as f:
                same(f.read(), "content of " + original, name)
        d = "/home/bob/d"
        st = os.stat(d + "/A")
        same((stat.S_IMODE(st.st_mode), st.st_uid, st.st_nlink), (0o640, UIDS["bob"], 2), "mode, owner, links")
        same(os.readlink(d + "/soft"), "A", "link")
        check("-rw-r-----" in out, "long listing", out)
        s.sftp("bob", "-rm d/*\nrm d/tree/sub/*\nrm d/tree/b\nrmdir d/tree/sub\nrmdir d/tree\nrmdir d\n")
        check(not os.path.exists(d), "it is still there")


def test_sftp_is_the_user():
    with Server() as s:
        for batch in ("get /etc/shadow %s/x\n" % s.dir, "put %s /etc/evil\n" % key("ed25519"), "rm /etc/passwd\n", "chmod 777 /etc\n",
                      "rename /home/alice/.ssh /home/alice/.ssh2\n", "mkdir /home/alice/x\n", "ls /root\n"):
            s.sftp("bob", batch, ok=False)
        check(os.path.exists("/etc/passwd") and not os.path.exists("/etc/evil"), "damage was done")


def test_sftp_does_not_hang_on_a_fifo():
    with Server() as s:
        if not COPPICE:
            return
        path = "/home/bob/fifo"
        os.mkfifo(path)
        os.chown(path, UIDS["bob"], UIDS["bob"])
        try:
            s.sftp("bob", "put %s fifo\n" % (key("ed25519") + ".pub"), ok=False, timeout=20)
            s.sftp("bob", "get fifo %s/x\n" % s.dir, ok=False, timeout=20)
        finally:
            os.unlink(path)


def test_sftp_big_directory():
    os.makedirs("/home/bob/many", exist_ok=True)
    for i in range(2500):
        with open("/home/bob/many/file-%d" % i, "w"):
            pass
    with Server() as s:
        out = s.sftp("bob", "ls -1 many\n")
        same(sum("many/file-" in line for line in out.splitlines()), 2500, "entries")


def test_scp_old_and_new():
    path, digest = random_file(8)
    with Server() as s:
        for flags in (("-O",), ()):
            back = s.dir + "/back"
            scp(s, path, "bob@%s:copy" % HOST, flags=flags)
            same(digest_of("/home/bob/copy"), digest, "there %r" % (flags,))
            same(os.stat("/home/bob/copy").st_uid, UIDS["bob"], "owner")
            scp(s, "bob@%s:copy" % HOST, back, flags=flags)
            same(digest_of(back), digest, "back %r" % (flags,))
            os.unlink("/home/bob/copy")
            os.unlink(back)
            scp(s, "bob@%s:none" % HOST, back, flags=flags, ok=False)


def test_scp_keeps_times_and_modes_of_a_tree():
    with Server() as s:
        top = s.dir + "/tree"
        os.makedirs(top + "/sub dir")
        for name in ("x", "sub dir/y z"):
            with open("%s/%s" % (top, name), "w") as f:
                f.write(name)
            os.chmod("%s/%s" % (top, name), 0o751)
            os.utime("%s/%s" % (top, name), (1000000000, 1100000000))
        for flags in (("-O",), ()):
            scp(s, top, "bob@%s:tree" % HOST, flags=flags + ("-r", "-p"))
            for name in ("x", "sub dir/y z"):
                st = os.stat("/home/bob/tree/" + name)
                same((stat.S_IMODE(st.st_mode), st.st_mtime), (0o751, 1100000000), name)
            subprocess.run(["rm", "-r", "/home/bob/tree"], check=True)


def test_subsystem_options():
    with Server("Subsystem sftp internal-sftp -u 077") as s:
        s.sftp("bob", "put %s masked\n" % (key("ed25519") + ".pub"))
        same(stat.S_IMODE(os.stat("/home/bob/masked").st_mode) & 0o077, 0, "mode bits for others")
        os.unlink("/home/bob/masked")
    with Server("Subsystem sftp internal-sftp -R") as s:
        s.sftp("bob", "put %s no\n" % key("ed25519"), ok=False)
        s.sftp("bob", "ls\n")
        check(not os.path.exists("/home/bob/no"), "it was written")


def test_external_subsystem_command():
    with Server("Subsystem sftp /usr/lib/openssh/sftp-server", "Subsystem hello /bin/echo hello there") as s:
        s.sftp("bob", "ls\n")
        r = s.ssh("bob", "hello", flags=("-s",), ok=True)
        same(r.stdout, b"hello there\n", "output")
        check(s.ssh("bob", "none-such", flags=("-s",)).returncode != 0, "an unknown subsystem")


def test_sftp_server_ends_with_its_client():
    with Server() as s:
        argv = ["sftp", "-b", "-", "-P", str(s.port)] + s.options() + ["bob@" + HOST]
        p = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        p.stdin.write(b"pwd\n")
        p.stdin.flush()
        p.stdout.readline()
        p.kill()
        p.wait()
        wait_until(lambda: not [x for x in below(s.pid) if os.stat("/proc/%d" % x).st_uid == UIDS["bob"]], 10, text="processes of bob are left")
