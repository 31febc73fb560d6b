"""Certificates that are their own issuer (RFC 5280), for daemons that no authority knows."""

from __future__ import annotations

import datetime
import ipaddress
from collections.abc import Sequence
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from blobtorrent.model.errors import Invalid

MAX_COMMON_NAME = 64                   # characters (RFC 5280, appendix A)
CLOCK_SKEW = datetime.timedelta(days=1)    # of clients whose clock is late


class Identity(NamedTuple):
    """PEM texts; `fingerprint` is the SHA-256 of the certificate, as browsers show it."""

    certificate: bytes
    key: bytes
    fingerprint: str


def make_identity(hosts: Sequence[str], days: int) -> Identity:
    """A key on P-256 and a certificate for these names and addresses. Raises Invalid ("tls.bad-host")."""
    names = [_general_name(host) for host in hosts]
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, hosts[0][:MAX_COMMON_NAME])])
    now = datetime.datetime.now(datetime.timezone.utc)
    key_id = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + datetime.timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        # A client that trusts it must not trust what somebody who steals the key signs with it for other names.
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(key_id, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(key_id), critical=False)
        .sign(key, hashes.SHA256())
    )
    return Identity(
        certificate.public_bytes(serialization.Encoding.PEM),
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        ),
        certificate.fingerprint(hashes.SHA256()).hex(":").upper(),
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.strip("[]")))
    except ValueError:
        pass
    try:
        name = host.encode("idna").decode("ascii") if host else ""
        labels = name.removeprefix("*.").split(".")
        if not all(label.replace("-", "a").isalnum() for label in labels):
            raise ValueError
        return x509.DNSName(name)
    except ValueError:
        raise Invalid("tls.bad-host", f"{host!r} is neither a name nor an address") from None
