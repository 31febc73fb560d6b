"""Every name of rTorrent, of whichever generation: there is such a command, on the right target, with the right answer.

`golden/methods.tsv` has a row for each; what it says of 0.9.8 was measured.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from blobtorrent.interface.rtorrent.context import Target
from blobtorrent.interface.rtorrent.library import LIBRARY
from blobtorrent.interface.rtorrent.registry import Command, Registry
from tests.rtorrent.recorded import GOLDEN, Answer, call
from tests.rtorrent.servers import Server, fresh
from tests.rtorrent.torrents import ALPHA, BRAVO, load_all
from tests.support.rtorrentmanual import registry

LISTS = GOLDEN / "lists"

# Of builds that are nobody's release; its users' configurations define this one themselves.
NOT_THERE = {"startup_time"}
# Names that are there for texts, not for requests, as in rTorrent 0.9.8 and 0.16.
OF_TEXTS = {f"argument.{number}" for number in range(4)}
# The same, and the other names that 0.9.8 does not list and yet does not let its users define.
UNLISTED = OF_TEXTS | {"protocol.encryption"} | {f"d.{name}.set" for name in (
    "complete", "connection_leech", "connection_seed", "down.choke_heuristics.leech", "down.choke_heuristics.seed",
    "hashing", "loaded_file", "mode", "state", "state_changed", "state_counter", "timestamp.finished",
    "timestamp.started", "up.choke_heuristics.leech", "up.choke_heuristics.seed")} | {
    f"d.timestamp.{name}.set_if_z" for name in ("finished", "started")}

# Of tiers 1 and 2, all that are neutral. The manual page says why.
WITHOUT_COUNTERPART = {"system.daemon.set"}

TARGETS = {
    "''": {Target.NONE, Target.ANY}, "'' or hash": {Target.NONE, Target.ANY, Target.DOWNLOAD, Target.PAIR},
    "hash": {Target.DOWNLOAD, Target.ANY}, "hash:fN": {Target.FILE}, "hash:tN": {Target.TRACKER},
    "hash:pPEERID": {Target.PEER},
}
# Without arguments, and no answer that tells nothing: those rows only read.
ANSWERS = {"i8": "i8", "string": "string", "base64": "base64", "array": "array", "struct": "struct"}


class Row(NamedTuple):
    """A line of the table."""

    name: str
    since: str
    alias_of: str
    target: str
    args: str
    returns: str
    category: str
    meaning: str
    used_by: str
    tier: str


def rows() -> Iterator[Row]:
    with open(GOLDEN / "methods.tsv", encoding="utf-8") as lines:
        next(lines)
        for line in lines:
            row = Row(*line.rstrip("\n").split("\t"))
            if row.name not in LIBRARY and row.name not in NOT_THERE:
                yield row


def words(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").split()


@pytest.fixture(scope="module")
def commands() -> Registry:
    return registry()


def test_every_name_has_its_command(commands: Registry) -> None:
    assert [row.name for row in rows() if row.name not in commands] == []


def test_commands_work_on_the_targets_that_the_table_says(commands: Registry) -> None:
    wrong = [
        (row.name, row.target, command.target.value) for row, command in found(commands)
        if command.target not in TARGETS.get(row.target, {command.target})]
    assert wrong == []


def test_commands_answer_what_was_measured(commands: Registry) -> None:
    wrong = [
        (row.name, row.returns, command.returns) for row, command in found(commands)
        if row.returns != "unmeasured" and command.returns != "any"
        and command.returns not in row.returns.replace("0(i4)", "none").split("/")]
    assert wrong == []


def test_old_names_are_names_of_the_same_command(commands: Registry) -> None:
    wrong = []
    for row, command in found(commands):
        is_alias = row.category == "deprecated-alias" and row.alias_of and " " not in row.alias_of
        if is_alias and commands.find(row.alias_of) is not command:
            wrong.append((row.name, row.alias_of))
    assert wrong == []


@pytest.mark.parametrize("version", ["0.9.8", "0.16.20"])
def test_all_that_a_version_lists_may_be_called(commands: Registry, version: str) -> None:
    callable_names = {*commands.names(), *LIBRARY, *OF_TEXTS}
    assert [name for name in words(LISTS / f"listMethods-{version}.txt") if name not in callable_names] == []


def test_users_may_define_just_those_names_that_0_9_8_lacks(commands: Registry) -> None:
    ours = {command.name for command in commands.commands()} | {alias for alias, _ in commands.redirects()}
    taken = {name for name in ours if commands.is_taken(name)}
    assert taken == ours & {*words(LISTS / "listMethods-0.9.8.txt"), *UNLISTED}
    assert len(ours - taken) > 500


def test_names_that_rutorrent_translates_are_there_under_both(commands: Registry) -> None:
    with open(LISTS / "rutorrent-aliases.tsv", encoding="utf-8") as lines:
        next(lines)
        pairs = [line.rstrip("\n").split("\t")[:2] for line in lines]
    wrong = [pair for pair in pairs if commands.find(pair[0]) is None or commands.find(pair[1]) is None]
    assert wrong == [] and len(pairs) > 200


def test_what_0_16_lets_callers_do_whom_nobody_trusts_they_may_here(commands: Registry) -> None:
    """More is safe there, too: the list has those that are marked one by one."""
    safe = [name for name in words(LISTS / "untrusted-safe-0.16.20.txt") if name not in LIBRARY]
    wrong = [name for name in safe if not (command := commands.find(name)) or not command.is_safe]
    assert wrong == [] and len(safe) > 350


def test_what_runs_code_is_never_safe(commands: Registry) -> None:
    assert [command.name for command in commands.commands() if command.is_code and command.is_safe] == []


def test_names_that_are_in_use_do_what_they_do_in_rtorrent_where_there_is_such_a_thing(commands: Registry) -> None:
    neutral = {command.name for row, command in found(commands) if row.tier in ("1", "2") and command.is_neutral}
    assert neutral <= WITHOUT_COUNTERPART


def found(commands: Registry) -> Iterator[tuple[Row, Command]]:
    for row in rows():
        command = commands.find(row.name)
        if command is not None:
            yield row, command


# ---- asked of a daemon

@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with fresh("blobtorrent") as made:
        load_all(made)
        yield made


def test_what_reads_answers_the_type_that_was_measured(server: Server) -> None:
    """Of a complete download, its one file and its one tracker."""
    targets = {"''": "", "'' or hash": ALPHA, "hash": ALPHA, "hash:fN": f"{ALPHA}:f0", "hash:tN": f"{ALPHA}:t0"}
    wrong, asked = [], 0
    for row in rows():
        if row.args or row.returns not in ANSWERS or row.target not in targets:
            continue
        answer = call(server.dial, row.name, [targets[row.target]])
        asked += 1
        if answer["t"] != ANSWERS[row.returns] and not is_told(answer):
            wrong.append((row.name, row.returns, answer))
    assert wrong == [] and asked > 400


def is_told(answer: Answer) -> bool:
    """A fault with a reason of its own."""
    return answer["t"] == "fault" and "Object operator" in answer["string"]


def test_files_that_are_to_be_created_or_resized_are_when_their_download_is_started(server: Server) -> None:
    """Of one that is stopped and lacks nearly all."""
    made, sized = f"{BRAVO}:f30", f"{BRAVO}:f31"
    call(server.dial, "d.stop", [BRAVO])
    call(server.dial, "d.close", [BRAVO])

    def ask(name: str, target: str) -> object:
        return call(server.dial, name, [target])["v"]

    places = [Path(str(ask("f.frozen_path", target))) for target in (made, sized)]
    assert [place.exists() for place in places] == [False, False]
    assert call(server.dial, "f.set_create_queued", [made, 1])["v"] == 0
    assert call(server.dial, "f.set_resize_queued", [sized, 1])["v"] == 0
    assert call(server.dial, "f.unset_create_queued", [sized, 1])["v"] == 0
    assert [ask("f.is_create_queued", target) for target in (made, sized)] == [1, 0]
    call(server.dial, "d.start", [BRAVO])
    end_s = time.monotonic() + 20.0
    while not all(place.exists() for place in places) and time.monotonic() < end_s:
        time.sleep(0.1)
    assert [place.stat().st_size for place in places] == [0, ask("f.size_bytes", sized)]
