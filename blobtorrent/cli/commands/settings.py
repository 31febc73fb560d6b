"""`blobtorrent settings [KEY | KEY=VALUE]...`: the settings of a running daemon."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import Client, client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Painter, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.settingtext import chosen_settings, flattened, merge_patch, read_assignment
from blobtorrent.model.errors import Invalid

MAX_VALUE = 4096                       # characters


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "settings",
        help="show or change the settings of the daemon",
        description="Show the settings of the running daemon, all or those that are named, or change them. What is "
                    "changed stays so until it is reset, also when the daemon starts again.",
        parents=[client_options()],
    )
    parser.add_argument("setting", nargs="*", metavar="KEY[=VALUE]",
                        help="a setting or a section of them; with a value, as in TOML, what it shall be")
    parser.add_argument("--reset", metavar="KEY", action="append", default=[],
                        help="have this setting be as the settings files say; may be repeated")
    parser.add_argument("--sources", action="store_true", help="tell where each value comes from")
    parser.add_argument("--reload", action="store_true", help="have the daemon read its settings files again")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    assignments = dict(read_assignment(word) for word in args.setting if "=" in word)
    assignments.update(dict.fromkeys(args.reset))
    names = [word for word in args.setting if "=" not in word]
    if names and (assignments or args.reload):
        raise Invalid("settings.contradiction", f"{names[0]}: settings are either shown or changed")
    client = connect(args)
    if assignments or args.reload:
        return _change(args, client, assignments)
    return _show(args, client, names)


def _change(args: Namespace, client: Client, assignments: Mapping[str, Any]) -> int:
    result = None
    if args.reload:
        result = client.request("POST", "/v1/session/reload").value
    if assignments:
        result = client.request("PATCH", "/v1/settings", merge_patch(assignments)).value
    if args.json:
        print_json(result)
    elif result is not None:
        for name in result["applied"]:
            print(f"changed {clean(name)}")
        for name in result["need_restart"]:
            print(f"after a restart: {clean(name)}")
        if not result["applied"] and not result["need_restart"]:
            print("nothing changed")
    return EXIT_OK


def _show(args: Namespace, client: Client, names: list[str]) -> int:
    settings = client.get("/v1/settings", sources="true" if args.sources else None)
    if args.json and not names:
        print_json(settings)
        return EXIT_OK
    sources = settings.pop("sources", {})
    chosen = flattened(settings)
    if names:
        chosen = chosen_settings(chosen, names)
    if args.json:
        print_json({
            name: {"value": value, "source": sources.get(name)} if args.sources else value
            for name, value in chosen.items()
        })
    else:
        paint = Screen(args).paint
        for name, value in chosen.items():
            print(_line(name, value, sources.get(name), paint))
    return EXIT_OK


def _line(name: str, value: Any, source: str | None, paint: Painter) -> str:
    from blobtorrent.config.tomltext import write_value

    line = f"{clean(name)} = {clean(write_value(value), MAX_VALUE)}"
    return line if source is None else line + paint(f"  # {clean(source, MAX_VALUE)}", Style.FAINT)
