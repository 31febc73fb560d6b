"""Which key does what: the table that presses are looked up in and that the help page is made of."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum, auto
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
SESSION = (
    Binding(("a", "s", "d"), Action.LIMIT_UP, "upload limit of all: +1, +5, +50 KiB/s", (1, 5, 50)),
    Binding(("z", "x", "c"), Action.LIMIT_UP, "upload limit: -1, -5, -50", (-1, -5, -50)),
    Binding(("A", "S", "D"), Action.LIMIT_DOWN, "download limit: +1, +5, +50", (1, 5, 50)),
    Binding(("Z", "X", "C"), Action.LIMIT_DOWN, "download limit: -1, -5, -50", (-1, -5, -50)),
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

HELP = (
    ("everywhere", (*MOVES, *SESSION)), ("in the list", LIST), ("on a torrent, in the list and its details", STEERING),
    ("in the details", DETAILS),
)


class Keymap:
    def __init__(self, *groups: Sequence[Binding]) -> None:
        self._found: dict[str, tuple[Action, int | str]] = {}
        for group in groups:
            for binding in group:
                for number, key in enumerate(binding.keys):
                    self._found[key] = (binding.action, binding.values[number] if binding.values else 0)

    def find(self, key: str) -> tuple[Action, int | str] | None:
        """What a key does, and by how much or to what; None when nothing."""
        return self._found.get(key)


LIST_KEYS = Keymap(MOVES, SESSION, STEERING, LIST)
DETAIL_KEYS = Keymap(MOVES, SESSION, STEERING, DETAILS)
READING_KEYS = Keymap(MOVES, SESSION, READING)


def shown_key(key: str) -> str:
    """How a key is called on the help page."""
    return "space" if key == " " else key
