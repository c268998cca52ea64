#!/usr/bin/env python3
"""Writes the corpora peer_NAME of peer_checks.def: every edge of every check. Same bytes each time. "yes-": the check accepts, "no-": it refuses."""
import hashlib
import pathlib
import re
import shutil
import struct
import sys

here = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(here.parent / "system"))
sys.dont_write_bytecode = True

from primes import modp  # noqa: E402

text = (here.parent / "unit/ssh/crypto/claims_keys.h").read_text()
HEX = {name: "".join(re.findall(r'"([0-9a-f]+)"', body)) for name, body in re.findall(r"static const char (\w+)\[\] =\n(.*?);", text, re.S)}
POINTS = ["".join(re.findall(r'"([0-9a-f]+)"', part)) for part in text[text.index("claims_points"):].split(",\n")[:3]]
written = {}


def put(check, verdict, name, data):
    assert verdict in ("yes", "no") and (check, name) not in written, (check, name)
    written[check, name] = 1
    d = here / "corpus" / ("peer_" + check)
    d.mkdir(parents=True, exist_ok=True)
    (d / ("%s-%s" % (verdict, name))).write_bytes(data)


def s(b):
    return struct.pack(">I", len(b)) + b


def num(v):
    """Big-endian, as short as it can be."""
    return v.to_bytes((v.bit_length() + 7) // 8, "big")


def noise(n, word):
    out, i = b"", 0
    while len(out) < n:
        out += hashlib.sha256(b"%s %d" % (word.encode(), i)).digest()
        i += 1
    return out[:n]


def lengths(check, good, head=b""):
    """Every length that is nearly right."""
    for n in (0, 1, len(good) - 1, len(good) + 1, 2 * len(good)):
        put(check, "no", "length-%d" % n, head + (good * 2)[:n])


# ---- X25519, X448: RFC 7748 -----------------------------------------------------------------------------

def montgomery(check, p, n, small, mask):
    """Points of small order in every spelling that fits, and the neighbours of those."""
    def le(v):
        return v.to_bytes(n, "little")
    for i, u in enumerate(small):
        for k in range(3):
            for top in mask:
                if (u + k * p) >> (255 if n == 32 else 448) == 0:
                    put(check, "no", "small-%d-%d-%d" % (i, k, top), le(u + k * p | top << (8 * n - 1)))
    for name, u in (("2", 2), ("9", 9), ("p-2", p - 2), ("p+2", p + 2), ("p+9", p + 9)):
        for top in mask:
            put(check, "yes", "%s-%d" % (name, top), le(u | top << (8 * n - 1)))
    put(check, "yes", "noise", noise(n, check))
    put(check, "yes", "ones", b"\xff" * n)
    lengths(check, noise(n, check))


P25519, P448 = 2**255 - 19, 2**448 - 2**224 - 1


def x25519_small():
    """u of order 1, 2, 4 and 8 on curve and twist: 0, 1, -1 and the roots of the 8-division polynomial (RFC 7748 7, Bernstein's list)."""
    a = 325606250916557431795983626356110631294008115727848805560023387167927233504
    b = 39382357235489614581723060781553021112529911719440698176882885853963445705823
    return [0, 1, P25519 - 1, a, b]


montgomery("x25519", P25519, 32, x25519_small(), (0, 1))
montgomery("x448", P448, 56, [0, 1, P448 - 1], (0,))
for n, check in ((32, "x25519_secret"), (56, "x448_secret")):
    put(check, "no", "zero", bytes(n))
    for at in (0, n // 2, n - 1):
        put(check, "yes", "one-bit-%d" % at, bytes(at) + b"\1" + bytes(n - at - 1))
        put(check, "yes", "high-bit-%d" % at, bytes(at) + b"\x80" + bytes(n - at - 1))
    lengths(check, bytes(n))

# ---- Ed25519, Ed448: RFC 8032 -----------------------------------------------------------------------------


def edwards(name, p, n, order, small, good, half):
    """half: bytes of a signature's half."""
    def le(v):
        return v.to_bytes(n, "little")
    sig = bytes(2 * half)
    for i, y in enumerate(small):
        for k in range(3):
            for sign in (0, 1):
                v = y + k * p
                if v >> (255 if n == 32 else 448) == 0:
                    put(name + "_key", "no", "small-%d-%d-%d" % (i, k, sign), le(v | sign << (8 * n - 1)) + sig)
    for i, v in enumerate((p, p + 1, p + 2, p + 17)):
        if v >> (255 if n == 32 else 448) == 0:
            for sign in (0, 1):
                put(name + "_key", "no", "above-p-%d-%d" % (i, sign), le(v | sign << (8 * n - 1)))
    put(name + "_key", "yes", "good", good)
    put(name + "_key", "yes", "good-signed", good + noise(half, "r") + bytes(half))
    put(name + "_key", "yes", "good-r-small", good + le(1) + bytes(half))
    lengths(name + "_key", good)
    for word, v in (("0", 0), ("1", 1), ("order-1", order - 1)):
        put(name + "_sig", "yes", "s-" + word, noise(half, "r") + v.to_bytes(half, "little"))
        put(name + "_sig", "yes", "r-small-s-" + word, le(1) + v.to_bytes(half, "little"))
    for word, v in (("order", order), ("order+1", order + 1), ("2-order", 2 * order), ("ones", 2 ** (8 * half) - 1), ("top", 2 ** (8 * half - 1)),
                    ("second-spelling", order + 5)):
        put(name + "_sig", "no", "s-" + word, noise(half, "r") + v.to_bytes(half, "little"))
    lengths(name + "_sig", sig)


Y8 = int.from_bytes(bytes.fromhex("26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05"), "little")
D = -121665 * pow(121666, -1, P25519) % P25519
assert ((Y8 * Y8 - 1) * pow(D * Y8 * Y8 + 1, -1, P25519) + Y8 * Y8) % P25519 == 0      # x^2 = -y^2: twice the point is of order 4
edwards("ed25519", P25519, 32, 2**252 + 27742317777372353535851937790883648493, [0, 1, P25519 - 1, Y8, P25519 - Y8],
        bytes.fromhex(HEX["claims_ed25519"]), 32)
edwards("ed448", P448, 57, 2**446 - 13818066809895115352007386748515426880336692474882178609894547503885, [0, 1, P448 - 1],
        bytes.fromhex(HEX["claims_ed448"]), 57)
put("ed448_key", "no", "high-bits", bytes.fromhex(HEX["claims_ed448"])[:56] + b"\x01")
off = next(y for y in range(2, 99) if pow((1 - y * y) * pow(1 + 39081 * y * y, -1, P448) % P448, (P448 - 1) // 2, P448) == P448 - 1)
put("ed448_key", "no", "off-the-curve", off.to_bytes(57, "little"))

def ed448(step):
    """Points with one coordinate of 2, 2 + step, ...: libgcrypt aborts on coordinates that fill too few words."""
    found, v = [], 2
    while len(found) < 4:
        v2 = v * v
        w2 = (1 - v2) * pow(1 + 39081 * v2, -1, P448) % P448        # the curve's equation is the same for x and y
        w = pow(w2, (P448 + 1) // 4, P448)
        if w * w % P448 == w2:
            found.append((v, w))
        v += step
    return found


for word, step in (("small", 1), ("6-words", 2**383 - 1), ("9-words", 2**40 + 1)):
    for i, (v, w) in enumerate(ed448(step)):
        if v.bit_length() <= 384:
            put("ed448_key", "no", "y-short-%s-%d" % (word, i), v.to_bytes(57, "little"))
            for sign in (0, 1):
                put("ed448_key", "no", "x-short-%s-%d-%d" % (word, i, sign), w.to_bytes(56, "little") + bytes([sign << 7]))
                put("ed448_key", "no", "x-short-minus-%s-%d-%d" % (word, i, sign), (P448 - w).to_bytes(56, "little") + bytes([sign << 7]))
least = next(v for v in range(2**384, 2**384 + 99) if pow((1 - v * v) * pow(1 + 39081 * v * v, -1, P448) % P448, (P448 - 1) // 2, P448) == 1)
put("ed448_key", "yes", "y-of-7-words", least.to_bytes(57, "little"))

# ---- NIST's curves: SEC 1, FIPS 186-4 ------------------------------------------------------------------------

CURVES = [(256, 2**256 - 2**224 + 2**192 + 2**96 - 1, 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551,
           0x5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b),
          (384, 2**384 - 2**128 - 2**96 + 2**32 - 1, 2**384 - 1388124618062372383947042015309946732620727252194336364173,
           0xb3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef),
          (521, 2**521 - 1, 2**521 - 657877501894328237357444332315020117536923257219387276263472201219398408051703,
           0x0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00)]


def root(v, p):
    """A square root for p = 3 mod 4 (all three), or None."""
    r = pow(v, (p + 1) // 4, p)
    return r if r * r % p == v % p else None


for i, (bits, p, n, b) in enumerate(CURVES):
    size, head = (bits + 7) // 8, bytes([i])
    g = bytes.fromhex(POINTS[i])
    gx, gy = int.from_bytes(g[1:1 + size], "big"), int.from_bytes(g[1 + size:], "big")

    def point(x, y, first=4):
        return head + bytes([first]) + x.to_bytes(size, "big") + y.to_bytes(size, "big")

    def each(verdict, name, data):
        put("ec_point", verdict, "%d-%s" % (bits, name), data)
    assert (gy * gy - gx**3 + 3 * gx - b) % p == 0
    each("yes", "base", point(gx, gy))
    each("yes", "minus-base", point(gx, p - gy))
    zero = root(b, p)
    if zero is not None:
        each("yes", "x-0", point(0, zero))
        each("no", "x-p", point(p, zero))
    x = next(x for x in range(1, 99) if root(x**3 - 3 * x + b, p) is not None)
    y = root(x**3 - 3 * x + b, p)
    each("yes", "x-small", point(x, y))
    if x + p < 2 ** (8 * size):
        each("no", "x-plus-p", point(x + p, y))
    for word, (px, py) in {"zeros": (0, 0), "ones": (2 ** (8 * size) - 1,) * 2, "y-p": (gx, p), "x-p-y-p": (p, p), "swapped": (gy, gx), "y+1": (gx, gy + 1),
                           "x+1": (gx + 1, gy), "p-1": (p - 1, p - 1), "1-1": (1, 1)}.items():
        each("no", word, point(px, py))
    # of a curve with another b: the invalid-curve attack, for which x and y may be any
    bx, by = 5, 7
    each("no", "other-curve", point(bx, by))
    each("no", "order-2-elsewhere", point(5, 0))
    for first in (0, 1, 2, 3, 5, 6, 7, 0x84, 0xff):
        each("no", "form-%d" % first, point(gx, gy, first))
    each("no", "compressed", head + bytes([2 + (gy & 1)]) + g[1:1 + size])
    each("no", "infinity", head + b"\0")
    each("no", "infinity-long", point(0, 0, 0))
    for m in (0, 1, 1 + size, 2 * size, 2 + 2 * size, 3 + 2 * size):
        each("no", "length-%d" % m, head + (g + b"\0\0")[:m])
    each("no", "other-point", head + bytes.fromhex(POINTS[(i + 1) % 3]))

    def scalar(verdict, name, v):
        put("ec_scalar", verdict, "%d-%s" % (bits, name), head + v)
    for word, v in (("1", 1), ("2", 2), ("n-1", n - 1), ("n-half", n // 2), ("n-2", n - 2)):
        scalar("yes", word, num(v))
        scalar("yes", word + "-zeros", bytes(70) + num(v))
    for word, v in (("n", n), ("n+1", n + 1), ("p", p), ("2n", 2 * n), ("ones", 2 ** (8 * size) - 1), ("long", 2 ** (8 * size)), ("very-long", 2**4000)):
        if v >= n:
            scalar("no", word, num(v))
    for word, v in (("empty", b""), ("0", b"\0"), ("zeros", bytes(200))):
        scalar("no", word, v)
put("ec_point", "no", "nothing", b"")

# ---- DSA: FIPS 186-4 --------------------------------------------------------------------------------------------

p, q, g, y = (int(HEX["claims_dsa_" + c], 16) for c in "pqgy")


def dsa(verdict, name, p, q, g, y):
    put("dsa_key", verdict, name, b"".join(s(v if isinstance(v, bytes) else num(v)) for v in (p, q, g, y)))


dsa("yes", "good", p, q, g, y)
dsa("yes", "zeros-in-front", b"\0" + num(p), bytes(9) + num(q), b"\0" + num(g), b"\0" + num(y))
dsa("yes", "y-is-g", p, q, g, g)
dsa("yes", "y-is-inverse", p, q, g, pow(y, -1, p))
for word, v in (("0", 0), ("1", 1), ("2", 2), ("p-1", p - 1), ("p", p), ("p+1", p + 1), ("plus-p", g + p), ("empty", b""), ("long", 2**4096), ("q", q)):
    dsa("no", "g-" + word, p, q, v, y)
    dsa("no", "y-" + word, p, q, g, v)
for word, v in (("0", 0), ("1", 1), ("even", p - 1), ("1023", p >> 1 | 1), ("1025", p * 2 + 1), ("2048", 2**2047 + 1), ("zeros", bytes(128)), ("power-of-2", 2**1023),
                ("ones", 2**1024 - 1), ("empty", b"")):
    dsa("no", "p-" + word, v, q, g, y)
for word, v in (("0", 0), ("1", 1), ("2", 2), ("even", q - 1), ("159", q >> 1 | 1), ("161", q * 2 + 1), ("256", 2**255 + 95), ("composite", q + 2), ("ones", 2**160 - 1),
                ("empty", b"")):
    dsa("no", "q-" + word, p, v, g, y)
pseudo = next(v for v in range(2**159 + 1, 2**159 + 4000, 2) if pow(2, v - 1, v) == 1)
dsa("no", "q-prime-of-another-group", p, pseudo, g, y)


def prime(n):
    """Of numbers that nobody chose to deceive us."""
    return n > 3 and all(n % d for d in (3, 5, 7, 11, 13)) and all(pow(b, n - 1, n) == 1 for b in (2, 3, 5, 7))


def of_composite_order():
    """All as it should be, but that q is a product: inverses modulo q need not exist."""
    a = next(v for v in range(2**80 - 3, 0, -2) if prime(v))
    b = next(v for v in range(2**79 + 2**78 + 1, 2**80, 2) if prime(v) and (a * v).bit_length() == 160)
    k = (2**1023 // (a * b) // 2 + 1) * 2
    while not prime(a * b * k + 1):
        k += 2
    p = a * b * k + 1
    return p, a * b, pow(2, k, p), pow(2, 5 * k, p)


dsa("no", "q-product", *of_composite_order())
put("dsa_key", "no", "nothing", b"")
put("dsa_key", "no", "cut", s(num(p)) + s(num(q)) + s(num(g)))
one = (1).to_bytes(20, "big")
for word, v in (("1", 1), ("q-1", q - 1)):
    put("dsa_sig", "yes", "r-" + word, v.to_bytes(20, "big") + one)
    put("dsa_sig", "yes", "s-" + word, one + v.to_bytes(20, "big") if v > 1 else v.to_bytes(20, "big") + (2).to_bytes(20, "big"))
for word, v in (("0", 0), ("q", q), ("q+1", q + 1), ("ones", 2**160 - 1)):
    put("dsa_sig", "no", "r-" + word, v.to_bytes(20, "big") + one)
    put("dsa_sig", "no", "s-" + word, one + v.to_bytes(20, "big"))
lengths("dsa_sig", one * 2)

# ---- RSA: RFC 8017, RFC 8332 ----------------------------------------------------------------------------------------

n = int(HEX["claims_rsa_n"], 16)


def rsa(verdict, name, n, e=65537):
    put("rsa_key", verdict, name, b"".join(s(v if isinstance(v, bytes) else num(v)) for v in (n, e)))


rsa("yes", "good", n)
rsa("yes", "zeros-in-front", b"\0\0\0" + num(n), b"\0" + num(65537))
rsa("yes", "least", 2**2047 + 1)
rsa("yes", "most", 2**16384 - 1, 3)
rsa("yes", "most-and-slow", 2**16384 - 1, 2**32 - 1)
rsa("yes", "2049", 2**2048 + 1)
for word, v in (("0", 0), ("1", 1), ("even", n - 1), ("2047", n >> 1 | 1), ("1024", 2**1023 + 1), ("16385", 2**16384 + 1), ("32768", 2**32767 + 1), ("power-of-2", 2**2047),
                ("empty", b""), ("zeros", bytes(256))):
    rsa("no", "n-" + word, v)
for word, v in (("3", 3), ("5", 5), ("2^32-1", 2**32 - 1)):
    rsa("yes", "e-" + word, n, v)
for word, v in (("0", 0), ("1", 1), ("2", 2), ("even", 65536), ("even-top", 2**32 - 2), ("33-bits", 2**32 + 1), ("64-bits", 2**64 - 1), ("n", n), ("n-2", n - 2), ("empty", b""),
                ("zeros", bytes(5))):
    rsa("no", "e-" + word, n, v)
put("rsa_key", "no", "nothing", b"")
for word, v in (("1", 1), ("2", 2), ("n-1", n - 1), ("n-half", n // 2)):
    put("rsa_sig", "yes", word, v.to_bytes(256, "big"))
    put("rsa_sig", "yes", word + "-short", num(v)) if v < 3 else None
for word, v in (("0", bytes(256)), ("n", num(n)), ("n+1", num(n + 1)), ("ones", b"\xff" * 256), ("empty", b""), ("zero-byte", b"\0"), ("longer", b"\0" + num(n - 1)),
                ("longer-1", (1).to_bytes(257, "big")), ("n+1-long", num(n + (1 << 2048)))):
    put("rsa_sig", "no", word, v)

# ---- Diffie-Hellman: RFC 4253 8, 4419, 8270 -------------------------------------------------------------------------

p = modp(2048, 124476)


def group(verdict, name, p, g):
    put("dh_group", verdict, name, b"".join(s(v if isinstance(v, bytes) else num(v)) for v in (p, g)))


for word, v in (("2", 2), ("3", 3), ("p-2", p - 2)):
    group("yes", "g-" + word, p, v)
for word, v in (("0", 0), ("1", 1), ("p-1", p - 1), ("p", p), ("p+1", p + 1), ("2p", 2 * p), ("empty", b""), ("zeros", bytes(300)), ("long", 2**9000)):
    group("no", "g-" + word, p, v)
for word, v in (("8192", 2**8192 - 1), ("zeros-in-front", bytes(9) + num(p)), ("composite", 3**1292 * 5 if (3**1292 * 5).bit_length() >= 2048 else 3**1300)):
    group("yes", "p-" + word, v, 2)
for word, v in (("0", 0), ("1", 1), ("even", p - 1), ("2047", p >> 1), ("1024", 2**1023 + 1), ("8193", 2**8192 + 1), ("16384", 2**16383 + 1), ("power-of-2", 2**2048), ("empty", b"")):
    group("no", "p-" + word, v, 2)
put("dh_group", "no", "nothing", b"")


def canonical(v):
    return (b"\0" if v.bit_length() % 8 == 0 and v else b"") + num(v)


for word, v in (("2", 2), ("3", 3), ("127", 127), ("128", 128), ("256", 256), ("p-2", p - 2), ("p-3", p - 3), ("p-half", p // 2), ("noise", int.from_bytes(noise(255, "dh"), "big"))):
    put("dh_value", "yes", word, canonical(v))
for word, v in (("0", b""), ("0-byte", b"\0"), ("1", b"\1"), ("p-1", canonical(p - 1)), ("p", canonical(p)), ("p+1", canonical(p + 1)), ("2p", canonical(2 * p)),
                ("2-zero-in-front", b"\0\2"), ("128-two-zeros", b"\0\0\x80"), ("negative", b"\x80"), ("minus-1", b"\xff"), ("negative-p", num(p - 2)),
                ("zeros", bytes(257)), ("long", b"\1" + bytes(2000)), ("g-plus-p", canonical(p + 2))):
    put("dh_value", "no", word, v)

# ---- FIPS 203, NTRU Prime ----------------------------------------------------------------------------------------------


def packed(values):
    out = bytearray()
    for a, b in zip(values[::2], values[1::2]):
        out += bytes([a & 255, a >> 8 | (b & 15) << 4, b >> 4])
    return bytes(out)


for word, v in (("0", 0), ("1", 1), ("q-1", 3328)):
    put("mlkem768_key", "yes", "all-" + word, packed([v] * 768) + noise(32, "rho"))
for v in range(3329, 4096, 59):
    for at in (0, 1, 383, 766, 767):
        put("mlkem768_key", "no", "%d-at-%d" % (v, at), packed([0] * at + [v] + [0] * (767 - at)) + bytes(32))
put("mlkem768_key", "no", "4095-at-2", packed([0, 0, 4095] + [0] * 765) + bytes(32))
put("mlkem768_key", "no", "all-4095", b"\xff" * 1184)
put("mlkem768_key", "yes", "seed-ones", packed([7] * 768) + b"\xff" * 32)
lengths("mlkem768_key", packed([7] * 768) + bytes(32))
for check, size in (("mlkem768_cipher", 1088), ("sntrup761_key", 1158), ("sntrup761_cipher", 1039)):
    for word, v in (("zeros", bytes(size)), ("ones", b"\xff" * size), ("noise", noise(size, check))):
        put(check, "yes", word, v)
    lengths(check, noise(size, check))

for d in (here / "corpus").glob("peer_*"):
    if d.name != "peer_input" and d.name[5:] not in {c for c, _ in written}:
        shutil.rmtree(d)
print("%d inputs of %d checks" % (len(written), len({c for c, _ in written})))
