"""A certificate of our own, for servers over TLS."""

from __future__ import annotations

import datetime
import ipaddress
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAMED = "127.0.0.1"                    # by the certificate


def certify(folder: Path) -> tuple[Path, Path]:
    """Files: a key with its certificate, which vouches for itself and names NAMED, and the certificate alone."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "own")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(1).not_valid_before(now - datetime.timedelta(1)).not_valid_after(now + datetime.timedelta(1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(NAMED))]), critical=False)
        .sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    own, public = folder / "server.pem", folder / "authority.pem"
    own.write_bytes(key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + certificate)
    public.write_bytes(certificate)
    return own, public
