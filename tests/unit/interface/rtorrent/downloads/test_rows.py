"""Rows of lists: compiled columns answer what the interpreter would, and a row is made again when anything changed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from blobtorrent.core.session.queries import OverviewsOf
from blobtorrent.interface.rtorrent.claimed import GENERATION_9, GENERATION_16, Generation
from blobtorrent.interface.rtorrent.context import Target, Trust
from blobtorrent.interface.rtorrent.downloads.aiming import AllFiles
from blobtorrent.interface.rtorrent.downloads.filerows import FileRows
from blobtorrent.interface.rtorrent.downloads.origins import origin_of
from blobtorrent.interface.rtorrent.downloads.rows import KEPT_S, Rows
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.columns import Plan
from blobtorrent.interface.rtorrent.values import Row, Value
from blobtorrent.model.errors import NotFound
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentengine import FIXTURES
from tests.unit.interface.rtorrent.downloads.test_peers import PEER

GOLDEN = Path(FIXTURES).parent


def polled(client: str) -> list[str]:
    """The columns of the longest list that a client asks for."""
    lines = (GOLDEN / f"{client}.jsonl").read_text().splitlines()
    found: list[list[str]] = [call["params"][2:] for call in map(json.loads, lines) if call["name"] == "d.multicall2"]
    return max(found, key=len)


POLLED = polled("flood") + polled("rutorrent")


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    for name in ("alpha", "charlie"):
        stage.engine.add(name)
    return stage


def listed(stage: Stage, *columns: str) -> list[Any]:
    rows = stage.call("d.multicall2", "", "main", *columns)
    assert isinstance(rows, list)
    return rows


def interpreted(stage: Stage, column: str, digits: str) -> Value:
    return stage.interpreter.run_text(
        stage.interpreter.context(Trust.FULL).at(stage.side.aiming.read(digits)), column)


@pytest.mark.parametrize("column", sorted(set(POLLED)))
def test_columns_that_clients_poll_are_compiled_and_answer_the_same(stage: Stage, column: str) -> None:
    read = Plan(stage.registry, Trust.FULL).column(column, Target.DOWNLOAD)
    assert read is not None
    for download in stage.side.downloads.all():
        assert read(download) == interpreted(stage, column, download.hash)


@pytest.mark.parametrize("column", [
    "cat=a,$d.name=,{b,{c}},7", "cat=$d.views=", "cat=", "d.custom=x", "cat=\"$cat=$d.hash=\"",
    "d.name=whatever,{it,is}", "cat=\"$t.multicall=,t.url=,cat={ab}\",$d.hash=",
])
def test_other_texts_that_only_read_are_too(stage: Stage, column: str) -> None:
    read = Plan(stage.registry, Trust.SAFE).column(column, Target.DOWNLOAD)
    assert read is not None
    for download in stage.side.downloads.all():
        assert read(download) == interpreted(stage, column, download.hash)


@pytest.mark.parametrize("column", [
    "d.start=", "t.url=", "no.such=", "d.name", "branch=d.state=,cat=1,cat=2", "cat=(d.name)", "d.custom=a,b",
    "x" * 2000, "d.custom=$d.start=", "cat=$d.custom1.set=x", "cat=\"$t.multicall=,t.disable=\"", "d.custom=$d.name=",
    "", "cat=" + ",".join(["$d.name="] * 20),
])
def test_what_else_there_may_be_is_left_to_the_interpreter(stage: Stage, column: str) -> None:
    assert Plan(stage.registry, Trust.FULL).column(column, Target.DOWNLOAD) is None


def test_what_a_caller_may_not_have_run_is_not_compiled(stage: Stage) -> None:
    assert Plan(stage.registry, Trust.FULL).column("false=", Target.DOWNLOAD) is not None
    assert Plan(stage.registry, Trust.SAFE).column("false=", Target.DOWNLOAD) is None
    with pytest.raises(Fault, match="not allowed"):
        stage.call("d.multicall2", "", "main", "false=", trust=Trust.SAFE)


def bound(stage: Stage, target: Target) -> list[str]:
    """The commands of numbers and texts that are compiled."""
    return sorted(command.name for command in stage.registry.commands()
                  if command.bind is not None and command.target is target and command.returns in ("i8", "string"))


@pytest.mark.parametrize(("name", "target"), [
    ("d.multicall2", Target.DOWNLOAD), ("f.multicall", Target.FILE), ("p.multicall", Target.PEER),
    ("t.multicall", Target.TRACKER),
])
@pytest.mark.parametrize("generation", [GENERATION_9, GENERATION_16])
def test_what_says_that_it_answers_a_number_or_a_text_answers_just_that(
    name: str, target: Target, generation: Generation, tmp_path: Path,
) -> None:
    stage = Stage(generation=generation)
    for state in ("stopped", "checking", "downloading", "seeding", "error"):
        info_hash = stage.engine.add("alpha" if state == "stopped" else "charlie", folder=str(tmp_path))
        status = stage.engine.status(info_hash)
        stage.engine.publish(status._replace(state=state, is_started=True, uploaded_bytes=5))
        stage.engine.peers[info_hash] = (PEER, PEER._replace(is_encrypted=True, is_snubbed=True))
        digits = "" if target is Target.DOWNLOAD else stage.side.downloads.all()[-1].hash
        names = [known for known in bound(stage, target) if not known.endswith(("or_throw", "or_as_binary"))]
        rows = stage.call(name, digits, "main" if target is Target.DOWNLOAD else "", *(f"{known}=" for known in names))
        assert isinstance(rows, list) and rows and len(names) > 5
        for row in rows:
            assert isinstance(row, Row) and row.kinds is not None
            assert dict(zip(names, map(type, row))) == dict(zip(names, row.kinds))


def test_of_a_row_with_texts_that_may_be_bytes_no_kinds_are_known(stage: Stage) -> None:
    (row, _) = listed(stage, "d.hash=", "d.name.or_as_binary=")
    assert row.kinds is None


def test_a_row_is_the_same_while_nothing_changes(stage: Stage) -> None:
    listed(stage, *POLLED)
    first, second = listed(stage, *POLLED), listed(stage, *POLLED)
    assert len(first) == 2 and all(isinstance(row, Row) for row in first)
    assert all(before is after for before, after in zip(first, second))


def test_a_row_is_made_again_when_its_snapshot_is_another(stage: Stage) -> None:
    for _ in range(2):
        before = listed(stage, "d.hash=", "d.up.total=")
    changed = stage.side.downloads.all()[0]
    stage.engine.publish(changed.status._replace(uploaded_bytes=77))
    after = listed(stage, "d.hash=", "d.up.total=")
    assert after[0] == [changed.hash, 77] and before[0] == [changed.hash, 0]
    assert after[1] is before[1]


@pytest.mark.parametrize(("column", "change", "answer"), [
    ("d.custom1=", ("d.custom1.set", "tag"), "tag"),
    ("d.custom=x", ("d.custom.set", "x", "y"), "y"),
    ("d.is_open=", ("d.open",), 1),
    ("d.message=", ("d.message.set", "oh"), "oh"),
    ("cat=\"$t.multicall=,t.is_enabled=\"", ("t.multicall", "", "t.disable="), "0000"),
    ("d.tracker_size=", ("d.tracker.insert", "0", "http://127.0.0.1:9/more"), 5),
    ("d.connection_seed=", ("d.connection_seed.set", "initial_seed"), "initial_seed"),
])
def test_a_row_is_made_again_after_a_command(
    stage: Stage, column: str, change: tuple[str, ...], answer: Value,
) -> None:
    digits = stage.side.downloads.all()[1].hash
    for _ in range(3):
        assert listed(stage, "d.hash=", column)[1][1] != answer
    name, *args = change
    stage.call(name, digits, *args)
    assert listed(stage, "d.hash=", column)[1] == [digits, answer]


def test_a_row_shows_what_changes_without_its_download(stage: Stage, tmp_path: Path) -> None:
    download = stage.side.downloads.all()[0]
    stage.call("d.tied_to_file.set", download.hash, str(tmp_path / "link"))
    for _ in range(3):
        assert listed(stage, "d.tied_to_file.realpath.or_empty=")[0] == [""]
    (tmp_path / "link").touch()
    assert listed(stage, "d.tied_to_file.realpath.or_empty=")[0] == [str(tmp_path / "link")]


def test_a_command_that_means_something_else_now_is_looked_up_again(stage: Stage) -> None:
    stage.call("method.insert", "", "d.mine", "simple", "cat=one")
    assert listed(stage, "d.mine=") == [["one"], ["one"]]
    stage.call("method.erase", "", "d.mine")
    stage.call("method.redirect", "", "d.mine", "d.hash")
    assert listed(stage, "d.mine=") == [[download.hash] for download in stage.side.downloads.all()]


def test_two_views_of_the_same_columns_do_not_drive_each_other_out(stage: Stage) -> None:
    stage.call("view.add", "", "some")
    stage.call("view.filter", "", "some", "cat=")
    stage.call("view.set_visible", stage.side.downloads.all()[0].hash, "some")
    for _ in range(2):
        everything = listed(stage, "d.hash=")
    assert stage.call("d.multicall2", "", "some", "d.hash=") == everything[:1]
    assert [one is other for one, other in zip(listed(stage, "d.hash="), everything)] == [True, True]


def test_metainfos_and_trackers_of_a_whole_list_are_asked_about_at_once(stage: Stage) -> None:
    stage.engine.asked.clear()
    for _ in range(3):
        listed(stage, "d.creation_date=", "d.directory=", "cat=\"$t.multicall=,t.url=\"", "d.message=")
    assert [type(query) for query in stage.engine.asked] == [OverviewsOf]
    (query,) = stage.engine.asked
    assert len(query.info_hashes) == 2


@pytest.mark.parametrize("column", ['cat="$t.multicall=,t.url="', "cat=(t.multicall,,t.url=)", "f.multicall=,f.path="])
def test_a_download_that_is_removed_meanwhile_is_not_listed(
        stage: Stage, monkeypatch: pytest.MonkeyPatch, column: str) -> None:
    alpha, charlie = (stage.engine.torrents.read(info_hash) for info_hash in stage.engine.raw)
    answer = stage.engine._answer

    def remove_one(command: Any) -> Any:
        if charlie.info_hash in stage.engine.raw:
            del stage.engine.raw[charlie.info_hash]
            stage.engine.torrents.withdraw(charlie.info_hash)
        if getattr(command, "info_hash", alpha.info_hash) != alpha.info_hash:
            raise NotFound("torrent.unknown", "it is not here")
        return answer(command)

    monkeypatch.setattr(stage.engine, "_answer", remove_one)
    rows = listed(stage, "d.hash=", column)
    assert [row[0] for row in rows] == [alpha.info_hash.hex.upper()]
    assert rows[0][1]


def test_rows_are_kept_from_the_second_time_on_and_not_for_ever(stage: Stage) -> None:
    now = [100.0]
    rows = Rows(stage.side.downloads, lambda: now[0])
    context, members = stage.interpreter.context(Trust.FULL), stage.side.downloads.all()

    def ask() -> list[Value]:
        return rows.of_downloads(context, ["d.hash="], members)

    ask()
    assert rows.next_due_s() is None
    second = ask()
    assert ask()[0] is second[0]
    assert rows.next_due_s() == 100.0 + KEPT_S
    now[0] += KEPT_S
    rows.forget()
    assert rows.next_due_s() is None
    assert ask()[0] is not second[0]


@pytest.fixture
def folder() -> Stage:
    """One download of three files."""
    stage = Stage()
    stage.engine.add("delta")
    return stage


def files(stage: Stage, *columns: str) -> list[Any]:
    rows = stage.call("f.multicall", stage.side.downloads.all()[0].hash, "", *columns)
    assert isinstance(rows, list)
    return rows


FILE_COLUMNS = ("f.path=", "f.priority=", "f.completed_chunks=", "f.frozen_path=", "f.is_open=", "f.prioritize_first=")


def test_rows_of_files_are_the_same_while_nothing_changes(folder: Stage) -> None:
    first, second = files(folder, *FILE_COLUMNS), files(folder, *FILE_COLUMNS)
    assert len(first) == 3 and first is not second
    assert all(before is after for before, after in zip(first, second))
    assert files(folder, "f.path=")[0] == first[0][:1]


@pytest.mark.parametrize("change", [
    ("f.multicall", "", "f.priority.set=2"), ("f.multicall", "", "f.prioritize_first.enable="), ("d.open",),
])
def test_rows_of_files_are_made_again_after_a_command(folder: Stage, change: tuple[str, ...]) -> None:
    download = folder.side.downloads.all()[0]
    before = files(folder, *FILE_COLUMNS)
    name, *args = change
    folder.call(name, download.hash, *args)
    after = files(folder, *FILE_COLUMNS)
    assert after != before
    for number, row in enumerate(after):
        digits = f"{download.hash}:f{number}"
        assert row == [interpreted(folder, column, digits) for column in FILE_COLUMNS]


def test_rows_of_files_are_made_again_when_pieces_came(folder: Stage) -> None:
    download = folder.side.downloads.all()[0]
    assert {row[0] for row in files(folder, "f.completed_chunks=")} == {0}
    num_pieces = download.status.num_pieces
    folder.engine.publish(download.status._replace(
        pieces_wire=(((1 << num_pieces) - 1) << (-num_pieces % 8)).to_bytes((num_pieces + 7) // 8, "big")))
    assert all(done == size for done, size in files(folder, "f.completed_chunks=", "f.size_chunks="))


def test_rows_of_files_show_what_changes_on_disk(folder: Stage, tmp_path: Path) -> None:
    download = folder.side.downloads.all()[0]
    folder.engine.publish(download.status._replace(
        done_bytes=1, download_dir=str(tmp_path), own_path=str(tmp_path / download.status.name)))
    folder.call("d.open", download.hash)
    for _ in range(2):
        before = files(folder, "f.is_created=", "f.frozen_path=")
    assert {row[0] for row in before} == {0}
    place = Path(before[0][1])
    place.parent.mkdir(parents=True, exist_ok=True)
    place.touch()
    assert [row[0] for row in files(folder, "f.is_created=", "f.frozen_path=")] == [1, *[0] * (len(before) - 1)]


def test_rows_of_files_are_not_kept_for_ever(folder: Stage) -> None:
    now = [100.0]
    rows = Rows(folder.side.downloads, lambda: now[0])
    context, download = folder.interpreter.context(Trust.FULL), folder.side.downloads.all()[0]
    aims = AllFiles(FileRows(folder.side.downloads, download))
    origin = origin_of(download, "these")

    def ask() -> list[Value]:
        return rows.of_aims(context, ["f.path="], Target.FILE, aims, origin=origin)

    first = ask()
    assert ask()[0] is first[0]
    assert rows.next_due_s() == 100.0 + KEPT_S
    now[0] += KEPT_S
    rows.forget()
    assert rows.next_due_s() is None
    assert ask()[0] is not first[0]


def test_a_column_sees_what_one_before_it_has_changed(stage: Stage) -> None:
    digits = stage.side.downloads.all()[0].hash
    rows = stage.call("t.multicall", digits, "", "t.is_enabled=", "t.disable=", "t.is_enabled=")
    assert isinstance(rows, list)
    assert all(row == [1, None, 0] for row in rows) and rows


def test_rows_inside_of_rows_count_as_work(stage: Stage) -> None:
    inner = "$d.multicall2=main," + ",".join(["d.hash="] * 400)
    columns = [f"cat=\"{inner}\""] * 500
    with pytest.raises(Fault, match="Too much work"):
        listed(stage, *columns)
