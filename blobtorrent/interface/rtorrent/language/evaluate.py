"""Running texts and function objects. `Interpreter.call` is the one way to a command: trust is checked there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final

from blobtorrent.interface.rtorrent.context import Context, Target, Trust
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault, no_such_command, wrong_target
from blobtorrent.interface.rtorrent.language.parser import Statement, parse_statement
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.values import Call, Value, argument_list, shown

LOGGED_LENGTH: Final = 1023             # characters of a line that reach the log
_CACHED_TEXTS: Final = 512
_CACHED_LENGTH: Final = 4096

# What is as much work as calling a command.
_CHARACTERS_A_STEP: Final = 256         # of an answer
_SYNTAX_A_STEP: Final = 16              # characters of a text that is read
_ARGUMENTS_A_STEP: Final = 8


class Interpreter:
    """Runs commands, one at a time, on the thread that owns it.

    `log` is told what goes to the log: of `print`, and of faults that are swallowed.
    """

    def __init__(self, registry: Registry, log: Callable[[str], None]) -> None:
        self.registry = registry
        self.log = log
        self._parsed: dict[tuple[str, int], Statement] = {}
        self._passed_over = ""

    def context(self, trust: Trust = Trust.FULL) -> Context:
        """Where a new request runs, with a budget of its own."""
        return Context(self, trust)

    def call(self, context: Context, name: str, args: Sequence[Value] = ()) -> Value:
        """Call the command `name` on the target of `context`. Raises Fault."""
        command = self.registry.find(name)
        if command is None:
            raise no_such_command(name)
        if context.trust is not Trust.FULL:
            require(context.trust, command)
        if command.target is Target.NONE or command.target is Target.ANY:
            item = None
        elif context.aim.kind is command.target:
            item = context.aim.item
        else:
            raise wrong_target()
        budget = context.budget
        budget.enter()
        try:
            result = command.run(context, item, args)
        finally:
            budget.leave()
        if type(result) is str and len(result) > _CHARACTERS_A_STEP:
            budget.spend(len(result) // _CHARACTERS_A_STEP)
        return result

    def pass_over(self, fault: Fault) -> None:
        """Log it instead of telling whoever asked, though not again for one download after the other. Raises it when it
        is about what is too much or not allowed."""
        if fault.code == REFUSED:
            raise fault
        if fault.text != self._passed_over:
            self._passed_over = fault.text
            self.log(shown(fault.text[:LOGGED_LENGTH]))

    def run_text(self, context: Context, text: str, *, many: bool = False) -> Value:
        """Run the first command of a text, or with `many` all in turn; the result is the last one's. Raises Fault.

        What follows a command is not looked at before it ran, so an error there comes after its effects.
        """
        start: int = 0
        result: Value = None
        context.budget.enter()
        try:
            while start < len(text):
                statement = self._parse(context, text, start)
                start = statement.end
                result = self._run(context, statement)
                if not many:
                    break
        finally:
            context.budget.leave()
        return result

    def run_object(self, context: Context, body: Value) -> Value:
        """Run a body, condition, handler: a text with all its commands, a function object, a list of those (the result
        is the last one's) or a map (no result). Raises Fault."""
        if isinstance(body, str):
            return self.run_text(context, body, many=True)
        if isinstance(body, Call):
            return self.call(context, body.name, self.prepared(context, body.args))
        result: Value = None
        if isinstance(body, list):
            for part in body:
                result = self.run_nested(context, part)
        elif isinstance(body, dict):
            for key in body:
                self.run_nested(context, body[key])
        return result

    def run_condition(self, context: Context, command: Value) -> Value:
        """Run a condition, a branch or a filter: of a text the first command, a function object as it stands, its
        arguments no further prepared. Anything else is its own result. Raises Fault."""
        if isinstance(command, str):
            return self.run_text(context, command)
        return self.call(context, command.name, list(command.args)) if isinstance(command, Call) else command

    def run_nested(self, context: Context, body: Value) -> Value:
        """`run_object` for a part of a body, which counts as nested so that lists in lists end somewhere."""
        context.budget.enter()
        try:
            return self.run_object(context, body)
        finally:
            context.budget.leave()

    def prepared(self, context: Context, args: Sequence[Value]) -> list[Value]:
        """The arguments of a parsed call as its command gets them: texts with `$` and due function objects replaced by
        their results, the others a level closer, their arguments too. Lists are left alone. Raises Fault."""
        return [self._prepare(context, arg) for arg in args]

    def _prepare(self, context: Context, arg: Value) -> Value:
        if isinstance(arg, str):
            return self.run_text(context, arg[1:]) if arg.startswith("$") else arg
        if isinstance(arg, Call):
            context.budget.enter()
            try:
                args = self.prepared(context, arg.args)
            finally:
                context.budget.leave()
            return self.call(context, arg.name, args) if arg.due == 1 else Call(arg.name, args, max(0, arg.due - 1))
        return arg

    def _run(self, context: Context, statement: Statement) -> Value:
        if not statement.name:
            return None
        if len(statement.args) > _ARGUMENTS_A_STEP:
            context.budget.spend(len(statement.args) // _ARGUMENTS_A_STEP)
        if statement.is_plain:
            return self.call(context, statement.name, list(statement.args))
        args = self.prepared(context, statement.args)
        return self.call(context, statement.name, argument_list(args[0]) if len(args) == 1 else args)

    def _parse(self, context: Context, text: str, start: int) -> Statement:
        """What stands at `start`, from the cache where a column or a handler is run again and again. Raises Fault."""
        if len(text) > _CACHED_LENGTH:
            return _parse_long(context, text, start)
        found = self._parsed.get((text, start))
        if found is None:
            found = parse_statement(text, start)
            if len(self._parsed) >= _CACHED_TEXTS:
                self._parsed.clear()
            self._parsed[text, start] = found
        return found


def _parse_long(context: Context, text: str, start: int) -> Statement:
    """Reading it is work as well. Raises Fault."""
    end = len(text)
    try:
        statement = parse_statement(text, start)
        end = statement.end
    finally:
        context.budget.spend(1 + (end - start) // _SYNTAX_A_STEP)
    return statement


def require(trust: Trust, command: Command) -> None:
    """Raises Fault when a caller of this trust may not have `command` run."""
    if trust is Trust.SAFE and not command.is_safe:
        raise Fault(REFUSED, f'Command "{command.name}" is not allowed for untrusted connections.')
    if command.is_code:
        raise Fault(REFUSED, f'Command "{command.name}" is not allowed here: it runs code or reaches beyond '
                             "torrents, and this listener is not named in the setting rtorrent.trusted.")
