"""Hashing processes: their digests are right, and nothing that happens to them is more than a detour."""

import logging
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from hashlib import sha1
from pathlib import Path

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage import maphash
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.checker import check_pieces
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool
from blobtorrent.storage.hashchild import HashChildren
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.jobs import CheckPieces
from blobtorrent.storage.store import Store
from tests.support.stored import PAD, StoredTorrent

K = 1024
MIB = K * K
ANSWER_S = 20.0


@pytest.fixture
def children():
    children = HashChildren(1, min_torrent=0, min_stretch=0)
    yield children
    assert children.stop(ANSWER_S)


@pytest.fixture
def data_file(tmp_path):
    path = tmp_path / "data"
    path.write_bytes(random.Random(1).randbytes(3 * MIB + 5))
    return path


def ask(children, path, offset=0, length=None, step=64 * K):
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return children.digests(descriptor, offset, path.stat().st_size if length is None else length, step)
    finally:
        os.close(descriptor)


def by_hand(path, offset=0, length=None, step=64 * K):
    data = path.read_bytes()[offset:][:length]
    return b"".join(sha1(data[at : at + step]).digest() for at in range(0, len(data), step))


def pid_of(children):
    (child,) = children._children
    return child.pid


def has_ended(pid):
    """Gone for good: a zombie still has its entry."""
    return not Path(f"/proc/{pid}").exists()


def wait_for(condition):
    deadline_s = time.monotonic() + ANSWER_S
    while not condition():
        assert time.monotonic() < deadline_s
        time.sleep(0.001)


@pytest.mark.parametrize(
    ("offset", "length", "step"),
    [(0, 3 * MIB + 5, MIB), (1, 2 * MIB, 16 * K), (5000, 4096, 4096), (4095, 100_001, 1000), (3 * MIB, 5, MIB)],
)
def test_digests_are_those_of_the_bytes_wherever_they_start(children, data_file, offset, length, step):
    assert ask(children, data_file, offset, length, step) == by_hand(data_file, offset, length, step)


def test_a_stretch_of_many_windows_is_hashed_to_its_end(monkeypatch, data_file):
    monkeypatch.setattr(maphash, "_WINDOW_BYTES", 100_000)
    with open(data_file, "rb") as file:
        for step in (7000, 99_999, 200_000):
            assert maphash.digests(file.fileno(), 3, 3 * MIB, step) == by_hand(data_file, 3, 3 * MIB, step)


def test_one_process_answers_all_requests(children, data_file):
    ask(children, data_file)
    first = pid_of(children)
    ask(children, data_file)
    assert pid_of(children) == first


def test_a_process_that_was_killed_in_the_middle_is_replaced_for_the_next_request(children, data_file):
    ask(children, data_file)
    first = pid_of(children)
    os.kill(first, signal.SIGSTOP)
    killer = threading.Timer(0.1, os.kill, (first, signal.SIGKILL))
    killer.start()
    assert ask(children, data_file) is None
    killer.join()
    assert ask(children, data_file) == by_hand(data_file)
    assert pid_of(children) != first
    wait_for(lambda: has_ended(first))


def test_a_process_that_left_between_requests_is_replaced_unnoticed(children, data_file):
    ask(children, data_file)
    first = pid_of(children)
    os.kill(first, signal.SIGTERM)
    wait_for(lambda: has_ended(first))
    assert ask(children, data_file) == by_hand(data_file)


def test_ctrl_c_does_not_end_it(children, data_file):
    ask(children, data_file)
    first = pid_of(children)
    os.kill(first, signal.SIGINT)
    assert ask(children, data_file) == by_hand(data_file)
    assert pid_of(children) == first


def test_a_file_that_ends_too_early_is_no_answer(children, data_file):
    assert ask(children, data_file, length=4 * MIB) is None
    assert ask(children, data_file) == by_hand(data_file)


@pytest.mark.parametrize("executable", ["/nonexistent/python", "/bin/false"])
def test_when_none_can_be_started_that_is_said_once_and_not_tried_for_ever(
    children, data_file, executable, monkeypatch, caplog
):
    monkeypatch.setattr(sys, "executable", executable)
    with caplog.at_level(logging.WARNING):
        assert [ask(children, data_file) for _ in range(20)] == [None] * 20
    assert len(caplog.records) == 1
    monkeypatch.undo()
    assert ask(children, data_file) is None


def test_stop_ends_them_and_leaves_no_zombie(data_file):
    children = HashChildren(2)
    with open(data_file, "rb") as file:
        started = threading.Barrier(2)

        def work():
            started.wait()
            for _ in range(5):
                children.digests(file.fileno(), 0, 3 * MIB, MIB)

        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    pids = [child.pid for child in children._children if child.pid is not None]
    assert pids
    assert children.stop(ANSWER_S)
    assert all(has_ended(pid) for pid in pids)
    assert ask(children, data_file) is None


def test_stop_does_not_wait_for_a_process_that_hangs_and_wakes_its_thread(data_file):
    children = HashChildren(1)
    ask(children, data_file)
    pid = pid_of(children)
    os.kill(pid, signal.SIGSTOP)
    answers = []
    thread = threading.Thread(target=lambda: answers.append(ask(children, data_file)))
    thread.start()
    wait_for(lambda: not children._free)
    assert not children.stop(0.05)
    thread.join(ANSWER_S)
    assert answers == [None]
    os.kill(pid, signal.SIGCONT)
    assert children.stop(ANSWER_S)
    assert has_ended(pid)


def test_stop_may_come_between_a_request_and_its_answer(data_file, monkeypatch):
    children = HashChildren(1)
    ask(children, data_file)
    pid, send = pid_of(children), socket.send_fds

    def send_and_stop(*request):
        send(*request)
        assert children.stop(ANSWER_S)

    monkeypatch.setattr(socket, "send_fds", send_and_stop)
    assert ask(children, data_file) is None
    assert has_ended(pid)


def test_stop_may_come_while_a_process_is_started(data_file, monkeypatch):
    children, popen = HashChildren(1), subprocess.Popen
    started = []

    def start_and_stop(*words, **options):
        started.append(popen(*words, **options))
        children.stop(0)
        return started[0]

    monkeypatch.setattr(subprocess, "Popen", start_and_stop)
    assert ask(children, data_file) is None
    wait_for(lambda: has_ended(started[0].pid))


def test_an_idle_process_ends_by_itself(monkeypatch):
    monkeypatch.setattr(maphash, "IDLE_S", 0.01)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        server = threading.Thread(target=maphash.serve, args=(theirs,))
        server.start()
        server.join(ANSWER_S)
        assert not server.is_alive()


class Lending:
    """Children that count what they are asked for, or know nothing."""

    min_torrent = min_stretch = 0

    def __init__(self, inner=None):
        self._inner = inner
        self.asked = []

    def digests(self, descriptor, offset, length, step):
        self.asked.append((offset, length))
        return self._inner.digests(descriptor, offset, length, step) if self._inner else None


def outcome(store, indices, children):
    try:
        found = check_pieces(store, indices, memoryview(bytearray(64 * K)), children)
    except StorageError as error:
        return error.code
    return found.good, found.bad, found.missing


def damage(torrent, root, rng):
    """Do to some files what happens to files."""
    for entry in torrent.payload_files():
        path = root.joinpath(*entry.path)
        luck = rng.random()
        if luck > 0.3 or not entry.length:
            continue
        if luck < 0.05:
            path.unlink()
        elif luck < 0.12:
            os.truncate(path, rng.randrange(entry.length))
        elif luck < 0.18:
            os.truncate(path, rng.randrange(entry.length))
            os.truncate(path, entry.length)
        else:
            with open(path, "r+b") as file:
                file.seek(rng.randrange(entry.length))
                file.write(rng.randbytes(1))


def random_torrent(rng, seed):
    v1 = rng.random() < 0.8
    piece_length = rng.choice((16 * K, 20 * K, 100 * K + 1)) if v1 else 16 * K
    sizes = []
    for _ in range(rng.randint(1, 8)):
        sizes.append(rng.choice((0, 1, rng.randint(1, 100 * K), rng.randint(1, 900 * K))))
        if v1 and rng.random() < 0.3:
            sizes.append((PAD, rng.randint(1, 50_000)))
    sizes.append(rng.choice((1, piece_length, piece_length + 1)))
    return StoredTorrent(sizes, piece_length, seed=seed, v1=v1)


def test_verdicts_are_the_same_with_and_without_children(children, tmp_path):
    lending = Lending(children)
    for seed in range(60):
        rng = random.Random(seed)
        torrent, root = random_torrent(rng, seed), tmp_path / str(seed)
        torrent.put_on_disk(root)
        if seed % 3:
            damage(torrent, root, rng)
        store = Store(root, torrent.metainfo, FilePool(3))
        count = torrent.geometry.num_pieces
        first = rng.randrange(count)
        for indices in (range(count), range(first, rng.randint(first + 1, count))):
            assert outcome(store, indices, lending) == outcome(store, indices, None), f"seed {seed}"
        store.close()
    assert len(lending.asked) > 60


def test_a_stretch_that_no_child_could_tell_is_read(tmp_path):
    torrent = StoredTorrent([500 * K, 300 * K], 64 * K)
    torrent.put_on_disk(tmp_path)
    store = Store(tmp_path, torrent.metainfo, FilePool(3))
    lending = Lending()
    assert outcome(store, range(13), lending) == (list(range(13)), [], [])
    assert len(lending.asked) == 2


def test_small_pieces_go_to_a_child_together(children, tmp_path):
    torrent = StoredTorrent([2 * MIB], 16 * K)
    torrent.put_on_disk(tmp_path)
    lending = Lending(children)
    store = Store(tmp_path, torrent.metainfo, FilePool(3))
    assert outcome(store, range(128), lending) == (list(range(128)), [], [])
    assert lending.asked == [(0, 2 * MIB)]


def test_a_small_torrent_starts_no_process(tmp_path):
    torrent = StoredTorrent([2 * MIB], 16 * K)
    torrent.put_on_disk(tmp_path)
    children = HashChildren(1, min_torrent=3 * MIB, min_stretch=0)
    store = Store(tmp_path, torrent.metainfo, FilePool(3))
    assert outcome(store, range(128), children) == (list(range(128)), [], [])
    assert pid_of(children) is None


def is_mapped(pid, path):
    try:
        return str(path) in Path(f"/proc/{pid}/maps").read_text()
    except OSError:
        return False


def test_a_file_cut_short_under_the_map_costs_the_process_and_the_engine_lives(tmp_path, children):
    size = 64 * MIB
    torrent = StoredTorrent([size], size)              # one window, and long enough to meet it there
    torrent.put_on_disk(tmp_path)
    path = tmp_path / "t" / "folder0" / "file0"
    arena = Arena(SLOT_SIZE)
    hashers = HasherPool(arena, DiskPool(arena), 1, children)
    inbox = Mailbox("test")
    store = Store(tmp_path, torrent.metainfo, FilePool(3))
    job = CheckPieces(torrent.metainfo.info_hash, store, range(1), inbox)
    hashers.start()
    try:
        hashers.post(job)
        assert inbox.get(ANSWER_S).good == [0]
        pid = pid_of(children)
        process = children._children[0]._process
        while True:                    # stop the process while it has its eyes on the file
            hashers.post(job)
            wait_for(lambda: is_mapped(pid, path) or inbox.depth)
            os.kill(pid, signal.SIGSTOP)
            time.sleep(0.01)
            if is_mapped(pid, path):
                break
            os.kill(pid, signal.SIGCONT)
            assert inbox.get(ANSWER_S).good == [0]
        os.truncate(path, 5)
        os.kill(pid, signal.SIGCONT)
        answer = inbox.get(ANSWER_S)
        assert answer.error.code == "storage.short-file"
        wait_for(lambda: process.returncode is not None)
        assert process.returncode == -signal.SIGBUS
        hashers.post(job)
        answer = inbox.get(ANSWER_S)
        assert (answer.good, answer.missing, answer.error) == ([], [0], None)
    finally:
        assert hashers.stop(ANSWER_S)
        store.close()
