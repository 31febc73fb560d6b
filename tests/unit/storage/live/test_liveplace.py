import os
from pathlib import Path

import pytest

from blobtorrent.storage.live.liveplace import SHARED_MEMORY, live_path


def is_shared_memory_there():
    return live_path(Path("/nowhere"), Path("/state")) is not None


needs_shared_memory = pytest.mark.skipif(not is_shared_memory_there(), reason="/dev/shm is no tmpfs of ours here")


@needs_shared_memory
def test_a_runtime_directory_in_memory_is_used(tmp_path):
    path = live_path(SHARED_MEMORY, tmp_path)
    assert path.parent == SHARED_MEMORY
    assert path.name.startswith("live-")


@needs_shared_memory
def test_daemons_with_one_runtime_directory_have_live_files_of_their_own(tmp_path):
    first, second = (live_path(SHARED_MEMORY, tmp_path / name) for name in ("one", "two"))
    assert first != second


@needs_shared_memory
def test_otherwise_it_is_shared_memory_under_the_name_of_the_state_directory(tmp_path):
    first, second = (live_path(Path("/proc"), tmp_path / name) for name in ("one", "two"))
    assert first.parent == second.parent == SHARED_MEMORY
    assert first != second
    assert first.name.startswith(f"blobtorrent-{os.geteuid()}-")


@needs_shared_memory
def test_a_state_directory_reached_by_a_link_is_the_same(tmp_path):
    (tmp_path / "state").mkdir()
    (tmp_path / "link").symlink_to("state")
    assert live_path(Path("/proc"), tmp_path / "link") == live_path(Path("/proc"), tmp_path / "state")


def test_nothing_in_memory_means_no_live_file(tmp_path):
    assert live_path(Path("/proc"), tmp_path, shared=Path("/proc")) is None
    assert live_path(None, tmp_path, shared=Path("/proc")) is None
    assert live_path(tmp_path / "missing", tmp_path, shared=tmp_path / "missing") is None


@needs_shared_memory
def test_a_runtime_directory_that_does_not_stay_is_none(tmp_path):
    assert live_path(None, tmp_path) == live_path(Path("/proc"), tmp_path)
