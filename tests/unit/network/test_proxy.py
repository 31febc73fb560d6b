"""The login of a proxy, and what it is asked in."""

from __future__ import annotations

import pytest

from blobtorrent.config.values import ProxySpec
from blobtorrent.model.errors import ConfigError
from blobtorrent.network.proxy import Proxy, read_login
from blobtorrent.protocol.proxy.tunnel import Login


@pytest.mark.parametrize(("text", "login"), [
    ("me:secret", Login("me", "secret")), ("me:se:cret\r\nmore\n", Login("me", "se:cret")),
])
def test_a_login_is_the_first_line_of_its_file(tmp_path, text, login):
    (tmp_path / "login").write_text(text)
    assert read_login(tmp_path / "login") == login


@pytest.mark.parametrize("data", [b"", b"me", b":secret", b"me:", b"\xff:x"])
def test_a_file_without_a_login_is_a_mistake_of_the_settings(tmp_path, data):
    (tmp_path / "login").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_login(tmp_path / "login")
    assert caught.value.code == "config.bad-login"
    assert "secret" not in caught.value.detail


def test_a_missing_file_is_a_mistake_of_the_settings(tmp_path):
    with pytest.raises(ConfigError):
        read_login(tmp_path / "none")


@pytest.mark.parametrize(("kind", "first"), [
    ("socks5", b"\x05\x01\x00"), ("http", b"CONNECT 192.0.2.1:80 HTTP/1.1\r\n"),
])
def test_a_proxy_is_asked_in_its_language(kind, first):
    proxy = Proxy(ProxySpec(kind, "127.0.0.1", 1))
    assert proxy.tunnel_to("192.0.2.1", 80).begin().startswith(first)
