"""Who may have what run: each command there is, asked by callers of little trust, now and by what is run later."""

from __future__ import annotations

import re
from itertools import product
from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault
from blobtorrent.interface.rtorrent.reach import require_folder
from tests.rtorrent.recorded import GOLDEN
from tests.support.rtorrenttrust import CANARY, TrustStage

# By their names in rTorrent, whatever is said of them here: what runs programs, says what is run later, or writes files
# that somebody may run.
CODE = re.compile(
    r"(system\.)?method\.(insert|set|erase|redirect|const\.enable|set_key|rlookup\.clear)\b.*|execute.*|schedule\d?"
    r"|schedule[._](remove\d?|if_absent)|import|try_import|log\.(open|append|add|close|execute|rpc|xmlrpc).*|file\.append"
    r"|view[._](filter|filter[._]on|filter\.temp|sort_new|sort_current|event_added|event_removed)|directory\.watch\..*"
    r"|(network\.)?scgi[._](open_)?(local|port|systemd)|(d\.)?(create|delete)_link|system\.(cwd\.set|umask\.set|env)")
SMUGGLED = (
    f"{CANARY}=", f"${CANARY}=", f"cat=${CANARY}=", f"branch={CANARY}=,{CANARY}=", f"try={CANARY}=",
    f"catch={{{CANARY}=}}", f"x;{CANARY}=", f"main,{CANARY}=", f"\n{CANARY}=", f"(({CANARY}))",
    f"d.multicall2=,main,{CANARY}=", f"schedule2=x,0,1,{CANARY}=",
    f"method.set_key=event.download.resumed,x,{CANARY}=", f"view.filter=main,{CANARY}=",
)
SHAPES: tuple[tuple[str, ...], ...] = ((), ("mine",), ("x", "0", "1"), ("event.download.resumed", "x"), ("",))


def lists(name: str) -> list[str]:
    return (GOLDEN / "lists" / name).read_text(encoding="ascii").split()


def test_code_is_refused_to_all_but_trusted_callers_and_the_setting_is_named():
    stage = TrustStage()
    found = [name for name in (*stage.registry.names(), CANARY) if CODE.fullmatch(name) or name == CANARY]
    assert len(found) > 80
    for name, trust in product(found, (Trust.NO_CODE, Trust.SAFE)):
        for call in (stage.calls.answer, stage.calls.answer_json):
            with pytest.raises(Fault) as caught:
                call(name, [""], trust)
            assert caught.value.code == REFUSED, name
            assert ("rtorrent.trusted" if trust is Trust.NO_CODE else "untrusted connections") in caught.value.text


def test_what_is_safe_is_what_rtorrent_says_of_it():
    stage = TrustStage()
    marked = set(lists("untrusted-safe-0.16.20.txt")) - {"branch"}     # which the real program refuses all the same
    for command in stage.registry.commands():
        if command.name in marked:
            assert command.is_safe, command.name
        if not command.is_safe:
            with pytest.raises(Fault) as caught:
                stage.interpreter.call(stage.interpreter.context(Trust.SAFE), command.name)
            assert caught.value.code == REFUSED
        assert not (command.is_safe and command.is_code)


def test_strangers_change_no_more_than_rtorrent_lets_them():
    """What is safe here and not marked there only reads."""
    stage = TrustStage()
    marked = set(lists("untrusted-safe-0.16.20.txt"))
    changing = re.compile(
        r".*[._](set|insert|push_back|erase|start|stop|load|enable|disable)\b.*|.*\.set_.*|load.*|print")
    more = {command.name for command in stage.registry.commands() if command.is_safe} - marked
    assert not [name for name in more if changing.fullmatch(name)]


def test_no_text_given_to_any_command_makes_anybody_run_code():
    stage = TrustStage()
    quiet = [command for command in stage.registry.commands() if command.name != CANARY]
    for before in SHAPES:
        for command, text in product(quiet, SMUGGLED):
            stage.call(command, [*before, text], Trust.NO_CODE)
            stage.call(command, [*before, text, text], Trust.NO_CODE)
        for command in quiet:
            stage.call(command, [*before, [f"{CANARY}="]], Trust.NO_CODE)
            stage.call(command, [*before, f"{CANARY}="], Trust.NO_CODE)
        stage.go_on()
    assert not stage.sung


@pytest.mark.parametrize("name", [
    "view.filter", "view.sort_current", "view.sort_new", "view.event_added", "schedule2", "method.set_key"])
def test_each_way_to_have_something_run_later_would_be_heard_of(name):
    """Of what is refused: that the test above hears of it."""
    stage = TrustStage()
    command = stage.registry.find(name)
    assert command is not None and command.is_code
    for before in SHAPES:
        stage.call(command, [*before, f"{CANARY}="], Trust.FULL)
        stage.go_on()
    assert stage.sung


def test_the_canary_sings_for_who_is_trusted():
    stage = TrustStage()
    for text in SMUGGLED[-3:]:
        stage.interpreter.context(Trust.FULL).text(text)
    stage.go_on()
    assert len(stage.sung) >= 3
    stage.sung.clear()
    stage.interpreter.context(Trust.FULL).text(f"catch={CANARY}=")
    assert stage.sung


@pytest.mark.parametrize("name", [f"${CANARY}=", f"x;{CANARY}=", "a,b", "a=b", "{a}", "(a)", 'a"', "a\\", "a\n"])
def test_no_view_has_a_name_that_would_run(name):
    stage = TrustStage()
    with pytest.raises(Fault, match="View name"):
        stage.calls.answer("view.add", ["", name], Trust.FULL)


def test_a_persistent_view_of_a_stranger_runs_nothing_but_its_own():
    stage = TrustStage()
    for name in ("tagged", "rat_0", "Über alles!", "a.b-c"):
        stage.calls.answer("view.add", ["", name], Trust.NO_CODE)
        stage.calls.answer("view.persistent", ["", name], Trust.NO_CODE)
    stage.go_on()
    assert not stage.sung


def test_what_a_trusted_caller_defined_runs_with_the_trust_of_who_calls_it():
    stage = TrustStage()
    full = stage.interpreter.context(Trust.FULL)
    full.text(f"method.insert=mine,simple,{CANARY}=")
    full.text("method.redirect=alias,mine")
    for name, trust in product(("mine", "alias"), (Trust.NO_CODE, Trust.SAFE)):
        with pytest.raises(Fault) as caught:
            stage.calls.answer(name, [""], trust)
        assert caught.value.code == REFUSED
    assert stage.calls.answer("mine", [""], Trust.FULL) == CANARY


def test_columns_that_were_read_for_one_caller_are_refused_to_another():
    stage = TrustStage()
    params = ["", "main", "d.name=", f"{CANARY}="]
    assert stage.calls.answer("d.multicall2", params, Trust.FULL) == [["alpha.bin", CANARY]]
    for trust in (Trust.NO_CODE, Trust.SAFE):
        with pytest.raises(Fault) as caught:
            stage.calls.answer("d.multicall2", params, trust)
        assert caught.value.code == REFUSED
    assert stage.calls.answer("d.multicall2", ["", "main", "d.custom1.set=x"], Trust.NO_CODE)
    with pytest.raises(Fault):
        stage.calls.answer("d.multicall2", ["", "main", "d.custom1.set=x"], Trust.SAFE)


# ---- files

@pytest.mark.parametrize("name", [
    "d.directory.set", "d.directory_base.set", "directory.default.set", "session.path.set"])
@pytest.mark.parametrize("folder", ["/etc", "/usr/local/bin", "~", "~/..", "/", "~/.ssh", "~/x/../.config/autostart",
                                    "/run/user/1000", "/proc/self/cwd/.ssh"])
def test_files_are_not_put_where_programs_look_for_them(name, folder, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    stage = TrustStage()
    target = stage.side.downloads.all()[0].hash if name.startswith("d.") else ""
    with pytest.raises(Fault) as caught:
        stage.calls.answer(name, [target, folder], Trust.NO_CODE)
    assert (caught.value.code, "rtorrent.trusted" in caught.value.text) == (REFUSED, True)


@pytest.mark.parametrize("folder", ["/srv/films", "/home/anna/films", "/mnt/disk/a/b", "/run/media/anna/disk"])
def test_they_are_put_into_folders_of_data(folder, monkeypatch):
    monkeypatch.setenv("HOME", "/home/anna")
    stage = TrustStage()
    digits = stage.side.downloads.all()[0].hash
    stage.calls.answer("d.directory.set", [digits, folder], Trust.NO_CODE)
    stage.calls.answer("directory.default.set", ["", folder], Trust.NO_CODE)
    assert stage.calls.answer("directory.default", [""], Trust.NO_CODE) == folder


def test_a_link_to_a_folder_of_programs_is_one(tmp_path: Path):
    link = tmp_path / "link"
    link.symlink_to("/etc")
    stage = TrustStage()
    with pytest.raises(Fault):
        require_folder(stage.interpreter.context(Trust.NO_CODE), str(link / "cron.d"), "/srv")
    require_folder(stage.interpreter.context(Trust.FULL), str(link), "/srv")
    require_folder(stage.interpreter.context(Trust.NO_CODE), "/srv/.hidden/more", "/srv/.hidden")


def test_a_tied_file_is_deleted_only_when_it_is_that_torrent(tmp_path: Path):
    stage = TrustStage()
    digits = stage.side.downloads.all()[0].hash
    precious = tmp_path / "precious"
    precious.write_text("years of work")
    other = tmp_path / "other.torrent"
    other.write_bytes((GOLDEN / "fixtures" / "bravo.torrent").read_bytes())
    for file in (precious, other):
        stage.calls.answer("d.tied_to_file.set", [digits, str(file)], Trust.NO_CODE)
        stage.calls.answer("d.delete_tied", [digits], Trust.NO_CODE)
        assert file.exists()
    stage.calls.answer("d.tied_to_file.set", [digits, str(precious)], Trust.NO_CODE)
    stage.calls.answer("d.erase", [digits], Trust.NO_CODE)
    assert precious.exists()
