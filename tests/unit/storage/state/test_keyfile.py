"""The key and its second copy."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.storage.state.keyfile import NAMES, damaged_keys, read_key, settle_key
from blobtorrent.storage.state.quarantine import Quarantine


def settle(folder: Path, *, is_new: bool = False) -> tuple[bytes, list[str]]:
    key, damages = settle_key(folder, Quarantine(folder / "quarantine"), is_new=is_new)
    return key, [Path(damage.where).name for damage in damages]


def test_a_new_directory_gets_a_key_in_two_files_for_its_owner_alone(tmp_path: Path) -> None:
    assert read_key(tmp_path) is None
    key, damages = settle(tmp_path, is_new=True)
    assert (len(key), damages) == (32, [])
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in NAMES] == [0o600, 0o600]
    assert settle(tmp_path) == (key, [])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("content", [None, b"", b"x" * 48, b"x" * 32])
def test_one_sound_copy_is_enough_and_makes_the_other_whole(tmp_path: Path, name: str, content: bytes | None) -> None:
    key, _ = settle(tmp_path, is_new=True)
    (tmp_path / name).unlink()
    if content is not None:
        (tmp_path / name).write_bytes(content)
    assert damaged_keys(tmp_path) == [tmp_path / name]
    assert settle(tmp_path) == (key, [name])
    assert settle(tmp_path) == (key, [])
    assert len(list((tmp_path / "quarantine").glob("*"))) == (content is not None)


def test_without_a_sound_copy_there_is_a_new_key_and_a_loud_word(tmp_path: Path) -> None:
    key, _ = settle(tmp_path, is_new=True)
    for name in NAMES:
        (tmp_path / name).write_bytes(b"damaged")
    new_key, damages = settle(tmp_path)
    assert new_key != key
    assert damages == list(NAMES)
