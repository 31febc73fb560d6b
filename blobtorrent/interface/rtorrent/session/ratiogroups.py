"""`group.*`: views whose torrents have done enough at some ratio, and the command that is run on them then.

A group is made of user methods, as rTorrent makes it: people read, change and replace them by `method.*`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

from blobtorrent.interface.rtorrent.context import Context, Target
from blobtorrent.interface.rtorrent.faults import failed
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.making import command
from blobtorrent.interface.rtorrent.values import Value, one_text, to_number, to_text

CATEGORY: Final = "group"
LOOK_S: Final = 60
MIN_PERCENT: Final = 200
MAX_PERCENT: Final = 300
MIN_UPLOAD: Final = 20 << 20
USUAL_COMMAND: Final = "d.try_close= ;d.ignore_commands.set=1"
USUAL_GROUP: Final = "seeding"

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]+")
_VARIABLES: Final = tuple(
    f"{word}{ending}" for word in ("view", "ratio.min", "ratio.max", "ratio.upload") for ending in ("", ".set"))
_LOOK: Final = "group.look"


def commands() -> Iterator[Command]:
    yield command("group.insert", _insert, "NAME, VIEW: makes a ratio group of a view.", returns="string",
                  category=CATEGORY)
    yield command("group.insert_persistent_view", _insert_with_view, "NAME: makes a view, and a ratio group of it.",
                  returns="string", category=CATEGORY)
    yield command("on_ratio", _on_ratio, "GROUP: looks at the ratios of a group's torrents that seed, and runs its "
                  "command on those that have done enough.", category=CATEGORY)
    yield command(_LOOK, _look, "GROUP: the same for one torrent.", category=CATEGORY, target=Target.DOWNLOAD,
                  is_public=False)


def make_usual_group(context: Context) -> None:
    """The group that is there from the start, and its short names. The methods it is made of must be there."""
    _make(context, USUAL_GROUP, USUAL_GROUP)


def _insert(context: Context, _item: Any, args: Sequence[Value]) -> Value:
    if len(args) != 2:
        raise failed("Invalid number of arguments.")
    name, view = map(to_text, args)
    _make(context, name, view)
    return name


def _insert_with_view(context: Context, _item: Any, args: Sequence[Value]) -> Value:
    name = one_text(args)
    _require_name(name)
    context.call("view.add", [name])
    context.call("view.persistent", [name])
    _make(context, name, name)
    return name


def _require_name(name: str) -> None:
    """Raises Fault. It becomes part of command texts."""
    if not _NAME.fullmatch(name):
        raise failed("Non-alphanumeric characters found.")


def _make(context: Context, name: str, view: str) -> None:
    _require_name(name)
    texts = {
        "ratio.enable": f"schedule2=group.{name}.ratio,5,{LOOK_S},on_ratio={name}",
        "ratio.disable": f"schedule_remove2=group.{name}.ratio",
        "ratio.command": USUAL_COMMAND,
    }
    for ending, body in texts.items():
        context.call("method.insert", [f"group.{name}.{ending}", "simple", body])
    values: dict[str, Value] = {"ratio.min": MIN_PERCENT, "ratio.max": MAX_PERCENT, "ratio.upload": MIN_UPLOAD}
    context.call("method.insert", [f"group2.{name}.view", "string", view])
    for ending, value in values.items():
        context.call("method.insert", [f"group2.{name}.{ending}", "value", value])
    for ending in _VARIABLES:
        context.call("method.redirect", [f"group.{name}.{ending}", f"group2.{name}.{ending}"])


def _on_ratio(context: Context, _item: Any, args: Sequence[Value]) -> Value:
    name = one_text(args)
    view = context.call(f"group2.{name}.view")
    _require_name(name)
    context.call("d.multicall2", [view, f"{_LOOK}={name}"])
    return None


def _look(context: Context, _item: Any, args: Sequence[Value]) -> Value:
    """At one download, whose turn it is in a multicall."""
    name = one_text(args)

    def number(command_name: str) -> int:
        return to_number(context.call(command_name))

    if not (number("d.is_active") and number("d.complete")) or number("d.ignore_commands"):
        return None
    done, uploaded = number("d.bytes_done"), number("d.up.total")
    least, most = number(f"group2.{name}.ratio.min"), number(f"group2.{name}.ratio.max")
    has_given = uploaded >= number(f"group2.{name}.ratio.upload") and uploaded * 100 >= done * least
    if has_given or most > 0 and uploaded * 100 > done * most:
        context.call(f"group.{name}.ratio.command")
    return None
