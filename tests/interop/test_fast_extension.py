"""The fast extension (BEP 6) with a real libtorrent at the other end, in both directions.

libtorrent says in its log of a peer what it hears; what we hear is seen in what we then ask for, choked as we are.
"""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Any

import pytest

from tests.support.payload import KIB, Sample, make_sample
from tests.support.peers.blobtorrent import BlobTorrentGet
from tests.support.peers.client import LOOPBACK, Job, Role
from tests.support.peers.program import wait_until
from tests.support.tools import require_module

MAX_CHOKES = 8
TIMEOUT_S = 30.0
ALLOWED = 10                           # pieces that both sides allow who has none
BLOCKS = 4                             # of a piece
QUIET_S = 2.0                          # in which more would have been asked for


class LoggingPeer:
    """libtorrent in this process with one torrent, and all that it says to peers and hears of them. A context."""

    def __init__(self, sample: Sample, folder: Path, *, is_seed: bool, **settings: Any) -> None:
        self._lt: Any = require_module("libtorrent")
        self._session = self._lt.session({
            "enable_dht": False, "enable_lsd": False, "enable_upnp": False, "enable_natpmp": False,
            "enable_incoming_utp": False, "enable_outgoing_utp": False, "out_enc_policy": 2, "in_enc_policy": 2,
            "listen_interfaces": f"{LOOPBACK}:0", "allow_multiple_connections_per_ip": True,
            "alert_mask": self._lt.alert.category_t.peer_log_notification, "alert_queue_size": 100_000, **settings,
        }, flags=0)
        wait_until(self._session.listen_port, TIMEOUT_S, "libtorrent listens")
        local = self._lt.session.local_peer_class_id
        self._session.set_peer_class(local, {**self._session.get_peer_class(local), "ignore_unchoke_slots": False})
        parameters = self._lt.add_torrent_params()
        parameters.ti = self._lt.torrent_info(str(sample.torrent))
        parameters.save_path = str(folder)
        parameters.flags &= ~(self._lt.torrent_flags.auto_managed | self._lt.torrent_flags.paused)
        if is_seed:
            parameters.flags |= self._lt.torrent_flags.seed_mode
        self.handle = self._session.add_torrent(parameters)
        self.endpoint = f"{LOOPBACK}:{self._session.listen_port()}"
        self._lines: list[str] = []

    def __enter__(self) -> LoggingPeer:
        return self

    def __exit__(self, *raised: object) -> None:
        self._session.pause()

    def lines(self) -> list[str]:
        self._lines += [alert.message() for alert in self._session.pop_alerts()
                        if isinstance(alert, self._lt.peer_log_alert)]
        return self._lines

    def said(self, *words: str) -> list[str]:
        """Lines of the log that have all these words."""
        return [line for line in self.lines() if all(word in line for word in words)]

    def wait_said(self, *words: str) -> list[str]:
        wait_until(lambda: bool(self.said(*words)), TIMEOUT_S, f"libtorrent says {words}")
        return self.said(*words)

    def change(self, **settings: Any) -> None:
        self._session.apply_settings(settings)

    def wait_complete(self) -> None:
        wait_until(lambda: bool(self.handle.status().is_seeding), TIMEOUT_S, "libtorrent has everything")

    def fetch_from(self, endpoint: str) -> None:
        host, _, port = endpoint.rpartition(":")
        self.handle.connect_peer((host, int(port)))


@pytest.fixture
def sample(tmp_path: Path) -> Sample:
    return make_sample(tmp_path, "fast.bin", 100 * 64 * KIB, 64 * KIB)


def us(role: Role, sample: Sample, folder: Path, *options: str, peers: tuple[str, ...] = ()) -> BlobTorrentGet:
    return BlobTorrentGet(Job(role, sample.torrent, folder, sample.info_hash, peers=peers), options=options)


def pieces_in(lines: list[str]) -> list[int]:
    """The pieces that messages in the log are about."""
    return [int(re.search(r"\[ (?:piece: )?(\d+)", line).group(1)) for line in lines]  # type: ignore[union-attr]


def test_we_fetch_what_libtorrent_allows_us_while_it_chokes_us_and_no_more(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    settings = {"unchoke_slots_limit": 0, "allowed_fast_set_size": ALLOWED}
    with LoggingPeer(sample, sample.folder, is_seed=True, **settings) as seed, \
            us(Role.LEECH, sample, folder, peers=(seed.endpoint,)) as leech:
        wait_until(lambda: len(seed.said("==> ALLOWED_FAST")) == ALLOWED, TIMEOUT_S, "pieces are allowed")
        allowed = sorted(pieces_in(seed.said("==> ALLOWED_FAST")))
        wait_until(lambda: len(seed.said("==> PIECE")) >= ALLOWED * BLOCKS, TIMEOUT_S, "what is allowed is sent")
        time.sleep(QUIET_S)
        assert sorted(pieces_in(seed.said("<== REQUEST"))) == sorted(allowed * BLOCKS)
        assert not seed.said("==> UNCHOKE")
        seed.change(unchoke_slots_limit=8)
        leech.wait_complete(TIMEOUT_S)
        assert sample.differences(folder) == []


def choke_until_it_rejects(seed: LoggingPeer) -> list[int]:
    """Pieces of which it rejects blocks. All that it was asked for may just be sent when it chokes."""
    for _ in range(MAX_CHOKES):
        sent, chokes = len(seed.said("==> PIECE")), len(seed.said("==> CHOKE"))
        wait_until(lambda sent=sent: len(seed.said("==> PIECE")) > sent + 10, TIMEOUT_S, "blocks come")
        seed.change(unchoke_slots_limit=0)
        wait_until(lambda chokes=chokes: len(seed.said("==> CHOKE")) > chokes, TIMEOUT_S, "it chokes")
        time.sleep(0.2)                # it rejects right behind
        if seed.said("==> REJECT"):
            break
        seed.change(unchoke_slots_limit=8)
    rejected = pieces_in(seed.said("==> REJECT"))
    assert rejected
    return rejected


def test_what_libtorrent_rejects_when_it_chokes_us_is_fetched_later(sample: Sample, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    settings = {"unchoke_interval": 1, "allowed_fast_set_size": 0,
                "send_buffer_watermark": 16 * KIB, "send_buffer_low_watermark": 1}     # or all of it is sent by then
    with LoggingPeer(sample, sample.folder, is_seed=True, **settings) as seed:
        seed.handle.set_upload_limit(200 * KIB)
        with us(Role.LEECH, sample, folder, peers=(seed.endpoint,)) as leech:
            rejected = choke_until_it_rejects(seed)
            seed.handle.set_upload_limit(0)
            seed.change(unchoke_slots_limit=8)
            leech.wait_complete(TIMEOUT_S)
            assert set(rejected) <= set(pieces_in(seed.said("==> PIECE")))
            assert sample.differences(folder) == []


def test_libtorrent_fetches_what_we_allow_it_while_we_choke_it(sample: Sample, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    options = ("--set", "network.upload_slots=1", "--set", f"limits.up_bytes_per_s={500 * KIB}")
    with us(Role.SEED, sample, sample.folder, *options) as seed, \
            LoggingPeer(sample, folders[0], is_seed=False) as first, \
            LoggingPeer(sample, folders[1], is_seed=False) as second:
        first.fetch_from(seed.endpoint)
        first.wait_said("<== UNCHOKE")
        second.fetch_from(seed.endpoint)
        wait_until(lambda: len(second.said("<== PIECE")) >= 4 * BLOCKS, TIMEOUT_S, "it is sent something")
        lines = second.lines()
        unchoked_at = next((place for place, line in enumerate(lines) if "<== UNCHOKE" in line), len(lines))
        sent = [line for line in lines[:unchoked_at] if "<== PIECE" in line]
        allowed = pieces_in(second.said("<== ALLOWED_FAST"))
        assert len(allowed) == ALLOWED
        assert sent and set(pieces_in(sent)) <= set(allowed)
        assert second.said("<== HAVE_ALL")


def test_libtorrent_hears_of_pieces_that_we_have_read_already(sample: Sample, tmp_path: Path) -> None:
    folders = [tmp_path / "first", tmp_path / "second"]
    for folder in folders:
        folder.mkdir()
    with us(Role.SEED, sample, sample.folder) as seed, LoggingPeer(sample, folders[0], is_seed=False) as first, \
            LoggingPeer(sample, folders[1], is_seed=False) as second:
        first.fetch_from(seed.endpoint)
        first.wait_complete()
        second.fetch_from(seed.endpoint)
        second.wait_said("<== SUGGEST")
        second.wait_complete()
    for folder in folders:
        assert sample.differences(folder) == []
