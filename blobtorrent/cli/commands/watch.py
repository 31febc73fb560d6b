"""`blobtorrent watch`: the folders whose torrent files the daemon adds."""

from __future__ import annotations

import os
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.fields import shown
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column
from blobtorrent.model.errors import Conflict, Invalid, NotFound

MAX_PATH = 4096                        # characters of a path, where no terminal sets a limit

_COLUMNS = (
    Column("FOLDER", importance=9, is_text=True),
    Column("ADDED", is_number=True, importance=8),
    Column("FAILED", is_number=True, importance=7),
    Column("LABEL", importance=4),
    Column("START", importance=1),
    Column("TO", importance=3, is_text=True),
    Column("LAST FILE", importance=2, is_text=True),
    Column("LAST ERROR", importance=6, is_text=True),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "watch",
        help="show or change the folders that are watched",
        description="Show the folders whose torrent files the daemon adds and what it did with them since its start, "
                    "or change which folders they are.",
        parents=[client_options()],
    )
    parser.add_argument("--add", metavar="DIR", help="watch this folder of the daemon's machine, too")
    parser.add_argument("--to", metavar="DIR", help="with --add: where its torrents are downloaded to")
    parser.add_argument("--label", metavar="TEXT", help="with --add: a label that its torrents get")
    parser.add_argument("--stopped", action="store_true", help="with --add: do not start its torrents")
    parser.add_argument("--remove", metavar="DIR", action="append", default=[],
                        help="watch this folder no longer; may be repeated")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    if args.add is None and (args.to is not None or args.label is not None or args.stopped):
        raise Invalid("watch.nothing-to-add", "--to, --label and --stopped say how what --add names is watched")
    client = connect(args)
    folders = client.get("/v1/settings")["watch"]
    wanted = _without(folders, args.remove)
    if args.add is not None:
        wanted = [*wanted, _new_folder(args, wanted)]
    if wanted != folders:
        folders = client.request("PATCH", "/v1/settings", {"watch": wanted}).value["settings"]["watch"]
    done = {folder["path"]: folder for folder in client.get("/v1/watch")["folders"]}
    told = [{**folder, **done.get(folder["path"], {})} for folder in folders]
    if args.json:
        print_json({"folders": told})
    else:
        Screen(args).table(_COLUMNS, map(_row, told))
    return EXIT_OK


def _without(folders: list[dict[str, Any]], removed: list[str]) -> list[dict[str, Any]]:
    """Raises NotFound ("watch.unknown") for one that is not watched."""
    for path in removed:
        kept = [folder for folder in folders if folder["path"] not in (path, _absolute(path))]
        if len(kept) == len(folders):
            raise NotFound("watch.unknown", f"{path} is not watched")
        folders = kept
    return folders


def _new_folder(args: Namespace, folders: list[dict[str, Any]]) -> dict[str, Any]:
    """What the settings say of it. Raises Conflict ("watch.present")."""
    path = _absolute(args.add)
    if any(folder["path"] == path for folder in folders):
        raise Conflict("watch.present", f"{path} is watched already; to change how, also --remove it")
    said = {"download_dir": None if args.to is None else _absolute(args.to), "label": args.label}
    return {
        "path": path, "start": not args.stopped, **{name: value for name, value in said.items() if value is not None},
    }


def _absolute(path: str) -> str:
    return os.path.abspath(os.path.expanduser(path))


def _row(folder: Mapping[str, Any]) -> tuple[str | Cell, ...]:
    """What was done is not known of a folder that was added this moment."""
    return (
        clean(folder["path"], MAX_PATH),
        str(folder.get("added", "")),
        str(folder.get("failed", "")),
        clean(folder["label"]),
        "yes" if folder["start"] else "no",
        clean(folder["download_dir"], MAX_PATH),
        clean(folder.get("last_file") or "", MAX_PATH),
        shown("error", folder.get("last_error")),
    )
