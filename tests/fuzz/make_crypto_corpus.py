#!/usr/bin/env python3
"""Writes the seed corpora of peer_input and keyfile; needs ssh-keygen, openssl and puttygen. Run from anywhere."""
import base64, pathlib, struct, subprocess, tempfile

here = pathlib.Path(__file__).resolve().parent / "corpus"
P, V, R, F, K, I = range(6)     # doors of peer_input.c
X25519, X448, P256, P384, P521, DH1, DH14, DH16, DH18, GEX, MLKEM, SNTRUP = range(12)     # enum kem_id, behind the doors R and F


def s(b):
    return struct.pack(">I", len(b)) + b


def mpint(v):
    b = v.to_bytes((v.bit_length() + 8) // 8, "big") if v else b""
    return s(b)


def put(target, name, data):
    d = here / target
    d.mkdir(parents=True, exist_ok=True)
    (d / name).write_bytes(data)


def string(b, o):
    n = struct.unpack(">I", b[o:o + 4])[0]
    return b[o + 4:o + 4 + n], o + 4 + n


def keys():
    with tempfile.TemporaryDirectory() as tmp:
        for name, args in {"ed25519": "-t ed25519", "p256": "-t ecdsa -b 256", "p384": "-t ecdsa -b 384",
                           "rsa": "-t rsa -b 2048", "encrypted": "-t ed25519"}.items():
            path = pathlib.Path(tmp) / name
            subprocess.run(["ssh-keygen", "-q", *args.split(), "-f", path, "-C", "seed",
                            "-N", "secret" if name == "encrypted" else ""], check=True)
            put("keyfile", name, path.read_bytes())
            blob = base64.b64decode(path.with_suffix(".pub").read_text().split()[1])
            put("keyfile", name + "_word", base64.b64encode(blob))
            put("peer_input", "parse_" + name, bytes([P]) + blob)
            if name == "encrypted":
                continue
            raw = base64.b64decode("".join(path.read_text().split("\n")[1:-2]))
            o = 15
            for _ in range(3):
                _, o = string(raw, o)
            _, o = string(raw, o + 4)
            section, o = string(raw, o)
            put("peer_input", "private_" + name, bytes([K]) + section[8:])
            for sig, body in {"ssh-ed25519": s(bytes(64)), "ecdsa-sha2-nistp256": s(mpint(7) + mpint(9)),
                              "rsa-sha2-512": s(b"\x01" * 256)}.items():
                put("peer_input", f"verify_{name}_{sig}", bytes([V]) + s(blob) + s(sig.encode()) + body)


FORMATS = {     # name: shell command that leaves its file in k
    "v1_bcrypt": "ssh-keygen -q -t ed25519 -a 1 -N secret -f k",
    "v1_gcm": "ssh-keygen -q -t ecdsa -a 1 -N secret -Z aes128-gcm@openssh.com -f k",
    "v1_chacha": "ssh-keygen -q -t ed25519 -a 1 -N secret -Z chacha20-poly1305@openssh.com -f k",
    "v1_dsa": "ssh-keygen -q -t dsa -N '' -f k",
    "pem_rsa": "openssl genrsa -traditional -out k 2048 2>/dev/null",
    "pem_dek": "openssl ecparam -genkey -name prime256v1 -noout | openssl ec -aes128 -passout pass:secret -out k 2>/dev/null",
    "pem_ec_params": "openssl ecparam -genkey -name secp384r1 -out k",
    "pem_dsa": "ssh-keygen -q -t dsa -m PEM -N '' -f k",
    "pkcs8_ed448": "openssl genpkey -algorithm ed448 -out k",
    "pkcs8_ed25519": "openssl genpkey -algorithm ed25519 -out k",
    "pkcs8_dsa": "ssh-keygen -q -t dsa -m PKCS8 -N '' -f k",
    "pkcs8_p521": "openssl genpkey -algorithm ec -pkeyopt ec_paramgen_curve:P-521 -out k",
    "pbes2": "openssl genpkey -algorithm ed25519 -aes-256-cbc -pass pass:secret -out k",
    "pbes2_scrypt": "openssl genpkey -algorithm ed25519 | openssl pkcs8 -topk8 -scrypt -scrypt_N 512 -scrypt_r 8 -scrypt_p 1 -passout pass:secret -out k",
    "rfc4716": "ssh-keygen -q -t ed25519 -N '' -f x && ssh-keygen -e -f x.pub >k",
    "line": "ssh-keygen -q -t ecdsa -N '' -f x && cp x.pub k",
}


def formats():
    for name, command in FORMATS.items():
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run(command, shell=True, check=True, cwd=tmp)
            put("keyfile", name, (pathlib.Path(tmp) / "k").read_bytes())


def more_kinds():
    """Keys of the kinds that came later, and signatures over nothing."""
    for name, command, sigs in (("ed448", "puttygen -q --random-device /dev/urandom -t ed448 -O private-openssh-new --new-passphrase /dev/null -o x && puttygen x -O public-openssh -o k",
                                 {"ssh-ed448": s(bytes(114))}),
                                ("p384", "ssh-keygen -q -t ecdsa -b 384 -N '' -f x && cp x.pub k", {"ecdsa-sha2-nistp384": s(mpint(7) + mpint(9))}),
                                ("p521", "ssh-keygen -q -t ecdsa -b 521 -N '' -f x && cp x.pub k", {"ecdsa-sha2-nistp521": s(mpint(7) + mpint(9))}),
                                ("dsa", "ssh-keygen -q -t dsa -N '' -f x && cp x.pub k", {"ssh-dss": s(b"\x01" * 40)})):
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run(command, shell=True, check=True, cwd=tmp)
            blob = base64.b64decode((pathlib.Path(tmp) / "k").read_text().split()[1])
            put("peer_input", "parse_" + name, bytes([P]) + blob)
            for sig, body in sigs.items():
                put("peer_input", f"verify_{name}", bytes([V]) + s(blob) + s(sig.encode()) + body)
    p448 = 2**448 - 2**224 - 1
    for i, y in enumerate((0, 1, p448 - 1, p448, p448 + 1, 2**448)):
        put("peer_input", f"ed448_small_{i}", bytes([P]) + s(b"ssh-ed448") + s(y.to_bytes(57, "little")))


def certificates():
    for name, words, ca in (("ed25519", "-t ed25519", "-t ed25519"), ("p256", "-t ecdsa -b 256", "-t ecdsa -b 384"), ("rsa", "-t rsa -b 2048", "-t rsa -b 2048")):
        with tempfile.TemporaryDirectory() as tmp:
            subprocess.run(f"ssh-keygen -q {ca} -N '' -f ca; ssh-keygen -q {words} -N '' -f k; ssh-keygen -q -s ca -I id -h -n a,b -V -1h:+1d k.pub", shell=True,
                           check=True, cwd=tmp)
            put("cert", name, base64.b64decode((pathlib.Path(tmp) / "k-cert.pub").read_text().split()[1]))
            put("keyfile", "cert_" + name, (pathlib.Path(tmp) / "k-cert.pub").read_bytes())


def agents():
    def m(t, body=b""):
        return s(bytes([t]) + body)

    keys = m(12, struct.pack(">I", 2) + s(b"x") + s(b"one") + s(b"blob") + s(b"two"))
    sig = m(14, s(s(b"ssh-ed25519") + s(bytes(64))))
    put("agent", "good", keys + sig + sig)
    put("agent", "refuses", keys + m(5) + m(5))
    put("agent", "three_answers", keys + sig * 3)
    put("agent", "long", keys + b"\xff\xff\xff\xff")
    put("agent", "empty", keys + s(b""))
    put("agent", "no_keys", m(12, bytes(4)) + sig)
    put("agent", "other", m(5))
    put("agent", "cut", keys + sig[:20])
    put("agent", "too_long_a_signature", keys + m(14, s(bytes(3000))))
    put("agent", "two_at_once", keys + keys)


def degenerate():
    p, order = 2**255 - 19, 2**252 + 27742317777372353535851937790883648493
    order8 = 2707385501144840649318225287225658788936804267575313519463743609750303402022
    small = [0, 1, p - 1, order8, p - order8, p, p + 1]
    for i, y in enumerate(small):
        for sign in (0, 1):
            key = (y | sign << 255).to_bytes(32, "little")
            blob = s(b"ssh-ed25519") + s(key)
            put("peer_input", f"ed25519_small_{i}_{sign}", bytes([P]) + blob)
            put("peer_input", f"verify_small_{i}_{sign}",
                bytes([V]) + s(blob) + s(b"ssh-ed25519") + s(key + order.to_bytes(32, "little")))
            put("peer_input", f"respond_{i}_{sign}", bytes([R, X25519]) + key)
            put("peer_input", f"finish_{i}_{sign}", bytes([F, X25519]) + key)
    for n in (0, 1, 9, 31, 33, 64):
        put("peer_input", f"respond_len_{n}", bytes([R, X25519]) + b"\x09" * n)
    put("peer_input", "respond_9", bytes([R, X25519]) + b"\x09" + bytes(31))
    put("peer_input", "finish_9", bytes([F, X25519]) + b"\x09" + bytes(31))
    for name, q in {"compressed": b"\x02" + b"\x11" * 32, "overlong": b"\x02" + b"\x11" * 64, "infinity": b"\0",
                    "zero": b"\x04" + bytes(64)}.items():
        put("peer_input", "p256_" + name, bytes([P]) + s(b"ecdsa-sha2-nistp256") + s(b"nistp256") + s(q))
    for name, (e, n) in {"zero": (65537, 0), "even": (65537, 2**2047), "e1": (1, 2**2047 + 1), "e0": (0, 2**2047 + 1),
                         "huge": (65537, 2**16384 + 1), "top": (3, 2**16384 - 1)}.items():
        put("peer_input", "rsa_" + name, bytes([P]) + s(b"ssh-rsa") + mpint(e) + mpint(n))


def ciphers():
    rows = [("chacha20-poly1305@openssh.com", "", 64, 0, 0), ("aes128-gcm@openssh.com", "", 16, 12, 0),
            ("aes256-gcm@openssh.com", "", 32, 12, 0), ("aes192-ctr", "hmac-sha2-512", 24, 16, 64),
            ("aes256-ctr", "hmac-sha2-256-etm@openssh.com", 32, 16, 32)]
    for cipher, mac, key, iv, mkey in rows:
        for encrypt in (0, 1):
            body = s(cipher.encode()) + s(mac.encode()) + bytes([encrypt]) + s(b"k" * key) + s(b"i" * iv) + s(b"m" * mkey)
            put("peer_input", f"import_{cipher.split('@')[0]}_{encrypt}", bytes([I]) + s(body))


def exchanges():
    """For each exchange something of the right length, and the values at the edges of a group that was sent."""
    good = {X25519: bytes([9]) + bytes(31), X448: bytes([5]) + bytes(55), DH1: b"\2", DH14: b"\2", MLKEM: bytes(1184) + bytes([9]) + bytes(31)}
    lengths = {P256: (65,), P384: (97,), P521: (133,), DH16: (1, 512), DH18: (1, 1025), MLKEM: (1184, 1216, 1120), SNTRUP: (1190, 1071)}
    for kem in range(12):
        values = [good[kem]] if kem in good else []
        values += [first + b"\xff" * (n - 1) for n in lengths.get(kem, ()) for first in (b"\4", b"\0")]
        for i, value in enumerate(values):
            put("peer_input", f"kem_respond_{kem}_{i}", bytes([R, kem]) + value)
            put("peer_input", f"kem_finish_{kem}_{i}", bytes([F, kem]) + value)
    p = b"\xff" * 255 + b"\x4f"
    for i, (q, g, e) in enumerate([(p, b"\2", b"\2"), (p, b"\2", b"\0" + p), (p, p, b"\2"), (b"", b"", b""), (b"\xff" * 1025, b"\2", b"\2"),
                                   (p[:-1] + b"\x4e", b"\2", b"\2"), (p, b"\2", b"\0" + p[:-1] + b"\x4d")]):
        put("peer_input", f"kem_gex_{i}", bytes([R, GEX]) + s(q) + s(g) + e)


keys()
formats()
more_kinds()
certificates()
agents()
degenerate()
exchanges()
ciphers()
