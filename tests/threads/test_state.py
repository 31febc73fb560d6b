"""The threads `state` and `library`: every job is answered once, whatever happens to it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from blobtorrent.model.errors import StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.metafile import parse_torrent
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.state.library import (
    AdoptTorrent,
    DropTorrent,
    KeepMetadata,
    KeepTorrent,
    LibraryThread,
    LoadTorrent,
    ReadTorrent,
    SurveyTorrents,
    TorrentKept,
    TorrentLoaded,
    TorrentRead,
    TorrentsSurveyed,
)
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.statethread import (
    SESSION,
    TORRENT,
    KeepPrevious,
    Row,
    SaveState,
    StateSaved,
    StateThread,
    all_rows_of,
    row_key,
)
from tests.support.statedirs import FreshState, fresh_state, make_torrent

PATIENCE_S = 20.0
INFO_HASH, RAW = make_torrent("kept")


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[FreshState]:
    with fresh_state(tmp_path) as fresh:
        yield fresh


@pytest.fixture
def state(fresh: FreshState) -> Iterator[StateThread]:
    state = StateThread(fresh.dir.state, fresh.told.append)
    state.start()
    yield state
    assert state.stop(PATIENCE_S)


@pytest.fixture
def library(fresh: FreshState) -> Iterator[LibraryThread]:
    library = LibraryThread(fresh.library)
    library.start()
    yield library
    assert library.stop(PATIENCE_S)


def test_what_was_saved_is_durable_when_the_answer_comes(state: StateThread, fresh: FreshState) -> None:
    answers: Mailbox[StateSaved] = Mailbox("answers")
    for number in range(20):
        state.mailbox.post(SaveState([Row(TORRENT, b"%d" % number, b"body")], [], number, answers))
        assert answers.get(PATIENCE_S) == StateSaved(number, None)
        reader = RowFile(fresh.dir.state.path, fresh.dir.seal, read_only=True)
        assert reader.row(TORRENT, b"%d" % number) is not None
        reader.close()


def test_jobs_that_were_posted_before_the_stop_are_done(fresh: FreshState) -> None:
    state = StateThread(fresh.dir.state, fresh.told.append)
    answers: Mailbox[StateSaved] = Mailbox("answers")
    for number in range(50):
        state.mailbox.post(SaveState([Row(TORRENT, b"%d" % number, b"body")], [], number, answers))
    state.mailbox.post(KeepPrevious())
    state.start()
    assert state.stop(PATIENCE_S)
    assert [answer.token for answer in answers.drain()] == list(range(50))
    assert len(fresh.dir.state.load([TORRENT]).rows) == 50
    assert fresh.dir.state.previous.exists()


def test_a_disk_that_refuses_is_told_and_the_next_job_done(
    state: StateThread, fresh: FreshState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise StorageError("storage.io", "no")

    answers: Mailbox[StateSaved] = Mailbox("answers")
    with monkeypatch.context() as broken:
        broken.setattr(fresh.dir.state, "commit", refuse)
        state.mailbox.post(SaveState([], [], 1, answers))
        refused = answers.get(PATIENCE_S)
    state.mailbox.post(SaveState([], [], 2, answers))
    assert refused.error is not None
    assert (refused.token, refused.error.code) == (1, "storage.io")
    assert answers.get(PATIENCE_S) == StateSaved(2, None)


def test_a_commit_is_noted_before_it_is_answered_and_one_that_failed_is_not(
    fresh: FreshState, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_arguments: object) -> int:
        raise StorageError("storage.io", "no")

    noted: list[tuple[int, int]] = []
    answers: Mailbox[StateSaved] = Mailbox("answers")
    state = StateThread(
        fresh.dir.state, fresh.told.append, lambda generation: noted.append((generation, answers.depth)))
    for number in range(3):
        state.mailbox.post(SaveState([Row(TORRENT, b"key", b"body")], [], number, answers))
    state.start()
    assert state.stop(PATIENCE_S)
    monkeypatch.setattr(fresh.dir.state, "commit", refuse)
    state = StateThread(fresh.dir.state, fresh.told.append, lambda generation: noted.append((generation, -1)))
    state.mailbox.post(SaveState([Row(TORRENT, b"key", b"body")], [], 3, answers))
    state.start()
    assert state.stop(PATIENCE_S)
    assert noted == [(1, 0), (2, 1), (3, 2)]


def test_a_mistake_of_ours_is_answered_too(state: StateThread, library: LibraryThread) -> None:
    answers: Mailbox[StateSaved | TorrentKept | TorrentLoaded] = Mailbox("answers")
    state.mailbox.post(SaveState([Row(SESSION, b"", None)], [], 1, answers))             # type: ignore[arg-type]
    library.mailbox.post(KeepTorrent(INFO_HASH, None, 2, answers))                       # type: ignore[arg-type]
    library.mailbox.post(LoadTorrent(None, answers))                                     # type: ignore[arg-type]
    errors = [answers.get(PATIENCE_S).error for _ in range(3)]
    assert [error.code for error in errors if error is not None] == ["storage.bug"] * 3


def test_damage_that_a_job_meets_is_told_from_the_thread(
    state: StateThread, fresh: FreshState
) -> None:
    answers: Mailbox[StateSaved] = Mailbox("answers")
    state.mailbox.post(SaveState([Row(SESSION, b"", bytes(9000))], [], 1, answers))
    answers.get(PATIENCE_S)
    state.mailbox.post(KeepPrevious())
    state.mailbox.post(SaveState([], [], 2, answers))
    answers.get(PATIENCE_S)
    other = RowFile(fresh.dir.state.path, fresh.dir.seal)
    other._db.execute("UPDATE rows SET digest = x'00'")
    other.close()
    state.mailbox.post(SaveState([Row(SESSION, b"", b"new")], [], 3, answers))
    assert answers.get(PATIENCE_S) == StateSaved(3, None)
    assert state.stop(PATIENCE_S)
    assert [damage.what for damage in fresh.told] == ["state file"]
    assert fresh.dir.state.fetch(SESSION, b"") == Row(SESSION, b"", b"new")


def test_a_torrent_is_kept_saved_loaded_and_dropped(
    state: StateThread, library: LibraryThread, fresh: FreshState
) -> None:
    answers: Mailbox[StateSaved | TorrentKept | TorrentLoaded] = Mailbox("answers")
    library.mailbox.post(KeepTorrent(INFO_HASH, RAW, "token", answers))
    kept = answers.get(PATIENCE_S)
    assert isinstance(kept, TorrentKept)
    assert (kept.info_hash, kept.token, kept.error) == (INFO_HASH, "token", None)
    assert kept.row is not None
    state.mailbox.post(SaveState([kept.row, Row(TORRENT, row_key(INFO_HASH), b"body")], [], 1, answers))
    assert answers.get(PATIENCE_S) == StateSaved(1, None)
    library.mailbox.post(LoadTorrent(INFO_HASH, answers))
    loaded = answers.get(PATIENCE_S)
    assert isinstance(loaded, TorrentLoaded)
    assert loaded.metainfo is not None
    state.mailbox.post(SaveState([], all_rows_of(INFO_HASH), 2, answers))
    assert answers.get(PATIENCE_S) == StateSaved(2, None)
    library.mailbox.post(DropTorrent(INFO_HASH))
    library.mailbox.post(LoadTorrent(INFO_HASH, answers))
    gone = answers.get(PATIENCE_S)
    assert gone.error is not None
    assert gone.error.code == "storage.file-missing"
    assert fresh.dir.stray_torrents(()) == []
    assert fresh.told == []


def test_a_torrent_file_is_read_or_its_absence_told(library: LibraryThread) -> None:
    answers: Mailbox[TorrentKept | TorrentRead] = Mailbox("answers")
    library.mailbox.post(ReadTorrent(INFO_HASH, "early", answers))
    library.mailbox.post(KeepTorrent(INFO_HASH, RAW, None, answers))
    library.mailbox.post(ReadTorrent(INFO_HASH, "late", answers))
    early, _, late = (answers.get(PATIENCE_S) for _ in range(3))
    assert isinstance(early, TorrentRead) and (early.token, early.raw) == ("early", b"")
    assert early.error is not None and early.error.code == "storage.file-missing"
    assert late == TorrentRead(INFO_HASH, "late", RAW, None)


def test_many_torrent_files_are_read_in_one_go_as_far_as_they_are_there(library: LibraryThread) -> None:
    answers: Mailbox[TorrentKept | TorrentsSurveyed] = Mailbox("answers")
    missing = InfoHash(bytes(20), b"")
    library.mailbox.post(KeepTorrent(INFO_HASH, RAW, None, answers))
    library.mailbox.post(SurveyTorrents((missing, INFO_HASH), "token", answers))
    _, told = (answers.get(PATIENCE_S) for _ in range(2))
    assert told == TorrentsSurveyed("token", {INFO_HASH: parse_torrent(RAW)})


def test_what_was_known_by_a_link_is_kept_once_and_adopted_after_a_kill(
    library: LibraryThread, fresh: FreshState
) -> None:
    answers: Mailbox[TorrentKept] = Mailbox("answers")
    whole = parse_torrent(RAW)
    library.mailbox.post(AdoptTorrent(INFO_HASH, "none", answers))
    library.mailbox.post(KeepMetadata(INFO_HASH, b"de", (), (), "no torrent", answers))
    library.mailbox.post(AdoptTorrent(INFO_HASH, "none still", answers))
    library.mailbox.post(KeepMetadata(INFO_HASH, whole.raw_info, (("http://a/",),), ("http://w/",), "kept", answers))
    library.mailbox.post(AdoptTorrent(INFO_HASH, "adopted", answers))
    none, no_torrent, still, kept, adopted = (answers.get(PATIENCE_S) for _ in range(5))
    assert none.error is not None and none.error.code == "storage.file-missing"
    assert no_torrent.error is not None and no_torrent.error.code.startswith("metainfo.")
    assert still.error is not None and still.error.code == "storage.file-missing"
    assert (kept.token, kept.error) == ("kept", None)
    assert kept.metainfo is not None and kept.metainfo.raw_info == whole.raw_info
    assert kept.metainfo.tiers == (("http://a/",),)
    assert adopted == kept._replace(token="adopted")
    assert fresh.told == []
