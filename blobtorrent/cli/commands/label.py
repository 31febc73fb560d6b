"""`blobtorrent label TORRENT...`: the labels of torrents."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

from blobtorrent.cli.client import connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.selection import select
from blobtorrent.cli.steering import one_by_one, register_steering, tell
from blobtorrent.model.errors import Invalid


def register(commands: Subcommands) -> None:
    parser = register_steering(
        commands, "label", help_text="show or change the labels of torrents",
        description="Change the labels of torrents; without an option, show them.",
    )
    parser.add_argument("--add", metavar="TEXT", action="append", default=[], help="add a label; may be repeated")
    parser.add_argument("--remove", metavar="TEXT", action="append", default=[],
                        help="take a label away; may be repeated")
    parser.add_argument("--set", metavar="TEXT", action="append",
                        help="have these labels and no others; may be repeated")
    parser.add_argument("--clear", action="store_true", help="take all labels away")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if (args.set is not None) + bool(args.add or args.remove) + args.clear > 1:
        raise Invalid("label.contradiction", "give --set, or --clear, or some of --add and --remove")
    client = connect(args)

    def label(digits: str) -> Any:
        path = f"/v1/torrents/{digits}"
        if args.clear or args.set is not None:
            return client.request("PATCH", path, {"labels": args.set or []}).value
        torrent = client.get(path)
        wanted = relabelled(torrent["labels"], args.add, args.remove)
        return torrent if wanted == torrent["labels"] else client.request("PATCH", path, {"labels": wanted}).value

    outcome = one_by_one(select(client, args.torrent), label)
    return tell(args, outcome, lambda torrent: clean(f"{torrent['name']}: {', '.join(torrent['labels']) or 'none'}"))


def relabelled(labels: list[str], added: list[str], removed: list[str]) -> list[str]:
    """The labels in their order, new ones behind."""
    return list(dict.fromkeys(label for label in [*labels, *added] if label not in removed))
