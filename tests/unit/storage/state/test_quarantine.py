"""Where damaged things go."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.storage.state.quarantine import Quarantine


def test_things_of_one_name_are_kept_side_by_side(tmp_path: Path) -> None:
    quarantine = Quarantine(tmp_path / "quarantine")
    for content in (b"first", b"second", b"third"):
        (tmp_path / "key").write_bytes(content)
        quarantine.take(tmp_path / "key")
    quarantine.keep("key", b"fourth")
    kept = sorted(path.read_bytes() for path in (tmp_path / "quarantine").glob("key.*"))
    assert kept == [b"first", b"fourth", b"second", b"third"]
    assert not (tmp_path / "key").exists()
    assert (tmp_path / "quarantine").stat().st_mode & 0o777 == 0o700


def test_what_is_not_there_is_not_taken(tmp_path: Path) -> None:
    assert Quarantine(tmp_path / "quarantine").take(tmp_path / "nothing") is None
