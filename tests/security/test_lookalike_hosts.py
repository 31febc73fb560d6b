"""Look-alike tracker hosts: a name beyond ASCII is kept and shown as what is looked up, never as what it looks like."""

from __future__ import annotations

import pytest

from blobtorrent.model.magnet import parse_magnet
from blobtorrent.model.urls import TRACKER_SCHEMES, authority_of, host_of, usable_url
from blobtorrent.protocol.metafile import parse_torrent
from tests.support.oddtorrents import single, torrent

LOOKALIKES = {
    "http://tr\u0430cker.example/announce": "xn--trcker-4nf.example",      # a Cyrillic a
    "http://\u0430pple.com/announce": "xn--pple-43d.com",
    "udp://ex\u00e4mple.org:80/announce": "xn--exmple-cua.org",
    "https://\u043c\u043e\u0441\u043a\u0432\u0430.example/": "xn--80adxhks.example",
    "http://\u6771\u4eac.example/announce": "xn--1lqs71d.example",
}
# What normalisation would turn into other parts of a URL, or into another name.
DISGUISES = (
    "http://good.example\uff0fevil.example/announce", "http://good.example\uff20evil.example/announce",
    "http://good.example\uff1a80/announce", "http://good.example\uff1fx/announce", "http://good.example\uff03x/announce",
    "http://good.example\u2044x.example/", "http://good.example\u202e.moc/", "http://a\u200b.example/",
    "http://a\u00ad.example/", "http://\u0000.example/", "http://a\ud800.example/", "http://exa\u0338mple.org/",
    "http://127.0.0.1\uff0e/", "http://\u2488\u2489.example/",
)


@pytest.mark.parametrize(("url", "host"), LOOKALIKES.items())
def test_a_host_beyond_ascii_is_shown_as_punycode(url: str, host: str) -> None:
    kept = usable_url(url.encode(), TRACKER_SCHEMES)
    assert kept is not None and kept.isascii()
    assert host_of(kept) == host
    metainfo = parse_torrent(torrent(single(), announce=url.encode()))
    assert [[host_of(tracker) for tracker in tier] for tier in metainfo.tiers] == [[host]]
    magnet = parse_magnet(f"magnet:?xt=urn:btih:{'a' * 40}&tr={url}")
    assert [[host_of(tracker) for tracker in tier] for tier in magnet.tiers] == [[host]]


@pytest.mark.parametrize("url", DISGUISES)
def test_a_disguise_names_no_other_host_than_it_shows(url: str) -> None:
    kept = usable_url(url.encode("utf-8", "surrogatepass"), TRACKER_SCHEMES)
    if kept is not None:
        assert kept.isascii() and kept.isprintable()
        assert "@" not in authority_of(kept) and "evil" not in host_of(kept)
        assert ":" not in authority_of(kept) and kept.count("@") == 0
