"""What becomes of a torrent of rTorrent: what is believed, where it lies, and what its owner wanted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.commands import FilePriority
from blobtorrent.core.session.from_rtorrent import Location, left_by_rtorrent, locate
from blobtorrent.core.session.importing import (
    NOT_VOUCHED_FOR,
    NS_PER_S,
    SETTLED_S,
    Claims,
    Imported,
    import_record,
    renames_of,
    weigh,
)
from blobtorrent.core.session.record import Lifetime, Place
from blobtorrent.core.session.trust import Evidence, doubtful_pieces
from blobtorrent.core.swarm.messages import KnownAddress, PeerSource
from blobtorrent.model.address import Endpoint
from blobtorrent.model.bitfield import Bitfield
from blobtorrent.model.errors import Invalid
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.protocol.rtorrentsession import Progress, SavedPeer, TrackerChoice, Wanted
from blobtorrent.storage.naming import Naming
from blobtorrent.storage.stamps import FileStamp, compare
from tests.support.stored import PAD, StoredTorrent

PIECE = 16384
# Pieces 0 and 1 are of file 0; piece 2 of file 1 and the padding, file 2; pieces 3 to 5 of file 3, the last is short.
TORRENT = StoredTorrent([2 * PIECE, 100, (PAD, PIECE - 100), 2 * PIECE + 50], PIECE).metainfo._replace(
    tiers=(("http://a/", "http://b/"),))
SINGLE = TORRENT._replace(name="x", files=(TORRENT.files[0]._replace(path=("x",)),))
ALL = (1 << 6) - 1
WRITTEN_AT, BOOTED_AT = 500.0, 1000.0
MTIMES = (100, 101, 102, 103)
FOUND = {number: FileStamp(TORRENT.files[number].length, (100 + number) * NS_PER_S + 7, 1000 + number)
         for number in (0, 1, 3)}
PLACE = Place(Path("/srv"), Path("/srv"))
WANTED = Wanted(b"/srv/t", True, 2, {}, {}, (), "", 0, 0, 0, 0)


def progress(have: int = ALL, **changes: Any) -> Progress:
    return Progress(have, MTIMES, (1, 1, 1, 1), (), (), 0, 2000)._replace(**changes)


def imported(wanted: Wanted = WANTED, told: Progress | None = None, found: dict[int, FileStamp] = FOUND,
             start: bool | None = None) -> Imported:
    left = left_by_rtorrent(TORRENT, wanted, told or progress(), written_at=WRITTEN_AT)
    return import_record(TORRENT, left, PLACE, found, booted_at=BOOTED_AT, start=start)


def hashed(result: Imported, found: dict[int, FileStamp]) -> list[int]:
    """The pieces that the first start hashes while the files look so."""
    changed, missing = compare(result.stamps, found)
    return list(Bitfield.from_mask(6, doubtful_pieces(result.record, TORRENT, Evidence(
        is_crash=result.record.is_suspect, changed=changed, missing=missing), NobodySamples())))


def claims(have: int, *changed: tuple[int, int]) -> Claims:
    return Claims(have, changed)


class NobodySamples:
    def sample(self, population: list[int], k: int) -> list[int]:
        return []


# ---- what is believed

def test_what_looks_as_it_was_left_is_believed_and_nothing_is_hashed() -> None:
    result = imported(told=progress(0b101011))
    assert list(result.record.have) == [0, 1, 3, 5]
    assert (result.record.is_checked, result.record.done_bytes, result.to_check_bytes) == (True, 3 * PIECE + 50, 0)
    assert hashed(result, FOUND) == []


@pytest.mark.parametrize("stamp", [
    FOUND[1]._replace(mtime_ns=102 * NS_PER_S), FOUND[1]._replace(size=99), FOUND[1]._replace(size=101)])
def test_a_file_that_does_not_look_as_it_was_left_is_hashed_and_no_other(stamp: FileStamp) -> None:
    found = {**FOUND, 1: stamp}
    result = imported(found=found)
    assert list(result.record.have) == [0, 1, 3, 4, 5]
    assert (hashed(result, found), result.to_check_bytes) == ([2], 100)
    assert result.notes == ("files that are not as rTorrent noted, and are checked: 1",)


@pytest.mark.parametrize("mark", [-1, -2, -4])
def test_a_file_that_rtorrent_does_not_vouch_for_is_hashed(mark: int) -> None:
    found = {**FOUND, 1: FOUND[1]._replace(mtime_ns=mark * NS_PER_S)}
    assert hashed(imported(told=progress(mtimes=(100, mark, 102, 103)), found=found), found) == [2]


def test_pieces_of_a_file_that_is_gone_are_not_there() -> None:
    found = {number: FOUND[number] for number in (0, 3)}
    result = imported(found=found)
    assert list(result.record.have) == [0, 1, 3, 4, 5]
    assert result.notes == ("files that are gone: 1",)
    assert hashed(result, found) == []


def test_when_all_files_are_gone_their_pieces_stay_claimed_for_the_start_to_miss() -> None:
    result = imported(found={})
    assert result.record.have.is_full and result.record.is_checked
    assert result.notes == ("none of its files is there: they are checked when they are",)
    assert result.is_gone and result.to_check_bytes == TORRENT.payload_bytes


def test_files_that_nobody_could_look_at_are_hashed_when_they_are_there() -> None:
    result = imported(found={}, told=progress(0b1011))
    assert list(result.record.have) == [0, 1, 3]
    assert hashed(result, FOUND) == [0, 1, 3, 4, 5]        # nothing was claimed of file 1


def test_a_file_that_was_never_begun_is_not_missed() -> None:
    found = {0: FOUND[0]}
    result = imported(told=progress(0b11, mtimes=(100, -1, -1, -1)), found=found)
    assert (list(result.record.have), result.notes, hashed(result, found)) == ([0, 1], (), [])


def test_padding_needs_no_mark() -> None:
    assert weigh(TORRENT, claims(ALL, (100, 100), (101, 101), NOT_VOUCHED_FOR, (103, 103)), FOUND).have == ALL


def test_a_file_may_have_changed_at_any_time_that_its_program_gives() -> None:
    found = {0: FOUND[0]}
    assert weigh(TORRENT, claims(0b11, (0, 100), *[NOT_VOUCHED_FOR] * 3), found).num_strange == 0
    assert weigh(TORRENT, claims(0b11, (0, 99), *[NOT_VOUCHED_FOR] * 3), found).num_strange == 1


@pytest.mark.parametrize(("size", "num_strange"), [(PIECE - 1, 1), (PIECE, 0), (2 * PIECE, 0), (2 * PIECE + 1, 1)])
def test_a_file_needs_to_be_as_long_as_the_pieces_it_has(size: int, num_strange: int) -> None:
    belief = weigh(TORRENT, claims(0b1, *[(0, 200)] * 4), {0: FOUND[0]._replace(size=size)})
    assert belief.num_strange == num_strange


def test_pieces_that_may_not_have_reached_the_disk_are_hashed_after_the_machine_went_down() -> None:
    result = imported(told=progress(uncertain=0b10, saved_at=int(BOOTED_AT) - 1))
    assert hashed(result, FOUND) == [1]
    assert result.record.is_suspect and result.notes


def test_pieces_that_may_not_have_reached_the_disk_are_believed_while_the_machine_is_up() -> None:
    result = imported(told=progress(uncertain=0b10, saved_at=int(BOOTED_AT) + 1))
    assert (hashed(result, FOUND), result.record.is_suspect, result.notes) == ([], False, ())


@pytest.mark.parametrize(("saved_at", "booted_at", "pieces"), [
    (103, 1000, [0, 1, 2, 3, 4, 5]), (162, 1000, [3, 4, 5]), (163, 1000, [3, 4, 5]), (164, 1000, []), (162, 100, [])])
def test_files_that_nobody_synced_are_hashed_if_the_machine_went_down_since(
    saved_at: int, booted_at: float, pieces: list[int]
) -> None:
    found = Claims(ALL, [(0, 200)] * 4, saved_at=saved_at, settling_s=SETTLED_S)
    left = left_by_rtorrent(TORRENT, WANTED, progress(), written_at=WRITTEN_AT)._replace(claims=found)
    result = import_record(TORRENT, left, PLACE, FOUND, booted_at=booted_at)
    assert (hashed(result, FOUND), bool(result.notes)) == (pieces, bool(pieces))
    assert bool(result.to_check_bytes) == bool(pieces)     # so that a daemon is not told to believe it


def test_without_progress_all_is_hashed() -> None:
    left = left_by_rtorrent(TORRENT, WANTED, None, written_at=WRITTEN_AT)
    result = import_record(TORRENT, left, PLACE, FOUND, booted_at=BOOTED_AT)
    assert hashed(result, FOUND) == [0, 1, 2, 3, 4, 5]
    assert result.to_check_bytes == TORRENT.payload_bytes


# ---- what was wanted

def test_it_runs_if_it_did_unless_somebody_says_otherwise() -> None:
    assert imported().record.should_run
    assert not imported(WANTED._replace(is_started=False)).record.should_run
    assert imported(WANTED._replace(is_started=False), start=True).record.should_run
    assert not imported(start=False).record.should_run


def test_figures_and_times_are_kept() -> None:
    record = imported(WANTED._replace(uploaded_bytes=5, downloaded_bytes=6, started_at=7, finished_at=8)).record
    assert record.lifetime == Lifetime(downloaded_bytes=6, uploaded_bytes=5)
    assert (record.facts.added_at, record.finished_at) == (7.0, 8.0)


def test_one_of_which_no_time_is_known_was_added_when_its_file_was_written() -> None:
    assert imported().record.facts.added_at == WRITTEN_AT


def test_one_that_lacks_something_has_not_finished() -> None:
    assert imported(WANTED._replace(finished_at=8), progress(1)).record.finished_at == 0.0


def test_labels_custom_fields_views_and_throttle_are_kept() -> None:
    custom = {"custom1": "a,b%00", "custom.addtime": "9"}
    result = imported(WANTED._replace(custom=custom, views=("v", "w"), throttle="slow", priority=0))
    wishes = result.record.wishes
    assert (wishes.labels, wishes.priority) == (("a",), -2)
    assert wishes.custom == {**custom, "views": "v,w"} and wishes.group == "slow"
    assert result.notes == ("a label of it is no text for a label",)


def test_priorities_of_files_are_kept_but_for_padding() -> None:
    result = imported(told=progress(0b11, priorities=(1, 2, 0, 0)))
    assert result.record.wishes.file_priorities == {1: FilePriority.HIGH, 3: FilePriority.SKIP}
    assert result.record.skipped_bytes == 2 * PIECE + 50


@pytest.mark.parametrize(("choices", "tiers"), [
    ([], None),
    ([TrackerChoice(b"http://a/", True, None)], None),
    ([TrackerChoice(b"http://a/", False, None)], (("http://b/",),)),
    ([TrackerChoice(b"http://c/", True, 1)], (("http://a/", "http://b/"), ("http://c/",))),
    ([TrackerChoice(b"http://c/", False, 1)], None),
    ([TrackerChoice(b"gopher://c/", True, 1)], None),
    ([TrackerChoice(b"http://a/", False, None), TrackerChoice(b"http://b/", False, None)], ()),
])
def test_trackers_that_were_switched_off_or_added_are_kept(choices: list[TrackerChoice], tiers: object) -> None:
    assert imported(told=progress(trackers=tuple(choices))).record.wishes.trackers == tiers


def test_peers_are_kept() -> None:
    peer = Endpoint("10.0.0.1", 6881)
    assert imported(told=progress(peers=(SavedPeer(peer, 2, 77),))).peers == (
        KnownAddress(peer, PeerSource.TRACKER, 2, 77.0),)


# ---- where it lies

@pytest.mark.parametrize(("metainfo", "directory", "location"), [
    (TORRENT, "/srv/t", Location(Path("/srv"), {})),
    (TORRENT, "/srv/other/", Location(Path("/srv"), {"t": "other"})),
    (TORRENT, "/srv/x/../t", Location(Path("/srv"), {})),
    (SINGLE, "/srv/any", Location(Path("/srv/any"), {})),
    (SINGLE, "/", Location(Path("/"), {})),
])
def test_the_folder_may_have_another_name_than_the_torrent(
    metainfo: Metainfo, directory: str, location: Location
) -> None:
    assert locate(metainfo, directory) == location


@pytest.mark.parametrize(("directory", "code"), [
    ("./", "import.relative-folder"), ("dl/t", "import.relative-folder"), ("/srv/\udcff", "import.bad-folder"),
    ("/", "import.bad-folder"), ("/srv/a\0/t", "import.bad-folder"), ("/srv/a\\b", "import.bad-folder")])
def test_a_folder_that_cannot_be_kept_is_refused(directory: str, code: str) -> None:
    with pytest.raises(Invalid) as caught:
        locate(TORRENT, directory)
    assert caught.value.code == code


# ---- files at other paths

@pytest.mark.parametrize(("places", "renames"), [
    ({}, {}),
    ({0: "t/folder0/file0"}, {}),
    ({0: "other/folder0/file0", 1: "other/folder1/file1", 3: "other/folder0/file3"}, {"t": "other"}),
    ({0: "t/x"}, {"t/folder0/file0": "t/x"}),
    ({0: "x", 1: "folder1/file1", 3: "y"}, {
        "t/folder0/file0": "x", "t/folder1/file1": "folder1/file1", "t/folder0/file3": "y"}),
])
def test_files_at_other_paths_are_renames(places: dict[int, str], renames: dict[str, str]) -> None:
    found = renames_of(TORRENT, places)
    assert found == renames
    paths = Naming(TORRENT.files, found).paths
    assert {number: "/".join(paths[number]) for number in places} == places


@pytest.mark.parametrize(("places", "code"), [
    ({0: "../x"}, "torrent.bad-name"), ({0: "/etc/x"}, "torrent.bad-name"), ({0: ""}, "torrent.bad-name"),
    ({0: "t/folder1/file1"}, "import.same-path"), ({0: "t/folder1"}, "import.same-path"),
    ({0: "x\0"}, "torrent.bad-name")])
def test_paths_that_lead_elsewhere_or_are_not_its_own_are_refused(places: dict[int, str], code: str) -> None:
    with pytest.raises(Invalid) as caught:
        renames_of(TORRENT, places)
    assert caught.value.code == code
