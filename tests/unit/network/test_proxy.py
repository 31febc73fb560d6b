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
    assert read_login(tmp_path / "login", "socks5") == login


@pytest.mark.parametrize("data", [b"", b"me", b":secret", b"me:", b"\xff:x"])
def test_a_file_without_a_login_is_a_mistake_of_the_settings(tmp_path, data):
    (tmp_path / "login").write_bytes(data)
    with pytest.raises(ConfigError) as caught:
        read_login(tmp_path / "login", "socks5")
    assert caught.value.code == "config.bad-login"
    assert "secret" not in caught.value.detail


def test_a_missing_file_is_a_mistake_of_the_settings(tmp_path):
    with pytest.raises(ConfigError):
        read_login(tmp_path / "none", "http")


@pytest.mark.parametrize(("kind", "first"), [
    ("socks5", b"\x05\x01\x00"), ("http", b"CONNECT 192.0.2.1:80 HTTP/1.1\r\n"),
])
def test_a_proxy_is_asked_in_its_language(kind, first):
    proxy = Proxy(ProxySpec(kind, "127.0.0.1", 1))
    assert proxy.tunnel_to("192.0.2.1", 80).begin().startswith(first)


@pytest.mark.parametrize("text", [f"{256 * 'x'}:secret", f"me:{128 * 'é'}"])
def test_what_socks_cannot_be_told_is_a_mistake_of_the_settings_and_of_no_peer(tmp_path, text):
    (tmp_path / "login").write_text(text)
    with pytest.raises(ConfigError) as caught:
        read_login(tmp_path / "login", "socks5")
    assert caught.value.code == "config.bad-login"
    assert read_login(tmp_path / "login", "http").user in text


@pytest.mark.parametrize(("mode", "warnings"), [(0o640, 0), (0o644, 1)])
def test_a_login_that_everybody_may_read_is_told_of(tmp_path, caplog, mode, warnings):
    (tmp_path / "login").write_text("me:secret")
    (tmp_path / "login").chmod(mode)
    read_login(tmp_path / "login", "http")
    assert len(caplog.records) == warnings
    assert "secret" not in caplog.text
