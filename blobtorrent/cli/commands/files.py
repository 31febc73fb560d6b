"""`blobtorrent files TORRENT`: the files of a torrent, and which of them are wanted."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.filechoice import chosen_files
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import percent
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.selection import TORRENT_HELP, select_one
from blobtorrent.cli.table import Column
from blobtorrent.model.units import format_size

MAX_PATH = 4096                        # characters of a path, where no terminal sets a limit
PRIORITIES = ("skip", "normal", "high")

_STYLES = (Style.FAINT, Style.PLAIN, Style.GOOD)
COLUMNS = (
    Column("NUMBER", is_number=True, importance=3),
    Column("DONE", is_number=True, importance=2),
    Column("SIZE", is_number=True, importance=1),
    Column("WANTED", importance=2),
    Column("PATH", is_text=True, importance=4),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "files",
        help="show the files of a torrent, and choose among them",
        description="Show the files of a torrent. The options say which of them are wanted: FILES are numbers, such as "
                    "0,4-7, or a pattern of paths, such as '*.nfo'.",
        parents=[client_options()],
    )
    parser.add_argument("torrent", metavar="TORRENT", help=TORRENT_HELP)
    for priority, text in zip(PRIORITIES, ("do not fetch these", "fetch these", "fetch these before the others")):
        parser.add_argument(f"--{priority}", metavar="FILES", action="append", default=[],
                            help=f"{text}; may be repeated")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    digits = select_one(client, args.torrent)
    answer = client.get(f"/v1/torrents/{digits}/files")
    wanted = {
        str(number): priority
        for priority in PRIORITIES for word in getattr(args, priority) for number in chosen_files(answer["files"], word)
    }
    if wanted:
        client.request("PATCH", f"/v1/torrents/{digits}", {"file_priorities": wanted})
        answer = client.get(f"/v1/torrents/{digits}/files")
    if args.json:
        print_json(answer)
    else:
        Screen(args).table(COLUMNS, map(row, answer["files"]))
    return EXIT_OK


def row(file: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    """One file, as the daemon tells of it, for a table of COLUMNS."""
    style = _STYLES[file["priority"]]
    return (
        str(file["number"]),
        percent(file["done_bytes"], file["size_bytes"]),
        format_size(file["size_bytes"]),
        Cell(PRIORITIES[file["priority"]], style),
        Cell(clean("/".join(file["path"]), MAX_PATH), style),
    )
