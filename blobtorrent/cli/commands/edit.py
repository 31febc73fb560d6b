"""`blobtorrent edit FILE`: change what a torrent says beside its content."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path

from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.model.errors import Invalid


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "edit",
        help="change the trackers and texts of a torrent",
        description="Change a .torrent file. The info-hash stays as it is, unless --private, --public or --source are "
                    "given: these make another torrent. Empty text takes a thing away.",
    )
    parser.add_argument("torrent", metavar="FILE", help="the .torrent file; - is stdin")
    parser.add_argument("-o", "--output", metavar="FILE",
                        help="write the result to this file instead; - is stdout, the default for stdin")
    parser.add_argument("--tracker", metavar="URL", action="append",
                        help="the trackers from now on; each option is a tier, a comma joins URLs into one tier")
    parser.add_argument("--no-trackers", action="store_true", help="take all trackers away")
    parser.add_argument("--web-seed", metavar="URL", action="append", help="the web seeds from now on")
    parser.add_argument("--no-web-seeds", action="store_true", help="take all web seeds away")
    parser.add_argument("--comment", metavar="TEXT", help="text shown to people")
    parser.add_argument("--source", metavar="TEXT", help="mark that some trackers ask for; changes the info-hash")
    _privacy(parser)
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def _privacy(parser: ArgumentParser) -> None:
    privacy = parser.add_mutually_exclusive_group()
    privacy.add_argument("--private", dest="private", action="store_true", default=None,
                         help="peers from the trackers only (BEP 27); changes the info-hash")
    privacy.add_argument("--public", dest="private", action="store_false", default=None,
                         help="peers from everywhere; changes the info-hash")


def run(args: Namespace) -> int:
    from blobtorrent.cli.torrentfiles import (
        STANDARD,
        check_output,
        read_torrent_bytes,
        tracker_tiers,
        web_seed_urls,
        write_stdout,
    )
    from blobtorrent.protocol.metaedit import Edits, edit_torrent
    from blobtorrent.protocol.metafile import parse_torrent
    from blobtorrent.storage.atomicfile import write_atomically

    output = args.output or args.torrent
    if output == STANDARD and args.json:
        raise Invalid("edit.two-outputs", "the torrent goes to stdout, where --json writes: give a file with -o")
    if (args.tracker and args.no_trackers) or (args.web_seed and args.no_web_seeds):
        raise Invalid("edit.contradiction", "trackers or web seeds are both given and taken away")
    before = read_torrent_bytes(args.torrent)
    edits = Edits(
        tiers=() if args.no_trackers else None if args.tracker is None else tracker_tiers(args.tracker),
        web_seeds=() if args.no_web_seeds else None if args.web_seed is None else web_seed_urls(args.web_seed),
        comment=args.comment,
        source=args.source,
        is_private=args.private,
    )
    after = edit_torrent(before, edits)
    if output == STANDARD:
        write_stdout(after)
        return EXIT_OK
    check_output(Path(output))
    write_atomically(Path(output), after)
    was, is_now = parse_torrent(before).info_hash.hex, parse_torrent(after).info_hash.hex
    if args.json:
        print_json({"file": output, "hash": is_now, "hash_before": was, "changed": after != before})
    else:
        told = "nothing to change" if after == before else "changed"
        print(f"{clean(output)}: {told}, info hash {is_now}" + ("" if was == is_now else f" (was {was})"))
    return EXIT_OK
