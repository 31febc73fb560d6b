"""A session of rTorrent that the daemon is started on: taken over once, and never written to."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from blobtorrent.daemon import takeover
from blobtorrent.daemon.importing import Source, Writer, key_of, known_torrents, open_state
from blobtorrent.daemon.takeover import TAKEN_FILE, take_over
from blobtorrent.model.errors import Conflict
from blobtorrent.storage.state.examine import examine
from tests.support.fingerprint import fingerprint
from tests.support.handmade import HandMade


@pytest.fixture
def left(tmp_path: Path) -> HandMade:
    return HandMade(tmp_path)


def take(left: HandMade, *, is_ending: bool = False) -> set[bytes]:
    state = left.session.parent / "state"
    take_over(left.session, state, left.session.parent, lambda: is_ending)
    return known_torrents(state)


def test_all_torrents_come_and_the_session_stays_as_it_was(left: HandMade) -> None:
    names = [left.put("one"), left.put("two")]
    before = fingerprint(left.session)
    assert take(left) == {key_of(name) for name in names}
    assert fingerprint(left.session) == before


def test_a_folder_is_taken_over_once(left: HandMade) -> None:
    assert take(left) == set()
    left.put("one")                    # by us, who keep such files there too
    assert take(left) == set()
    assert examine(left.session.parent / "state").damages == []


def test_one_that_is_damaged_is_told_and_keeps_no_other_from_coming(
    left: HandMade, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[dict[str, object]] = []
    monkeypatch.setattr(takeover.log, "error", lambda _text, **fields: told.append(fields))
    damaged, sound = left.put("one"), left.put("two")
    (left.session / f"{damaged}.torrent").write_bytes(b"d4:info")
    assert take(left) == {key_of(sound)}
    assert [(fields["torrent"], fields["code"]) for fields in told] == [(damaged, "bencode.truncated")]


def test_relative_folders_are_below_the_one_it_is_started_in(left: HandMade) -> None:
    name = left.put("one", wanted={"directory": "./content"})
    assert take(left) == {key_of(name)}


def test_what_there_was_no_time_for_comes_with_the_next_start(left: HandMade) -> None:
    name = left.put("one")
    assert take(left, is_ending=True) == set()
    assert take(left) == {key_of(name)}


def test_a_torrent_that_is_there_already_stays_as_it_is(left: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    name = left.put("one")
    with open_state(left.session.parent / "state") as writer:
        writer.add(left.sources()[0])
        writer.flush()
    added: list[Source] = []
    monkeypatch.setattr(Writer, "add", lambda _self, source: added.append(source))
    left.put("two")
    assert take(left) == {key_of(name)}
    assert [source.imported.record.facts.name for source in added] == ["two"]


def test_it_is_refused_while_rtorrent_runs_on_it(left: HandMade, monkeypatch: pytest.MonkeyPatch) -> None:
    left.put("one")
    (left.session / "rtorrent.lock").write_text(f"{socket.gethostname()}:+{os.getpid()}\n")
    monkeypatch.setattr(Path, "read_bytes", lambda _path: b"rtorrent main\n")
    with pytest.raises(Conflict) as caught:
        take(left)
    assert caught.value.code == "import.rtorrent-runs"


def test_a_folder_that_is_not_there_yet_is_left_to_be_made(tmp_path: Path) -> None:
    take_over(tmp_path / "none", tmp_path / "state", tmp_path, lambda: False)
    assert not (tmp_path / "state" / TAKEN_FILE).exists()
