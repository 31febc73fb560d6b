"""The commands that make a language of the others: conditions, comparisons, texts, swallowed faults, arguments."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import zip_longest
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Aim, Context, Target
from blobtorrent.interface.rtorrent.faults import Fault, failed, wrong_type
from blobtorrent.interface.rtorrent.language.columns import Argument, Computed, Plan, plain
from blobtorrent.interface.rtorrent.language.evaluate import LOGGED_LENGTH
from blobtorrent.interface.rtorrent.language.pattern import matches
from blobtorrent.interface.rtorrent.registry import Command, Read, Run
from blobtorrent.interface.rtorrent.values import (
    Call,
    Value,
    is_true,
    joined,
    leading_digits,
    parse_digits,
    shown,
    single,
    to_text,
)

CATEGORY = "language"
# As rTorrent 0.16 has it; what they run is looked at again.
_SAFE: Final = frozenset(("and", "branch", "cat", "catch", "compare", "if", "not", "or", "value"))
_STEPS_A_LINE: Final = 100          # of the log: nobody is to fill it
ARGUMENTS: Final = 4                # that a method can name


def commands() -> Iterator[Command]:
    def make(name: str, run: Run, returns: str, doc: str, target: Target = Target.ANY, *,
             is_public: bool = True) -> Command:
        return Command(name, target, run, returns, name in _SAFE, False, doc, CATEGORY, False, is_public)

    yield make("branch", _branch, "any", "Runs by conditions: condition, then, [condition, then]..., else: commands.")
    yield make("if", _if, "any", "Chooses a value: condition, then, [condition, then]..., else; all are values.")
    yield make("and", partial(_every, True), "i8", "One when all conditions are true; stops at the first that is not.")
    yield make("or", partial(_every, False), "i8", "One when a condition is true; stops there.")
    yield make("not", _not, "i8", "One when the value is false.")
    yield make("equal", partial(_compared, lambda order: order == 0), "i8", "One when two commands answer the same.")
    yield make("less", partial(_compared, lambda order: order < 0), "i8", "One when the first answers less.")
    yield make("greater", partial(_compared, lambda order: order > 0), "i8", "One when the first answers more.")
    yield make("compare", _compare, "i8", "Compares two downloads by several commands: order (+ or -), command...")
    yield make("match", _match, "i8", "One when a regular expression matches all that a command answers, in any case.")
    yield make("cat", _cat, "string", "Joins its arguments to one text.")._replace(bind=_bind_cat)
    yield make("print", _print, "none", "Writes its arguments to the log.")
    yield make("value", _value, "i8", "Reads a number: text, [base].", Target.NONE)
    yield make("try", _try, "any", "Runs commands; a fault is logged and has no result.")
    yield make("catch", _try, "any", "Runs commands; a fault is logged and has no result.")
    yield make("false", _false, "i8", "Always zero.", Target.NONE)._replace(bind=lambda _plan, _args: lambda _item: 0)
    for index in range(ARGUMENTS):
        yield make(f"argument.{index}", partial(_argument, index), "any",
                   f"Argument {index} of the method that runs.", Target.NONE, is_public=False)


def _condition(context: Context, condition: Value, *, is_command: bool) -> bool:
    """Whether a condition of `if` or `branch` holds. Raises Fault."""
    if is_command:
        condition = context.condition(condition)
    if condition is None or isinstance(condition, (int, str)):
        return bool(condition)
    raise failed("Type not supported by 'if'.")


def _chosen(context: Context, args: Sequence[Value], *, are_commands: bool) -> Value:
    """Of pairs of condition and choice the choice of the first condition that holds, or what follows the pairs."""
    if len(args) < 2:
        raise wrong_type()
    for at in range(0, len(args) - 1, 2):
        if _condition(context, args[at], is_command=are_commands):
            return args[at + 1]
    return args[-1] if len(args) % 2 else None


def _if(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return _chosen(context, args, are_commands=False)


def _branch(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """Of a text only the first command is run; a list of texts is run in turn and has no result."""
    chosen = _chosen(context, args, are_commands=True)
    if isinstance(chosen, list):
        for part in chosen:
            if isinstance(part, str):
                context.text(part)
        return None
    return context.condition(chosen)


def _every(is_and: bool, context: Context, item: Any, args: Sequence[Value]) -> Value:
    """Several conditions are run; a single one is a value already."""
    if len(args) < 2:
        return int(is_true(single(args)))
    for condition in args:
        if is_true(context.condition(condition)) != is_and:
            return int(not is_and)
    return int(is_and)


def _not(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return int(not is_true(single(args)))


def _operand(context: Context, command: Value) -> Value:
    if not isinstance(command, (str, Call)):
        raise wrong_type()
    return context.condition(command)


def _order(left: Value, right: Value) -> int | None:
    """Below 0, 0 or above it as `left` is less than, equal to or more than `right`; None for two that are nothing."""
    if isinstance(left, int) and isinstance(right, int):
        return (left > right) - (left < right)
    if isinstance(left, str) and isinstance(right, str):
        return (left > right) - (left < right)
    if left is None and right is None:
        return None
    if type(left) is not type(right):
        raise failed("Type mismatch.")
    raise wrong_type()


def _compared(holds: Callable[[int], bool], context: Context, item: Any, args: Sequence[Value]) -> Value:
    """The answers of the first and the last command, or of one for each download of a pair."""
    if not args:
        raise wrong_type()
    left, right = _sides(context)
    order = _order(_operand(left, args[0]), _operand(right, args[-1]))
    return int(order is not None and holds(order))


def _sides(context: Context) -> tuple[Context, Context]:
    """Where the left and the right command of a comparison run."""
    aim = context.aim
    if aim.kind is not Target.PAIR:
        return context, context
    return context.at(Aim(Target.DOWNLOAD, aim.item)), context.at(Aim(Target.DOWNLOAD, aim.other))


def _compare(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """One when the first download of the pair comes first. A command without a letter takes the last one's."""
    if context.aim.kind is not Target.PAIR:
        raise failed("Can only compare a target pair.")
    if len(args) < 2:
        raise failed("Need at least order and one field.")
    directions = to_text(args[0])
    if not directions or directions.strip("+-aAdD"):
        raise failed(f"Invalid order '{directions}'.")
    left, right = _sides(context)
    fields = args[1:]
    for direction, field in zip_longest(directions[:len(fields)], fields, fillvalue=directions[-1]):
        order = _order(_operand(left, field), _operand(right, field))
        if order:
            return int((order < 0) == (direction in "+aA"))
    return 0


def _match(context: Context, item: Any, args: Sequence[Value]) -> Value:
    if len(args) != 2:
        raise failed("Wrong argument count for 'match': 2 arguments needed.")
    text, pattern = _operand(context, args[0]), to_text(args[1])
    if not isinstance(text, str):
        raise failed("Type mismatch for 'match' arguments.")
    return int(matches(_lower(pattern), _lower(text), context.budget))


def _lower(text: str) -> str:
    """In lower case as far as ASCII goes, which is all that rTorrent looks at."""
    return text.encode("utf-8", "surrogateescape").lower().decode("utf-8", "surrogateescape")


def _cat(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return joined(context.flat(args))


def _bind_cat(_plan: Plan, args: Sequence[Argument]) -> Read:
    if len(args) == 1 and isinstance(args[0], Computed):
        read, text_of = args[0]
        if text_of is not None:
            return text_of
        return lambda item: joined((read(item),))
    values = plain(args)
    if values is not None:
        text = joined(values)
        return lambda item: text
    return lambda item: joined([arg.read(item) if isinstance(arg, Computed) else arg for arg in args])


def _print(context: Context, item: Any, args: Sequence[Value]) -> Value:
    context.budget.spend(_STEPS_A_LINE)
    context.interpreter.log(shown(joined(context.flat(args))[:LOGGED_LENGTH]))
    return None


def _value(context: Context, item: Any, args: Sequence[Value]) -> Value:
    """Without a base it is decimal; a base that is no number goes by the prefix."""
    if not args or args[0] is None:
        raise failed("'value' takes at least a number argument!")
    if len(args) > 2:
        raise failed("'value' takes at most two arguments!")
    if isinstance(args[0], int):
        return args[0]
    text = to_text(args[0])
    base = _base(args[1]) if len(args) > 1 else 10
    number = parse_digits(text, base)
    if number is None:
        raise failed(f"Junk at end of number: {text}")
    return number


def _base(value: Value) -> int:
    if isinstance(value, str):
        value = leading_digits(value)
    if not isinstance(value, int):
        raise wrong_type()
    if value != 0 and not 2 <= value <= 36:
        raise failed("Invalid base.")
    return value


def _try(context: Context, item: Any, args: Sequence[Value]) -> Value:
    try:
        return context.run(single(args))
    except Fault as fault:
        context.budget.spend(_STEPS_A_LINE)
        context.interpreter.log(shown(f"try command failed: {fault.text}"[:LOGGED_LENGTH]))
        return None


def _false(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return 0


def _argument(index: int, context: Context, item: Any, args: Sequence[Value]) -> Value:
    return context.arguments[index] if index < len(context.arguments) else f"placeholder.{index}"
