"""Short ways to make the commands of this package, and who may call them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.language.columns import Argument, Needs, Plan, plain
from blobtorrent.interface.rtorrent.registry import Bind, Command, Read, Run
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text

# What rTorrent 0.16 lets callers do whom nobody trusts, besides reading.
_SAFE = frozenset({
    "add_peer", "close_untied", "d.check_hash", "d.close", "d.close.directly", "d.erase", "d.multicall",
    "d.multicall.filtered", "d.multicall2", "d.open", "d.pause", "d.resume", "d.save_full_session", "d.save_resume",
    "d.update_priorities", "d.views.push_back_unique", "d.views.remove", "download_list", "f.multicall",
    "f.prioritize_first.disable", "f.prioritize_first.enable", "f.prioritize_last.disable", "f.prioritize_last.enable",
    "f.priority.set", "fi.filename_last", "fi.is_file", "p.banned.set", "p.call_target", "p.disconnect",
    "p.disconnect_delayed", "p.multicall",
    "p.snubbed.set", "remove_untied", "start_tied", "stop_untied", "t.is_enabled.set", "t.multicall",
    "view.set_not_visible", "view.set_visible",
})

_CATEGORIES = {Target.DOWNLOAD: "download", Target.FILE: "file", Target.PEER: "peer", Target.TRACKER: "tracker"}


def command(name: str, run: Run, doc: str, *, target: Target = Target.DOWNLOAD, returns: str = "none",
            category: str = "", is_neutral: bool = False) -> Command:
    return Command(name, target, run, returns, name in _SAFE, is_neutral, doc, category or _CATEGORIES[target])


def getter(name: str, read: Read, doc: str, *, target: Target = Target.DOWNLOAD, returns: str = "i8",
           is_neutral: bool = False, needs: Needs = Needs.STATE, of_row: Read | None = None) -> Command:
    """A command that only reads; what it is given is passed over, as rTorrent does. Anybody may.

    Columns on trackers read their rows instead of aims: `of_row`.
    """

    def run(_context: Context, item: Any, _args: Sequence[Value]) -> Value:
        return read(item)

    return Command(name, target, run, returns, True, is_neutral, doc, _CATEGORIES[target],
                   bind=reading(lambda args: of_row or read, Needs.NOTHING if target is Target.TRACKER else needs))


def reading(read_of: Callable[[Sequence[Value]], Read], needs: Needs = Needs.STATE) -> Bind:
    """How a command is bound that reads the same way whoever asks: `read_of` takes its arguments."""

    def bind(plan: Plan, args: Sequence[Argument]) -> Read | None:
        values = plain(args)
        if values is None:
            return None
        plan.needs |= needs
        return read_of(values)

    return bind


def action(name: str, do: Callable[[Any], object], doc: str, *, target: Target = Target.DOWNLOAD,
           is_neutral: bool = False) -> Command:
    """A command without arguments and without a value."""

    def run(_context: Context, item: Any, _args: Sequence[Value]) -> Value:
        do(item)
        return None

    return command(name, run, doc, target=target, is_neutral=is_neutral)


def number_setter(name: str, change: Callable[[Any, int], object], doc: str, *, target: Target = Target.DOWNLOAD,
                  echoes: bool = False, is_neutral: bool = False) -> Command:
    """A command that takes one number; with `echoes` it answers that."""

    def run(_context: Context, item: Any, args: Sequence[Value]) -> Value:
        value = one_number(args)
        change(item, value)
        return value if echoes else None

    return command(name, run, doc, target=target, returns="i8" if echoes else "none", is_neutral=is_neutral)


def text_setter(name: str, change: Callable[[Any, str], object], doc: str, *, target: Target = Target.DOWNLOAD,
                echoes: bool = False, is_neutral: bool = False) -> Command:
    """A command that takes one text; with `echoes` it answers that."""

    def run(_context: Context, item: Any, args: Sequence[Value]) -> Value:
        value = one_text(args)
        change(item, value)
        return value if echoes else None

    return command(name, run, doc, target=target, returns="string" if echoes else "none", is_neutral=is_neutral)
