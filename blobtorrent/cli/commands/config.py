"""`blobtorrent config check|dump`: the daemon's settings as they would be read, without a daemon."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path

from blobtorrent.cli.output import EXIT_OK, Subcommands, print_json


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "config",
        help="check and print settings",
        description="Read the settings as blobtorrentd would. check: say what is wrong, or that nothing is; "
        "dump: print all that hold.",
    )
    parser.add_argument("action", choices=("check", "dump"), metavar="check|dump")
    parser.add_argument("--config", type=Path, metavar="FILE", help="the settings file (default: the daemon's)")
    parser.add_argument("--state-dir", type=Path, metavar="DIR",
                        help="where the daemon keeps what was changed while it ran (default: the daemon's)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in TOML")
    parser.add_argument("--sources", action="store_true", help="dump: tell where each value comes from")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.config.listing import settings_in_force, write_settings
    from blobtorrent.config.overrides import read_overrides
    from blobtorrent.config.places import config_files, overrides_file, state_dir
    from blobtorrent.config.sources import load_with_sources

    files = config_files(args.config, os.environ)
    overrides = read_overrides(overrides_file(state_dir(args.state_dir, os.environ)))
    loaded = load_with_sources(files, os.environ, args.set, overrides)
    if overrides.text:
        files.append(overrides.path)
    if args.action == "check":
        if args.json:
            print_json({"files": [str(path) for path in files], "settings_given": len(loaded.given)})
        else:
            read = ", ".join(map(str, files)) or "no file"
            print(f"{len(loaded.given)} settings given, all good ({read})")
    elif args.json:
        settings = settings_in_force(loaded)
        print_json({
            setting.name: {"value": setting.written, "source": setting.source} if args.sources else setting.written
            for setting in settings
        })
    else:
        print(write_settings(loaded, with_sources=args.sources), end="")
    return EXIT_OK
