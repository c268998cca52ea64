#!/usr/bin/python3
"""paramiko. What a driver is: run."""
import sys
import threading

import paramiko

T = paramiko.Transport
NAMES = {"kex": "kex", "hostkey": "keys", "userkey": "pubkeys", "cipher": "ciphers", "mac": "macs", "comp": "compression"}


def known():
    print("version paramiko", paramiko.__version__)
    tables = {"kex": T._kex_info, "hostkey": T._key_info, "userkey": T._key_info, "cipher": T._cipher_info, "mac": T._mac_info, "comp": T._compression_info}
    for kind, table in tables.items():
        for name in table:
            print(kind, name)


def feed(channel):
    for block in iter(lambda: sys.stdin.buffer.read(1 << 16), b""):
        channel.sendall(block)
    channel.shutdown_write()


def run(host, port, user, key, hostpub, command, **algs):
    transport = T((host, int(port)))
    for kind, name in algs.items():
        setattr(transport, "_preferred_" + NAMES[kind], (name,))
    transport.start_client(timeout=30)
    with open(hostpub) as f:
        wanted = [line.split()[:2] for line in f]
    got = transport.get_remote_server_key()
    if [got.get_name(), got.get_base64()] not in wanted:
        sys.exit("another host key")
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey, paramiko.DSSKey):
        try:
            private = kind.from_private_key_file(key)
            break
        except (paramiko.SSHException, ValueError, AttributeError):
            pass
    transport.auth_publickey(user, private)
    channel = transport.open_session()
    channel.exec_command(command)
    feeder = threading.Thread(target=feed, args=(channel,))
    feeder.start()
    for block in iter(lambda: channel.recv(1 << 16), b""):
        sys.stdout.buffer.write(block)
    feeder.join()
    status = channel.recv_exit_status()
    transport.close()
    return status


if sys.argv[1] == "known":
    known()
else:
    status = run(**dict(word.split("=", 1) for word in sys.argv[2:]))
    sys.stdout.flush()
    sys.exit(status)
