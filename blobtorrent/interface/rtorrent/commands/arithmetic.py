"""Calculating: `math.*`, and how long ago a time was: `elapsed.*`."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import MAX_NESTING, Call, Value, convert_number, signed

CATEGORY = "language"
_VALUES_A_STEP: Final = 4       # as much work as a command
Operation = Callable[[int, int], int]
Measure = Callable[[list[int]], int]


def commands(now_s: Callable[[], int]) -> Iterator[Command]:
    """`now_s` tells the seconds since 1970."""
    for name, (operation, doc) in _FOLDED.items():
        yield Command(name, Target.NONE, partial(_fold, name, operation), "i8", doc=doc, category=CATEGORY)
    for name, (measure, doc) in _MEASURES.items():
        yield Command(name, Target.NONE, partial(_measure, name, measure), "i8", doc=doc, category=CATEGORY)
    yield Command("math.cnt", Target.NONE, _count, "i8", doc="How many values, those in lists too.", category=CATEGORY)
    yield Command("elapsed.less", Target.NONE, partial(_elapsed, now_s, False), "i8", is_safe=True, category=CATEGORY,
                  doc="One when less than so many seconds passed since a time that is not zero: time, seconds.")
    yield Command("elapsed.greater", Target.NONE, partial(_elapsed, now_s, True), "i8", is_safe=True, category=CATEGORY,
                  doc="One when more than so many seconds passed since a time that is not zero: time, seconds.")


def _fold(name: str, operation: Operation, context: Context, item: Any, args: Sequence[Value]) -> Value:
    return _folded(context, name, operation, args, 0)


def _folded(context: Context, name: str, operation: Operation, values: Sequence[Value], depth: int) -> int:
    """From left to right; a list among the values is folded first. Raises Fault."""
    if not values or depth > MAX_NESTING:
        raise failed(f"{name}: No arguments provided!")
    context.budget.spend(len(values) // _VALUES_A_STEP)
    result: int | None = None
    for value in values:
        number = (_folded(context, name, operation, value, depth + 1) if isinstance(value, list)
                  else _number(name, value))
        result = number if result is None else signed(operation(result, number))
    assert result is not None
    return result


def _number(name: str, value: Value) -> int:
    if value is None or isinstance(value, (Call, dict)):
        raise failed(f"{name}: Wrong argument type")
    return convert_number(value)


def _quotient(left: int, right: int) -> int:
    """Towards zero, unlike Python's."""
    if right == 0:
        raise failed("math.div: Division by zero!")
    quotient = abs(left) // abs(right)
    return quotient if (left < 0) == (right < 0) else -quotient


def _remainder(left: int, right: int) -> int:
    """With the sign of what is divided, unlike Python's."""
    if right == 0:
        raise failed("math.mod: Division by zero!")
    remainder = abs(left) % abs(right)
    return remainder if left >= 0 else -remainder


def _measure(name: str, measure: Measure, context: Context, item: Any, args: Sequence[Value]) -> Value:
    numbers = [_number(name, value) for value in context.flat(args)]
    if not numbers:
        raise failed(f"{name}: No arguments provided!")
    return signed(measure(numbers))


def _count(context: Context, item: Any, args: Sequence[Value]) -> Value:
    return len(context.flat(args))


def _mean(numbers: list[int]) -> int:
    return _quotient(sum(numbers), len(numbers))


def _median(numbers: list[int]) -> int:
    numbers.sort()
    middle = len(numbers) // 2
    return numbers[middle] if len(numbers) % 2 else _mean(numbers[middle - 1:middle + 1])


def _elapsed(now_s: Callable[[], int], is_greater: bool, context: Context, item: Any, args: Sequence[Value]) -> Value:
    if len(args) != 2:
        raise failed("Wrong argument count.")
    start, seconds = convert_number(args[0]), convert_number(args[1])
    if not start:
        return 0
    passed = now_s() - start
    return int(passed > seconds if is_greater else passed < seconds)


_FOLDED: Final[dict[str, tuple[Operation, str]]] = {
    "math.add": (lambda left, right: left + right, "The sum; lists among the numbers are summed up first."),
    "math.sub": (lambda left, right: left - right, "The first number less the others."),
    "math.mul": (lambda left, right: left * right, "The product."),
    "math.div": (_quotient, "The first number divided by the others, towards zero."),
    "math.mod": (_remainder, "The remainder of dividing the first number by the others."),
}
_MEASURES: Final[dict[str, tuple[Measure, str]]] = {
    "math.min": (min, "The smallest number, lists among them looked through."),
    "math.max": (max, "The largest number."),
    "math.avg": (_mean, "The mean, towards zero."),
    "math.med": (_median, "The median; the mean of the two in the middle."),
}
