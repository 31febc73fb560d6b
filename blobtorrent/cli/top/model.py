"""Top: what is looked at. Takes reports and keys, and returns what is to be done. Pure; owned by the main thread."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import Enum, auto
from typing import Any

from blobtorrent.cli.output import clean
from blobtorrent.cli.top.keys import QWERTY, Action, Keymap, Keys, keys_of
from blobtorrent.cli.top.messages import (
    Add,
    Details,
    Happened,
    Intent,
    Limits,
    Lost,
    Order,
    Quit,
    Report,
    Said,
    Session,
    Snapshot,
    Watch,
)
from blobtorrent.cli.top.pages import TABS, Rows, Tab
from blobtorrent.cli.top.prompt import Prompt, Topic
from blobtorrent.cli.top.roster import Roster
from blobtorrent.cli.top.sparkline import History
from blobtorrent.cli.top.torrent import Torrent
from blobtorrent.cli.top.views import MAIN, ORDERS, View, view_named
from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import format_rate, parse_rate

KIB = 1 << 10
LOG_LINES = 1000
PRIORITIES = ("skip", "normal", "high")
FAR = 1 << 30                          # lines; more than there are


class Focus(Enum):
    """What fills the screen."""

    LIST = auto()
    DETAILS = auto()
    LOG = auto()
    HELP = auto()


FULL, COMPACT = "full", "compact"      # layouts of the list


class Top:
    """`screen_rows` is how far a key moves that moves by a screen. `layout` is what its user wants of the list, None:
    what the daemon's settings say."""

    def __init__(self, view: View = MAIN, layout: str | None = None) -> None:
        self.roster = Roster()
        self.roster.choose(view)
        self.focus = Focus.LIST
        self.tab = Tab.INFO
        self.line = 0                  # of the page, the log or the help: the one at the cursor
        self.shows_availability = False
        self.details: Details | None = None
        self.prompt: Prompt | None = None
        self.session: Session | None = None
        self.limits: Limits | None = None
        self.lost = ""                 # why the daemon does not answer
        self.said: Said | None = None
        self.log: deque[str] = deque(maxlen=LOG_LINES)
        self.history = History()
        self.histories: dict[str, History] = {}
        self.screen_rows = 10
        self.layout = layout or FULL
        self.keys: Keys = keys_of(QWERTY)
        self._has_own_layout = layout is not None
        self._chosen = ""              # hash of the torrent at the cursor
        self._number = 0               # where it is, or was
        self._behind = Focus.LIST      # what the log and the help stand before
        self._actions: dict[Action, Callable[[Any], list[Intent]]] = {
            Action.MOVE: self._move, Action.PAGE: self._move_by_screen, Action.END: self._move_to_end,
            Action.VIEW: self._choose_view, Action.ORDER: self._next_order, Action.REVERSE: self._reverse,
            Action.OPEN: self._open, Action.CLOSE: self._close, Action.TAB: self._next_tab,
            Action.SHOW_TAB: self._show_tab, Action.TOGGLE: self._toggle, Action.STOP: self._stop,
            Action.START: self._word("start"), Action.PAUSE: self._word("pause"),
            Action.RECHECK: self._word("recheck"), Action.ANNOUNCE: self._word("announce"),
            Action.PRIORITY: self._prioritise, Action.LIMIT_UP: self._limit_up, Action.LIMIT_DOWN: self._limit_down,
            Action.LIMITS: self._ask_limits, Action.LABELS: self._ask_labels, Action.FILTER: self._ask_filter,
            Action.CLEAR: self._clear, Action.ADD: self._ask_source, Action.LOG: self._show_log,
            Action.HELP: self._show_help, Action.QUIT: self._quit,
        }

    @property
    def number(self) -> int:
        """Where the cursor is in the list."""
        return self._number

    @property
    def chosen(self) -> Torrent | None:
        """The torrent at the cursor, or that of the details."""
        return self.roster.get(self._chosen)

    def take(self, report: Report) -> None:
        """What a thread has to say."""
        if isinstance(report, Snapshot):
            self._take_snapshot(report)
        elif isinstance(report, Details):
            if (report.digits, report.tab) == (self._chosen, self.tab):
                self.details = report
        elif isinstance(report, Lost):
            if not self.lost:
                self._note(f"the daemon does not answer: {report.reason}")
            self.lost = report.reason
        elif isinstance(report, Said):
            self.said = report
            self._note(report.text)
        elif isinstance(report, Happened):
            self._note(report.text)

    def press(self, key: str) -> list[Intent]:
        """What a key leads to."""
        self.said = None
        if self.prompt is not None:
            return self._press_in_prompt(self.prompt, key)
        found = self._keymap.find(key)
        if found is None:
            return []
        action, value = found
        return self._actions[action](value)

    @property
    def _keymap(self) -> Keymap:
        if self.focus is Focus.LIST:
            return self.keys.listing
        return self.keys.details if self.focus is Focus.DETAILS else self.keys.reading

    def _take_snapshot(self, snapshot: Snapshot) -> None:
        if self.lost:
            self._note("the daemon answers again")
            self.lost = ""
        self.session = snapshot.session
        self.limits = snapshot.limits or self.limits
        if snapshot.screen is not None:
            self.keys = keys_of(snapshot.screen.keys)
            if not self._has_own_layout:
                self.layout = snapshot.screen.layout
        self.roster.update(snapshot.torrents, snapshot.removed, is_full=snapshot.is_full)
        self.history.add(snapshot.session.down_bytes_per_s, snapshot.session.up_bytes_per_s)
        self._remember_rates()
        if not self._is_of_one:
            self._follow()

    def _remember_rates(self) -> None:
        """Of torrents that move, and of others for as long as there is something to show of them."""
        active, histories = self.roster.active, self.histories
        for digits in histories.keys() - active:
            histories[digits].add(0, 0)
            if self.roster.get(digits) is None or histories[digits].is_quiet:
                del histories[digits]
        for digits in active:
            torrent = self.roster.get(digits)
            if torrent is not None:
                history = histories.get(digits)
                if history is None:
                    history = histories[digits] = History()
                history.add(torrent.down_bytes_per_s, torrent.up_bytes_per_s)

    def _note(self, text: str) -> None:
        """A line of the log. Who reads its end sees it."""
        is_at_end = self.focus is Focus.LOG and self.line >= len(self.log) - self.screen_rows
        self.log.append(text)
        if is_at_end:
            self.line = FAR

    @property
    def _is_of_one(self) -> bool:
        """Whether details are open, be it behind another page: they stay with their torrent."""
        return Focus.DETAILS in (self.focus, self._behind)

    # Moving

    def _follow(self) -> None:
        """Keep the cursor at its torrent; where that is shown no more, at its neighbour."""
        number = self.roster.number_of(self._chosen)
        self._go(self._number if number is None else number)

    def _go(self, number: int) -> None:
        self._number = max(0, min(number, len(self.roster) - 1))
        self._chosen = self.roster.at(self._number).hash if len(self.roster) else ""

    def _move(self, lines: int) -> list[Intent]:
        if self.focus is Focus.LIST:
            self._go(self._number + lines)
        else:
            self.line = max(0, self.line + lines)
        return []

    def _move_by_screen(self, screens: int) -> list[Intent]:
        return self._move(screens * max(1, self.screen_rows - 1))

    def _move_to_end(self, end: int) -> list[Intent]:
        return self._move(end * FAR)

    def hold_line(self, count: int, rows: int = 1) -> int:
        """The line at the cursor, of so many: it does not stay behind the last, nor leave some of `rows` blank."""
        self.line = max(0, min(self.line, count - rows))
        return self.line

    # The list

    def _choose_view(self, name: str) -> list[Intent]:
        self.roster.choose(view_named(name))
        self._follow()
        return []

    def _next_order(self, _value: object) -> list[Intent]:
        orders = list(ORDERS)
        self.roster.order_by(orders[(orders.index(self.roster.order) + 1) % len(orders)])
        self._follow()
        return []

    def _reverse(self, _value: object) -> list[Intent]:
        self.roster.order_by(self.roster.order, is_reversed=not self.roster.is_reversed)
        self._follow()
        return []

    def _search(self, text: str) -> None:
        self.roster.search(text)
        self._follow()

    def _clear(self, _value: object) -> list[Intent]:
        self._search("")
        return []

    # Pages

    def _open(self, _value: object) -> list[Intent]:
        if self.chosen is None:
            return []
        self.focus = Focus.DETAILS
        return self._look()

    def _look(self) -> list[Intent]:
        self.details, self.line = None, 0
        return [Watch(self._chosen, self.tab)]

    def _next_tab(self, step: int) -> list[Intent]:
        number = TABS.index(self.tab) + step
        return self._close(0) if number < 0 else self._show_tab(number % len(TABS))

    def _show_tab(self, number: int) -> list[Intent]:
        self.tab = TABS[number]
        return self._look()

    def _close(self, _value: object) -> list[Intent]:
        if self.focus is Focus.DETAILS:
            self.focus = self._behind = Focus.LIST
            self._follow()
            return [Watch(None, self.tab)]
        self.focus, self.line = self._behind, 0
        return []

    def _show_log(self, _value: object) -> list[Intent]:
        return self._read(Focus.LOG, FAR)

    def _show_help(self, _value: object) -> list[Intent]:
        return self._read(Focus.HELP, 0)

    def _read(self, focus: Focus, line: int) -> list[Intent]:
        if self.focus is focus:
            return self._close(0)
        if self.focus in (Focus.LIST, Focus.DETAILS):
            self._behind = self.focus
        self.focus, self.line = focus, line
        return []

    def _quit(self, _value: object) -> list[Intent]:
        return [Quit()]

    def _toggle(self, _value: object) -> list[Intent]:
        if self.tab is Tab.PIECES:
            self.shows_availability = not self.shows_availability
        page = None if self.details is None else self.details.page
        if not isinstance(page, Rows) or not page.keys:
            return []
        number, priority = page.keys[self.hold_line(len(page.keys))]
        wanted = PRIORITIES[(priority + 1) % len(PRIORITIES)]
        return self._order("PATCH", "/files", f"file {number}: {wanted}", {"file_priorities": {str(number): wanted}})

    # The torrent

    def _order(self, method: str, below: str, told: str, body: dict[str, Any] | None = None) -> list[Intent]:
        torrent = self.chosen
        if torrent is None:
            return []
        return [Order(method, f"/v1/torrents/{torrent.hash}{below}", f"{told}: {torrent.name}", body)]

    def _word(self, word: str) -> Callable[[Any], list[Intent]]:
        return lambda _value: self._order("POST", f"/{word}", word)

    def _stop(self, _value: object) -> list[Intent]:
        torrent = self.chosen
        if torrent is not None and not torrent.is_started:
            self.prompt = Prompt(Topic.REMOVE, of=torrent.hash, about=torrent.name)
            return []
        return self._order("POST", "/stop", "stop")

    def _prioritise(self, step: int) -> list[Intent]:
        torrent = self.chosen
        if torrent is None:
            return []
        # Shown at once, and the next press counts from it. A refusal has all torrents read again.
        priority = torrent.priority + step
        self.roster.update([torrent._replace(priority=priority)])
        if not self._is_of_one:
            self._follow()
        return self._order("PATCH", "", f"priority {priority}", {"priority": priority})

    # All torrents

    def _limit_up(self, step: int) -> list[Intent]:
        return self._limit("up_bytes_per_s", step)

    def _limit_down(self, step: int) -> list[Intent]:
        return self._limit("down_bytes_per_s", step)

    def _limit(self, name: str, step: int) -> list[Intent]:
        if self.limits is None:
            self.said = Said("the limits are not known: they take a token that may read settings", is_bad=True)
            return []
        limit = max(0, getattr(self.limits, name) + step * KIB)
        self.limits = self.limits._replace(**{name: limit})
        told = f"{name.partition('_')[0]}load limit {format_rate(limit) if limit else 'none'}"
        return [Order("PATCH", "/v1/settings", told, {"limits": {name: limit}})]

    # What is typed

    def _ask_filter(self, _value: object) -> list[Intent]:
        self.prompt = Prompt(Topic.FILTER, self.roster.text)
        return []

    def _ask_source(self, _value: object) -> list[Intent]:
        self.prompt = Prompt(Topic.ADD)
        return []

    def _ask_labels(self, _value: object) -> list[Intent]:
        if self.chosen is not None:
            text = ", ".join(self.chosen.labels)
            self.prompt = Prompt(Topic.LABELS, text, of=self.chosen.hash, about=self.chosen.name)
        return []

    def _ask_limits(self, _value: object) -> list[Intent]:
        if self.chosen is not None:
            limits = (self.chosen.down_limit_bytes_per_s, self.chosen.up_limit_bytes_per_s)
            text = ", ".join(format_rate(limit) if limit else "0" for limit in limits)
            self.prompt = Prompt(Topic.LIMITS, text, of=self.chosen.hash, about=self.chosen.name)
        return []

    def _press_in_prompt(self, prompt: Prompt, key: str) -> list[Intent]:
        if key in ("esc", "^G", "^C"):
            self.prompt = None
            if prompt.topic is Topic.FILTER:
                self._search("")
            return []
        if prompt.topic is Topic.REMOVE:
            self.prompt = None
            return self._remove(prompt.of, key)
        if key == "enter":
            self.prompt = None
            return self._typed(prompt)
        prompt.press(key)
        if prompt.topic is Topic.FILTER:
            self._search(prompt.text)
        return []

    def _remove(self, digits: str, key: str) -> list[Intent]:
        torrent = self.roster.get(digits)
        if key not in ("y", "d") or torrent is None:
            return []
        told = f"remove{' with its files' if key == 'd' else ''}: {torrent.name}"
        return [Order("DELETE", f"/v1/torrents/{digits}", told, query={"with_data": "true"} if key == "d" else None)]

    def _typed(self, prompt: Prompt) -> list[Intent]:
        text = prompt.text.strip()
        if prompt.topic is Topic.ADD and text:
            return [Add(text)]
        torrent = self.roster.get(prompt.of)
        if torrent is None:            # of the list, or removed meanwhile
            return []
        path = f"/v1/torrents/{torrent.hash}"
        if prompt.topic is Topic.LABELS:
            labels = [word for word in map(str.strip, text.split(",")) if word]
            return [Order("PATCH", path, f"labels: {torrent.name}", {"labels": labels})]
        try:
            down, up = (parse_rate(word) for word in text.split(","))
        except (Invalid, ValueError) as error:
            reason = error.detail if isinstance(error, Invalid) else "write two rates with a comma: 2 MiB/s, 0"
            self.said = Said(clean(reason), is_bad=True)
            return []
        body = {"down_limit_bytes_per_s": down, "up_limit_bytes_per_s": up}
        return [Order("PATCH", path, f"limits: {torrent.name}", body)]
