from __future__ import annotations

import pytest

from blobtorrent.runtime.redact import mask_parts, redact


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
        ("http://t.example/abcdefghijklmnopqrstuvwxyzabcdef/announce", "http://t.example/***/announce"),
        ("http://t.example/a1b2c3d4e5f6a7b8c9d0.php", "http://t.example/***.php"),
        ("http://t.example/announce?pid=a1b2c3", "http://t.example/announce?pid=***"),
        ("http://a1b2c3d4e5f6a7b8c9d0.t.example:80/announce", "http://***.t.example:80/announce"),
        ("https://a.example/c/x.iso?sr=b&sig=abcDEF%2Bxyz%3D&se=2030", "https://a.example/c/x.iso?sr=b&sig=***&se=2030"),
        ("https://b.example/k?AWSAccessKeyId=AKIAIOSFODNN7EXAMPLE&Signature=vjbyP%2ByT4%3D&Expires=1175139620",
         "https://b.example/k?AWSAccessKeyId=***&Signature=***&Expires=1175139620"),
        ("https://c.example/i.jpg?Policy=e30_&x=nitfHRCrtziwO2HwPfWw~yYDhUF5EwRunQA-j19DzZr",
         "https://c.example/i.jpg?Policy=***&x=***"),
        ("https://d.example/k?X-Amz-Credential=a%2Fb&a=1", "https://d.example/k?X-Amz-Credential=***&a=1"),
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
        "https://d111111abcdef8.cloudfront.example/ubuntu-22.04-desktop-amd64.iso?part=2#top",
        "http://?", "://", "udp://",
    ],
)
def test_harmless_text_is_left_alone(text):
    assert redact(text) == text


def test_a_whole_query_may_be_masked():
    url = "https://user:word@seed.example/file.iso?v=2&plain&e="
    assert redact(url, whole_queries=True) == "https://***@seed.example/file.iso?v=***&plain&e="


@pytest.mark.parametrize(("url", "said", "shown"), [
    ("http://t.example/announce/abcdefgh", "Invalid passkey abcdefgh!", "Invalid passkey ***!"),
    ("http://t.example/abcdefgh.php?pid=12345678", "no abcdefgh, 12345678", "no ***, ***"),
    ("http://t.example/announce?key=a%2Bb%2Bc%2Bd", "not a+b+c+d, a%2Bb%2Bc%2Bd", "not ***, ***"),
    ("http://someuser:some-word@t.example/announce", "someuser:some-word is banned", "***:*** is banned"),
    ("udp://a1b2c3d4e5f6a7b8c9d0.t.example:80", "a1b2c3d4e5f6a7b8c9d0 is unknown", "*** is unknown"),
    ("http://tracker.example/announce?compact=1", "tracker.example: announce less", "tracker.example: announce less"),
    ("no url", "no url", "no url"),
])
def test_what_is_said_repeats_no_secret_of_the_url_that_was_asked(url, said, shown):
    assert mask_parts(said, url) == shown
