"""view.*: the names of views, who is in them, and their order."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.making import command
from blobtorrent.interface.rtorrent.downloads.steering import Steering
from blobtorrent.interface.rtorrent.downloads.views import STARTED, STOPPED, View, Views, body_of
from blobtorrent.interface.rtorrent.faults import wrong_type
from blobtorrent.interface.rtorrent.registry import Command, Run
from blobtorrent.interface.rtorrent.values import Call, Value, one_number, one_text, to_number, to_text

TEMPORARY = "default,started,stopped"


def commands(downloads: Downloads, views: Views, steering: Steering) -> Iterator[Command]:
    yield from _lists(downloads, views)
    yield from _filters(views)
    yield from _orders(downloads, views)
    yield from _places(views, steering)
    yield from _variables()


def _of_session(name: str, run: Run, doc: str, *, returns: str = "none", is_code: bool = False,
                is_neutral: bool = False) -> Command:
    made = command(name, run, doc, target=Target.ANY, returns=returns, category="view", is_neutral=is_neutral)
    return made._replace(is_code=is_code)


def _lists(downloads: Downloads, views: Views) -> Iterator[Command]:

    def add(_context: Context, _item: object, args: Sequence[Value]) -> Value:
        views.add(one_text(args))
        return None

    def size(_context: Context, _item: object, args: Sequence[Value]) -> Value:
        return len(views.members(one_text(args)))

    def size_not_visible(_context: Context, _item: object, args: Sequence[Value]) -> Value:
        return len(downloads) - len(views.members(one_text(args)))

    def refuse(_context: Context, _item: object, _args: Sequence[Value]) -> Value:
        raise wrong_type()

    def persist(_context: Context, _item: object, args: Sequence[Value]) -> Value:
        views.make_persistent(views.find(one_text(args)))
        return None

    yield _of_session("view.add", add, "NAME: makes a view of all downloads.")
    yield _of_session("view.list", lambda _context, _item, _args: list[Value](views.names()), "The names of all views.",
                      returns="array")
    yield _of_session("view.size", size, "VIEW: how many downloads it shows.", returns="i8")
    yield _of_session("view.size_not_visible", size_not_visible, "VIEW: how many it does not.", returns="i8")
    yield _of_session("view.persistent", persist, "VIEW: has d.views of downloads say whether they are in it.")
    yield _of_session("view.set", refuse, "Refused, as in rTorrent.", is_neutral=True)


def _named(views: Views, args: Sequence[Value]) -> tuple[View, Sequence[Value]]:
    """The view that comes first, and what follows. Raises Fault."""
    if not args:
        raise wrong_type()
    return views.find(to_text(args[0])), args[1:]


def _filters(views: Views) -> Iterator[Command]:

    def set_filter(context: Context, _item: object, args: Sequence[Value]) -> Value:
        view, rest = _named(views, args)
        views.set_filter(context, view, body_of(rest))
        return None

    def filter_all(context: Context, _item: object, args: Sequence[Value]) -> Value:
        views.apply(context, views.find(one_text(args)))
        return None

    def filter_one(context: Context, download: Download, args: Sequence[Value]) -> Value:
        views.apply_to(context, views.find(one_text(args)), download)
        return None

    def filter_for_now(context: Context, _item: object, args: Sequence[Value]) -> Value:
        view, rest = _named(views, args)
        body = body_of(rest)
        kept = view.filter
        if body is None:
            views.apply(context, view)
        elif view.holds is None:
            view.filter = body
            try:
                views.apply(context, view)
            finally:
                view.filter = kept
        return None

    def filter_on(context: Context, _item: object, args: Sequence[Value]) -> Value:
        view, events = _named(views, args)
        key = f"!view.{view.name}"
        context.call("method.rlookup.clear", [key])
        for event in events:
            context.call("method.set_key", [to_text(event), key, Call("view.filter_download", [view.name])])
        return None

    def on_change(slot: str) -> Run:

        def run(_context: Context, _item: object, args: Sequence[Value]) -> Value:
            view, rest = _named(views, args)
            setattr(view, slot, body_of(rest))
            return None

        return run

    yield _of_session("view.filter", set_filter, "VIEW, COMMAND: shows those that the command holds for, as of now.",
                      is_code=True)
    yield _of_session("view.filter_all", filter_all, "VIEW: has its filter look at all downloads again.")
    yield command("view.filter_download", filter_one, "VIEW: has its filter look at one download again.",
                  category="view")
    yield _of_session("view.filter_on", filter_on, "VIEW, EVENT...: has it look at downloads of these events again.",
                      is_code=True)
    yield _of_session("view.filter.temp", filter_for_now, "VIEW, COMMAND: the same until it is filtered again.",
                      is_code=True)
    yield _of_session("view.event_added", on_change("on_added"), "VIEW, COMMAND: is run on those that come into it.",
                      is_code=True)
    yield _of_session("view.event_removed", on_change("on_removed"), "VIEW, COMMAND: is run on those that leave it.",
                      is_code=True)


def _orders(downloads: Downloads, views: Views) -> Iterator[Command]:

    def compare_by(slot: str) -> Run:

        def run(_context: Context, _item: object, args: Sequence[Value]) -> Value:
            view, rest = _named(views, args)
            setattr(view, slot, body_of(rest))
            return None

        return run

    def sort(context: Context, _item: object, args: Sequence[Value]) -> Value:
        view, rest = _named(views, args)
        least_s = to_number(rest[0]) if rest else 0
        if downloads.now() - view.sorted_at >= least_s:
            views.sort(context, view)
        return None

    yield _of_session("view.sort_new", compare_by("sort_new"), "VIEW, COMMAND: says which of two is first,.",
                      is_code=True)
    yield _of_session("view.sort_current", compare_by("sort_current"), "VIEW, COMMAND: the same, for view.sort.",
                      is_code=True)
    yield _of_session("view.sort", sort, "VIEW[, SECONDS]: sorts it, unless that was done so many seconds ago.")


def _places(views: Views, steering: Steering) -> Iterator[Command]:

    def place(is_visible: bool, context: Context, download: Download, args: Sequence[Value]) -> Value:
        view = views.find(one_text(args))
        if view.name in (STARTED, STOPPED):
            if (view.name == STARTED) is is_visible:
                steering.start(download)
            else:
                steering.stop(download)
        else:
            views.show(context, view, download, is_visible)
        return None

    yield command("view.set_visible", partial(place, True), "VIEW: puts the download into it; started: starts it.",
                  category="view")
    yield command("view.set_not_visible", partial(place, False), "VIEW: takes the download out of it.", category="view")


def _variables() -> Iterator[Command]:
    kept: dict[str, Value] = {"excluded": TEMPORARY, "log": 0}

    def variable(key: str, read: Callable[[Sequence[Value]], Value], returns: str) -> Iterator[Command]:

        def write(_context: Context, _item: object, args: Sequence[Value]) -> Value:
            kept[key] = read(args)
            return kept[key]

        name = f"view.filter.temp.{key}"
        yield _of_session(name, lambda _context, _item, _args: kept[key], "What was said; nothing goes by it.",
                          returns=returns, is_neutral=True)
        yield _of_session(f"{name}.set", write, "Is kept; nothing goes by it.", returns=returns, is_neutral=True)

    yield from variable("excluded", one_text, "string")
    yield from variable("log", one_number, "i8")
