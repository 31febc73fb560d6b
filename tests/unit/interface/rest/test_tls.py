"""Which certificates and keys are used for HTTPS, and which are refused."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)

from blobtorrent.cli.selfsigned import make_identity
from blobtorrent.interface.rest.tls import load_identity
from blobtorrent.model.errors import ConfigError


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    identity = make_identity(["a"], 1)
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(identity.certificate)
    key.write_bytes(identity.key)
    key.chmod(0o600)
    return certificate, key


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o640, 0o440])
def test_the_owner_and_the_group_may_read_the_key(files, mode):
    files[1].chmod(mode)
    context = load_identity(*files)
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.options & ssl.OP_NO_RENEGOTIATION


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o602, 0o601, 0o620, 0o660])
def test_a_key_that_others_may_read_or_change_is_refused(files, mode):
    files[1].chmod(mode)
    with pytest.raises(ConfigError) as caught:
        load_identity(*files)
    assert caught.value.code == "tls.key-exposed"


def test_a_key_for_another_certificate_is_refused(files):
    files[1].write_bytes(make_identity(["a"], 1).key)
    with pytest.raises(ConfigError) as caught:
        load_identity(*files)
    assert caught.value.code == "tls.unusable"


def test_a_key_with_a_password_is_refused_and_nobody_asked_for_it(files):
    certificate, key = files
    private = load_pem_private_key(key.read_bytes(), None)
    key.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")))
    with pytest.raises(ConfigError, match="encrypted"):
        load_identity(certificate, key)


@pytest.mark.parametrize("which", [0, 1])
@pytest.mark.parametrize("content", [None, b"", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_cannot_be_read_is_told_by_its_name(files, which, content):
    if content is None:
        files[which].unlink()
    else:
        files[which].write_bytes(content)
    with pytest.raises(ConfigError, match=files[which].name) as caught:
        load_identity(*files)
    assert caught.value.code == "tls.unusable"
