"""What surrounds a running command: whose word it is, on what it works, and how much more it may do."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from blobtorrent.interface.rtorrent.faults import REFUSED, Fault
from blobtorrent.interface.rtorrent.trust import Trust as Trust
from blobtorrent.interface.rtorrent.values import Value, flatten, is_true

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.language.evaluate import Interpreter

MAX_STEPS: Final = 200_000      # commands that one request may run
STEPS_A_CALL: Final = 100       # and as many more for each of the calls that it is made of
MAX_GRANTED: Final = 10_000_000 # for rows
MAX_DEPTH: Final = 96           # commands, texts and function objects in each other; Python's own stack holds more
_VALUES_A_STEP: Final = 4       # of a list that is looked through


class Target(Enum):
    """What a command works on."""

    NONE = "none"               # the session; whatever is there is left alone
    DOWNLOAD = "download"
    FILE = "file"
    PEER = "peer"
    TRACKER = "tracker"
    ANY = "any"                 # passes on what is there, or does without
    PAIR = "pair"               # two downloads that a view compares


class Aim(NamedTuple):
    """The target at hand: what it is, and the engine's word for it. A pair has an `other`."""

    kind: Target
    item: Any
    other: Any = None


NOTHING: Final = Aim(Target.NONE, None)


class Budget:
    """The work that a request may still cause. Shared by everything nested in it."""

    __slots__ = ("_to_grant", "depth", "steps")

    def __init__(self, steps: int = MAX_STEPS) -> None:
        self.steps = steps
        self._to_grant = MAX_GRANTED
        self.depth = 0

    def spend(self, steps: int = 1) -> None:
        """Take `steps` off. Raises Fault when there are none left."""
        self.steps -= steps
        if self.steps < 0:
            raise Fault(REFUSED, "Too much work for one request.")

    def enter(self) -> None:
        """A command, text or function object begins inside of another; `leave` ends it. Raises Fault for too many."""
        self.spend()
        if self.depth >= MAX_DEPTH:
            raise Fault(REFUSED, "Too deep a nesting of commands.")
        self.depth += 1

    def leave(self) -> None:
        self.depth -= 1

    def begin_next(self) -> None:
        """Another call of the same request begins. What one of them has spent too much, the others lack."""
        self.steps = max(0, self.steps) + STEPS_A_CALL

    def grant(self, steps: int) -> None:
        """Allow for rows that the request itself asked for: those of a multicall that nothing else called. But for no
        more than a very large session has."""
        if self.depth <= 2:
            granted = min(steps, self._to_grant)
            self._to_grant -= granted
            self.steps += granted


class Context:
    """Where a command runs. Cheap to make; never changed, but for the budget it shares."""

    __slots__ = ("aim", "arguments", "budget", "interpreter", "trust")

    def __init__(self, interpreter: Interpreter, trust: Trust, aim: Aim = NOTHING, arguments: Sequence[Value] = (),
                 budget: Budget | None = None) -> None:
        self.interpreter = interpreter
        self.trust = trust
        self.aim = aim
        self.arguments = arguments      # of the user method that runs
        self.budget = budget or Budget()

    def at(self, aim: Aim) -> Context:
        """The same with another target."""
        return Context(self.interpreter, self.trust, aim, self.arguments, self.budget)

    def given(self, arguments: Sequence[Value]) -> Context:
        """The same inside a user method that was called with `arguments`. Those left out are the ones of its caller."""
        return Context(self.interpreter, self.trust, self.aim, (*arguments, *self.arguments[len(arguments):]),
                       self.budget)

    def flat(self, args: Sequence[Value]) -> list[Value]:
        """The arguments, lists among them replaced by what they hold. Raises Fault when that is too much."""
        values: list[Value] = []
        for value in flatten(args):
            values.append(value)
            if len(values) % _VALUES_A_STEP == 0:
                self.budget.spend()
        return values

    def call(self, name: str, args: Sequence[Value] = ()) -> Value:
        """Call the command `name` on the target at hand. Raises Fault."""
        return self.interpreter.call(self, name, args)

    def text(self, text: str, *, many: bool = False) -> Value:
        """Run a command text: its first command, or with `many` all of them. Raises Fault."""
        return self.interpreter.run_text(self, text, many=many)

    def condition(self, command: Value) -> Value:
        """Run a condition or filter: the first command of a text, or a function object as it stands. Raises Fault."""
        return self.interpreter.run_condition(self, command)

    def holds(self, condition: Value) -> bool:
        """Whether a filter or a comparison holds. One that fails does not, and the log tells why. Raises Fault for what
        is too much or not allowed."""
        try:
            return is_true(self.condition(condition))
        except Fault as fault:
            self.interpreter.pass_over(fault)
            return False

    def run(self, body: Value) -> Value:
        """Run a body: a text of commands, a function object, or a list or map of those. Raises Fault."""
        return self.interpreter.run_object(self, body)
