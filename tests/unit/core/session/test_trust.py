"""Which pieces are hashed before a torrent runs again."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.record import Place, TorrentRecord, facts_of, wishes_of
from blobtorrent.core.session.trust import Evidence, doubtful_pieces, files_of_mask, mask_of_files
from blobtorrent.model.bitfield import Bitfield
from tests.support.stored import StoredTorrent

PIECE = 16384
# Files of 2, 1 and 2 pieces and a half: piece 3 is shared by none, piece 5 is short.
TORRENT = StoredTorrent([2 * PIECE, PIECE, 2 * PIECE + 100], PIECE).metainfo
ALL = (1 << 6) - 1


class FirstOnes:
    """Takes the first of a population instead of random ones."""

    def sample(self, population: list[int], k: int) -> list[int]:
        return population[:k]


def a_record(*have: int, durable: tuple[int, ...] | None = None) -> TorrentRecord:
    place = Place(Path("/d"), Path("/d"))
    record = TorrentRecord(facts_of(TORRENT, 0.0), wishes_of(AddTorrent(TORRENT)), place)
    record.is_checked = True
    record.have = Bitfield(6, have)
    record.durable = Bitfield(6, have if durable is None else durable).mask
    return record


def doubtful(record: TorrentRecord, evidence: Evidence) -> list[int]:
    return list(Bitfield.from_mask(6, doubtful_pieces(record, TORRENT, evidence, FirstOnes())))


def test_after_a_clean_stop_nothing_is_hashed() -> None:
    assert doubtful(a_record(0, 1, 5), Evidence()) == []


def test_a_torrent_that_was_never_checked_is_hashed_as_a_whole() -> None:
    record = a_record(0, 1)
    record.is_checked = False
    assert doubtful(record, Evidence()) == [0, 1, 2, 3, 4, 5]


def test_files_that_changed_or_are_missing_are_hashed() -> None:
    assert doubtful(a_record(*range(6)), Evidence(changed=[1])) == [2]
    assert doubtful(a_record(*range(6)), Evidence(missing=[0])) == [0, 1]


def test_after_a_kill_the_log_is_believed_and_files_in_work_may_have_changed() -> None:
    record = a_record(0, 1, 2, 3, durable=(0, 1, 2))
    evidence = Evidence(is_crash=True, log_survived=True, changed=[2])
    assert doubtful(record, evidence) == []


def test_after_a_kill_a_finished_file_that_changed_is_hashed_all_the_same() -> None:
    record = a_record(0, 1, 2, 3)
    assert doubtful(record, Evidence(is_crash=True, log_survived=True, changed=[0, 2])) == [0, 1]


def test_after_a_power_cut_unclaimed_recent_and_some_other_pieces_are_hashed() -> None:
    record = a_record(0, 1, 2, 3)
    record.recent = 1 << 3
    assert doubtful(record, Evidence(is_crash=True)) == [0, 3, 4, 5]


def test_the_sample_is_a_hundredth_and_at_least_one() -> None:
    big = StoredTorrent([1000 * PIECE], PIECE).metainfo
    record = TorrentRecord(
        facts_of(big, 0.0), wishes_of(AddTorrent(big)), Place(Path("/d"), Path("/d")))
    record.is_checked = True
    record.have = Bitfield.full(1000)
    record.durable = record.have.mask
    assert doubtful_pieces(record, big, Evidence(is_crash=True), FirstOnes()) == (1 << 10) - 1


def test_files_and_their_pieces_map_both_ways() -> None:
    assert mask_of_files(TORRENT, [0, 1]) == 0b111
    assert files_of_mask(TORRENT, 0b100) == {1}
    assert files_of_mask(TORRENT, ALL) == {0, 1, 2}
