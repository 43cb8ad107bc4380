"""The commands of openssl that the documentation uses, for machines without openssl."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)


def main() -> int:
    parser = argparse.ArgumentParser(allow_abbrev=False)
    commands = parser.add_subparsers(dest="command", required=True)
    generate = commands.add_parser("genpkey")
    generate.add_argument("-algorithm", choices=["ed25519"], required=True)
    generate.add_argument("-out", type=Path, required=True)
    convert = commands.add_parser("pkey")
    convert.add_argument("-in", dest="source", type=Path, required=True)
    convert.add_argument("-pubout", action="store_true", required=True)
    convert.add_argument("-out", type=Path, required=True)
    given = parser.parse_args()
    if given.command == "genpkey":
        key = Ed25519PrivateKey.generate()
        given.out.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    else:
        public = load_pem_private_key(given.source.read_bytes(), None).public_key()
        given.out.write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return 0


if __name__ == "__main__":
    sys.exit(main())
