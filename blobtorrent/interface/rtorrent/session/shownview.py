"""`ui.current_view`: the view that a screen would show. Front-ends ask for it, and handlers hear of each change."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Trust
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command, getter
from blobtorrent.interface.rtorrent.values import Value, one_text

CATEGORY: Final = "ui"
ALL: Final = "main"                    # the view of all torrents


class ShownView:
    """Owned by the interpreter's thread."""

    def __init__(self) -> None:
        self._name = ALL

    def commands(self) -> Iterator[Command]:
        yield getter("ui.current_view", lambda: self._name, "The view that is shown, as front-ends see it: there is "
                     "no screen.", returns="string", category=CATEGORY)
        yield command("ui.current_view.set", self._show, "VIEW: shows it, and runs the handlers of event.view.hide "
                      "before and event.view.show behind that; one that does not exist is passed over.",
                      category=CATEGORY)

    def _show(self, context: Context, _item: Any, args: Sequence[Value]) -> Value:
        name, before = one_text(args), self._name
        views = context.call("view.list")
        if isinstance(views, list) and name in views:
            _run_handlers(context, "event.view.hide", name)
            self._name = name
            _run_handlers(context, "event.view.show", before)
        return None


def _run_handlers(context: Context, event: str, view: str) -> None:
    """They are told the other view. What they do wrong is logged and no more. They are their owner's, whoever calls."""
    owner = Context(context.interpreter, Trust.FULL, budget=context.budget)
    try:
        owner.call(event, [view])
    except Fault as fault:
        context.interpreter.log(f"View event action failed: {event}: {fault.text}")
