"""Records as rows, and back."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobtorrent.core.session.commands import AddTorrent, FilePriority, GoalAction, SeedGoal, Tiers
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.record import Lifetime, Place, Running, TorrentRecord, facts_of, wishes_of
from blobtorrent.core.session.rows import (
    peers_body,
    progress_body,
    read_past,
    read_peers,
    read_record,
    read_stamps,
    session_body,
    stamps_body,
    torrent_body,
)
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource, Totals
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import ResumeCorrupt
from blobtorrent.model.splitting import Split
from blobtorrent.storage.stamps import FileStamp
from tests.support.sessions import torrent_of

PEER = Endpoint("2001:db8::1", 6881)


def a_record(pieces: int = 20) -> TorrentRecord:
    metainfo = torrent_of(pieces)
    command = AddTorrent(
        metainfo, peers=(PEER,), peer_names=("node:1",), goal=SeedGoal(ratio=1.5, action=GoalAction.REMOVE),
        labels=("a", "b"), group="slow",
        upload_slots=2, max_peers=9, priority=3, file_priorities={0: FilePriority.HIGH}, down_bytes_per_s=7,
        is_sequential=True)
    place = Place(Path("/final"), Path("/incomplete"), is_incomplete=True, mount_point="/", renames={"t": "new"},
                  renaming=("new", "newer"), is_moving=True, is_unseen=True,
                  split=Split(1 << 20, ".part", is_lone=True))
    wishes = wishes_of(command)._replace(
        exchanges_peers=False, peers_wanted=7, min_peers=30, picker={"preset": "archive", "guard": 4.0},
        super_seeding=True, download_slots=3, min_upload_slots=2, min_download_slots=0,
        preferred_ends=(frozenset({0, 1}), frozenset({1})), encodings=("cp1251",))
    record = TorrentRecord(facts_of(metainfo, 12.5), wishes, place, should_run=False)
    record.removal = "keep-data"
    record.error = ("storage.disk-full", "no room")
    record.is_checked = record.is_suspect = record.owes_finish = record.has_given_enough = True
    record.is_paused = record.is_forced = True
    record.have = Bitfield(pieces, [0, 3, 19])
    record.durable = 1 << 3 | 1 << 19
    record.recent = 1 << 19
    record.done_bytes, record.skipped_bytes, record.finished_at = 5, 6, 7.0
    record.lifetime = Lifetime(1, 2, 3, 4.5, 5.5)
    return record


def read_again(record: TorrentRecord) -> TorrentRecord:
    return read_record(torrent_body(record), progress_body(record))


def test_everything_of_a_record_survives_but_pieces_that_are_not_durable() -> None:
    record = a_record()
    again = read_again(record)
    for name in ("facts", "wishes", "place", "should_run", "removal", "error", "is_checked", "is_suspect", "durable",
                 "owes_finish", "has_given_enough", "is_paused", "is_forced", "recent", "done_bytes", "skipped_bytes",
                 "finished_at", "lifetime"):
        assert getattr(again, name) == getattr(record, name), name
    assert sorted(again.have) == [3, 19]
    assert again.unsaved == 0


@pytest.mark.parametrize("pieces", [(), range(20)])
def test_all_pieces_and_no_piece_take_no_room(pieces: range) -> None:
    record = a_record()
    record.have = Bitfield(20, pieces)
    record.durable = record.have.mask
    assert json.loads(progress_body(record)).get("have") in (None, "full")
    assert read_again(record).have == record.have


def test_a_torrent_without_progress_was_never_checked() -> None:
    record = read_record(torrent_body(a_record()), None)
    assert (record.is_checked, len(record.have)) == (False, 0)


BARE = ("v1", "name", "size", "pieces", "piece_length", "download_dir")


def test_what_an_older_row_lacks_has_its_default() -> None:
    row = json.loads(torrent_body(a_record()))
    record = read_record(json.dumps({key: row[key] for key in BARE}).encode(), b"{}")
    assert record.place == Place(Path("/final"), Path("/final"))
    assert (record.should_run, record.wishes.goal, record.lifetime) == (True, None, Lifetime())


def test_what_only_a_later_version_understands_stays_in_the_row() -> None:
    row = json.loads(torrent_body(a_record()))
    row["moods"] = {"monday": [1, 2]}
    row["goal"]["seeds"] = 5
    again = read_record(json.dumps(row).encode(), b"{}")
    assert again.wishes.goal == a_record().wishes.goal
    again.wishes = again.wishes._replace(labels=("other",))
    written = json.loads(torrent_body(again))
    assert (written["moods"], written["labels"]) == ({"monday": [1, 2]}, ["other"])


def test_what_is_as_usual_is_not_written_and_no_torrent_changes_what_that_is() -> None:
    metainfo = torrent_of(4)
    usual = TorrentRecord(facts_of(metainfo, 0.0), wishes_of(AddTorrent(metainfo)), Place(Path("/d"), Path("/d")))
    assert sorted(json.loads(torrent_body(usual))) == sorted(BARE)
    assert json.loads(progress_body(usual)) == {}
    for record in (a_record(), usual):
        again = read_again(record)
        assert (again.wishes, again.place, again.error) == (record.wishes, record.place, record.error)


@pytest.mark.parametrize("trackers", [(), (("http://tracker.example/announce",),)])
def test_no_trackers_are_not_the_trackers_of_the_torrent_file(trackers: Tiers) -> None:
    record = a_record()
    record.wishes = record.wishes._replace(trackers=trackers)
    assert read_again(record).wishes.trackers == trackers


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"v1": "00"}', b"\xff"])
def test_a_row_that_makes_no_sense_is_corrupt(body: bytes) -> None:
    with pytest.raises(ResumeCorrupt):
        read_record(body, None)


@pytest.mark.parametrize("have", ["full!", "AAAAAAAA", 5])
def test_progress_that_makes_no_sense_is_corrupt(have: object) -> None:
    with pytest.raises(ResumeCorrupt):
        read_record(torrent_body(a_record()), json.dumps({"have": have}).encode())


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(("name", "value"), [
    ("pieces", 10**12), ("pieces", -1), ("pieces", "9"), ("pieces", 1.5), ("size", -1), ("size", 1e999), ("name", 5),
    ("added_at", float("nan")), ("added_at", 10**400),
    ("download_dir", "/a\0b"), ("labels", "ab"), ("labels", [1]), ("ends", []),
    ("ends", [[]]), ("ends", [["a"], []]), ("files", {"-1": 1}), ("files", {"9" * 20: 1}), ("trackers", [5]),
    ("renames", {"a": "b\0"}), ("goal", {"ratio": "x"}), ("picker", {"x": []}), ("run", "yes"), ("error", [1, 2]),
    ("v1", "zz"), ("custom", [])])
def test_a_member_that_cannot_be_is_corrupt_before_anything_counts_on_it(name: str, value: object) -> None:
    row = {**json.loads(torrent_body(a_record())), name: value}
    with pytest.raises(ResumeCorrupt):
        read_record(json.dumps(row).encode(), None)


@pytest.mark.parametrize("progress", [
    {"recent": [10**12]}, {"recent": [-1]}, {"recent": 5}, {"totals": ["x"]}, {"totals": [0] * 9}, {"done": -1},
    {"checked": 1}, {"ran_at": 1e999}])
def test_progress_that_cannot_be_is_corrupt_before_anything_counts_on_it(progress: dict[str, object]) -> None:
    with pytest.raises(ResumeCorrupt):
        read_record(torrent_body(a_record()), json.dumps(progress).encode())


def test_what_nests_without_end_is_damage_as_any_other() -> None:
    for body in (DEEP, b'{"goal": ' + DEEP + b"}"):
        with pytest.raises(ResumeCorrupt):
            read_record(body, None)
        with pytest.raises(ResumeCorrupt):
            read_record(torrent_body(a_record()), body)
        assert (read_past(body), read_stamps(body), read_peers(body)) == (Past(), {}, ())


def test_figures_that_no_number_is_are_as_if_unsaid() -> None:
    assert read_past(b'{"alive_at": 1, "runs": 1e999}') == Past()
    assert read_stamps(b'{"0": [1e999, 2, 3]}') == {}
    good = KnownAddress(PEER, PeerSource.TRACKER, 2, 99.5)
    odd = [[str(PEER), "tracker", failures, 1.0] for failures in ("x", -1, None, [])]
    assert read_peers(json.dumps([*odd, 5, *json.loads(peers_body([good]))]).encode()) == (good,)


def test_stamps_and_peers_survive_and_nonsense_is_nothing() -> None:
    stamps = {0: FileStamp(1, 2, 3), 7: FileStamp(4, 5, 6)}
    assert read_stamps(stamps_body(stamps)) == stamps
    peers = (KnownAddress(PEER, PeerSource.TRACKER, 2, 99.5, "tracker.example"), KnownAddress(PEER, PeerSource.PEX),
             KnownAddress(PEER, PeerSource.DHT, received_bytes=7), KnownAddress(PEER, PeerSource.DNS, is_seed=True))
    assert read_peers(peers_body(peers)) == peers
    for body in (b"", b"nonsense", b"5", b'{"a": 1}'):
        assert (read_stamps(body), read_peers(body)) == ({}, ())


def test_a_torrent_that_runs_is_known_to_have_run() -> None:
    record = a_record()
    assert read_again(record).running is None
    running = Running(9.5, True, Lifetime(1, 2, 3, 40.5, 50.5))
    again = read_record(torrent_body(record), progress_body(record, running))
    assert (again.running, again.lifetime) == (running, running.lifetime)


@pytest.mark.parametrize("body", [
    b"", b"[]", b"{}", b'{"alive_at": "x"}', b"\xff", b'{"alive_at": 1, "removed_bytes": [1, 2, 3, 4]}',
    b'{"alive_at": 1, "runs": [2]}'])
def test_a_row_of_the_session_that_makes_no_sense_tells_nothing(body: bytes) -> None:
    assert read_past(body) == Past()


def test_what_is_known_of_earlier_runs_is_read_again_also_from_a_row_that_tells_only_when_we_lived() -> None:
    past = Past(5.5, 60.25, 3, 4, 2, Totals(1 << 60, 2, 3))
    assert read_past(session_body(past)) == past
    assert read_past(b'{"alive_at": 5.5}') == Past(5.5)
