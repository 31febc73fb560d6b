"""`doctor`, `backup` and `restore` as commands: words, JSON and exit statuses."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_BAD_PIECES, EXIT_CONFIG, EXIT_FAILED, EXIT_OK
from blobtorrent.storage.state.statedir import StateDir
from tests.support.statedirs import SavedState, flip


@pytest.fixture
def saved(tmp_path: Path) -> SavedState:
    return SavedState(tmp_path / "state", is_clean=True, num_torrents=2)


def doctor(saved: SavedState, capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, dict[str, object]]:
    status = main(["doctor", str(saved.root), "--json", *options])
    return status, json.loads(capsys.readouterr().out)


def test_a_sound_directory_is_exit_0(saved: SavedState, capsys: pytest.CaptureFixture[str]) -> None:
    status, result = doctor(saved, capsys)
    del result["leftovers"]                # of other daemons, if there were any
    assert (status, result) == (EXIT_OK, {
        "state_dir": str(saved.root), "rows": 11, "torrents": 2, "blocks": 0, "damages": [], "repaired": []})


def test_damage_is_exit_4_until_it_is_repaired(saved: SavedState, capsys: pytest.CaptureFixture[str]) -> None:
    flip(saved.root / "key", 1)
    status, result = doctor(saved, capsys)
    assert status == EXIT_BAD_PIECES
    assert [damage["what"] for damage in result["damages"]] == ["key"]        # type: ignore[attr-defined]
    status, result = doctor(saved, capsys, "--repair")
    assert status == EXIT_OK
    assert [damage["what"] for damage in result["repaired"]] == ["key"]       # type: ignore[attr-defined]
    assert doctor(saved, capsys)[0] == EXIT_OK


def test_people_are_told_what_is_damaged_in_one_line_each(
    saved: SavedState, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(saved.root / "session", 1)
    assert main(["doctor", str(saved.root)]) == EXIT_BAD_PIECES
    lines = capsys.readouterr().out.splitlines()
    damage, summary = (line for line in lines if not line.startswith("left over: "))    # by others on this machine
    assert damage.startswith(f"damaged: session record {saved.root}/session: ")
    assert summary == "2 torrents, 11 rows and 0 unfinished blocks: 1 damaged"


@pytest.mark.parametrize("option", ["--repair", "--json"])
def test_a_directory_in_use_is_a_configuration_error(saved: SavedState, option: str) -> None:
    state_dir = StateDir(saved.root)
    assert main(["doctor", str(saved.root), option]) == EXIT_CONFIG
    state_dir.close()


def test_a_folder_that_is_no_state_directory_is_left_alone(tmp_path: Path) -> None:
    assert main(["doctor", str(tmp_path), "--repair"]) == EXIT_FAILED
    assert list(tmp_path.iterdir()) == []


def test_a_backup_goes_back_where_it_came_from(
    saved: SavedState, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    archive, target = str(tmp_path / "backup.tar"), str(tmp_path / "restored")
    assert main(["backup", str(saved.root), archive, "--json"]) == EXIT_OK
    assert json.loads(capsys.readouterr().out)["files"] == 8
    assert main(["restore", archive, target]) == EXIT_OK
    assert main(["restore", archive, target]) == EXIT_FAILED
    assert main(["restore", archive, target, "--force", "--json"]) == EXIT_OK
    assert main(["doctor", target]) == EXIT_OK
