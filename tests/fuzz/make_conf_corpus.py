#!/usr/bin/env python3
"""make_conf_corpus - writes the seed corpus of the fuzz target conf."""
import pathlib

HERE = pathlib.Path(__file__).parent / "corpus" / "conf"
SEEDS = {
    "empty": "",
    "defaults": "Port 22\nAddressFamily any\nPermitRootLogin prohibit-password\nMaxStartups 10:30:100\nBanner none\n",
    "quotes": "AllowUsers \"a b\" 'c\"d' e\\ f g\\\"h \"i\\\\j\" k\\l m#n o\"p q\"r # comment\nBanner \"x\n",
    "equals": "MaxSessions = 7\nMaxAuthTries=3\nVersionAddendum ==x \"y\" # z\nSubsystem t =u\n",
    "match": "MaxSessions 1\nMatch User bob,!ann Address 192.0.2.0/24\nMaxSessions 2\nAcceptEnv A B\n"
             "Match Group=wheel LocalPort 22 LocalAddress 2001:db8::/32\nBanner \"/a b\"\nMatch all\nPort 9\n",
    "lists": "Port 1\nPort 2\nListenAddress [::1]:5\nListenAddress 1.2.3.4\nHostKey /a\nHostKey \"b c\"\n"
             "AuthorizedKeysFile one two\nAuthorizedKeysFile none\nSubsystem sftp /x \"y z\"  w\n",
    "algs": "Ciphers ^aes256-ctr\nMACs -*512*\nKexAlgorithms +curve25519-sha256\nHostKeyAlgorithms rsa-*,ssh-ed25519\n",
    "times": "LoginGraceTime 1h30m\nClientAliveInterval 2W1d\nRekeyLimit 1G 1h\n",
    "other": "UsePAM no\nProtocol 2\nX11Forwarding no\nUsePrivilegeSeparation sandbox\n",
    "unknown": "Foo bar\n",
    "in-block": "Match User a\nPort 22\n",
    "bad-net": "Match Address 10.0.0.1/8\n",
    "nul": "Banner a\0b\n",
    "crlf": "Port 22\r\nMaxSessions 3\r\n\f\r\n",
    "include": "Include /etc/x\n",
    "subsystem-none": "Subsystem sftp none\nSubsystem a \"b\"\nSubsystem a c\n",
}

HERE.mkdir(parents=True, exist_ok=True)
for name, text in SEEDS.items():
    (HERE / name).write_bytes(text.encode())
