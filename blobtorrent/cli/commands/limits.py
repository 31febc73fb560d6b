"""`blobtorrent limits [TORRENT...]`: how fast, with how many peers, for how long; of torrents, a group, the daemon."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from blobtorrent.cli.client import ApiError, Client, client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import TORRENT_HELP, select
from blobtorrent.cli.steering import one_by_one, tell
from blobtorrent.cli.table import Column
from blobtorrent.cli.torrentoptions import add_torrent_options, options_given
from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import format_duration, format_rate

MAX_NAME = 200

# What the options of a torrent are called among the settings, where they are for the daemon as a whole.
_SETTINGS = {
    "down_limit_bytes_per_s": ("limits", "down_bytes_per_s"),
    "up_limit_bytes_per_s": ("limits", "up_bytes_per_s"),
    "upload_slots": ("network", "upload_slots"),
    "max_peers": ("network", "max_peers"),
}
_OF_GROUPS = ("down_limit_bytes_per_s", "up_limit_bytes_per_s")
_COLUMNS = (
    Column("NAME", is_text=True, importance=9),
    Column("DOWN", is_number=True, importance=8),
    Column("UP", is_number=True, importance=7),
    Column("SLOTS", is_number=True, importance=3),
    Column("PEERS", is_number=True, importance=2),
    Column("GROUP", importance=4),
    Column("PRIORITY", is_number=True, importance=1),
    Column("SEEDS", importance=5),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "limits",
        help="show or change limits of torrents, groups or the daemon",
        description="Show or change limits: of the torrents that are named, of --of-group, or else of the daemon as a "
                    "whole. The word default takes a limit of a torrent away, and that of the settings holds.",
        parents=[client_options()],
    )
    parser.add_argument("torrent", nargs="*", metavar="TORRENT", help=TORRENT_HELP)
    parser.add_argument("--of-group", metavar="NAME", help="the limits that the torrents of this group share")
    parser.add_argument("--group", metavar="NAME", help="put the torrents into this group; empty: into none")
    add_torrent_options(parser)
    parser.add_argument("--default-goals", action="store_true",
                        help="seed the torrents for as long as the settings say")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    patch = options_given(args)
    if args.default_goals:
        patch["seeding"] = None
    if args.group is not None:
        patch["group"] = args.group
    client = connect(args)
    if args.torrent:
        if args.of_group is not None:
            raise Invalid("limits.contradiction", "name torrents or a group, not both")
        return _of_torrents(args, client, patch)
    if args.of_group is not None:
        return _of_group(args, client, patch)
    return _of_daemon(args, client, patch)


def _of_torrents(args: Namespace, client: Client, patch: Mapping[str, Any]) -> int:
    def change(digits: str) -> Any:
        path = f"/v1/torrents/{digits}"
        return client.request("PATCH", path, patch).value if patch else client.get(path)

    outcome = one_by_one(select(client, args.torrent), change)
    if outcome.answers and not args.json:
        Screen(args).table(_COLUMNS, map(_row, outcome.answers))
    return tell(args, outcome, None)


def _of_group(args: Namespace, client: Client, patch: Mapping[str, Any]) -> int:
    if not patch.keys() <= frozenset(_OF_GROUPS):
        raise Invalid("limits.not-of-groups", "a group has the limits --down and --up only")
    path = f"/v1/groups/{quote(args.of_group, safe='')}"
    group = client.request("PUT", path, {**_group_now(client, path), **patch}).value if patch else client.get(path)
    if args.json:
        print_json(group)
    else:
        Screen(args).facts([
            ("group", clean(group["name"])),
            ("down", f"{_rate(group['down_limit_bytes_per_s'])} ({format_rate(group['down_bytes_per_s'])} now)"),
            ("up", f"{_rate(group['up_limit_bytes_per_s'])} ({format_rate(group['up_bytes_per_s'])} now)"),
            ("weight", str(group["weight"])),
            ("torrents", str(group["torrents"])),
        ])
    return EXIT_OK


def _group_now(client: Client, path: str) -> dict[str, Any]:
    """What a group has to be given again when one limit of it is changed."""
    try:
        group = client.get(path)
    except ApiError as error:
        if error.code != "group.unknown":
            raise
        return {}
    return {name: group[name] for name in (*_OF_GROUPS, "weight")}


def _of_daemon(args: Namespace, client: Client, patch: Mapping[str, Any]) -> int:
    changes: dict[str, dict[str, Any]] = {}
    for name, value in patch.items():
        if name == "seeding":
            changes["seeding"] = value
        elif name in _SETTINGS:
            table, key = _SETTINGS[name]
            changes.setdefault(table, {})[key] = value
        else:
            raise Invalid("limits.of-torrents", "the daemon as a whole has no priority and no group: name torrents")
    if changes:
        client.request("PATCH", "/v1/settings", changes)
    settings = client.get("/v1/settings")
    if args.json:
        print_json({name: settings[name] for name in ("limits", "seeding")})
        return EXIT_OK
    limits, seeding = settings["limits"], settings["seeding"]
    Screen(args).facts([
        ("down", _rate(limits["down_bytes_per_s"])),
        ("up", _rate(limits["up_bytes_per_s"])),
        ("peers", str(settings["network"]["max_peers"])),
        ("slots of a torrent", str(settings["network"]["upload_slots"])),
        ("seeds", _goals({name: value or None for name, value in seeding.items()})),
    ])
    return EXIT_OK


def _row(torrent: Mapping[str, Any]) -> tuple[str, ...]:
    goal = torrent["seeding"]
    return (
        clean(torrent["name"], MAX_NAME),
        _rate(torrent["down_limit_bytes_per_s"]),
        _rate(torrent["up_limit_bytes_per_s"]),
        _number(torrent["upload_slots"]),
        _number(torrent["max_peers"]),
        clean(torrent["group"] or ""),
        str(torrent["priority"]),
        "default" if goal is None else _goals(goal),
    )


def _rate(bytes_per_s: Any) -> str:
    """Settings come as they were written, in bytes or as text."""
    if isinstance(bytes_per_s, str):
        return clean(bytes_per_s)
    return format_rate(bytes_per_s) if bytes_per_s else "no limit"


def _number(number: int | None) -> str:
    return "default" if number is None else str(number)


def _goals(goal: Mapping[str, Any]) -> str:
    """ "to ratio 2.0, for 7d 00h, then stop"."""
    words = []
    if goal["ratio"] is not None:
        words.append(f"to ratio {goal['ratio']}")
    if goal["time_s"] is not None:
        words.append(f"for {_duration(goal['time_s'])}")
    if goal["idle_s"] is not None:
        words.append(f"until idle for {_duration(goal['idle_s'])}")
    return ", ".join([*words, f"then {clean(goal['action'])}"]) if words else "for ever"


def _duration(value: Any) -> str:
    return clean(value) if isinstance(value, str) else format_duration(value)
