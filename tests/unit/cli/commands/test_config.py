"""`blobtorrent config`: settings are read as the daemon would."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

from blobtorrent.cli.main import main
from blobtorrent.config.load import load
from blobtorrent.config.transfers import GroupSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


@pytest.fixture(autouse=True)
def no_settings_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("STATE_DIRECTORY", str(tmp_path / "state"))
    for variable in [name for name in os.environ if name.startswith("BLOBTORRENT_") and "__" in name]:
        monkeypatch.delenv(variable)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "conf.d").mkdir()
    (tmp_path / "conf.d" / "limits.toml").write_text("[limits]\nup_bytes_per_s = '1 MiB/s'\n[groups.slow]\nweight = 2")
    path = tmp_path / "my.toml"
    path.write_text("[network]\nmax_peers = 7\n\n[[watch]]\npath = '/a'\n\n[[watch]]\npath = '/b'\n")
    return path


def run(capsys: pytest.CaptureFixture[str], *words: object) -> tuple[int, str, str]:
    status = main(["config", *map(str, words)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_check_tells_what_was_read(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    status, out, _ = run(capsys, "check", "--config", config)
    assert (status, out) == (0, f"5 settings given, all good ({config}, {config.parent}/conf.d/limits.toml)\n")
    status, out, _ = run(capsys, "check", "--config", config, "--json")
    assert json.loads(out)["files"] == [str(config), f"{config.parent}/conf.d/limits.toml"]


def test_check_names_the_place_of_an_error_and_has_the_status_of_the_daemon(
    config: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    config.write_text("[storage]\n\nreserv = 1\n")
    status, out, err = run(capsys, "check", "--config", config)
    assert (status, out) == (78, "")
    assert err == (
        f"blobtorrent: {config}:3: there is no setting storage.reserv; did you mean storage.reserve? "
        "(config.unknown-key)\n"
    )


def test_what_dump_prints_is_a_settings_file_that_means_the_same(
    config: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    status, out, _ = run(capsys, "dump", "--config", config, "--sources")
    assert status == 0
    copy = tmp_path / "elsewhere" / "copy.toml"
    copy.parent.mkdir()
    copy.write_text(out)
    settings = load([copy])
    assert settings == load([config, config.parent / "conf.d" / "limits.toml"])
    assert settings.groups == {"slow": GroupSettings(weight=2.0)}
    assert len(tomllib.loads(out)["watch"]) == 2


def test_dump_tells_where_each_value_comes_from(
    config: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BLOBTORRENT_NETWORK__UPLOAD_SLOTS", "3")
    words = ["dump", "--config", config, "--set", "log.level='debug'", "--sources"]
    _, out, _ = run(capsys, *words)
    for line in (
        f"max_peers = 7  # {config}:2",
        "upload_slots = 3  # BLOBTORRENT_NETWORK__UPLOAD_SLOTS",
        'level = "debug"  # --set log.level',
        "max_peers_per_torrent = 200  # default",
        f"weight = 2  # {config.parent}/conf.d/limits.toml:4",
    ):
        assert line in out.splitlines()
    _, out, _ = run(capsys, *words, "--json")
    assert json.loads(out)["network.max_peers"] == {"value": 7, "source": f"{config}:2"}


def test_dump_as_json_without_sources_is_values_by_name(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    _, out, _ = run(capsys, "dump", "--config", config, "--json")
    settings = json.loads(out)
    assert settings["network.max_peers"] == 7
    assert settings["watch.1.path"] == "/b"
    assert settings["storage.memory_budget"] == "64 MiB"


def test_what_was_changed_while_the_daemon_ran_is_read_too(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    state = config.parent / "state"
    state.mkdir()
    overrides = state / "settings.toml"
    overrides.write_text("[network]\nmax_peers = 9\n")
    for words in ([], ["--state-dir", state]):
        _, out, _ = run(capsys, "dump", "--config", config, "--sources", *words)
        assert f"max_peers = 9  # {overrides}:2" in out.splitlines()
    _, out, _ = run(capsys, "check", "--config", config, "--json")
    assert json.loads(out)["files"][-1] == str(overrides)


def test_a_broken_file_of_what_was_changed_is_named(config: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (config.parent / "settings.toml").write_text("[network]\nmax_pears = 9\n")
    status, _, err = run(capsys, "check", "--state-dir", config.parent)
    assert status == 78
    assert f"{config.parent}/settings.toml:2: there is no setting network.max_pears" in err
