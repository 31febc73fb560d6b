import pytest

from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.storage.live.livelayout import ENTRY_BYTES, RECEIVED_AT, TALLIES_AT, TALLY
from blobtorrent.storage.live.tally import Tally, TallyWriter, read_tally
from blobtorrent.storage.sealed import Seal

SEAL = Seal(b"k" * 32)
KEY = b"t" * 20


@pytest.fixture
def entry():
    return memoryview(bytearray(ENTRY_BYTES))


def read(entry, most_blocks=100):
    return read_tally(bytes(entry), SEAL, KEY, most_blocks)


def test_an_entry_never_saved_has_no_tally(entry):
    TallyWriter(entry, SEAL, KEY)
    assert read(entry) == (None, True)


def test_the_newest_tally_counts(entry):
    writer = TallyWriter(entry, SEAL, KEY)
    for total in range(1, 10):
        writer.save(total, 2 * total, 3 * total)
        assert read(entry) == (Tally(total, 2 * total, 3 * total), True)


def test_blocks_counted_since_the_tally_are_added(entry):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.count(5)
    writer.save(1000, 7, 0)
    writer.count(3)
    writer.count(1)
    assert read(entry) == (Tally(1000 + 4 * BLOCK_SIZE, 7, 0), True)


@pytest.mark.parametrize("cut", range(TALLY.size + 16))
@pytest.mark.parametrize("copy", [0, 1])
def test_a_store_cut_anywhere_leaves_this_tally_or_the_one_before(entry, copy, cut):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.save(1, 1, 1)
    before = bytes(entry)
    writer.save(2, 2, 2)
    at = TALLIES_AT[copy] + cut
    tally, is_sound = read(bytes(entry)[:at] + before[at:])
    assert is_sound
    assert tally in (Tally(1, 1, 1), Tally(2, 2, 2))


@pytest.mark.parametrize("at", TALLIES_AT)
def test_one_damaged_copy_loses_nothing(entry, at):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.save(1, 1, 1)
    writer.save(2, 2, 2)
    entry[at + 9] ^= 1
    assert read(entry) == (Tally(2, 2, 2), True)


def test_a_kill_between_the_two_counters_loses_that_receive_alone(entry):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.save(0, 0, 0)
    writer.count(2)
    inverse = bytes(entry[RECEIVED_AT + 8 : RECEIVED_AT + 16])
    writer.count(7)
    entry[RECEIVED_AT + 8 : RECEIVED_AT + 16] = inverse
    assert read(entry) == (Tally(2 * BLOCK_SIZE, 0, 0), True)


def test_more_blocks_than_there_is_memory_for_are_damage_and_not_counted(entry):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.save(10, 0, 0)
    writer.count(101)
    assert read(entry) == (Tally(10, 0, 0), False)


def test_the_tally_of_another_torrent_is_damage(entry):
    writer = TallyWriter(entry, SEAL, b"other")
    writer.save(10, 0, 0)
    assert read(entry) == (None, False)


def test_both_copies_gone_is_damage(entry):
    writer = TallyWriter(entry, SEAL, KEY)
    writer.save(1, 1, 1)
    writer.save(2, 2, 2)
    for at in TALLIES_AT:
        entry[at + 9] ^= 1
    assert read(entry) == (None, False)
