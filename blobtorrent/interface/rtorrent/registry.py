"""The names: every command there is, what it needs and answers, and the aliases of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.generations import is_of_others
from blobtorrent.interface.rtorrent.values import Value

if TYPE_CHECKING:
    from blobtorrent.interface.rtorrent.language.columns import Argument, Plan

Run = Callable[[Context, Any, Sequence[Value]], Value]
"""Takes where it runs, the target (None for Target.NONE and Target.ANY, see `context.aim`), the arguments."""

Read = Callable[[Any], Value]
"""What a command answers of a target, with nothing around it."""

Bind = Callable[["Plan", Sequence["Argument"]], "Read | None"]
"""Makes a `Read` of the arguments, for a command that changes nothing; None when these need the interpreter."""


class Command(NamedTuple):
    """A command. `returns` is a word of XML-RPC: none, i8, string, base64, array, struct, any."""

    name: str
    target: Target
    run: Run
    returns: str = "none"
    is_safe: bool = False       # for callers that are not trusted at all
    is_neutral: bool = False    # answers something harmless: there is no such thing in this engine
    doc: str = ""
    category: str = ""
    is_code: bool = False       # runs programs, defines what is run later, reaches beyond torrents: who is trusted may
    is_public: bool = True      # may be called by a request, not only from texts
    bind: Bind | None = None    # for columns that are read row after row


class Registry:
    """Commands by name. Owned by the thread that runs them.

    A name once erased is still known: requests for it are told of a missing command, not of an unknown method.
    `revision` grows with every change.
    """

    def __init__(self) -> None:
        self.revision = 0
        self._commands: dict[str, Command] = {}
        self._redirects: dict[str, str] = {}
        self._erased: set[str] = set()
        self._own: frozenset[str] | None = None

    def close_own(self) -> None:
        """What is there now is the program's own; what comes from now on, its users'."""
        self._own = frozenset((*self._commands, *self._redirects))

    def is_lent(self, name: str) -> bool:
        """Whether this is a name of our own that its users may have for something else: rTorrent 0.9.8 lacks it."""
        is_own = self._own is not None and name in self._own and name in self
        return is_own and is_of_others(name, is_alias=name in self._redirects)

    def is_taken(self, name: str) -> bool:
        return name in self and not self.is_lent(name)

    def add(self, command: Command) -> None:
        """Raises Fault when the name is taken. One that is lent is from now on what this is."""
        name = command.name
        if self.is_taken(name):
            raise failed("Invalid key.")
        if name in self and self._own is not None:
            self._own -= {name}
            self._redirects.pop(name, None)
        self.revision += 1
        self._erased.discard(name)
        self._commands[name] = command

    def extend(self, commands: Iterable[Command]) -> None:
        for command in commands:
            self.add(command)

    def redirect(self, alias: str, name: str) -> None:
        """Make `alias` another name of `name`, which is looked up now. Raises Fault."""
        if alias in self:
            raise failed(f"Tried to create a redirect key that already exists: '{alias}'.")
        if name not in self:
            raise failed(f"Tried to redirect to a key that doesn't exist: '{name}'.")
        self.revision += 1
        self._erased.discard(alias)
        self._redirects[alias] = self._redirects.get(name, name)

    def remove(self, name: str) -> None:
        """Forget a command or an alias. Raises Fault while it has aliases."""
        if name in self._redirects.values():
            raise failed("Can't erase a command that has redirects.")
        self.revision += 1
        if self._commands.pop(name, None) or self._redirects.pop(name, None):
            self._erased.add(name)

    def find(self, name: str) -> Command | None:
        """The command behind a name or an alias."""
        found = self._commands.get(name)
        return found if found is not None else self._commands.get(self._redirects.get(name, ""))

    def was_erased(self, name: str) -> bool:
        return name in self._erased

    def __contains__(self, name: object) -> bool:
        return name in self._commands or name in self._redirects

    def commands(self) -> Iterable[Command]:
        return self._commands.values()

    def redirects(self) -> Iterable[tuple[str, str]]:
        return self._redirects.items()

    def names(self) -> list[str]:
        """What requests may call, aliases too: our own sorted, then those of users in the order they came, by which
        clients tell them apart."""
        public = [name for name, command in self._commands.items() if command.is_public]
        public.extend(alias for alias, name in self._redirects.items() if self._commands[name].is_public)
        own = self._own
        if own is None:
            return sorted(public)
        return sorted(name for name in public if name in own) + [name for name in public if name not in own]
