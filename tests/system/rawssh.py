"""A small SSH client that can be made to lie at any point: curve25519-sha256, ssh-ed25519, aes128-gcm@openssh.com."""
import hashlib
import os
import struct

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

DISCONNECT, IGNORE, UNIMPLEMENTED, DEBUG, SERVICE_REQUEST, SERVICE_ACCEPT, EXT_INFO = 1, 2, 3, 4, 5, 6, 7
KEXINIT, NEWKEYS, ECDH_INIT, ECDH_REPLY = 20, 21, 30, 31
USERAUTH_REQUEST, USERAUTH_FAILURE, USERAUTH_SUCCESS, USERAUTH_BANNER, USERAUTH_PK_OK = 50, 51, 52, 53, 60
GLOBAL_REQUEST, CHANNEL_OPEN, CHANNEL_OPENED, CHANNEL_OPEN_FAILURE, WINDOW_ADJUST, DATA, EXTENDED, EOF, CLOSE, REQUEST, SUCCESS, FAILURE = \
    80, 90, 91, 92, 93, 94, 95, 96, 97, 98, 99, 100


class Closed(Exception):
    """The server ended the connection."""


def u32(n):
    return struct.pack(">I", n & 0xffffffff)


def s(v):
    v = v.encode() if isinstance(v, str) else v
    return u32(len(v)) + v


def mpint(v):
    v = v.lstrip(b"\0")
    return s((b"\0" if v and v[0] & 0x80 else b"") + v)


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def raw(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def byte(self):
        return self.raw(1)[0]

    def u32(self):
        return struct.unpack(">I", self.raw(4))[0]

    def string(self):
        return self.raw(self.u32())


class Key:
    """An OpenSSH ed25519 private key file."""

    def __init__(self, path):
        with open(path, "rb") as f:
            self.private = load_ssh_private_key(f.read(), None)
        self.public = self.private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)

    def blob(self):
        return s("ssh-ed25519") + s(self.public)

    def sign(self, data):
        return s("ssh-ed25519") + s(self.private.sign(data))


class Raw:
    IDENT = b"SSH-2.0-rawssh"
    LISTS = ["curve25519-sha256,ext-info-c,kex-strict-c-v00@openssh.com", "ssh-ed25519", "aes128-gcm@openssh.com", "aes128-gcm@openssh.com",
             "hmac-sha2-256", "hmac-sha2-256", "none", "none", "", ""]

    def __init__(self, server, timeout=20):
        self.sock = server.connect(timeout)
        self.buffer = b""
        self.tx = self.rx = None        # [AESGCM, iv]
        self.session_id = self.my_kexinit = self.peer_kexinit = None
        self.peer_ident = b""
        self.strict = False
        self.hostkeys = None

    def __enter__(self):
        return self

    def __exit__(self, *unused):
        self.sock.close()

    # -- bytes

    def send(self, data):
        try:
            self.sock.sendall(data)
        except (BrokenPipeError, ConnectionResetError):
            raise Closed("while sending")

    def need(self, n):
        while len(self.buffer) < n:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                got = b""
            if not got:
                raise Closed("after %d bytes" % len(self.buffer))
            self.buffer += got
        out, self.buffer = self.buffer[:n], self.buffer[n:]
        return out

    def drain(self, limit=1 << 24):
        """Everything until the server closes; a socket.timeout when it does not."""
        out, self.buffer = self.buffer, b""
        while len(out) < limit:
            try:
                got = self.sock.recv(65536)
            except ConnectionResetError:
                return out
            if not got:
                return out
            out += got
        raise AssertionError("it sends without end")

    # -- identification and packets

    def hello(self, ident=None):
        self.my_ident = ident or self.IDENT
        self.send(self.my_ident + b"\r\n")
        line = b""
        while not line.startswith(b"SSH-"):
            line = b""
            while not line.endswith(b"\n"):
                line += self.need(1)
        self.peer_ident = line.rstrip(b"\r\n")

    def packet(self, payload, pad=None):
        """Framing without encryption, or with."""
        block = 16 if self.tx else 8
        head = 1 if self.tx else 5
        n = block - (head + len(payload)) % block
        n = n + block if n < 4 else n
        n = pad if pad is not None else n
        body = bytes([n & 255]) + payload + os.urandom(n)
        if not self.tx:
            return u32(len(body)) + body
        out = u32(len(body)) + self.tx[0].encrypt(self.tx[1], body, u32(len(body)))
        self.tx[1] = step(self.tx[1])
        return out

    def put(self, payload):
        self.send(self.packet(payload))

    def get(self):
        """The next message that says something, as (number, Reader after it)."""
        while True:
            head = self.need(4)
            n = struct.unpack(">I", head)[0]
            if n > 300000:
                raise AssertionError("packet length %d" % n)
            if self.rx:
                body = self.rx[0].decrypt(self.rx[1], self.need(n + 16), head)
                self.rx[1] = step(self.rx[1])
            else:
                body = self.need(n)
            payload = body[1:len(body) - body[0]]
            if payload[0] == DISCONNECT:
                raise Closed("DISCONNECT %r" % payload[5:100])
            if payload[0] == GLOBAL_REQUEST and payload[5:29] == b"hostkeys-00@openssh.com\0":
                self.hostkeys = payload[29:]        # said once, by itself, whenever it likes
            elif payload[0] not in (IGNORE, DEBUG, EXT_INFO):
                self.payload = payload
                return payload[0], Reader(payload[1:])

    def expect(self, number):
        got, r = self.get()
        if got != number:
            raise AssertionError("message %d, not %d" % (got, number))
        return r

    # -- key exchange

    def kexinit(self, lists=None, follows=0):
        self.my_kexinit = bytes([KEXINIT]) + os.urandom(16) + b"".join(s(x) for x in (lists or self.LISTS)) + bytes([follows]) + u32(0)
        return self.my_kexinit

    def get_kexinit(self):
        self.expect(KEXINIT)
        self.peer_kexinit = self.payload
        self.strict = b"kex-strict-s-v00@openssh.com" in self.payload

    def ecdh_init(self, share=None):
        self.secret = X25519PrivateKey.generate()
        self.share = self.secret.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw) if share is None else share
        return bytes([ECDH_INIT]) + s(self.share)

    def finish_kex(self):
        r = self.expect(ECDH_REPLY)
        host, theirs, signature = r.string(), r.string(), r.string()
        shared = self.secret.exchange(X25519PublicKey.from_public_bytes(theirs))
        h = hashlib.sha256(s(self.my_ident) + s(self.peer_ident) + s(self.my_kexinit) + s(self.peer_kexinit) + s(host) + s(self.share) + s(theirs) +
                           mpint(shared)).digest()
        key, sig = Reader(host), Reader(signature)
        key.string(), sig.string()
        Ed25519PublicKey.from_public_bytes(key.string()).verify(sig.string(), h)
        self.session_id, self.host = self.session_id or h, host

        def derive(letter, n):
            return hashlib.sha256(mpint(shared) + h + letter + self.session_id).digest()[:n]

        self.put(bytes([NEWKEYS]))
        self.expect(NEWKEYS)
        self.tx = [AESGCM(derive(b"C", 16)), derive(b"A", 12)]
        self.rx = [AESGCM(derive(b"D", 16)), derive(b"B", 12)]

    def handshake(self):
        self.hello()
        self.put(self.kexinit())
        self.get_kexinit()
        self.put(self.ecdh_init())
        self.finish_kex()
        return self

    # -- login

    def service(self):
        self.put(bytes([SERVICE_REQUEST]) + s("ssh-userauth"))
        self.expect(SERVICE_ACCEPT)
        return self

    def begin(self):
        return self.handshake().service()

    def auth_head(self, user, alg, blob):
        return bytes([USERAUTH_REQUEST]) + s(user) + s("ssh-connection") + s("publickey") + b"\1" + s(alg) + s(blob)

    def signed(self, user, key, change=lambda signature: signature, alg="ssh-ed25519"):
        """A publickey request with its signature; change may spoil the 64 bytes."""
        head = self.auth_head(user, alg, key.blob())
        raw = key.private.sign(s(self.session_id) + head)
        return head + s(s("ssh-ed25519") + s(change(raw)))

    def bound(self, user, key, host, alg="ssh-ed25519"):
        """publickey-hostbound-v00@openssh.com: the signature covers a host key, too."""
        head = self.auth_head(user, alg, key.blob()).replace(s("publickey"), s("publickey-hostbound-v00@openssh.com"), 1) + s(host)
        return head + s(s("ssh-ed25519") + s(key.private.sign(s(self.session_id) + head)))

    def login(self, user, key):
        self.begin()
        self.put(self.signed(user, key))
        number = USERAUTH_BANNER
        while number == USERAUTH_BANNER:
            number, _ = self.get()
        if number != USERAUTH_SUCCESS:
            raise AssertionError("message %d, not SUCCESS" % number)
        return self

    def session(self, window=1 << 20, packet=32768, number=0):
        self.put(bytes([CHANNEL_OPEN]) + s("session") + u32(number) + u32(window) + u32(packet))
        return self.get()


def step(iv):
    return iv[:4] + struct.pack(">Q", (struct.unpack(">Q", iv[4:])[0] + 1) & 0xffffffffffffffff)


__all__ = [n for n in dir() if not n.startswith("_")]
