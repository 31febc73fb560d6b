"""From requests to commands: targets, arguments, trust, and what rTorrent's library answers by itself."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.context import Target, Trust
from blobtorrent.interface.rtorrent.faults import Fault, fault_of_16
from blobtorrent.interface.rtorrent.reading import XML_OF_16
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.xmlrpc import Unsupported
from tests.support.rpc import Stage

ALPHA = "1DE49452D03B14E46250ADD77D84282CE455519A"


@pytest.fixture
def stage():
    return Stage()


def answer(stage, name, *params, trust=Trust.FULL):
    try:
        return stage.calls.answer(name, list(params), trust)
    except Fault as fault:
        return fault.code, fault.text


def entry(name, *params):
    return {"methodName": name, "params": list(params)}


@pytest.mark.parametrize(("name", "params", "result"), [
    ("d.name", [ALPHA], "alpha.bin"),
    ("d.name", [], (-503, "Target of wrong type to command.")),
    ("d.name", [True], (-503, "Target of wrong type to command.")),
    ("d.name", ["0" * 40], (-501, "Could not find info-hash.")),
    ("cat", ["$system.pid="], (-501, "Unsupported target type found.")),
    ("cat", [5, "b"], "b"), ("cat", [["z"], "b"], "b"), ("cat", [5], ""),
    ("cat", ["", True], (-501, "Unsupported type found.")),
    ("cat", ["", Unsupported("double")], (-501, "Unsupported type found.")),
    ("cat", ["", {"a": 1}], (-501, "Unsupported type found.")),
    ("cat", ["", ["a", "b"]], "ab"), ("echo", ["", ["a", "b"]], ["a", "b"]),
    ("echo", ["", ["a", "b"], "c"], [["a", "b"], "c"]), ("echo", ["", ["a"], "c"], ["a", "c"]),
    ("nosuch", [], (-506, "Method 'nosuch' not defined")), ("hidden", [], (-506, "Method 'hidden' not defined")),
])
def test_a_call_is_answered_as_recorded(stage, name, params, result):
    assert answer(stage, name, *params) == result


@pytest.mark.parametrize("params", [["", 5], [5]])
def test_what_takes_no_target_in_one_version_takes_an_empty_one_of_the_other(stage, params):
    stage.interpreter.registry.add(Command("upload_rate", Target.NONE, lambda context, item, args: list(args)))
    assert answer(stage, "upload_rate", *params) == [5]


def test_a_name_that_was_erased_is_a_missing_command(stage):
    stage.interpreter.registry.add(Command("mine", Target.NONE, lambda context, item, args: 1))
    stage.interpreter.registry.remove("mine")
    assert answer(stage, "mine") == (-503, 'Command "mine" does not exist.')


def test_trust_holds_in_a_multicall(stage):
    (good,), bad = answer(stage, "system.multicall", [entry("system.pid"), entry("d.start")], trust=Trust.SAFE)
    assert good == 4242
    assert bad == {"faultCode": -507, "faultString": 'Command "d.start" is not allowed for untrusted connections.'}


@pytest.mark.parametrize(("params", "result"), [
    ([], (-503, "system.multicall takes one parameter, which is an array, each element describing one RPC.  "
                "You supplied 0 arguments")),
    (["x"], (-501, "system.multicall's parameter should be an array, each element describing one RPC.  "
                   "But it is type 4 instead.")),
    ([[]], []),
    ([[{"methodName": "system.pid"}]], (-502, "No member of struct has key 'params'")),
    ([[{"params": []}]], (-502, "No member of struct has key 'methodName'")),
    ([[entry("system.pid"), entry("system.multicall", [])]], (-507, "Recursive system.multicall forbidden")),
    ([["x"]], (-501, "An element of the multicall array is type 4, but should be a struct (with members 'methodName' "
                     "and 'params')")),
    ([[{"methodName": 5, "params": []}]], (-501, "Value of type INT supplied where string type was expected.")),
])
def test_a_multicall_is_read_as_the_library_does(stage, params, result):
    assert answer(stage, "system.multicall", *params) == result


def modern(stage, name, *params):
    """The same where 0.16 is claimed, in its words."""
    calls = Calls(stage.interpreter, stage.aim_of, XML_OF_16)
    try:
        return calls.answer(name, list(params), Trust.FULL)
    except Fault as raised:
        fault = fault_of_16(raised)
        return fault.code, fault.text


@pytest.mark.parametrize(("name", "params", "result"), [
    ("d.name", [f"{ALPHA}zz"], "alpha.bin"), ("d.name", [f"{ALPHA}:"], "alpha.bin"),
    ("d.name", [f"{ALPHA}:f"], "alpha.bin"),
    ("d.name", [f"{ALPHA}:d0"], "alpha.bin"),
    ("d.name", [f"{ALPHA}:x0"], (-500, "invalid parameters: unexpected target type")),
    ("d.name", ["abc"], (-500, "invalid parameters: invalid target")),
    ("d.name", [5], (-500, "invalid parameters: target must be a string")),
    ("d.name", [True], (-500, "invalid parameters: target must be a string")),
    ("cat", ["", True], "1"), ("cat", ["", {"a": 1}], (-500, "Invalid type.")),
    ("cat", ["", Unsupported("double")], (-500, "received unsupported value type: double")),
    ("echo", ["", ["a"], "c"], [["a"], "c"]), ("echo", ["", {"a": True}], [{"a": 1}]),
    ("system.multicall", [], (-503, "could not find expected element param")),
    ("system.multicall", ["x"], (-503, "could not find expected element array")),
    ("system.multicall", [["x"]], (-503, "could not find expected element struct")),
    ("system.multicall", [[{}]], (-503, "could not find expected element member")),
    ("system.multicall", [[{"params": []}]], (-503, "could not find expected element string")),
    ("system.multicall", [[{"methodName": "system.pid"}]], [[4242]]),
    ("system.multicall", [[entry("system.pid"), entry("system.multicall", [])]],
     [[4242], {"faultCode": -506, "faultString": "Method 'system.multicall' not defined"}]),
])
def test_requests_are_read_as_0_16_does_where_that_is_claimed(stage, name, params, result):
    assert modern(stage, name, *params) == result


@pytest.mark.parametrize(("target", "result"), [(f"{ALPHA}zz", "alpha.bin"), (f"{ALPHA}:", "alpha.bin")])
def test_targets_in_json_are_read_as_0_16_does(stage, target, result):
    assert stage.calls.answer_json("d.name", [target], Trust.FULL) == result


def test_the_library_tells_of_methods(stage):
    names = answer(stage, "system.listMethods")
    assert names[:2] == ["system.listMethods", "system.methodExist"] and "cat" in names and "hidden" not in names
    assert answer(stage, "system.methodExist", "cat") == 1 and answer(stage, "system.methodExist", "hidden") == 0
    assert answer(stage, "system.methodHelp", "nosuch") == (-506, "Method 'nosuch' does not exist")
    assert answer(stage, "system.methodSignature", "cat") == "undef"


def test_methods_of_users_are_listed_after_our_own(stage):
    registry = stage.interpreter.registry
    registry.close_own()
    for name in ("b.late", "a.later"):
        registry.add(Command(name, Target.NONE, lambda context, item, args: None))
    registry.redirect("0.alias", "cat")
    names = answer(stage, "system.listMethods")
    assert names[-3:] == ["b.late", "a.later", "0.alias"] and names.count("a.later") == 1


@pytest.mark.parametrize(("name", "params", "text"), [
    ("system.multicall", [""], "Method 'system.multicall' not defined"),
    ("system.methodExist", [""], "Method 'system.methodExist' not defined"),
    ("cat", [5], "invalid parameters: target must be a string"),
])
def test_json_knows_less(stage, name, params, text):
    with pytest.raises(Fault) as caught:
        stage.calls.answer_json(name, params, Trust.FULL)
    assert caught.value.text == text
