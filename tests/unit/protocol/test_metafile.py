"""The .torrent file, read and written."""

from __future__ import annotations

import gc
import hashlib
import time
from collections.abc import Callable

import pytest

from blobtorrent.model.errors import MetainfoError
from blobtorrent.protocol.bencode import decode, encode
from blobtorrent.protocol.metafile import encode_torrent, parse_torrent
from tests.support.oddtorrents import PIECE, layer, leaf, listed, multi, single, torrent, tree


def test_a_v1_torrent_is_read_whole() -> None:
    info = multi([listed(5, b"a"), listed(7, b"d", b"b", attr=b"xh")], private=1, source=b"mark")
    metainfo = parse_torrent(torrent(
        info, announce__list=[[b"http://a/", b"http://b/"], [b"udp://c:1"]], url__list=[b"http://w/"],
        comment=b"hello", created_by=b"me", creation_date=7, nodes=[[b"host", 6881]],
    ))
    assert metainfo.info_hash.v1 == hashlib.sha1(encode(info)).digest() and not metainfo.info_hash.v2
    assert metainfo.raw_info == encode(info)
    assert (metainfo.name, metainfo.is_private, metainfo.source) == ("odd", True, "mark")
    assert (metainfo.geometry.size, metainfo.geometry.num_pieces, metainfo.payload_bytes) == (12, 1, 12)
    assert [(file.path, file.length, file.offset) for file in metainfo.files] == [
        (("odd", "a"), 5, 0), (("odd", "d", "b"), 7, 5)]
    assert metainfo.files[1].is_executable and metainfo.files[1].is_hidden
    assert metainfo.tiers == (("http://a/", "http://b/"), ("udp://c:1",))
    assert metainfo.web_seeds == ("http://w/",)
    assert metainfo.nodes == (("host", 6881),)
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == ("hello", "me", 7)
    assert metainfo.piece_hashes_v1 == bytes(20) and metainfo.has_piece_hashes


def test_the_info_hash_is_that_of_the_bytes_in_the_file() -> None:
    raw_info = b"d4:name3:odd6:lengthi0425e12:piece lengthi16384e6:pieces20:" + bytes(20) + b"e"
    metainfo = parse_torrent(b"d4:info" + raw_info + b"e")
    assert metainfo.info_hash.v1 == hashlib.sha1(raw_info).digest()
    assert metainfo.raw_info == raw_info


def test_a_v2_torrent_has_the_full_hash_and_checked_layers() -> None:
    large = b"l" * (PIECE * 2 + 1)
    root = leaf(large)[b""][b"pieces root"]
    info = tree({b"a": leaf(large), b"b": leaf(large)})
    metainfo = parse_torrent(torrent(info, piece_layers={root: layer(large)}))
    assert metainfo.info_hash.v2 == hashlib.sha256(encode(info)).digest() and not metainfo.info_hash.v1
    assert metainfo.piece_layers == {root: layer(large)}
    assert metainfo.has_piece_hashes and metainfo.piece_hashes_v1 == b""
    assert [file.pieces_root for file in metainfo.files if not file.is_pad] == [root, root]


def test_without_its_layers_a_v2_torrent_cannot_be_checked() -> None:
    assert not parse_torrent(torrent(tree({b"a": leaf(b"l" * (PIECE + 1))}))).has_piece_hashes
    assert parse_torrent(torrent(tree({b"a": leaf(b"s")}))).has_piece_hashes


def test_a_hybrid_has_both_hashes() -> None:
    info = {**tree({b"odd": leaf(b"s" * 5)}), **single(length=5)}
    metainfo = parse_torrent(torrent(info))
    assert metainfo.info_hash.v1 == hashlib.sha1(encode(info)).digest()
    assert metainfo.info_hash.v2 == hashlib.sha256(encode(info)).digest()
    assert len(metainfo.files[0].path) == 1 and metainfo.files[0].pieces_root


def test_odd_bencoding_outside_info_does_not_spoil_a_v2_torrent() -> None:
    data = torrent(tree({b"a": leaf(b"s")}))
    assert parse_torrent(data[:-1] + b"1:ai007ee").geometry.num_pieces == 1


def test_a_written_torrent_is_read_back() -> None:
    raw_info = encode(single())
    data = encode_torrent(raw_info, tiers=[["http://a/", "http://b/"], ["udp://c:1"]], web_seeds=["http://w/"],
                          nodes=[("host", 1)], comment="ü", created_by="me", creation_date=5)
    metainfo = parse_torrent(data)
    assert (metainfo.raw_info, metainfo.tiers) == (raw_info, (("http://a/", "http://b/"), ("udp://c:1",)))
    assert (metainfo.web_seeds, metainfo.nodes) == (("http://w/",), (("host", 1),))
    assert (metainfo.comment, metainfo.created_by, metainfo.creation_date) == ("ü", "me", 5)
    assert decode(data)[b"announce"] == b"http://a/"


def test_a_written_torrent_has_no_empty_keys() -> None:
    assert list(decode(encode_torrent(encode(single())))) == [b"info"]
    assert list(decode(encode_torrent(encode(single()), tiers=[["http://a/"]], piece_layers={}))) == [
        b"announce", b"info", b"piece layers"]


def test_the_collector_runs_again_after_a_torrent_was_read_or_refused() -> None:
    parse_torrent(torrent(single()))
    with pytest.raises(MetainfoError):
        parse_torrent(torrent(None))
    assert gc.isenabled()


def test_100_000_files_in_10_mb_are_read_in_two_seconds() -> None:
    files = [
        listed(number, b"folder %d" % (number % 1000), b"and another folder below", b"%06d of many names.bin" % number)
        for number in range(1, 100_001)
    ]
    data = torrent(multi(files, piece_length=1 << 18, pieces=bytes(20 * 19074)))
    assert len(data) >= 9_500_000

    def read() -> None:
        assert len(parse_torrent(data).files) == 100_000

    # Two seconds of a processor that counts to ten million in 0.4 s; a slower or shared one gets more.
    slowness = max(1.0, cpu_seconds(lambda: sum(number for number in range(10_000_000))) / 0.4)
    assert min(cpu_seconds(read) for _ in range(3)) < 2.0 * slowness


def cpu_seconds(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started
