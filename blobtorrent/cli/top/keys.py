"""Which key does what: the table that presses are looked up in and that the help page is made of."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from enum import Enum, auto
from functools import cache
from itertools import chain
from typing import NamedTuple

from blobtorrent.cli.top.pages import TABS
from blobtorrent.cli.top.views import VIEWS


class Action(Enum):
    MOVE = auto()                      # by so many lines
    PAGE = auto()                      # by so many screens
    END = auto()                       # to the first (-1) or last (1) line
    VIEW = auto()                      # to the one of this name
    ORDER = auto()
    REVERSE = auto()
    OPEN = auto()
    CLOSE = auto()
    TAB = auto()                       # to the next (1) or the one before (-1)
    SHOW_TAB = auto()                  # to the one with this number
    TOGGLE = auto()
    START = auto()
    STOP = auto()
    PAUSE = auto()
    RECHECK = auto()
    ANNOUNCE = auto()
    PRIORITY = auto()                  # by so much
    LIMIT_UP = auto()                  # by so many KiB/s
    LIMIT_DOWN = auto()
    LIMITS = auto()
    LABELS = auto()
    FILTER = auto()
    CLEAR = auto()
    ADD = auto()
    LOG = auto()
    HELP = auto()
    QUIT = auto()


class Binding(NamedTuple):
    """`values` has one for each of the keys, where the action needs one. A binding without help has a neighbour's."""

    keys: tuple[str, ...]
    action: Action
    help: str = ""
    values: tuple[int | str, ...] = ()


MOVES = (
    Binding(("up", "^P", "down", "^N"), Action.MOVE, "move", (-1, -1, 1, 1)),
    Binding(("pgup", "pgdn"), Action.PAGE, "move by a screen", (-1, 1)),
    Binding(("home", "end"), Action.END, "to the first, the last", (-1, 1)),
)
STEERING = (
    Binding(("^S",), Action.START, "start"),
    Binding(("^D",), Action.STOP, "stop; when it is stopped, remove"),
    Binding(("p",), Action.PAUSE, "pause; ^S goes on"),
    Binding(("^R",), Action.RECHECK, "check what is on disk"),
    Binding(("t",), Action.ANNOUNCE, "ask the trackers now"),
    Binding(("+", "-"), Action.PRIORITY, "priority", (1, -1)),
    Binding(("^T",), Action.LIMITS, "its limits"),
    Binding(("L",), Action.LABELS, "its labels"),
)
LEAVING = (
    Binding(("l",), Action.LOG, "what happened"),
    Binding(("?",), Action.HELP, "this page"),
    Binding(("^Q", "^C"), Action.QUIT, "leave"),
)
LIST = (
    Binding(("enter", "right"), Action.OPEN, "details"),
    Binding(("backspace",), Action.ADD, "add a torrent"),
    Binding(("/",), Action.FILTER, "show only names and labels with ..."),
    Binding(("esc",), Action.CLEAR, "show all of the view again"),
    Binding(("o",), Action.ORDER, "another order"),
    Binding(("O",), Action.REVERSE, "the other way round"),
    *(Binding((view.key,), Action.VIEW, f"view: {view.name}", (view.name,)) for view in VIEWS),
    Binding(("q",), Action.QUIT),
)
DETAILS = (
    Binding(("right", "tab", "left", "backtab"), Action.TAB, "to the next, the last page", (1, 1, -1, -1)),
    Binding(tuple(map(str, range(1, len(TABS) + 1))), Action.SHOW_TAB, " ".join(tab.value for tab in TABS),
            tuple(range(len(TABS)))),
    Binding((" ",), Action.TOGGLE, "how much a file is wanted; which map of pieces"),
    Binding(("q", "esc"), Action.CLOSE, "back to the list"),
)
READING = (
    Binding(("q", "esc", "left", "enter", " "), Action.CLOSE),
)


class Keymap:
    def __init__(self, *groups: Sequence[Binding]) -> None:
        self.bindings = tuple(chain(*groups))
        self._found = {
            key: (binding.action, binding.values[number] if binding.values else 0)
            for binding in self.bindings for number, key in enumerate(binding.keys)}

    def find(self, key: str) -> tuple[Action, int | str] | None:
        """What a key does, and by how much or to what; None when nothing."""
        return self._found.get(key)


class Keys(NamedTuple):
    """What keys do on one keyboard: in the list, in the details, where there is only text; and the groups of the help
    page, with their titles."""

    listing: Keymap
    details: Keymap
    reading: Keymap
    help: tuple[tuple[str, tuple[Binding, ...]], ...]


# The letters that raise and lower the limits by 1, 5 and 50 KiB/s, at the same places of each keyboard, as rTorrent.
KEYBOARDS = {
    "qwerty": ("asd", "zxc"),
    "azerty": ("qsd", "wxc"),
    "qwertz": ("asd", "yxc"),
    "dvorak": ("aoe", ";qj"),
}
QWERTY = "qwerty"
_SHIFTED = {";": ":"}
# What gives way on a keyboard where its key is one of these gets a key that is free there, or has another anyway.
_INSTEAD = {"o": "s", "O": "S"}


@cache
def keys_of(keyboard: str) -> Keys:
    """Those of a keyboard by its name; of one that is not known, those of qwerty."""
    limits = tuple(_limits(*KEYBOARDS.get(keyboard, KEYBOARDS[QWERTY])))
    taken = {key for binding in limits for key in binding.keys}
    session = (*limits, *LEAVING)
    listing, details, reading, steering = (
        tuple(_giving_way(group, taken)) for group in (LIST, DETAILS, READING, STEERING))
    return Keys(
        Keymap(MOVES, session, steering, listing), Keymap(MOVES, session, steering, details),
        Keymap(MOVES, session, reading),
        (("everywhere", (*MOVES, *session)), ("in the list", listing),
         ("on a torrent, in the list and its details", steering), ("in the details", details)))


def _limits(more: str, less: str) -> Iterator[Binding]:
    for action, what, shift in ((Action.LIMIT_UP, "upload", str), (Action.LIMIT_DOWN, "download", _shifted)):
        yield Binding(tuple(map(shift, more)), action, f"{what} limit of all: +1, +5, +50 KiB/s", (1, 5, 50))
        yield Binding(tuple(map(shift, less)), action, f"{what} limit: -1, -5, -50", (-1, -5, -50))


def _shifted(letter: str) -> str:
    return _SHIFTED.get(letter, letter.upper())


def _giving_way(bindings: Sequence[Binding], taken: Collection[str]) -> Iterator[Binding]:
    """The bindings on keys that are not `taken`."""
    for binding in bindings:
        keys = [_INSTEAD.get(key) if key in taken else key for key in binding.keys]
        kept = [number for number, key in enumerate(keys) if key is not None]
        if kept:
            yield binding._replace(
                keys=tuple(key for key in keys if key is not None),
                values=tuple(binding.values[number] for number in kept) if binding.values else ())


def shown_key(key: str) -> str:
    """How a key is called on the help page."""
    return "space" if key == " " else key
