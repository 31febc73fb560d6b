from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.config.load import load
from blobtorrent.config.schema import NetworkSettings, StorageSettings
from blobtorrent.config.sources import load_with_sources
from blobtorrent.config.tomltext import MAX_FILE_BYTES
from blobtorrent.config.transfers import GroupSettings
from blobtorrent.model.errors import ConfigError


@pytest.fixture
def write(tmp_path):
    def write_file(text: str, name: str = "a.toml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write_file


def test_nothing_given_means_the_defaults():
    settings = load()
    assert settings.storage == StorageSettings()
    assert settings.network == NetworkSettings()
    assert (settings.groups, settings.watch) == ({}, ())
    assert settings.storage.memory_budget == 64 << 20
    assert [str(spec) for spec in settings.network.listen] == ["0.0.0.0:6881-6999", "[::]:6881-6999"]


def test_later_sources_win(write):
    first = write("[network]\nmax_peers = 1\nupload_slots = 1\n[storage]\nmemory_budget = '8 MiB'\nallocation = 'full'")
    second = write("[network]\nupload_slots = 2\nmax_peers_per_torrent = 2\n", "b.toml")
    settings = load(
        [first, second],
        {"BLOBTORRENT_NETWORK__MAX_PEERS_PER_TORRENT": "3", "BLOBTORRENT_STORAGE__MEMORY_BUDGET": "16 MiB"},
        ["storage.memory_budget = '32 MiB'"],
    )
    assert (settings.network.max_peers, settings.network.upload_slots) == (1, 2)
    assert (settings.network.max_peers_per_torrent, settings.storage.memory_budget) == (3, 32 << 20)
    assert settings.storage.allocation == "full"


def test_groups_come_from_every_source_and_watch_folders_add_up(write):
    first = write("[groups.slow]\nweight = 2\n[groups.fast]\n[[watch]]\npath = '/a'\n[[watch]]\npath = '/b'")
    second = write("[groups]\nslow = {up_bytes_per_s = '1 MiB/s'}\n[[watch]]\npath = '/c'\nstart = false", "b.toml")
    settings = load(
        [first, second], {"BLOBTORRENT_GROUPS__FAST__WEIGHT": "3"}, ["groups.new = {}", "watch=[{path='/d'}]"]
    )
    assert settings.groups == {
        "slow": GroupSettings(weight=2.0, up_bytes_per_s=1 << 20),
        "fast": GroupSettings(weight=3.0),
        "new": GroupSettings(),
    }
    assert [(str(watch.path), watch.start) for watch in settings.watch] == [
        ("/a", True), ("/b", True), ("/c", False), ("/d", True),
    ]


def test_the_source_of_every_value_is_told(write):
    path = write("[network]\nmax_peers = 1\nupload_slots = 2\n[groups.slow]\nweight = 2\n")
    environ = {"BLOBTORRENT_NETWORK__UPLOAD_SLOTS": "3"}
    given = load_with_sources([path], environ, ["limits.down_bytes_per_s = '1 MiB/s'"]).given
    assert {key: (value.written, value.place) for key, value in given.items()} == {
        "network.max_peers": (1, f"{path}:2"),
        "network.upload_slots": (3, "BLOBTORRENT_NETWORK__UPLOAD_SLOTS"),
        "groups.slow.weight": (2, f"{path}:5"),
        "limits.down_bytes_per_s": ("1 MiB/s", "--set limits.down_bytes_per_s"),
    }


def test_other_variables_of_the_environment_are_not_settings():
    environ = {"BLOBTORRENT_URL": "http://x", "BLOBTORRENT_DEBUG": "1", "OTHER__THING": "1", "PATH": "/bin"}
    assert load(environ=environ) == load()


def test_values_of_the_environment_may_be_toml_or_plain_text():
    environ = {"BLOBTORRENT_NETWORK__LISTEN": '["1.2.3.4:5"]', "BLOBTORRENT_STORAGE__DOWNLOAD_DIR": "/srv/a b"}
    settings = load(environ=environ)
    assert [str(spec) for spec in settings.network.listen] == ["1.2.3.4:5"]
    assert settings.storage.download_dir == Path("/srv/a b")


@pytest.mark.parametrize(
    ("text", "code", "place", "words"),
    [
        ("[storage]\n\nmemory_budet = 1", "config.unknown-key", ":3:", "did you mean storage.memory_budget?"),
        ("[nonsense]\nx = 1", "config.unknown-key", ":2:", "there is no setting nonsense.x"),
        ("max_peers = 1", "config.unknown-key", ":1:", "max_peers"),
        ("[network]\nmax_peers = 0", "config.bad-value", ":2:", "network.max_peers must be between 1 and"),
        ("[network]\nmax_peers = = 1\n", "config.bad-toml", "line 2", "a.toml"),
        ("[network.max_peers]\nx = 1", "config.bad-value", ":1:", "whole number"),
        ("[limits]\n# [x]\nup_bytes_per_s = -1", "config.bad-value", ":3:", "limits.up_bytes_per_s must be between"),
        ("[groups.a]\n\nwieght = 1", "config.unknown-key", ":3:", "did you mean groups.a.weight?"),
        ("[groups]\nweight = 1", "config.bad-value", ":2:", "groups.weight must be a table"),
        ("[groups.'a b']\n", "config.bad-value", "", "'a b' is no name"),
        ("groups = 1", "config.bad-value", ":1:", "groups must be a table"),
        ("[watch]\npath = '/a'", "config.bad-value", ":1:", "watch must be a list of tables"),
        ("[[watch]]\npath = '/a'\n\n[[watch]]\nlabel = 'x'", "config.missing-key", ":4:", "watch needs path"),
        ("[[watch]]\npath='/a'\n[[watch]]\npath='/b'\npaht=1", "config.unknown-key", ":5:", "mean watch.path?"),
        ("x = " + "[" * 5000, "config.bad-toml", "a.toml", ""),
    ],
)
def test_what_is_wrong_in_a_file_is_told_with_its_place(write, text, code, place, words):
    path = write(text)
    with pytest.raises(ConfigError) as caught:
        load([path])
    assert caught.value.code == code
    assert str(caught.value).startswith(str(path))
    assert place in str(caught.value)
    assert words in str(caught.value)


def test_a_file_that_cannot_be_read_is_told(tmp_path):
    not_text = tmp_path / "b.toml"
    not_text.write_bytes(b"\xff\xfe")
    too_long = tmp_path / "c.toml"
    too_long.write_text("#" * (MAX_FILE_BYTES + 1))
    for path in (tmp_path / "none.toml", tmp_path, not_text, too_long):
        with pytest.raises(ConfigError, match=path.name) as caught:
            load([path])
        assert caught.value.code == "config.unreadable"


@pytest.mark.parametrize(
    ("assignment", "code", "words"),
    [
        ("network.max_peers", "config.bad-value", "section.key=VALUE"),
        ("network.max_peer=1", "config.unknown-key", "did you mean network.max_peers?"),
        ("network.max_peers=many", "config.bad-toml", "text needs quotes"),
        ("network.max_peers=1\nother = 2", "config.bad-toml", "not a TOML value"),
        ("network.max_peers='9'", "config.bad-value", "must be a whole number"),
        ("storage.allocation='none'", "config.bad-value", "one of sparse, full"),
    ],
)
def test_what_is_wrong_with_an_assignment_is_told(assignment, code, words):
    with pytest.raises(ConfigError) as caught:
        load(assignments=[assignment])
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "--set" in str(caught.value)


def test_a_bad_variable_is_told_by_its_name():
    with pytest.raises(ConfigError, match="BLOBTORRENT_NETWORK__MAX_PEERS") as caught:
        load(environ={"BLOBTORRENT_NETWORK__MAX_PEERS": "many"})
    assert caught.value.code == "config.bad-value"


@pytest.mark.parametrize("variable", ["BLOBTORRENT_WATCH", "BLOBTORRENT_WATCH__PATH", "BLOBTORRENT_WATCH__0__PATH"])
def test_tables_of_a_list_are_not_taken_from_the_environment(variable):
    with pytest.raises(ConfigError, match=r"\[\[watch\]\] can only be given in a settings file") as caught:
        load(environ={variable: "/downloads"})
    assert str(caught.value).startswith(variable)


def test_variables_that_steer_the_program_otherwise_are_no_settings():
    assert load(environ={"BLOBTORRENT_URL": "x", "BLOBTORRENT_DEBUG": "1", "WATCH": "x"}) == load()
