"""Large primes that everybody knows, made from their definitions: groups to attack, and an RSA key of 16384 bits that nobody would use."""
import base64

from rawssh import s as string, u32


def safe_prime(bits, constant, twist):
    """2^n - 2^(n-64) - 1 + 2^64 ([2^(n-130) constant] + twist); constant is scaled by 2^n"""
    return 2 ** bits - 2 ** (bits - 64) - 1 + ((constant >> 130) + twist << 64)


def modp(bits, twist):
    """RFC 3526, with pi"""
    unit = 1 << bits

    def arctan(x):
        total, term, k = 0, unit // x, 1
        while term:
            total += term // k if k % 4 == 1 else -(term // k)
            term //= x * x
            k += 2
        return total
    return safe_prime(bits, 4 * (4 * arctan(5) - arctan(239)), twist)


def ffdhe(bits, twist):
    """RFC 7919, with Euler's number"""
    total, term, k = 0, 1 << bits, 0
    while term:
        total += term
        k += 1
        term //= k
    return safe_prime(bits, total, twist)


def integer(v):
    """The content of an mpint."""
    b = v.to_bytes((v.bit_length() + 7) // 8, "big")
    return (b"\0" if b and b[0] & 0x80 else b"") + b


def mpint(v):
    return string(integer(v))


def rsa_16384(path):
    """
    Writes an OpenSSH private key of 16384 bits, and path.pub: its factors are RFC 3526's and RFC 7919's primes of 8192 bits. It is for
    tests, and it takes no minutes to make.
    """
    p, q, e = modp(8192, 4743158), ffdhe(8192, 10965728), 65537
    n, d = p * q, pow(e, -1, (p - 1) * (q - 1) // 2)
    blob = string("ssh-rsa") + mpint(e) + mpint(n)
    inside = u32(7) * 2 + string("ssh-rsa") + b"".join(mpint(v) for v in (n, e, d, pow(q, -1, p), p, q)) + string("factors are public")
    inside += bytes(range(1, 1 + -len(inside) % 8))
    text = base64.b64encode(b"openssh-key-v1\0" + string("none") * 2 + string("") + u32(1) + string(blob) + string(inside)).decode()
    with open(path, "w") as f:
        f.write("-----BEGIN OPENSSH PRIVATE KEY-----\n%s\n-----END OPENSSH PRIVATE KEY-----\n" % "\n".join(text[i:i + 70] for i in range(0, len(text), 70)))
    with open(path + ".pub", "w") as f:
        f.write("ssh-rsa %s factors are public\n" % base64.b64encode(blob).decode())
