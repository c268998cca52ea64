"""The inside of the room: the matrix."""
import concurrent.futures
import os
import re
import subprocess
import sys
import threading
import time

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [HERE, os.path.join(HERE, "../system")]

import room  # noqa: E402

SHORT, KIND, ALG = (os.environ.get("LAB_" + x, "") for x in ("SHORT", "KIND", "ALG"))
JOBS, MB = int(os.environ.get("LAB_JOBS", "2")), int(os.environ.get("LAB_MB", "8"))
STATUS = 7          # of the command: 0 could be anybody's
LIMIT = 600         # seconds for one cell: PuTTY has a slow 3des
ASK = {"kex": "KexAlgorithms", "hostkey": "HostKeyAlgorithms", "userkey": "PubkeyAcceptedAlgorithms", "cipher": "Ciphers", "mac": "MACs", "comp": "CompressionAlgorithms"}
CTR, CBC = "aes128-ctr", "aes128-cbc"
MORE, AEAD_OR_ETM = "MACs +hmac-sha2-256", re.compile(r"chacha20|gcm|-etm@")      # without any of these a client needs a line in the configuration: libssh2 before 1.11

# ---- keys --------------------------------------------------------------------------------------------------

KEYS = {"ssh-ed25519": ("-t", "ed25519"), "ssh-ed448": None, "ecdsa-sha2-nistp256": ("-t", "ecdsa", "-b", "256"), "ecdsa-sha2-nistp384": ("-t", "ecdsa", "-b", "384"),
        "ecdsa-sha2-nistp521": ("-t", "ecdsa", "-b", "521"), "rsa": ("-t", "rsa", "-b", "3072"), "ssh-dss": ("-t", "dsa", "-m", "PEM")}       # Go reads DSA keys in that format only
RSA = ("rsa-sha2-512", "rsa-sha2-256", "ssh-rsa")


def type_of(alg):
    """The key an algorithm signs with."""
    plain = alg.replace("-cert-v01@openssh.com", "")
    return "rsa" if plain in RSA else plain


def make_keys():
    """A host and a user key of each type, the certificates, and what clients know of the hosts."""
    import lab
    names = []
    for kind, words in KEYS.items():
        for role in ("host", "user"):
            name = "of_%s_%s" % (role, kind)
            if words is None:
                lab.sh("puttygen", "-q", "--random-device", "/dev/urandom", "-t", "ed448", "-O", "private-openssh-new", "--new-passphrase", "/dev/null", "-C", name, "-o", lab.key(name))
                os.chmod(lab.key(name), 0o600)
                with open(lab.key(name) + ".pub", "wb") as f:
                    f.write(lab.sh("puttygen", lab.key(name), "-O", "public-openssh"))
            else:
                lab.sh("ssh-keygen", "-q", "-N", "", "-C", name, "-f", lab.key(name), *words)
            names.append(name)
    lab.sh("ssh-keygen", "-q", "-N", "", "-t", "ed25519", "-C", "authority", "-f", lab.key("authority"))
    lab.authorize("alice", *[n for n in names if n.startswith("of_user_")])
    for name in names:
        if name.startswith("of_host_") and name not in ("of_host_ssh-ed448", "of_host_ssh-dss"):
            lab.sh("ssh-keygen", "-q", "-s", lab.key("authority"), "-I", name, "-h", "-n", lab.HOST, lab.key(name) + ".pub")
        know(name, name)
    know("hosts_default", "of_host_ssh-ed25519", "of_host_rsa")


def know(name, *hosts):
    import lab
    text = "".join(lab.public(h) + "\n" for h in hosts)
    if [name] != list(hosts):
        with open(lab.key(name) + ".pub", "w") as f:
            f.write(text)
    with open(lab.key(name) + ".pub.ca", "w") as f:
        f.write(lab.public("authority") + "\n")
    with open(lab.key(name) + ".pub.known", "w") as f:
        f.write("".join("* " + line + "\n" for line in text.splitlines()) + "@cert-authority * " + lab.public("authority") + "\n")


# ---- rows ---------------------------------------------------------------------------------------------------

class Row:
    """One algorithm: the server for it, what clients are told, what the log must say."""

    def __init__(self, kind, alg, all_of):
        import lab
        self.kind, self.alg, self.words, self.needs = kind, alg, {kind: alg}, {(kind, alg)}
        self.hosts, self.known, self.user = ("of_host_ssh-ed25519",), "of_host_ssh-ed25519", "of_user_ssh-ed25519"
        lists = {ASK[k]: ",".join(all_of[k]) for k in ("kex", "hostkey", "userkey", "cipher")}
        lists["MACs"] = ",".join(m for m in all_of["mac"] if not m.startswith("AEAD_"))      # they would choose the cipher
        more = []
        if kind == "default":
            self.words, self.needs, lists = {}, set(), {}
            more += [alg] if alg else []
            self.hosts, self.known = ("of_host_ssh-ed25519", "of_host_rsa"), "hosts_default"
        elif kind == "hostkey":
            self.hosts = ("of_host_" + type_of(alg),)
            self.known = self.hosts[0]
            if "-cert-" in alg:
                more.append("HostCertificate " + lab.key(self.known) + "-cert.pub")
        elif kind == "userkey":
            self.user = "of_user_" + type_of(alg)
        elif kind in ("mac", "mac-cbc"):
            lists["Ciphers"] = CBC if kind == "mac-cbc" else CTR
            self.words = {"mac": alg, "cipher": lists["Ciphers"]}
            self.needs = set(self.words.items())
        if kind in ASK:
            lists[ASK[kind]] = alg
        elif kind == "mac-cbc":
            lists["MACs"] = alg
        self.lines = ["%s %s" % x for x in lists.items()] + more + ["LogLevel DEBUG", "MaxStartups 100:30:200"]

    def suits(self, client):
        if self.kind == "default":
            return any(AEAD_OR_ETM.search(name) for _, name in client.known) == (self.alg == "")
        return self.needs <= client.known

    def agreed(self, lines):
        """Do the log's lines about one connection say what they must?"""
        text = "\n".join(lines)
        ways = [re.search(r"kex: %s cipher: (\S+) MAC: (\S+) compression: (\S+)" % way, text) for way in ("client->server", "server->client")]
        got = {"kex": re.findall(r"kex: algorithm: (\S+)", text)[:1], "hostkey": re.findall(r"kex: host key algorithm: (\S+)", text)[:1],
               "userkey": re.findall(r"userauth_pubkey: have (\S+) signature", text)[-1:]}
        for i, kind in enumerate(("cipher", "mac", "comp")):
            got[kind] = sorted({w.group(i + 1) for w in ways if w})
        want = {kind: [alg] for kind, alg in self.words.items()}
        if "mac" in want and self.alg.startswith("AEAD_"):
            want = {"cipher": [self.alg]}           # RFC 5647 5.1: the name of a MAC, the cipher of that name
        wrong = ["%s %s, not %s" % (kind, ",".join(map(str, got[kind])), alg[0]) for kind, alg in want.items() if got[kind] != alg]
        if not all(got[k] for k in ("kex", "hostkey", "userkey", "cipher", "mac")):
            wrong.append("the log says not all")
        return wrong, got


def ask_daemon():
    """kind -> algorithms, off by default or not"""
    import lab
    found = {}
    for kind, what in ASK.items():
        out = lab.sh(lab.BUILD + "/sbin/coppiced", "-Q", what, env=dict(os.environ, ASAN_OPTIONS="detect_leaks=0")).decode()
        found[kind] = [line.split()[0] for line in out.splitlines()]
        lab.check(found[kind], "coppiced -Q %s says nothing" % what)
    return found


def all_rows(all_of):
    rows = [("default", ""), ("default", MORE)] + [(kind, alg) for kind in ASK for alg in all_of[kind]]
    if CBC in all_of["cipher"]:
        rows += [("mac-cbc", alg) for alg in all_of["mac"] if not alg.startswith("AEAD_")]
    return [Row(kind, alg, all_of) for kind, alg in rows if KIND in ("", kind) and ALG in alg]


# ---- cells ----------------------------------------------------------------------------------------------------

def log_of(server, port):
    """What the process of this connection has logged."""
    lines = server.log().splitlines()
    for i, line in enumerate(lines):
        m = re.search(r"(\[\d+\]): Connection from %s port %d on " % (re.escape("127.0.0.1"), port), line)
        if m:
            return [x for x in lines[i:] if m.group(1) in x]
    return []


def judged(row, client, server):
    """cell(); where it is known that a client cannot, wrong is that it could, or that it ended in another way."""
    import clients
    known = clients.cannot(client.name, row.kind, row.alg)
    wrong, got = cell(row, client, server)
    if known is None:
        return wrong, got
    if wrong is None:
        return "begins to work: take it out of CANNOT", got
    return (None if re.search(known[0], wrong) else "was to fail with '%s': %s" % (known[0], wrong)), got


def cell(row, client, server):
    """One login and the data; what went wrong, or None, and what was agreed upon."""
    import lab
    path, digest = lab.random_file(MB)
    words = ["exec", "host=" + lab.HOST, "port=%d" % server.port, "user=alice", "key=" + lab.key(row.user), "hostpub=" + lab.key(row.known) + ".pub",
             'command=sha256sum; echo "$SSH_CONNECTION"; cat %s; exit %d' % (path, STATUS)]
    with open(path, "rb") as data:
        p = client.popen(*words, *["%s=%s" % x for x in row.words.items()], stdin=data)
        try:
            out, err = p.communicate(timeout=LIMIT)
        except subprocess.TimeoutExpired:
            p.kill()
            return "it does not end", {}
    lines = err.decode(errors="replace").strip().splitlines()
    err = " / ".join(lines[:6] + ["..."] * (len(lines) > 12) + lines[6:][-6:])
    up, _, rest = out.partition(b"\n")
    where, _, down = rest.partition(b"\n")
    if p.returncode != STATUS:
        return "status %d: %s" % (p.returncode, err), {}
    if up.split()[:1] != [digest.encode()]:
        return "what it sent arrived as something else (%r)" % out[:200], {}
    if len(down) != MB << 20 or lab.hashlib.sha256(down).hexdigest() != digest:
        return "it got %d bytes, or others than were sent" % len(down), {}
    port, end = int(where.split()[1]), time.monotonic() + 5
    wrong, got = row.agreed(log_of(server, port))
    while wrong and time.monotonic() < end:         # another process writes the log
        time.sleep(0.05)
        wrong, got = row.agreed(log_of(server, port))
    return ("agreed upon: " + "; ".join(wrong) if wrong else None), got


_making = threading.Lock()


def serve(row, clients):
    """[(client's name, what went wrong or None, what was agreed upon)] of one row"""
    import lab
    with _making:
        server = lab.Server(*row.lines, hostkeys=row.hosts, wait=False)
    results = []
    try:
        server.start()
        for client in clients:
            results.append((client.name,) + judged(row, client, server))
        server.stop()
    except (lab.Failure, OSError) as e:
        results.append(("coppiced", "%s" % e, {}))
    finally:
        server.kill()
    return results


# ---- the run ----------------------------------------------------------------------------------------------------

def find_clients(all_of):
    import clients
    import lab
    wanted, here, missing = sys.argv[1:], [], []
    candidates = {(kind, alg) for kind in ASK for alg in all_of[kind]}
    for name in clients.ALL:
        if wanted and not any(w in name for w in wanted):
            continue
        try:
            here.append(clients.find(name, candidates, lab.key("of_user_ssh-ed25519"), lab.key("of_host_ssh-ed25519") + ".pub"))
            print("%-10s %s" % (name, here[-1].version), flush=True)
        except clients.NotInstalled as e:
            missing.append(name)
            print("%-10s SKIPPED: %s" % (name, e), flush=True)
    return here, missing


def hopeless(row, client):
    import clients
    return clients.cannot(client.name, row.kind, row.alg) is not None


def share_out(rows, here):
    """row -> clients; in the short form the one of those who know it who had least to do so far."""
    load, plan = dict.fromkeys((c.name for c in here), 0), {}
    for row in rows:
        able = [c for c in here if row.suits(c)]
        if SHORT and row.kind != "default":
            able = sorted((c for c in able if not hopeless(row, c)), key=lambda c: load[c.name])[:1]
            for c in able:
                load[c.name] += 1
        plan[row] = able
    return plan


def table(plan, here, results):
    width = max(len(r.kind + r.alg) for r in plan) + 2
    print("\n%-*s %s" % (width, "", " ".join(c.name for c in here)))
    for row, able in plan.items():
        marks = []
        for c in here:
            right = "no" if hopeless(row, c) else "ok"
            word = right if results.get((row, c.name), 0) is None else "FAILED" if (row, c.name) in results else "." if row.suits(c) else "-"
            marks.append(word.center(len(c.name)))
        print("%-*s %s" % (width, row.kind + " " + row.alg, " ".join(marks)))


def runner():
    import clients
    import lab
    lab.furnish()
    make_keys()
    all_of = ask_daemon()
    here, missing = find_clients(all_of)
    plan = share_out(all_rows(all_of), here)
    lab.random_file(MB)
    results, defaults, nobody = {}, [], [r for r, able in plan.items() if not able]
    with concurrent.futures.ThreadPoolExecutor(JOBS) as pool:
        futures = {pool.submit(serve, row, able): row for row, able in plan.items() if able}
        for future in concurrent.futures.as_completed(futures):
            row = futures[future]
            for name, wrong, got in future.result():
                results[row, name] = wrong
                if wrong:
                    print("FAIL %s with %s %s: %s" % (name, row.kind, row.alg, wrong), flush=True)
                elif row.kind == "default":
                    defaults.append("%-10s %s" % (name, " ".join(got[k][0] for k in ("kex", "hostkey", "cipher", "mac"))))
    table(plan, here, results)
    print("\nwith defaults:\n  " + "\n  ".join(sorted(defaults)))
    print("no client here knows: " + (", ".join(r.kind + " " + r.alg for r in nobody if r.kind != "default") or "-"))
    for name, kind, part, _, what in clients.CANNOT:
        if name in (c.name for c in here):
            print("no: %s %s *%s*: %s" % (name, kind, part, what))
    bad = sum(1 for wrong in results.values() if wrong)
    no = sum(1 for row, able in plan.items() for c in able if hopeless(row, c) and results.get((row, c.name), 0) is None)
    print("%d passed, %d failed" % (len(results) - bad - no, bad) + (", %d that a client cannot" % no if no else "") + (", skipped: " + ", ".join(missing) if missing else ""))
    return 1 if bad or not results else 0


def main():
    return room.reap_for(runner)


sys.exit(main())
