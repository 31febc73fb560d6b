"""What a daemon tells of a torrent while another program, libtorrent, takes part in it."""

from __future__ import annotations

import base64
import shutil
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.model.bitfield import Bitfield
from tests.support.payload import KIB, MIB, Sample, make_sample
from tests.support.peers.client import Job, Role
from tests.support.peers.libtorrent import LibtorrentPeer
from tests.support.peers.program import wait_until
from tests.support.peers.seedbox import PATIENCE_S, Seedbox
from tests.support.peers.tracker import ListTracker

pytestmark = pytest.mark.interop

PIECE = 256 * KIB
SLOW = MIB // 2                        # bytes a second: the sample would take half a minute


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    return make_sample(tmp_path_factory.mktemp("sample"), "sample.bin", 16 * MIB, PIECE)


def ask(seedbox: Seedbox, sample: Sample, word: str) -> Any:
    return seedbox.call("GET", f"/v1/torrents/{sample.info_hash.hex()}/{word}")


def codes(seedbox: Seedbox, sample: Sample) -> list[str]:
    return [cause["code"] for cause in ask(seedbox, sample, "why")["causes"]]


def test_a_download_from_a_real_seed_tells_of_it_of_the_pieces_and_of_what_holds_it(
    sample: Sample, tmp_path: Path
) -> None:
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with LibtorrentPeer(job) as seed, Seedbox(tmp_path / "seedbox") as seedbox:
        seedbox.add(sample, peers=[seed.endpoint], down_limit_bytes_per_s=SLOW)
        seedbox.wait_until(sample, lambda status: status["done_bytes"] > 0, "the first piece")
        wait_until(lambda: "limit.reached" in codes(seedbox, sample), PATIENCE_S, "the limit to be reached")

        (peer,) = ask(seedbox, sample, "peers")["peers"]
        assert peer["address"] == seed.endpoint
        assert peer["client"].startswith("libtorrent")
        assert (peer["source"], peer["transport"], peer["incoming"], peer["encrypted"]) == (
            "static", "tcp", False, False)
        assert (peer["seed"], peer["pieces_had"], peer["progress"]) == (True, 64, 1.0)
        assert (peer["am_interested"], peer["peer_choking"], peer["flags"]) == (True, False, "D")
        assert peer["downloaded_bytes"] >= PIECE
        assert peer["down_bytes_per_s"] > 0
        wait_until(lambda: ask(seedbox, sample, "peers")["peers"][0]["blocks_asked"], PATIENCE_S, "blocks asked for")

        pieces = ask(seedbox, sample, "pieces")
        assert (pieces["count"], pieces["length_bytes"]) == (64, PIECE)
        assert base64.b64decode(pieces["availability"]) == bytes((1,)) * 64
        have = Bitfield.from_wire(base64.b64decode(pieces["have"]), 64)
        assert 0 < len(have) < 64
        assert pieces["partial"]
        for partial in pieces["partial"]:
            assert partial["index"] not in have
            assert 0 <= partial["done"] <= partial["blocks"] == 16

        why = ask(seedbox, sample, "why")
        assert why["state"] == "downloading"
        assert why["summary"].startswith("downloading at ")
        (limit,) = why["facts"]["limits"]
        assert (limit["whose"], limit["bytes_per_s"], limit["is_reached"]) == ("the torrent", SLOW, True)
        assert [step["state"] for step in why["facts"]["history"]][-1] == "downloading"

        seedbox.change(sample, down_limit_bytes_per_s=0)
        seedbox.wait_state(sample, "seeding")
        full = Bitfield.from_wire(base64.b64decode(ask(seedbox, sample, "pieces")["have"]), 64)
        assert full.is_full
        seedbox.end()
    assert sample.differences(seedbox.downloads) == []


def test_a_seed_tells_of_a_real_leech_that_dialled_it_and_explains_its_rest_afterwards(
    sample: Sample, tmp_path: Path
) -> None:
    with Seedbox(tmp_path / "seedbox") as seedbox:
        shutil.copy(sample.folder / "sample.bin", seedbox.downloads)
        seedbox.add(sample, up_limit_bytes_per_s=SLOW)
        seedbox.wait_state(sample, "seeding")
        assert codes(seedbox, sample) == ["no-peers", "tracker.none"]

        folder = tmp_path / "leech"
        folder.mkdir()
        with LibtorrentPeer(Job(Role.LEECH, sample.torrent, folder, sample.info_hash, (seedbox.endpoint,))) as leech:
            seedbox.wait_until(sample, lambda status: status["up_bytes_per_s"] > SLOW // 2, "uploads")
            (peer,) = ask(seedbox, sample, "peers")["peers"]
            assert (peer["source"], peer["incoming"], peer["flags"][0]) == ("incoming", True, "U")
            assert peer["uploaded_bytes"] > 0 and not peer["seed"]
            wait_until(lambda: "limit.reached" in codes(seedbox, sample), PATIENCE_S, "the limit to be reached")
            seedbox.change(sample, up_limit_bytes_per_s=0)
            leech.wait_complete(PATIENCE_S)
        seedbox.wait_until(sample, lambda status: status["uploaded_bytes"] >= 16 * MIB, "the last report")
        this_run = seedbox.call("GET", "/v1/stats")["this_run"]
        assert this_run["uploaded_bytes"] == seedbox.status(sample)["uploaded_bytes"]
        assert (this_run["torrents_added"], this_run["torrents_finished"]) == (1, 0)
        seedbox.end()


def test_a_download_that_nobody_has_says_what_every_source_told(tmp_path: Path) -> None:
    with ListTracker() as tracker:
        dead = "http://127.0.0.1:1/announce?passkey=0123456789abcdef0123"
        sample = make_sample(tmp_path, "sample.bin", MIB, PIECE, trackers=[tracker.url, dead])
        with Seedbox(tmp_path / "seedbox") as seedbox:
            seedbox.add(sample)
            wait_until(lambda: "tracker.failed" in codes(seedbox, sample), PATIENCE_S, "the tracker to fail")
            wait_until(lambda: "tracker.answered" in codes(seedbox, sample), PATIENCE_S, "the tracker to answer")
            why = ask(seedbox, sample, "why")
            assert [cause["code"] for cause in why["causes"]] == ["no-peers", "tracker.answered", "tracker.failed"]
            assert "passkey=***" in why["causes"][2]["text"]
            assert all(cause["advice"] for cause in why["causes"])

            served, failed = ask(seedbox, sample, "trackers")["trackers"]
            assert (served["state"], served["peers_got"]) == ("waiting", 0)
            assert (failed["state"], failed["error_code"]) == ("backoff", "tracker.unreachable")
            assert failed["next_announce_at"] > failed["last_announce_at"]

            seedbox.order(sample, "stop")
            seedbox.wait_state(sample, "stopped")
            assert codes(seedbox, sample) == ["stopped"]
            seedbox.end()


def test_figures_of_all_runs_survive_a_kill_and_a_removal(sample: Sample, tmp_path: Path) -> None:
    job = Job(Role.SEED, sample.torrent, sample.folder, sample.info_hash)
    with LibtorrentPeer(job) as seed, Seedbox(tmp_path / "seedbox") as seedbox:
        seedbox.add(sample, peers=[seed.endpoint])
        seedbox.wait_state(sample, "seeding")
        before = seedbox.call("GET", "/v1/stats")["all_time"]
        assert before["downloaded_bytes"] >= 16 * MIB
        assert (before["torrents_added"], before["torrents_finished"]) == (1, 1)
        seedbox.kill()
        with seedbox.again() as again:
            told = again.call("GET", "/v1/stats")
            assert told["all_time"]["downloaded_bytes"] == before["downloaded_bytes"]
            assert (told["this_run"]["downloaded_bytes"], told["this_run"]["torrents_added"]) == (0, 0)
            again.remove(sample)
            again.end()
        with seedbox.again() as last:
            told = last.call("GET", "/v1/stats")["all_time"]
            assert told["downloaded_bytes"] == before["downloaded_bytes"]
            assert (told["torrents_added"], told["torrents_finished"]) == (1, 1)
            last.end()
