#!/usr/bin/python3
"""asyncssh. What a driver is: run."""
import asyncio
import sys

import asyncssh
from asyncssh.compression import get_compression_algs
from asyncssh.encryption import get_encryption_algs
from asyncssh.kex import get_kex_algs
from asyncssh.mac import get_mac_algs
from asyncssh.public_key import get_certificate_algs, get_public_key_algs

NAMES = {"kex": "kex_algs", "hostkey": "server_host_key_algs", "userkey": "signature_algs", "cipher": "encryption_algs", "mac": "mac_algs", "comp": "compression_algs"}


def known():
    print("version asyncssh", asyncssh.__version__)
    tables = {"kex": get_kex_algs(), "hostkey": get_public_key_algs() + get_certificate_algs(), "userkey": get_public_key_algs(), "cipher": get_encryption_algs(),
              "mac": get_mac_algs(), "comp": get_compression_algs()}
    for kind, table in tables.items():
        for name in table:
            print(kind, name.decode())


async def run(host, port, user, key, hostpub, command, **algs):
    how = {NAMES[kind]: [name] for kind, name in algs.items()}
    async with asyncssh.connect(host, int(port), username=user, client_keys=[key], known_hosts=hostpub + ".known", agent_path=None, config=[], **how) as c:
        async with c.create_process(command, encoding=None) as p:
            async def feed():
                for block in iter(lambda: sys.stdin.buffer.read(1 << 16), b""):
                    p.stdin.write(block)
                    await p.stdin.drain()
                p.stdin.write_eof()
            feeding = asyncio.ensure_future(feed())
            while True:
                block = await p.stdout.read(1 << 16)
                if not block:
                    break
                sys.stdout.buffer.write(block)
            await feeding
            await p.wait()
            return p.exit_status


if sys.argv[1] == "known":
    known()
else:
    status = asyncio.run(run(**dict(word.split("=", 1) for word in sys.argv[2:])))
    sys.stdout.flush()
    sys.exit(status)
