from __future__ import annotations

import pytest

from blobtorrent.runtime.redact import redact


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://t.example/announce?passkey=0123456789abcdef&port=1", "http://t.example/announce?passkey=***&port=1"),
        ("http://t.example/announce.php?pid=a1b2c3d4e5f6a7b8c9d0&x=1", "http://t.example/announce.php?pid=***&x=1"),
        ("http://t.example/a1b2c3d4e5f6a7b8c9d0/announce", "http://t.example/***/announce"),
        ("https://t.example/announce/a1b2c3d4e5f6a7b8c9d0", "https://t.example/announce/***"),
        ("udp://user:word@t.example:80/announce", "udp://***@t.example:80/announce"),
        ("GET failed: https://t/x?AuthKey=abc#y now", "GET failed: https://t/x?AuthKey=***#y now"),
        ("Authorization: Basic dXNlcjp3b3Jk", "Authorization: ***"),
        ("sent bearer abc.def-123 to it", "sent bearer *** to it"),
        ("password=hunter2", "password=***"),
    ],
)
def test_secrets_are_masked(text, shown):
    assert redact(text) == shown


@pytest.mark.parametrize(
    "text",
    [
        "http://tracker.example:6969/announce",
        "https://t.example/some/very-long-path-of-words-only/announce",
        "torrent a1b2c3d4e5f6a7b8c9d0a1b2c3d4e5f6a7b8c9d0 added",
        "the tokens of a bucket",
    ],
)
def test_harmless_text_is_left_alone(text):
    assert redact(text) == text
