"""Definitions: variables, methods, multi methods, aliases. What rTorrent answers to each is in the recordings."""

from __future__ import annotations

from contextlib import nullcontext

import pytest

from blobtorrent.interface.rtorrent.commands import methods
from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.store import Kind, Store
from tests.support.rtorrentlanguage import LanguageStage


@pytest.fixture
def stage() -> LanguageStage:
    return LanguageStage()


def test_what_was_erased_may_be_defined_anew(stage):
    stage.text("method.insert.value=my.v,5")
    stage.text("method.erase=my.v")
    stage.text("method.insert.string=my.v,text")
    assert (stage.text("my.v="), stage.text("my.v.set=other")) == ("text", "other")


def test_a_method_with_an_alias_is_kept_until_the_alias_is_erased(stage):
    stage.text('method.insert.simple=my.m,"cat=1"')
    stage.text("method.redirect=my.alias,my.m")
    assert stage.fault("method.erase=my.m") == "Can't erase a command that has redirects."
    stage.text("method.erase=my.alias")
    stage.text("method.erase=my.m")
    assert stage.fault("my.m=") == 'Command "my.m" does not exist.'


def test_keys_run_in_the_order_of_their_bytes_with_the_same_arguments_and_target(stage):
    stage.text("method.insert=my.ev,multi")
    for key in ("b", "~", "!", "a", "A", "é", "1"):
        stage.text(f'method.set_key=my.ev,{key},"print={key},$argument.0=,$d.custom1="')
    stage.text("my.ev=X", aim=stage.download)
    assert stage.log == [f"{key}Xabc" for key in ("!", "1", "A", "a", "b", "~", "é")]


def test_a_key_that_an_earlier_one_removes_does_not_run(stage):
    stage.text("method.insert=my.ev,multi")
    stage.text('method.set_key=my.ev,a,"method.set_key=my.ev,b"')
    stage.text("method.set_key=my.ev,b,print=b")
    stage.text("my.ev=")
    assert stage.log == []


def test_events_of_the_daemon_are_neither_constant_nor_erased(stage):
    stage.store.define("event.x", Kind.MULTI, is_static=True, has_rlookup=True)
    assert stage.fault("method.erase=event.x") == "Command not modifiable."
    stage.text("method.set_key=event.x,k,print=1")
    assert stage.text("method.rlookup=k") == ["event.x"]


def test_a_private_method_is_for_texts_only(stage):
    stage.text("method.insert=my.p,private|string,secret")
    assert stage.text("cat=$my.p=") == "secret"
    assert "my.p" not in stage.call("system.listMethods")
    with pytest.raises(Fault, match="not defined"):
        stage.call("my.p", "")


def test_old_names_of_commands_are_understood(stage):
    stage.text("system.method.insert=my.v,value,3")
    assert stage.text("system.method.get=my.v") == 3
    assert stage.call("to_kb", 1024) == "  1.0"
    with pytest.raises(Fault, match="Wrong object type"):
        stage.call("to_kb", "", 1024)  # it takes no target in 0.9.8


def test_variables_of_the_program_are_shown_but_not_replaced(stage):
    stage.text("method.insert=mine,multi|rlookup|static")
    assert stage.text("method.get=method.use_intermediate") == 1
    assert stage.text("method.const=method.use_intermediate") == 0
    with pytest.raises(Fault, match="Object is wrong type or const"):
        stage.text("method.set=method.use_intermediate,cat=1")
    with pytest.raises(Fault, match="Key not found"):
        stage.text("method.get=cat")


def test_what_has_a_key_is_told_in_the_order_it_got_it(stage):
    for name in ("event.a", "event.b"):
        stage.text(f"method.insert={name},multi|rlookup|static")
    for name in ("event.b", "event.a", "event.b"):
        stage.text(f"method.set_key={name},k,print=1")
    assert stage.text("method.rlookup=k") == ["event.b", "event.a"]
    stage.text("method.set_key=event.b,k")
    assert stage.text("method.rlookup=k") == ["event.a"]


def test_a_variable_is_not_shared_with_the_text_that_set_it(stage):
    stage.text("method.insert.list=my.l,{a,b}")
    for _ in range(2):
        assert stage.text("my.l.set=a,b") == ["a", "b"]
    definition = stage.store.get("my.l")
    assert isinstance(definition.value, list)
    definition.value.append("c")
    assert stage.text("my.l.set=a,b") == ["a", "b"]


def test_faults_are_swallowed_and_logged_by_try(stage):
    assert stage.text("try=nosuch=") is None
    assert stage.log == ['try command failed: Command "nosuch" does not exist.']


def test_a_kind_that_nobody_knows_is_a_fault_where_0_16_is_claimed() -> None:
    for tells_kinds in (False, True):
        registry = Registry()
        registry.extend(methods.commands(registry, Store(registry), tells_kinds=tells_kinds))
        context = Interpreter(registry, print).context()
        refused = pytest.raises(Fault, match="unknown flag")
        with refused if tells_kinds else nullcontext():
            assert context.call("method.insert", ["own", "nosuchtype", "x"]) is None
        assert "own" not in registry


@pytest.fixture
def lending() -> Context:
    """With commands of the program that 0.9.8 lacks, and one that it has."""
    registry = Registry()
    registry.extend(methods.commands(registry, Store(registry)))
    for name in ("load.throw", "d.down.sequential", "d.down.sequential.set", "other"):
        registry.add(Command(name, Target.NONE, lambda context, item, args: "ours"))
    registry.redirect("load_old", "other")
    registry.close_own()
    return Interpreter(registry, print).context()


def test_users_may_define_names_that_are_ours_and_that_0_9_8_lacks(lending: Context) -> None:
    lending.call("method.insert", ["load.throw", "simple", "d.down.sequential="])
    lending.call("method.insert", ["d.down.sequential", "value", 7])
    assert (lending.call("load.throw"), lending.call("d.down.sequential.set", [8])) == (7, 8)
    lending.call("method.insert.value", ["load_old", 5])
    assert (lending.call("load_old"), lending.call("other")) == (5, "ours")
    assert set(lending.interpreter.registry.names()[-5:]) == {
        "load.throw", "d.down.sequential", "d.down.sequential.set", "load_old", "load_old.set"}     # of users: last
    with pytest.raises(Fault, match="Invalid key"):        # by now it is theirs
        lending.call("method.insert", ["load.throw", "simple", "other="])
    lending.call("method.erase", ["load.throw"])
    with pytest.raises(Fault, match="does not exist"):
        lending.call("load.throw")


@pytest.mark.parametrize("name", ["load.throw", "d.down.sequential"])
def test_what_front_ends_have_their_users_define_stays_ours_where_we_have_it(lending: Context, name: str) -> None:
    lending.call("method.insert", [name, "value|const", 0])
    lending.call("method.redirect", [name, "method.get"])
    assert lending.call(name) == "ours"


def test_names_of_0_9_8_are_not_defined_by_users(lending: Context) -> None:
    with pytest.raises(Fault, match="Invalid key"):
        lending.call("method.insert", ["other", "value", 0])
    with pytest.raises(Fault, match="already exists"):
        lending.call("method.redirect", ["other", "method.get"])
