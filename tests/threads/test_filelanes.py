"""The lanes for work on whole files, with real threads: every job is answered once, and a dead mount stalls its own."""

import os
import queue
import signal
import subprocess
import sys
import threading
import time

import pytest

from blobtorrent.model.errors import NotFound
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.filejobs import (
    Abort,
    DataDeleted,
    DeleteData,
    FilesStamped,
    MeasureSpace,
    MoveProgress,
    MoveStore,
    PathsRenamed,
    RenamePaths,
    StampFiles,
    StoreMoved,
)
from blobtorrent.storage.filelanes import FileLanes
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.store import Store
from tests.support.filesystems import another_filesystem, listing
from tests.support.source import ROOT
from tests.support.stored import StoredTorrent

K = 1024
ANSWER_S = 20.0


class Lanes:
    """File lanes, and a mailbox for their answers. Every look at the clock lets a second pass."""

    def __init__(self):
        self.now_s = 0.0
        self.lanes = FileLanes(self._tick)
        self.inbox = Mailbox("test")

    def _tick(self):
        self.now_s += 1.0
        return self.now_s

    def ask(self, job):
        self.lanes.post(job)
        return self.answer()

    def answer(self):
        return self.inbox.get(ANSWER_S)


@pytest.fixture
def lanes():
    lanes = Lanes()
    yield lanes
    assert lanes.lanes.stop(ANSWER_S)
    with pytest.raises(queue.Empty):
        lanes.inbox.get(0.0)


@pytest.fixture
def torrent():
    return StoredTorrent([100 * K, 0, 50 * K], 16 * K)


@pytest.fixture
def store(tmp_path, torrent):
    torrent.put_on_disk(tmp_path / "here")
    return Store(tmp_path / "here", torrent.metainfo, FilePool(8))


def info_hash(store):
    return store.metainfo.info_hash


def test_a_store_is_moved_and_its_progress_told(lanes, store, torrent, tmp_path):
    lanes.lanes.post(MoveStore(info_hash(store), store, tmp_path / "there", lanes.inbox))
    told = [lanes.answer()]
    while isinstance(told[-1], MoveProgress):
        told.append(lanes.answer())
    assert told == [
        MoveProgress(info_hash(store), 100 * K, 150 * K),
        MoveProgress(info_hash(store), 100 * K, 150 * K),      # the empty file
        MoveProgress(info_hash(store), 150 * K, 150 * K),
        StoreMoved(info_hash(store), store.stamps()),
    ]
    assert store.root == tmp_path / "there"
    assert torrent.is_on_disk(tmp_path / "there")


def test_a_move_that_cannot_be_is_answered_with_the_reason(lanes, store, tmp_path):
    (tmp_path / "there").write_bytes(b"no folder")
    answer = lanes.ask(MoveStore(info_hash(store), store, tmp_path / "there", lanes.inbox))
    assert answer.error.code.startswith("storage.")
    assert store.root == tmp_path / "here"


def test_a_move_is_given_up_when_its_asker_wants_it(lanes, store, torrent, tmp_path):
    abort = Abort()
    abort.is_set = True
    answer = lanes.ask(MoveStore(info_hash(store), store, tmp_path / "there", lanes.inbox, abort=abort))
    assert answer.error.code == "storage.aborted"
    assert torrent.is_on_disk(tmp_path / "here")
    assert not (tmp_path / "there").exists()


def test_a_file_is_renamed_and_the_names_to_be_kept_are_told(lanes, store, torrent):
    answer = lanes.ask(RenamePaths(info_hash(store), store, "t/folder0", "t/one", lanes.inbox))
    assert answer == PathsRenamed(info_hash(store), {"t/folder0": "t/one"}, store.stamps())
    answer = lanes.ask(RenamePaths(info_hash(store), store, "t/one/file0", "t/one/first", lanes.inbox))
    assert answer.renames == {"t/folder0": "t/one", "t/folder0/file0": "t/one/first"}
    assert store.path_of(0).name == "first"
    assert store.path_of(0).read_bytes() == torrent.content[: 100 * K]


def test_a_name_that_is_not_there_is_answered_as_the_asker_s_mistake(lanes, store):
    answer = lanes.ask(RenamePaths(info_hash(store), store, "t/nothing", "t/one", lanes.inbox))
    assert isinstance(answer.error, NotFound)


def test_files_are_stamped_deleted_and_measured(lanes, store, tmp_path):
    assert lanes.ask(StampFiles(info_hash(store), store, lanes.inbox)) == FilesStamped(info_hash(store), store.stamps())
    assert lanes.ask(DeleteData(info_hash(store), store, lanes.inbox)) == DataDeleted(info_hash(store))
    assert listing(tmp_path) == {}
    space = lanes.ask(MeasureSpace(7, tmp_path, lanes.inbox))
    assert (space.device, space.error) == (7, None)
    assert 0 < space.free_bytes < space.total_bytes


class BrokenStore(Store):
    """A store with a mistake in it."""

    def spot(self):
        raise ZeroDivisionError

    stamps = spot


def test_a_mistake_of_ours_is_answered_too_and_the_lanes_go_on(lanes, tmp_path, torrent, caplog):
    store = BrokenStore(tmp_path / "here", torrent.metainfo, FilePool(8))
    for _ in range(2):
        for job in (DeleteData(info_hash(store), store, lanes.inbox), StampFiles(info_hash(store), store, lanes.inbox)):
            assert lanes.ask(job).error.code == "storage.bug"
        for job in (MoveStore(info_hash(store), store, tmp_path, lanes.inbox),
                    RenamePaths(info_hash(store), store, "t", "u", lanes.inbox)):
            assert lanes.ask(job).error.code == "storage.half-moved"       # nobody knows where its files are


class HangingStore(Store):
    """A store on a dead mount: whoever looks at its files waits until `mount_is_back`."""

    def __init__(self, *args):
        super().__init__(*args)
        self.device = -1
        self.mount_is_back = threading.Event()

    def spot(self):
        self.mount_is_back.wait(ANSWER_S)
        return super().spot()


def test_a_mount_that_hangs_and_a_long_move_stall_nobody_else(lanes, store, torrent, tmp_path):
    hanging = HangingStore(tmp_path / "here", torrent.metainfo, FilePool(8))
    lanes.lanes.post(DeleteData(info_hash(store), hanging, lanes.inbox))
    slow = HangingStore(tmp_path / "here", torrent.metainfo, FilePool(8))
    slow.device = store.device
    lanes.lanes.post(MoveStore(info_hash(store), slow, tmp_path / "there", lanes.inbox))
    assert isinstance(lanes.ask(StampFiles(info_hash(store), store, lanes.inbox)), FilesStamped)
    hanging.mount_is_back.set()
    assert isinstance(lanes.answer(), DataDeleted)
    slow.mount_is_back.set()
    while isinstance(answer := lanes.answer(), MoveProgress):
        pass
    assert isinstance(answer, StoreMoved)


def test_stopping_interrupts_a_move_which_goes_on_after_the_next_start(lanes, torrent, tmp_path):
    torrent.put_on_disk(tmp_path / "here")
    first = HangingStore(tmp_path / "here", torrent.metainfo, FilePool(8))
    lanes.lanes.post(MoveStore(info_hash(first), first, tmp_path / "there", lanes.inbox))
    assert not lanes.lanes.stop(0.0)
    first.mount_is_back.set()
    assert lanes.answer().error.code == "storage.interrupted"
    again, inbox = FileLanes(), Mailbox("again")
    store = Store(tmp_path / "here", torrent.metainfo, FilePool(8))
    again.post(MoveStore(info_hash(store), store, tmp_path / "there", inbox, is_resumed=True))
    assert inbox.get(ANSWER_S).error is None
    assert torrent.is_on_disk(tmp_path / "there")
    assert listing(tmp_path / "here") == {}
    assert again.stop(ANSWER_S)


MOVER = """
import sys
from pathlib import Path
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.filejobs import MoveStore
from blobtorrent.storage.filelanes import FileLanes
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.store import Store
from tests.support.stored import StoredTorrent

torrent = StoredTorrent([{size}] * 6, 65536)
store = Store(Path(sys.argv[1]), torrent.metainfo, FilePool(8))
inbox = Mailbox("mover")
print("moving", flush=True)
FileLanes(iter(range(10**9)).__next__).post(
    MoveStore(store.metainfo.info_hash, store, Path(sys.argv[2]), inbox, is_resumed=True))
while True:
    answer = inbox.get(60)
    if hasattr(answer, "stamps"):
        print(answer.error, flush=True)
        break
"""

MIB = 1024 * K


@pytest.mark.parametrize("delay_ms", [0, 2, 5, 10, 20, 40])
def test_a_move_to_another_filesystem_that_is_really_killed_ends_well(tmp_path, delay_ms):
    torrent = StoredTorrent([4 * MIB] * 6, 64 * K)
    torrent.put_on_disk(tmp_path / "here")
    with another_filesystem(tmp_path) as other:
        arguments = [sys.executable, "-c", MOVER.format(size=4 * MIB), str(tmp_path / "here"), str(other / "there")]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        for is_last in (False, True):
            process = subprocess.Popen(arguments, env=environment, stdout=subprocess.PIPE, text=True)
            assert process.stdout.readline() == "moving\n"
            if is_last:
                assert process.stdout.readline() == "None\n"
            else:
                time.sleep(delay_ms / 1000)
                process.send_signal(signal.SIGKILL)
            process.wait()
            process.stdout.close()
            for entry in torrent.payload_files():
                paths = [root.joinpath(*entry.path) for root in (tmp_path / "here", other / "there")]
                data = torrent.content[entry.offset : entry.offset + entry.length]
                assert [path.read_bytes() == data for path in paths if path.exists()] in ([True], [True, True])
        assert torrent.is_on_disk(other / "there")
        assert listing(tmp_path / "here") == {}
        assert [path.name for path in (other / "there").iterdir()] == ["t"]
