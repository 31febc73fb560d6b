"""`blobtorrent restore FILE STATE_DIR`: a state directory from a backup."""

from __future__ import annotations

from argparse import Namespace
from pathlib import Path

from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "restore",
        help="bring back the state of a daemon from a backup",
        description="Make a state directory of a file that `blobtorrent backup` wrote, after all in it was checked."
                    " The daemon must not run. It checks at its next start what of the torrents' content is there.",
    )
    parser.add_argument("archive", metavar="FILE", type=Path, help="the tar file")
    parser.add_argument("state_dir", metavar="STATE_DIR", type=Path, help="the state directory to make")
    parser.add_argument("--force", action="store_true", help="move what is in STATE_DIR to its folder quarantine")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.storage.state.backup import restore

    with Meter(is_wanted=not args.json) as meter:
        restore(args.archive, args.state_dir, force=args.force, progress=meter.show)
    if args.json:
        print_json({"state_dir": str(args.state_dir)})
    else:
        print(f"{clean(str(args.state_dir))}: restored")
    return EXIT_OK
