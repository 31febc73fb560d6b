"""What is done to many torrents at once: those on a disk that fills up, and the trackers of all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.values import Value, one_number, to_number, to_text

ALL: Final = "main"                    # the view of all torrents
HIGH: Final = 3                        # the highest priority of a torrent
_LOOK: Final = "close_low_diskspace.look"


def _nothing(_context: Context, _item: Any, _args: Sequence[Value]) -> Value:
    return None


def commands() -> Iterator[Command]:
    doc = "BYTES: closes torrents that download where less space is free"
    yield command("close_low_diskspace", partial(_close, False), f"{doc}.", category="action")
    yield command("close_low_diskspace.normal", partial(_close, True), f"{doc}, unless their priority is high.",
                  category="action")
    yield command(_LOOK, _look, "BYTES, SPARES: the same for one torrent.", category="action",
                  target=Target.DOWNLOAD, is_public=False)
    for word, doc in (("enable", "Uses"), ("disable", "Stops using")):
        yield command(f"trackers.{word}", partial(_all_trackers, f"t.{word}="), category="trackers",
                      doc=f"{doc} all trackers of all torrents.")
    yield command("throttle.ip", _nothing,
                  "NAME, FROM, TO: does nothing: limits are those of torrents, not of addresses.",
                  category="throttle", is_neutral=True)
    for word in ("added", "removed", "update"):
        yield command(f"scheduler.simple.{word}", _nothing,
                      "Does nothing: the queue starts and holds downloads by scheduler.max_active itself.",
                      category="scheduler", target=Target.DOWNLOAD, is_neutral=True)
    yield command("ui.unfocus_download", _nothing,
                  "Does nothing: there is no screen.", category="ui",
                  target=Target.DOWNLOAD, is_neutral=True)
    for name in ("ui.input.history.clear", "ui.status.throttle.down.set", "ui.status.throttle.up.set"):
        yield command(name, _nothing, "Does nothing: there is no screen.", category="ui", is_neutral=True)


def _close(spares_high: bool, context: Context, _item: Any, args: Sequence[Value]) -> Value:
    context.call("d.multicall2", [ALL, f"{_LOOK}={one_number(args)},{int(spares_high)}"])
    return None


def _look(context: Context, _item: Any, args: Sequence[Value]) -> Value:
    limit, spares_high = to_number(to_text(args[0])), to_number(to_text(args[1]))
    is_downloading = to_number(context.call("d.is_active")) and not to_number(context.call("d.complete"))
    if not is_downloading or to_number(context.call("d.free_diskspace")) >= limit:
        return None
    if spares_high and to_number(context.call("d.priority")) == HIGH:
        return None
    context.call("d.close")
    context.call("d.hashing_failed.set", [1])
    context.call("d.message.set", ["Low diskspace."])
    return None


def _all_trackers(text: str, context: Context, _item: Any, _args: Sequence[Value]) -> Value:
    context.call("d.multicall2", [ALL, f't.multicall=,"{text}"'])
    return None
