"""`blobtorrent backup STATE_DIR FILE`: all that a daemon keeps, in one file; also while it runs."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "backup",
        help="save the state of a daemon in a file",
        description="Write the state directory of a daemon, which may be running, to a tar file. It holds the key and"
                    " the access token too, and is readable by its owner only. The content of torrents is not in it.",
    )
    parser.add_argument("state_dir", metavar="STATE_DIR", type=Path, help="the daemon's state directory")
    parser.add_argument("target", metavar="FILE", type=Path, help="the tar file to write or replace")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.storage.state.backup import back_up

    with Meter(is_wanted=not args.json) as meter:
        num_files = back_up(args.state_dir, args.target, meter.show_count)
    num_bytes = args.target.stat().st_size
    if args.json:
        print_json({"file": str(args.target), "files": num_files, "bytes": num_bytes})
    else:
        print(f"{clean(str(args.target))}: {num_files} files, {num_bytes} bytes")
    return EXIT_OK
