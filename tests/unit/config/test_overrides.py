"""Settings that were made at run time: merge patches and the text that keeps them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blobtorrent.config.load import load_all
from blobtorrent.config.overrides import HEADER, Overrides, patched, write_overrides
from blobtorrent.config.tomltext import parse_document
from blobtorrent.model.errors import ConfigError

SCALARS = st.one_of(
    st.booleans(), st.integers(), st.floats(allow_nan=False, allow_infinity=False),
    st.text(st.characters(exclude_categories=["Cs"])),
)
VALUES = st.one_of(SCALARS, st.lists(SCALARS, max_size=3))
TABLES = st.dictionaries(st.sampled_from(["path", "label", "start"]), VALUES)


@given(st.fixed_dictionaries({}, optional={
    "limits": st.dictionaries(st.sampled_from(["down_bytes_per_s", "up_bytes_per_s"]), VALUES, min_size=1),
    "groups": st.dictionaries(st.from_regex(r"[A-Za-z0-9_-]{1,8}", fullmatch=True), TABLES, min_size=1),
    "watch": st.lists(TABLES, max_size=3),
}))
def test_what_is_written_is_what_is_read(document: dict[str, Any]) -> None:
    text = write_overrides(document)
    assert text.startswith(HEADER)
    assert parse_document(text) == document


@pytest.mark.parametrize("document, patch, result", [
    ({"a": {"b": 1}}, {"a": {"b": 2}}, {"a": {"b": 2}}),
    ({"a": {"b": 1}}, {"a": {"c": 2}}, {"a": {"b": 1, "c": 2}}),
    ({"a": {"b": 1}}, {"a": {"b": None}}, {}),
    ({"a": {"b": 1, "c": 1}}, {"a": {"b": None}}, {"a": {"c": 1}}),
    ({"a": {"b": 1}}, {"a": None}, {}),
    ({"a": {"b": [1, 2]}}, {"a": {"b": [3]}}, {"a": {"b": [3]}}),
    ({}, {"a": {"b": {"c": None}}}, {"a": {"b": {}}}),
    ({"watch": [{"path": "/a"}]}, {"watch": []}, {"watch": []}),
    ({"watch": [{"path": "/a"}]}, {"watch": None}, {}),
    ({"watch": []}, {"watch": [{"path": "/a", "label": None}]}, {"watch": [{"path": "/a"}]}),
])
def test_a_patch_is_merged(document: dict[str, Any], patch: dict[str, Any], result: dict[str, Any]) -> None:
    before = repr(document)
    assert patched(document, patch) == result
    assert repr(document) == before


def test_more_than_would_be_read_again_is_not_written() -> None:
    with pytest.raises(ConfigError) as raised:
        write_overrides({"rest": {"allowed_hosts": ["a" * 1000] * 1100}})
    assert raised.value.code == "config.too-long"


def test_they_come_after_the_files_and_before_the_environment_and_the_command_line(tmp_path: Path) -> None:
    file, overrides = tmp_path / "a.toml", tmp_path / "settings.toml"
    for number, path in enumerate((file, overrides), 1):
        path.write_text(f"[network]\nmax_peers = {number}\nmax_peers_per_torrent = {number}\nupload_slots = {number}\n")
    environ = {"BLOBTORRENT_NETWORK__MAX_PEERS_PER_TORRENT": "3"}
    network = load_all([file], environ, ["network.upload_slots=4"], overrides).settings.network
    assert (network.max_peers, network.max_peers_per_torrent, network.upload_slots) == (2, 3, 4)


def test_there_need_not_be_any(tmp_path: Path) -> None:
    assert load_all(overrides=tmp_path / "none.toml") == load_all()


def test_a_text_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as raised:
        Overrides(tmp_path / "settings.toml", "[").document()
    assert raised.value.code == "config.bad-toml"
    assert "settings.toml" in raised.value.detail
