"""`blobtorrent tls self-signed`: a certificate for the daemon's https that nobody else has to be asked for."""

from __future__ import annotations

import os
from argparse import ArgumentTypeError, Namespace
from pathlib import Path

from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.model.errors import Invalid

CERTIFICATE_FILE = "certificate.pem"
KEY_FILE = "key.pem"
DEFAULT_DAYS = 397                     # what browsers take at most
MAX_DAYS = 3650


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "tls",
        help="make a certificate for https",
        description=f"self-signed: make a private key and a certificate for it, {KEY_FILE} and {CERTIFICATE_FILE}, for "
                    "rest.tls_key and rest.tls_certificate. Clients have to be told to trust it: --ca-file.",
    )
    parser.add_argument("action", choices=("self-signed",), metavar="self-signed")
    parser.add_argument("--host", metavar="NAME", action="append", required=True,
                        help="a name or address that clients call the daemon by; may be repeated")
    parser.add_argument("-o", "--output", type=Path, metavar="DIR", default=Path("."),
                        help="folder for the two files, which must not be there yet (default: this one)")
    parser.add_argument("--days", type=_days, metavar="N", default=DEFAULT_DAYS,
                        help="days that the certificate holds (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.selfsigned import make_identity

    identity = make_identity(args.host, args.days)
    certificate, key = args.output / CERTIFICATE_FILE, args.output / KEY_FILE
    _write_new(key, identity.key, mode=0o600)
    try:
        _write_new(certificate, identity.certificate, mode=0o644)
    except Invalid:
        key.unlink()
        raise
    if args.json:
        print_json({"certificate": str(certificate), "key": str(key), "sha256": identity.fingerprint})
    else:
        print(f"wrote {clean(str(certificate))} and {clean(str(key))}")
        print(f"SHA-256 {identity.fingerprint}")
    return EXIT_OK


def _write_new(path: Path, data: bytes, *, mode: int) -> None:
    try:
        with open(path, "xb", opener=lambda name, flags: os.open(name, flags, mode)) as file:
            file.write(data)
    except OSError as error:
        raise Invalid("tls.cannot-write", f"{path}: {error.strerror}") from None


def _days(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= MAX_DAYS):
        raise ArgumentTypeError(f"must be a number from 1 to {MAX_DAYS}")
    return int(text)
