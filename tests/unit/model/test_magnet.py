"""Magnet links of BEP 9 and BEP 53."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.model.errors import MagnetError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.magnet import (
    MAX_LINK_CHARACTERS,
    MAX_PEERS,
    MAX_WRITTEN_CHARACTERS,
    MagnetLink,
    format_magnet,
    is_magnet,
    parse_magnet,
)
from blobtorrent.model.paths import safe_part

V1 = "c12fe1c06bba254a9dc9f519b335aa7c1367a88a"
V2 = "caf1e1c30e81cb361b9ee167c4aa64228a7fa4fa9f6105232b28ad099f3a302e"
XT = f"magnet:?xt=urn:btih:{V1}"


def test_a_hash_in_hex_or_base32_names_the_torrent() -> None:
    assert parse_magnet(XT).info_hash.v1.hex() == V1
    assert parse_magnet(XT.upper().replace("XT=URN:BTIH", "xt=urn:btih")).info_hash.v1.hex() == V1
    assert parse_magnet("magnet:?xt=urn:btih:YEX6DQDLXISUVHOJ6UM3GNNKPQJWPKEK").info_hash.v1.hex() == V1


def test_a_multihash_names_a_v2_torrent_and_both_a_hybrid() -> None:
    link = parse_magnet(f"{XT}&xt=urn:btmh:1220{V2}")
    assert (link.info_hash.v1.hex(), link.info_hash.v2.hex()) == (V1, V2)
    assert parse_magnet(f"magnet:?xt=urn:btmh:1220{V2}").info_hash.v1 == b""


def test_everything_else_is_advice() -> None:
    link = parse_magnet(
        f"{XT}&dn=My+file%20%C3%BC.iso&xl=123&tr=http%3A%2F%2Fa%2Fann&tr.1=udp://b:1&tr=foo&ws=http://w/x"
        "&x.pe=1.2.3.4:5&x.pe=[::1]:6&x.pe=host.name:7&so=0,2-4,x,9-8&kt=words&as=http://x/"
    )
    assert link.name == "My file ü.iso"
    assert link.size == 123
    assert link.tiers == (("http://a/ann",), ("udp://b:1",))
    assert link.web_seeds == ("http://w/x",)
    assert link.peers == (("1.2.3.4", 5), ("::1", 6), ("host.name", 7))
    assert link.selected_files == (range(1), range(2, 5))


@pytest.mark.parametrize("odd", ["\udcff", "\ud800", "\udfff\ud800"])
def test_what_is_no_character_stands_for_itself_nowhere(odd: str) -> None:
    link = parse_magnet(f"{XT}&dn=a{odd}b&tr=http://a/{odd}&{odd}=1&ws={odd}&x.pe={odd}:1&so={odd}")
    assert link.name == f"a{len(odd) * chr(0xfffd)}b"
    assert link.tiers == ((f"http://a/{len(odd) * '%EF%BF%BD'}",),)
    assert (link.web_seeds, link.peers, link.selected_files) == ((), (), ())
    assert parse_magnet(format_magnet(link)) == link
    with pytest.raises(MagnetError):
        parse_magnet(f"magnet:?xt=urn:btih:{odd}")


def test_a_bare_link_has_only_its_hash() -> None:
    link = parse_magnet(XT)
    assert (link.name, link.size, link.tiers, link.web_seeds, link.peers, link.selected_files) == (
        None, None, (), (), (), ())


def test_a_name_is_safe_as_a_file_name() -> None:
    assert parse_magnet(f"{XT}&dn=../../etc%0a").name == ".._.._etc_"


@pytest.mark.parametrize(("link", "code"), [
    ("http://a/", "magnet.not-a-link"),
    ("magnet:?", "magnet.no-hash"),
    ("magnet:?dn=a", "magnet.no-hash"),
    ("magnet:?xt=urn:sha1:YNCKHTQCWBTRNJIV4WNAE52SJUQCZO5C", "magnet.no-hash"),
    ("magnet:?xt=urn:btih:", "magnet.bad-hash"),
    (f"magnet:?xt=urn:btih:{V1[:-1]}", "magnet.bad-hash"),
    (f"magnet:?xt=urn:btih:{V1[:-2]}%20a", "magnet.bad-hash"),
    ("magnet:?xt=urn:btih:" + "1" * 32, "magnet.bad-hash"),
    (f"magnet:?xt=urn:btmh:1220{V1}", "magnet.bad-hash"),
    (f"magnet:?xt=urn:btmh:1114{V2}", "magnet.bad-hash"),
    (f"{XT}&xt=urn:btih:{'0' * 40}", "magnet.two-torrents"),
    (f"{XT}&dn={'x' * 70000}", "magnet.too-large"),
    (f"{XT}{'&tr=a' * 2000}", "magnet.too-large"),
])
def test_links_that_name_no_torrent_are_refused(link: str, code: str) -> None:
    with pytest.raises(MagnetError) as caught:
        parse_magnet(link)
    assert caught.value.code == code


def test_useless_parameters_are_passed_over() -> None:
    link = parse_magnet(f"{XT}&&=&x&xl=many&x.pe=a&x.pe=a:0&x.pe=a:99999&so=1-99999999999&%ff=%ff&tr=%ff")
    assert (link.size, link.peers, link.selected_files, link.tiers) == (None, (), (), ())


def test_peers_are_counted() -> None:
    link = parse_magnet(XT + "".join(f"&x.pe=1.2.3.4:{port}" for port in range(1, 500)))
    assert len(link.peers) == MAX_PEERS


@pytest.mark.parametrize(("so", "runs"), [
    ("9," * 30_000, (range(9, 10),)),
    ("5-7,0,6-9,1,20", (range(2), range(5, 10), range(20, 21))),
    ("0-1,2-3", (range(4),)),
    ("7,0-16777216", (range(16777217),)),
])
def test_a_selection_is_put_in_order(so: str, runs: tuple[range, ...]) -> None:
    assert parse_magnet(f"{XT}&so={so}").selected_files == runs


def _read_back(link: str) -> None:
    parsed = parse_magnet(link)
    assert parse_magnet(format_magnet(parsed), max_characters=MAX_WRITTEN_CHARACTERS) == parsed


@pytest.mark.parametrize("value", ["/", "%", "\u00fc", "%FF", '"', "\U0001f600"])
def test_the_longest_links_are_read_back_when_they_were_written(value: str) -> None:
    trackers = "".join(f"&tr=http://a{number}/{value * (900 // len(value.encode()))}" for number in range(200))
    _read_back((XT + trackers)[:MAX_LINK_CHARACTERS])
    seeds = "".join(f"&ws=http://a{number}/{value * (900 // len(value.encode()))}" for number in range(90))
    _read_back((XT + f"&dn={value * 200}" + seeds)[:MAX_LINK_CHARACTERS])


_PARAMETERS = st.tuples(st.sampled_from(["tr", "ws", "dn", "so", "xl", "x.pe", "tr.7", "as"]), st.one_of(
    st.text(max_size=20),
    st.from_regex(r"(http|udp)://[a-z\[\]:.%@0-9]{1,9}(:[0-9]{1,4})?/[ -~]{0,20}", fullmatch=True),
    st.from_regex(r"[0-9,-]{0,12}", fullmatch=True),
    st.from_regex(r"\[?[0-9a-f.:]{1,8}\]?:[0-9]{1,5}", fullmatch=True)))


@given(st.lists(_PARAMETERS, max_size=8))
def test_whatever_link_is_accepted_is_read_back_when_it_was_written(parameters: list[tuple[str, str]]) -> None:
    _read_back(XT + "".join(f"&{key}={value}" for key, value in parameters))


@given(st.text(max_size=80))
def test_only_magnet_errors_come_out_of_any_text(text: str) -> None:
    for link in (text, f"magnet:?{text}", f"{XT}&{text}"):
        try:
            parse_magnet(link)
        except MagnetError:
            continue


def test_a_link_is_known_by_its_scheme() -> None:
    assert is_magnet(XT) and is_magnet("MAGNET:?x")
    assert not is_magnet("a/magnet:?x.torrent")


_HOSTS = st.sampled_from(["1.2.3.4", "::1", "host.example"])


@given(
    st.sampled_from([(V1, ""), ("", V2), (V1, V2)]),
    st.none() | st.text(st.characters(exclude_categories=("C",), exclude_characters="/\\"), min_size=1, max_size=40),
    st.none() | st.integers(0, 10**14),
    st.lists(st.tuples(_HOSTS, st.integers(1, 65535)), max_size=3),
)
def test_a_link_that_was_written_is_read_as_it_was(digests, name, size, peers) -> None:
    link = MagnetLink(
        InfoHash(*map(bytes.fromhex, digests)), None if name is None else safe_part(name.encode()), size,
        tiers=(("http://a/x?y=1&z=%20",), ("udp://b:1",)), web_seeds=("http://w/a+b",), peers=tuple(peers),
        selected_files=(range(1), range(2, 5)),
    )
    assert parse_magnet(format_magnet(link)) == link


def test_a_written_link_is_plain_ascii() -> None:
    link = MagnetLink(InfoHash(v1=bytes(20)), "ü &=#\n")
    assert format_magnet(link) == f"magnet:?xt=urn:btih:{40 * '0'}&dn=%C3%BC%20%26%3D%23%0A"
