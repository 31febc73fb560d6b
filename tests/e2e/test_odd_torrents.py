"""Odd and broken torrents on every way into a daemon: each gets its verdict, a bad one an error that says why, and the
daemon goes on as before. It reaches nobody: it is bound to the loopback address, whatever trackers they name."""

from __future__ import annotations

import base64
import hashlib
import re
import xmlrpc.client
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.model.errors import BlobTorrentError, FormatError
from blobtorrent.protocol.bencode import read_document
from blobtorrent.protocol.metafile import TORRENT_LIMITS, encode_torrent, parse_torrent
from tests.support.corpus import Judged, judged_torrents
from tests.support.peers.daemon import Daemon
from tests.support.peers.infoseed import InfoSeed
from tests.support.peers.program import wait_until
from tests.support.peers.rtorrent import scgi_call

PATIENCE_S = 60.0
JUDGED = judged_torrents()
SETTINGS = """
[network]
interface = "127.0.0.1"
allow_loopback = true
port_mapping = "off"
[dht]
enabled = false
[lsd]
enabled = false
[rtorrent]
listen = ["unix:rpc.sock"]
[log]
format = "text"
"""


@pytest.fixture
def daemon(tmp_path: Path) -> Iterator[Daemon]:
    with Daemon(tmp_path / "daemon", settings=SETTINGS) as running:
        wait_until((running.runtime / "rpc.sock").is_socket, PATIENCE_S, "the socket of the interface")
        yield running
        assert_well(running)


def assert_well(daemon: Daemon) -> None:
    assert daemon.poll() is None and daemon.call("GET", "/v1/health/ready")
    output = daemon.output()
    assert "Traceback" not in output and "bug" not in re.findall(r"code=(\w+)\.", output)
    for line in output.split("\n"):
        assert line.isprintable(), ascii(line)
    beside = {"state", "downloads", "blobtorrent.toml"}
    assert {path.name for path in daemon.folder.iterdir() if not path.name.startswith("output-")} <= beside
    for path in daemon.downloads.rglob("*"):
        assert path.resolve().is_relative_to(daemon.downloads.resolve()), path


def wire_hash(data: bytes) -> str:
    return parse_torrent(data).info_hash.hex


def remove(daemon: Daemon, digits: str) -> None:
    daemon.call("DELETE", f"/v1/torrents/{digits}")
    wait_until(lambda: digits not in hashes(daemon), PATIENCE_S, f"{digits} to be gone")


def hashes(daemon: Daemon) -> set[str]:
    return {torrent["hash"] for torrent in daemon.call("GET", "/v1/torrents?fields=hash")["torrents"]}


def assert_as_judged(verdicts: dict[str, bool]) -> None:
    """Where the standards leave room, the verdict is that of our own reader."""
    wanted = {torrent.name: is_readable(torrent.data) for torrent in JUDGED}
    assert {name: verdict for name, verdict in verdicts.items() if verdict != wanted[name]} == {}
    for torrent in JUDGED:
        assert torrent.is_good in (None, wanted[torrent.name]), torrent.name


def is_readable(data: bytes) -> bool:
    try:
        parse_torrent(data)
    except FormatError:
        return False
    return True


def test_added_over_rest_each_gets_its_verdict_and_its_reason(daemon: Daemon) -> None:
    verdicts, reasons = {}, {}
    for torrent in JUDGED:
        told = daemon.call("POST", "/v1/torrents",
                           {"metainfo": base64.b64encode(torrent.data).decode(), "start": False})
        verdicts[torrent.name] = "hash" in told
        if "hash" in told:
            assert told["hash"] == wire_hash(torrent.data)
            continue
        assert told["detail"].isprintable() and len(told["detail"]) < 700
        reasons[torrent.name] = told["code"]
    assert_as_judged(verdicts)
    assert {name: code for name, code in reasons.items() if not code.startswith(("metainfo.", "bencode."))} == {}
    assert {torrent.name: reasons.get(torrent.name) for torrent in JUDGED if torrent.code} == {
        torrent.name: torrent.code for torrent in JUDGED if torrent.code}


@pytest.mark.parametrize("command", ["load.raw", "load.raw_start"])
def test_loaded_as_rtorrent_does_it_each_gets_its_verdict_and_its_reason(daemon: Daemon, command: str) -> None:
    """Several of them are one torrent with other trackers, comments or layers: what is there already is not added, so
    it makes room first."""
    socket = daemon.runtime / "rpc.sock"
    verdicts: dict[str, bool] = {}
    for torrent in JUDGED:
        if is_readable(torrent.data) and wire_hash(torrent.data) in hashes(daemon):
            remove(daemon, wire_hash(torrent.data))
        there = set(scgi_call(socket, "download_list", ""))
        num_before = len(complaints(daemon))
        assert scgi_call(socket, command, "", xmlrpc.client.Binary(torrent.data)) == 0  # type: ignore[arg-type]
        now = set(scgi_call(socket, "download_list", ""))
        assert now >= there
        verdicts[torrent.name] = now > there
        if not verdicts[torrent.name]:
            wait_for_complaint(daemon, num_before)
            assert re.search(r'what="Could not create download" reason=', complaints(daemon)[-1]), torrent.name
    assert_as_judged(verdicts)


def wait_for_complaint(daemon: Daemon, num_before: int) -> None:
    wait_until(lambda: len(complaints(daemon)) > num_before, PATIENCE_S, "why it was not loaded")


def complaints(daemon: Daemon) -> list[str]:
    return [line for line in daemon.output().splitlines() if "nothing was loaded" in line]


def test_metadata_of_a_peer_gets_the_verdict_of_its_info(daemon: Daemon) -> None:
    infos = {info: torrent for torrent in JUDGED for info in info_of(torrent)}
    links, served = {}, {}
    for info in infos:
        is_v2 = b"12:meta versioni2e" in info and b"6:pieces" not in info
        digest = hashlib.sha256(info).digest() if is_v2 else hashlib.sha1(info).digest()
        served[digest[:20]] = info
        links[digest.hex()] = f"magnet:?xt=urn:btmh:1220{digest.hex()}" if is_v2 else (
            f"magnet:?xt=urn:btih:{digest.hex()}")
    with InfoSeed(served) as seed:
        for digits, link in links.items():
            told = daemon.call("POST", "/v1/torrents", {
                "source": f"{link}&x.pe={seed.endpoint}", "download_dir": str(daemon.downloads / digits)})
            assert told["hash"] == digits, told
        expected = {digits: verdict_of(info) for digits, info in zip(links, infos)}
        for torrent, verdict in zip(infos.values(), expected.values()):
            assert verdict in ("known", "metadata") or not torrent.is_good, torrent.name
        assert {"known", "metadata", "metainfo.bad-file", "metainfo.bad-pieces"} <= set(expected.values())
        try:
            wait_until(lambda: found(daemon) == expected, PATIENCE_S, "the metadata", every_s=0.5)
        except TimeoutError:
            assert found(daemon) == expected


def info_of(torrent: Judged) -> list[bytes]:
    """The info of a torrent as it stands in its file; nothing when it has none."""
    try:
        start, end = read_document(torrent.data, limits=TORRENT_LIMITS, lenient=True).spans[b"info"]
    except (BlobTorrentError, KeyError):
        return []
    return [torrent.data[start:end]]


def verdict_of(info: bytes) -> str:
    """"known", "metadata" while the layers of a v2 torrent are to come, or the code of an error."""
    try:
        metainfo = parse_torrent(encode_torrent(info))
    except FormatError as error:
        return error.code
    return "known" if metainfo.has_piece_hashes else "metadata"


def found(daemon: Daemon) -> dict[str, str]:
    def word(torrent: dict[str, Any]) -> str:
        if torrent["state"] == "error":
            return str(torrent["error"]["code"])
        return "metadata" if torrent["state"] == "metadata" else "known"

    return {torrent["hash"]: word(torrent) for torrent in daemon.call("GET", "/v1/torrents")["torrents"]}
