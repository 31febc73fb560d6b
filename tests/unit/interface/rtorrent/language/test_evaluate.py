"""The evaluator: what is run when, on whose word, and how much of it."""

from __future__ import annotations

import random
import time

import pytest

from blobtorrent.interface.rtorrent.context import MAX_DEPTH, Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault
from blobtorrent.interface.rtorrent.registry import Command
from tests.support.rtorrentlanguage import INFO_HASH, LanguageStage


@pytest.fixture
def stage() -> LanguageStage:
    return LanguageStage()


def test_a_dollar_is_replaced_by_what_its_text_answers(stage):
    assert stage.text('cat=$cat=$cat=deep') == "deep"
    assert stage.text('cat="$cat=1,2",3') == "123"


def test_a_list_from_a_dollar_is_the_arguments_when_it_is_alone(stage):
    stage.text("method.insert=l.l,list,{a,{b,c}}")
    assert stage.text("math.cnt=$l.l=") == 3
    assert stage.text("if=$l.l=") == ["b", "c"]


def test_lists_among_arguments_are_not_searched(stage):
    assert stage.text("cat=a,{b,$cat=c}") == "ab$cat=c"


def test_a_function_object_is_run_as_many_levels_later_as_it_has_parentheses(stage):
    assert stage.text("cat=(cat,a)") == "a"
    assert stage.fault("cat=((cat,a))") == "Invalid type."
    assert stage.text("try=((cat,((cat,a))))") == "a"
    assert stage.fault("branch=cat=1,((cat,((cat,a))))") == "Invalid type."


def test_of_many_statements_the_last_one_answers_and_of_one_the_first(stage):
    assert stage.text("cat=a;cat=b", many=True) == "b"
    assert stage.text("cat=a;cat=b") == "a"


def test_what_stands_before_an_error_has_been_run(stage):
    with pytest.raises(Fault):
        stage.text("print=done;)", many=True)
    assert stage.log == ["done"]


def test_commands_need_the_target_they_are_for(stage):
    assert stage.fault("d.name=") == "Target of wrong type to command."
    assert stage.text("d.name=", aim=stage.download) == "Fóxtrot ünï.txt"
    assert stage.text("value=1", aim=stage.download) == 1
    with pytest.raises(Fault, match="wrong type"):
        stage.text("f.path=", aim=stage.download)


def test_a_parameter_of_a_request_is_not_run(stage):
    assert stage.call("cat", "", "$d.name=") == "$d.name="
    assert stage.call("cat", INFO_HASH, "a", ["b"]) == "ab"


def test_an_erased_method_is_missing_and_an_unknown_one_undefined(stage):
    stage.call("method.insert.simple", "", "my.m", "cat=1")
    assert stage.call("my.m", "") == "1"
    stage.call("method.erase", "", "my.m")
    for name, code in (("my.m", -503), ("other.m", -506)):
        with pytest.raises(Fault) as caught:
            stage.call(name, "")
        assert caught.value.code == code


@pytest.mark.parametrize("text", [
    "execute.nothrow={a}", 'cat="$execute.nothrow={a}"', "cat=(execute.nothrow,a)", "branch=value=1,execute.nothrow=a",
    "branch=((execute.nothrow,a)),cat=", "my.run=", "my.multi=", 'try={"execute.nothrow=a"}',
    "equal=execute.nothrow=,cat=",
    "method.set_key=my.multi,k,cat=", "method.insert.simple=x,cat=", "import=/dev/null",
    "method.redirect=x,execute.nothrow",
    "d.multicall2=,execute.nothrow=a", "and=execute.nothrow=,value=1", "match=execute.nothrow=,a"])
def test_who_may_not_run_code_may_not_have_it_run(stage, text):
    stage.text('method.insert.simple=my.run,"execute.nothrow={sh,-c,echo}"')
    stage.text("method.insert=my.multi,multi")
    stage.text('method.set_key=my.multi,k,"execute.nothrow={sh,-c,echo}"')
    for trust in (Trust.NO_CODE, Trust.SAFE):
        try:
            stage.context(trust).text(text)
        except Fault as fault:
            assert fault.code == REFUSED
        else:
            assert text.startswith("try=")
        assert "allowed" in "".join(stage.log) or not text.startswith("try=")
    assert stage.files == {}


def test_a_refusal_names_the_setting(stage):
    with pytest.raises(Fault, match=r"rtorrent\.trusted"):
        stage.context(Trust.NO_CODE).text("execute.nothrow=a")


def test_only_safe_commands_are_for_callers_without_trust(stage):
    stage.registry.add(Command("x.safe", Target.NONE, lambda context, item, args: 1, "i8", is_safe=True))
    assert stage.context(Trust.SAFE).text("x.safe=") == 1
    with pytest.raises(Fault, match=r'Command "session.name" is not allowed for untrusted connections\.'):
        stage.context(Trust.SAFE).text("session.name=")


@pytest.mark.parametrize("text", [
    'method.insert.simple=a.a,"a.a="', 'method.insert.simple=a.a,"a.a=;a.a="', 'method.insert.simple=a.a,"cat=$a.a="',
    "method.insert.simple=a.a,((cat,((a.a))))", 'method.insert.simple=a.a,"branch=value=1,a.a="',
    'method.insert.simple=a.a,"try=a.a="'])
def test_a_method_that_calls_itself_ends(stage, text):
    stage.text(text)
    try:
        stage.text("a.a=")
    except Fault as fault:
        assert fault.code == REFUSED
    else:
        assert "Too deep a nesting" in "".join(stage.log) or "Too much work" in "".join(stage.log)


def test_nesting_ends_before_the_stack_of_python_does(stage):
    assert stage.fault("cat=" + "$cat=" * MAX_DEPTH + "a") == "Too deep a nesting of commands."


def test_work_ends(stage):
    context = Context(stage.interpreter, Trust.FULL)
    context.budget.steps = 100
    with pytest.raises(Fault, match="Too much work"):
        context.text(";".join(["cat=a"] * 100), many=True)


def test_texts_that_double_end(stage):
    stage.text("method.insert.string=s.s," + "x" * 1024)
    with pytest.raises(Fault, match="Too long a text"):
        for _ in range(20):
            stage.text('s.s.set="$cat=$s.s=,$s.s="')


def test_arguments_that_are_left_out_are_those_of_the_caller(stage):
    stage.text('method.insert.simple=my.inner,"cat=$argument.0=,$argument.1="')
    stage.text("method.insert.simple=my.outer,my.inner=$argument.1=")
    assert stage.text("my.outer=a,b") == "bb"
    assert stage.text("my.inner=a") == "aplaceholder.1"


def test_random_texts_do_nothing_but_answer_or_fail(stage):
    """A longer run of the same is how the bounds were found."""
    seed = 20_260
    randomness = random.Random(seed)
    names = [name for name in stage.registry.names() if "execute" not in name and "import" not in name]
    characters = 'ab01 ,;{}()"\\$=\t\n#.é\udcff'
    started_s = time.process_time()
    for _ in range(4000):
        parts = []
        for _ in range(randomness.randrange(1, 8)):
            parts.append(randomness.choice(names) + randomness.choice("=,("))
            parts.append("".join(randomness.choice(characters) for _ in range(randomness.randrange(8))))
        text = "".join(parts)
        try:
            stage.context().at(randomness.choice((stage.download, Aim(Target.NONE, None)))).text(text, many=True)
        except Fault as fault:
            assert fault.text, f"seed {seed}: {text!r}"
    assert time.process_time() - started_s < 20
