"""`blobtorrent add SOURCE...`: have the daemon download or seed torrents."""

from __future__ import annotations

import base64
import os
from argparse import Namespace

from blobtorrent.cli.client import client_options, connect
from blobtorrent.cli.output import Subcommands, clean
from blobtorrent.cli.steering import Outcome, tell
from blobtorrent.cli.torrentoptions import add_torrent_options, options_given
from blobtorrent.cli.waiting import add_wait_options, is_complete, settler
from blobtorrent.config.transfers import PICKER_PRESETS
from blobtorrent.model.errors import BlobTorrentError, NetworkError

MAX_SENT_BYTES = 8 << 20               # of a torrent file; the daemon reads larger ones itself, if it can


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "add",
        help="add torrents to the daemon",
        description="Add torrents to the daemon. Files are sent to it; URLs it fetches itself.",
        parents=[client_options()],
    )
    parser.add_argument("source", nargs="+", metavar="SOURCE",
                        help="a .torrent file, - for stdin, the http or https URL of one, or a magnet link")
    parser.add_argument("--to", metavar="DIR", help="download folder, on the daemon's machine")
    parser.add_argument("--label", action="append", metavar="TEXT", help="a label; may be repeated")
    parser.add_argument("--group", metavar="NAME", help="the group whose limits it shares")
    parser.add_argument("--peer", action="append", metavar="HOST:PORT",
                        help="ask this peer, or those of a service of the DNS such as _bittorrent._tcp.fleet.example; "
                        "may be repeated")
    parser.add_argument("--sequential", action="store_true", default=None, help="fetch the pieces in order")
    parser.add_argument("--super-seeding", action="store_true", default=None,
                        help="once it is complete, show each peer a few pieces only (BEP 16)")
    parser.add_argument("--picker", metavar="PRESET", choices=PICKER_PRESETS,
                        help=f"how its pieces are chosen: {', '.join(PICKER_PRESETS)}")
    parser.add_argument("--skip-check", action="store_true", default=None,
                        help="believe what lies on disk when all sizes are right")
    parser.add_argument("--stopped", action="store_true", help="do not start it yet")
    add_torrent_options(parser)
    add_wait_options(parser, "all of it is there")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    options = {
        "download_dir": None if args.to is None else os.path.abspath(os.path.expanduser(args.to)),
        "labels": args.label,
        "group": args.group,
        "peers": args.peer,
        "sequential": args.sequential,
        "super_seeding": args.super_seeding,
        "picker": None if args.picker is None else {"preset": args.picker},
        "skip_check": args.skip_check,
        "start": not args.stopped,
        **options_given(args),
    }
    given = {name: value for name, value in options.items() if value is not None}
    outcome = Outcome([], [])
    for source in args.source:
        try:
            answer = client.request("POST", "/v1/torrents", {**torrent_of(source), **given})
        except NetworkError:
            raise
        except BlobTorrentError as error:
            outcome.refused.append((source, error))
            continue
        outcome.answers.append(answer.value)
        if not args.json:
            verb = "added" if answer.status == 201 else "was there already:"
            print(f"{verb} {clean(answer.value['name'])} ({clean(answer.value['hash'])})", flush=True)
    return tell(args, outcome, None, settle=settler(client, args, is_complete))


def torrent_of(source: str) -> dict[str, str]:
    """The torrent as the daemon wants it. A file that is no torrent is refused here."""
    from blobtorrent.cli.torrentfiles import STANDARD, read_torrent_bytes
    from blobtorrent.protocol.metafile import parse_torrent

    if source.lower().startswith(("http:", "https:", "magnet:")):
        return {"source": source}
    raw = read_torrent_bytes(source)
    parse_torrent(raw)
    if len(raw) > MAX_SENT_BYTES and source != STANDARD:
        return {"source": os.path.abspath(source)}
    return {"metainfo": base64.b64encode(raw).decode("ascii")}
