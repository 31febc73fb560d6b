import random

import pytest

from blobtorrent.storage.live.livelayout import FREE, RECORD_BYTES, USED
from blobtorrent.storage.live.writtenlog import WrittenLog, read_record, runs_of
from blobtorrent.storage.sealed import Seal

SEAL = Seal(b"k" * 32)
KEYS = {7: b"torrent seven", 8: b"torrent eight"}


@pytest.fixture
def memory():
    return memoryview(bytearray(4 * RECORD_BYTES))


def record(memory, place):
    return bytes(memory[place * RECORD_BYTES : (place + 1) * RECORD_BYTES])


def state(memory, place):
    return int.from_bytes(record(memory, place)[:4], "little")


def test_a_record_comes_back_as_it_was(memory):
    runs = [range(3), range(9, 10), range(4_000_000_000, 4_000_000_001)]
    place = WrittenLog(memory, SEAL).add(7, KEYS[7], runs)
    assert read_record(record(memory, place), SEAL, KEYS) == (7, runs)
    assert state(memory, place) == USED


def test_when_all_places_are_taken_nothing_is_recorded(memory):
    log = WrittenLog(memory, SEAL)
    places = [log.add(7, KEYS[7], [range(index, index + 1)]) for index in range(4)]
    assert sorted(places) == [0, 1, 2, 3]
    assert log.add(7, KEYS[7], [range(9, 10)]) is None


def test_a_removed_record_makes_room(memory):
    log = WrittenLog(memory, SEAL)
    places = [log.add(7, KEYS[7], [range(index, index + 1)]) for index in range(4)]
    log.remove(places[2])
    assert state(memory, places[2]) == FREE
    assert log.add(8, KEYS[8], [range(5, 6)]) == places[2]
    assert read_record(record(memory, places[2]), SEAL, KEYS) == (8, [range(5, 6)])


@pytest.mark.parametrize("byte", range(4, 4 + 44 + 16))
def test_a_changed_byte_is_noticed(memory, byte):
    WrittenLog(memory, SEAL).add(7, KEYS[7], [range(1, 2)])
    memory[byte] ^= 0x20
    with pytest.raises(ValueError, match="digest"):
        read_record(record(memory, 0), SEAL, KEYS)


def test_a_record_of_a_torrent_that_is_not_there_is_noticed(memory):
    WrittenLog(memory, SEAL).add(7, KEYS[7], [range(1, 2)])
    for keys in ({}, {7: b"another torrent"}):
        with pytest.raises(ValueError, match="digest"):
            read_record(record(memory, 0), SEAL, keys)


def test_runs_hold_the_same_pieces():
    rng = random.Random(3)
    for _ in range(200):
        pieces = rng.sample(range(60), rng.randint(0, 60))
        runs = runs_of(pieces)
        assert [index for run in runs for index in run] == sorted(pieces)
        assert all(first.stop < second.start for first, second in zip(runs, runs[1:]))
