from __future__ import annotations

import errno
from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.config.places import (
    SYSTEM_CONFIG_DIR,
    config_files,
    is_runtime_dir_removed,
    runtime_dir,
    state_dir,
)
from blobtorrent.model.errors import ConfigError


def touch(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


def test_drop_ins_follow_their_file_in_the_order_of_their_names(tmp_path):
    main = touch(tmp_path / "x.toml")
    later = touch(tmp_path / "conf.d" / "20-b.toml")
    earlier = touch(tmp_path / "conf.d" / "10-a.toml")
    touch(tmp_path / "conf.d" / "30-c.toml.bak")
    assert config_files(main, {}) == [main, earlier, later]


def test_the_users_own_file_is_found(tmp_path):
    own = touch(tmp_path / "blobtorrent" / "blobtorrent.toml")
    assert config_files(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == [own]


@pytest.mark.skipif(SYSTEM_CONFIG_DIR.exists(), reason="this machine has settings of its own")
def test_no_file_is_no_failure(tmp_path):
    assert config_files(None, {"XDG_CONFIG_HOME": str(tmp_path)}) == []


def test_drop_ins_that_cannot_be_read_are_told(tmp_path, monkeypatch):
    main = touch(tmp_path / "x.toml")

    def refuse(_folder: Path):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(ConfigError, match="conf.d: Permission denied"):
        config_files(main, {})


def test_without_a_home_somebody_has_to_say_where_things_are(monkeypatch):
    def no_home(_path: Path):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "expanduser", no_home)
    with pytest.raises(ConfigError, match="set HOME or XDG_STATE_HOME"):
        state_dir(None, {})
    with pytest.raises(ConfigError, match="download_dir has to be set"):
        load()
    assert state_dir(Path("/flag"), {}) == Path("/flag")


@pytest.mark.parametrize(
    ("explicit", "environ", "expected"),
    [
        (Path("/flag"), {"STATE_DIRECTORY": "/systemd", "XDG_STATE_HOME": "/xdg"}, "/flag"),
        (None, {"STATE_DIRECTORY": "/systemd:/second", "XDG_STATE_HOME": "/xdg"}, "/systemd"),
        (None, {"XDG_STATE_HOME": "/xdg"}, "/xdg/blobtorrent"),
    ],
)
def test_the_state_directory_is_the_first_that_is_given(explicit, environ, expected):
    assert state_dir(explicit, environ) == Path(expected)


def test_without_any_word_state_is_kept_in_the_home(monkeypatch):
    monkeypatch.setenv("HOME", "/home/me")
    for environ in ({}, {"XDG_STATE_HOME": "relative"}):
        assert state_dir(None, environ) == Path("/home/me/.local/state/blobtorrent")


@pytest.mark.parametrize(
    ("explicit", "environ", "expected"),
    [
        (Path("/flag"), {"RUNTIME_DIRECTORY": "/systemd"}, "/flag"),
        (None, {"RUNTIME_DIRECTORY": "/systemd", "XDG_RUNTIME_DIR": "/run/user/1"}, "/systemd"),
        (None, {"XDG_RUNTIME_DIR": "/run/user/1"}, "/run/user/1/blobtorrent"),
        (None, {}, "/state/run"),
    ],
)
def test_the_runtime_directory_is_the_first_that_is_given(explicit, environ, expected):
    assert runtime_dir(explicit, environ, Path("/state")) == Path(expected)


def test_only_the_runtime_directory_of_the_service_manager_goes_with_us(tmp_path):
    given = {"RUNTIME_DIRECTORY": "/run/blobtorrent", "XDG_RUNTIME_DIR": "/run/user/7"}
    assert is_runtime_dir_removed(None, given)
    assert not is_runtime_dir_removed(tmp_path, given)
    assert not is_runtime_dir_removed(None, {"XDG_RUNTIME_DIR": "/run/user/7"})
