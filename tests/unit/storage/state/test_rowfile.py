"""One file of sealed rows, against a dict; and what its sums notice."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from blobtorrent.storage.sealed import Seal
from blobtorrent.storage.state.rowfile import RowFile
from blobtorrent.storage.state.rowsums import seal_row
from blobtorrent.storage.state.statethread import Row

SEAL = Seal(bytes(32))

NAMES = st.tuples(st.sampled_from(["torrent", "progress", "peers"]), st.binary(min_size=1, max_size=2))
COMMITS = st.lists(st.tuples(st.lists(st.tuples(NAMES, st.binary(max_size=30)), max_size=6),
                             st.lists(NAMES, max_size=4)), max_size=6)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    RowFile.make(tmp_path / "rows", SEAL, [], 0)
    return tmp_path / "rows"


@pytest.fixture
def file(path: Path) -> Iterator[RowFile]:
    file = RowFile(path, SEAL)
    file.use_log()
    yield file
    file.close()


def row(number: int, body: bytes = b"body", kind: str = "torrent") -> Row:
    return Row(kind, b"%d" % number, body)


def tamper(path: Path, statement: str) -> None:
    """What another program does to the file."""
    with sqlite3.connect(path) as db:
        db.execute(statement)
    db.close()


@given(COMMITS)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_after_any_commits_the_rows_are_those_of_a_dict_and_add_up(
    tmp_path: Path, commits: list[tuple[list[tuple[tuple[str, bytes], bytes]], list[tuple[str, bytes]]]]
) -> None:
    path = tmp_path / "rows"
    for old in tmp_path.iterdir():
        old.unlink()
    RowFile.make(path, SEAL, [], 0)
    file = RowFile(path, SEAL)
    expected: dict[tuple[str, bytes], bytes] = {}
    try:
        for puts, drops in commits:
            file.commit([Row(*name, body) for name, body in puts], drops)
            for name in drops:
                expected.pop(name, None)
            expected.update(puts)
        scan = file.scan()
        assert {name: sealed.row.body for name, sealed in scan.rows.items()} == expected
        assert scan.flaws == []
        for kind in ("torrent", "progress", "peers"):
            rows, flaws = file.rows_of(kind)
            assert flaws == []
            assert {(row.kind, row.key): row.body for row in rows} == {
                name: body for name, body in expected.items() if name[0] == kind}
    finally:
        file.close()


def test_each_commit_has_the_next_generation(file: RowFile) -> None:
    assert [file.commit([row(1)], []), file.commit([row(2)], []), file.generation()] == [1, 2, 2]
    assert file.commit([], [("torrent", b"1")]) == 3


def test_a_commit_that_changes_nothing_has_no_generation_of_its_own(file: RowFile) -> None:
    file.commit([row(1)], [])
    assert [file.commit([], []), file.commit([], [("torrent", b"9")]), file.generation()] == [1, 1, 1]


def test_a_commit_of_many_rows_replaces_and_drops_them(file: RowFile) -> None:
    file.commit([row(number) for number in range(1200)], [])
    file.commit([row(number, b"new") for number in range(600)], [("torrent", b"%d" % number) for number in range(600)])
    rows, flaws = file.rows_of("torrent")
    assert (len(rows), flaws) == (1200, [])
    assert sum(row.body == b"new" for row in rows) == 600


def test_a_row_is_found_by_its_name(file: RowFile) -> None:
    file.commit([row(1)], [])
    assert file.row("torrent", b"1") == row(1)
    assert file.row("torrent", b"2") is None
    assert file.row("progress", b"1") is None


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE rows SET body = x'00' WHERE key = x'32'",
        "UPDATE rows SET body = 7 WHERE key = x'32'",
        "UPDATE rows SET kind = 'progress' WHERE key = x'32'",
        "UPDATE rows SET generation = 9 WHERE key = x'32'",
        "UPDATE rows SET digest = x'00' WHERE key = x'32'",
        "DELETE FROM rows WHERE key = x'32'",
        "DELETE FROM manifests",
        "UPDATE manifests SET count = 2",
    ],
)
def test_what_another_program_changed_is_noticed_and_not_copied(path: Path, tmp_path: Path, statement: str) -> None:
    file = RowFile(path, SEAL)
    file.commit([row(1), row(2), row(3)], [])
    file.close()
    tamper(path, statement)
    file = RowFile(path, SEAL)
    rows, flaws = file.rows_of("torrent")
    scan = file.scan()
    with pytest.raises(sqlite3.DatabaseError):
        file.copy_to(tmp_path / "copy")
    file.close()
    assert flaws
    assert scan.flaws
    assert "torrent" not in scan.whole_kinds
    assert set(rows) <= {row(1), row(2), row(3)}


def test_an_old_row_put_back_in_place_of_its_successor_is_noticed(path: Path) -> None:
    file = RowFile(path, SEAL)
    file.commit([row(1, b"old")], [])
    file.commit([row(1, b"new")], [])
    file.close()
    old = seal_row(SEAL, row(1, b"old"), 1)
    with sqlite3.connect(path) as db:
        db.execute("UPDATE rows SET body = ?, digest = ?, generation = 1", (old.row.body, old.digest))
    db.close()
    file = RowFile(path, SEAL)
    rows, flaws = file.rows_of("torrent")
    file.close()
    assert rows == [row(1, b"old")]
    assert flaws == ["rows of kind torrent are missing or out of date"]


def test_rows_under_another_key_are_not_believed(path: Path) -> None:
    file = RowFile(path, SEAL)
    file.commit([row(1)], [])
    file.close()
    other = RowFile(path, Seal(b"k" * 32))
    rows, flaws = other.rows_of("torrent")
    with pytest.raises(sqlite3.DatabaseError, match="does not match its digest"):
        other.row("torrent", b"1")
    other.close()
    assert rows == []
    assert flaws


def test_a_commit_that_fails_changes_nothing(file: RowFile) -> None:
    file.commit([row(1)], [])
    with pytest.raises(TypeError):
        file.commit([row(1, b"new"), Row("torrent", None, b"no key")], [])  # type: ignore[arg-type]
    assert file.rows_of("torrent") == ([row(1)], [])
    file.commit([row(2)], [])
    assert file.rows_of("torrent")[1] == []


def test_a_copy_holds_what_was_there_when_it_began(file: RowFile, tmp_path: Path) -> None:
    file.commit([row(1), row(2, kind="peers")], [])
    file.copy_to(tmp_path / "copy")
    file.commit([row(3)], [])
    copy = RowFile(tmp_path / "copy", SEAL, read_only=True)
    scan = copy.scan()
    copy.close()
    assert set(scan.rows) == {("torrent", b"1"), ("peers", b"2")}
    assert (scan.flaws, scan.generation) == ([], 1)
    assert (tmp_path / "copy").stat().st_mode & 0o777 == 0o600


def test_a_reader_sees_commits_and_folding_empties_the_log(file: RowFile, path: Path) -> None:
    file.commit([row(1)], [])
    log = path.with_name("rows-wal")
    assert log.stat().st_size > 0
    reader = RowFile(path, SEAL, read_only=True)
    assert reader.row("torrent", b"1") == row(1)
    reader.close()
    file.fold()
    assert log.stat().st_size == 0
    assert file.row("torrent", b"1") == row(1)
