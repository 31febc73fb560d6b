"""A daemon with thousands of torrents answers its clients from the beginning, long before it knows all of them."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

from blobtorrent.core.session import rows
from blobtorrent.core.session.record import Place, TorrentRecord, Wishes, facts_of
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.storage.state.statedir import StateDir
from blobtorrent.storage.state.statethread import TORRENT, Row, row_key
from tests.support.peers.daemon import Daemon
from tests.support.peers.program import wait_until
from tests.support.statedirs import make_torrent

NUM_TORRENTS = 8000
PATIENCE_S = 60.0


class ImpatientDaemon(Daemon):
    """One that is used as soon as its socket is there."""

    def wait_ready(self) -> None:
        wait_until(lambda: (self.runtime / "rest.sock").exists() or self.poll() is not None, PATIENCE_S, "its socket")

    def answer(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        """The socket is bound a moment before it listens."""
        while True:
            try:
                answer: dict[str, Any] = self.call(method, path, body)
                return answer
            except ConnectionRefusedError:
                assert self.poll() is None, self.output()


def fill(daemon: Daemon) -> None:
    """As if a daemon with so many stopped torrents had ended in order."""
    state_dir = StateDir(daemon.state)
    made = []
    for number in range(NUM_TORRENTS):
        _, raw = make_torrent(f"torrent-{number}")
        place = Place(daemon.downloads, daemon.downloads)
        record = TorrentRecord(facts_of(parse_torrent(raw), 1.0), Wishes(), place, should_run=False)
        made.append(Row(TORRENT, row_key(record.info_hash), rows.torrent_body(record)))
    state_dir.state.commit(made)
    state_dir.mark_clean()
    state_dir.close()


def test_clients_are_answered_while_torrents_are_read_and_a_part_does_not_pass_for_all(tmp_path: Path) -> None:
    daemon = ImpatientDaemon(tmp_path)
    fill(daemon)
    with daemon:
        early = daemon.answer("GET", "/v1/health/startup")
        assert early["status"] == "unavailable"
        assert early["loaded"] < NUM_TORRENTS
        assert daemon.answer("GET", "/v1/health/live") == {"status": "ok"}
        refused = [daemon.answer("GET", "/v1/torrents"),
                   daemon.answer("POST", "/v1/torrents", {"source": "/nowhere.torrent"})]
        told = [early["loaded"]]
        while (startup := daemon.answer("GET", "/v1/health/startup"))["status"] == "unavailable":
            told.append(startup["loaded"])
        assert refused[0]["code"] == "session.starting"
        assert "code" in refused[1]
        assert told == sorted(told)
        assert len(set(told)) > 2, "the progress is seen"
        assert (startup["loaded"], startup["total"]) == (NUM_TORRENTS, NUM_TORRENTS)
        assert daemon.answer("GET", "/v1/health/ready")["status"] == "ok"
        assert len(daemon.answer("GET", "/v1/torrents?fields=hash&limit=10000")["torrents"]) == NUM_TORRENTS


def test_an_end_while_torrents_are_read_is_a_clean_one_and_loses_none(tmp_path: Path) -> None:
    daemon = ImpatientDaemon(tmp_path)
    fill(daemon)
    with daemon:
        assert daemon.answer("GET", "/v1/health/startup")["status"] == "unavailable"
        daemon.send_signal(signal.SIGTERM)
        assert daemon.wait(PATIENCE_S) == 0
        assert "ending before all was started" in daemon.output()
    with Daemon(tmp_path) as again:
        assert again.call("GET", "/v1/session")["torrents"] == NUM_TORRENTS
        assert "damage found" not in again.output()
