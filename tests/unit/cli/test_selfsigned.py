"""Certificates that are their own issuer."""

from __future__ import annotations

import hashlib
import ipaddress
import ssl

import pytest
from cryptography import x509

from blobtorrent.cli.selfsigned import make_identity
from blobtorrent.model.errors import Invalid


def test_it_is_for_every_host_that_was_named():
    identity = make_identity(["nas.lan", "192.168.1.2", "[::1]", "*.example.org", "b\xfccher.example"], 30)
    certificate = x509.load_pem_x509_certificate(identity.certificate)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["nas.lan", "*.example.org", "xn--bcher-kva.example"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ipaddress.ip_address("192.168.1.2"), ipaddress.ip_address("::1")
    ]
    assert (certificate.not_valid_after_utc - certificate.not_valid_before_utc).days == 31


def test_it_signs_nothing_for_others():
    certificate = x509.load_pem_x509_certificate(make_identity(["a"], 1).certificate)
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False


def test_the_fingerprint_is_that_of_the_certificate():
    identity = make_identity(["a"], 1)
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(identity.certificate.decode())).hexdigest()
    assert identity.fingerprint.replace(":", "").lower() == digest


@pytest.mark.parametrize("host", ["", "a b", "a..b", ".", "a/b", "a" * 64, "http://a", "a:80", "*", "a.*.b", "a\nb"])
def test_what_is_no_host_is_refused(host):
    with pytest.raises(Invalid) as caught:
        make_identity([host], 1)
    assert caught.value.code == "tls.bad-host"
