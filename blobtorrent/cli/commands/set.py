"""`blobtorrent set TORRENT... --to KEY=VALUE`: options of torrents, by the names that the daemon has for them."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.selection import select
from blobtorrent.cli.settingtext import flattened, merge_patch, read_assignment
from blobtorrent.cli.steering import one_by_one, register_steering, tell
from blobtorrent.model.errors import Invalid

MAX_VALUE = 4096                       # characters


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "set", help_text="change options of torrents, such as how their pieces are chosen",
        description="Change options of torrents: sequential=true, picker.preset=archive, picker.weight_rarity=2, and "
                    "all others that blobtorrent-rest(7) has for them.",
    )
    parser.add_argument("--to", metavar="KEY=VALUE", action="append", default=[],
                        help="have this option, with a value as in TOML; may be repeated")
    parser.add_argument("--reset", metavar="KEY", action="append", default=[],
                        help="have this option as of a torrent of which nothing was said; may be repeated")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    assignments: dict[str, Any] = dict(map(read_assignment, args.to))
    assignments.update(dict.fromkeys(args.reset))
    if not assignments:
        raise Invalid("set.nothing", "say what to change: --to KEY=VALUE or --reset KEY")
    patch = merge_patch(assignments)
    client = connect(args)
    outcome = one_by_one(
        select(client, args.torrent),
        lambda digits: client.request("PATCH", f"/v1/torrents/{digits}", patch).value)
    return tell(args, outcome, lambda torrent: _line(torrent, list(patch)))


def _line(torrent: dict[str, Any], names: list[str]) -> str:
    from blobtorrent.config.tomltext import write_value

    now = flattened({name: torrent[name] for name in names if name in torrent})
    values = ", ".join(
        f"{name} = {'default' if value is None else write_value(value)}" for name, value in now.items())
    return f"{clean(torrent['name'])}: {clean(values, MAX_VALUE)}"
