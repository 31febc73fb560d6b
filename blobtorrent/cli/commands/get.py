"""`blobtorrent get SOURCE...`: download torrents in the foreground, and seed them if asked to."""

from __future__ import annotations

import argparse
import logging
import math
import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.cli.output import EXIT_OK, Subcommands, fail
from blobtorrent.config.values import ListenSpec, listener
from blobtorrent.model.address import Endpoint, parse_endpoint, split_host_port
from blobtorrent.model.errors import BlobTorrentError, FormatError
from blobtorrent.model.units import parse_duration

if TYPE_CHECKING:
    from blobtorrent.core.session.commands import SeedGoal
    from blobtorrent.model.ids import InfoHash
    from blobtorrent.model.magnet import MagnetLink
    from blobtorrent.model.metainfo import Metainfo
    from blobtorrent.network.binding import Binding

    _Source = tuple[Metainfo | None, MagnetLink | None]                # one of them


RESOLVE_S = 20.0                       # for a name, where the time of asking can be limited


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "get",
        help="download torrents",
        description="Download torrents, check every byte, and stop; seed them first with --seed-for or --ratio. "
        "What lies in the folder already is checked and kept.",
    )
    parser.add_argument("source", nargs="+", metavar="SOURCE",
                        help="a .torrent file, its http or https URL, or a magnet link")
    parser.add_argument("--to", type=Path, metavar="DIR", help="download folder (default: the current one)")
    parser.add_argument("--peer", action="append", default=[], metavar="HOST:PORT", help="ask this peer; repeatable")
    parser.add_argument("--listen", type=_listen, action="append", metavar="HOST:PORT",
                        help="where peers reach us: a port, 0 for any, or FIRST-LAST; may be repeated")
    parser.add_argument("--timeout", type=_duration, metavar="S", help="give up when not complete after S seconds")
    parser.add_argument("--seed-for", type=_duration, metavar="S", help="seed for S seconds; inf: until stopped")
    parser.add_argument("--ratio", type=_ratio, metavar="R", help="seed until R times the size was uploaded")
    parser.add_argument("--super-seeding", action="store_true",
                        help="show each peer a few pieces only, and the next when it passed one on (BEP 16)")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="a setting, as in TOML")
    parser.add_argument("--quiet", action="store_true", help="print nothing but errors")
    parser.add_argument("--verbose", action="store_true", help="log to stderr what the engine does")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.cli.foreground import Foreground
    from blobtorrent.cli.reporters import make_reporter
    from blobtorrent.config.load import load
    from blobtorrent.config.schema import StorageSettings
    from blobtorrent.core.session.commands import AddTorrent
    from blobtorrent.daemon.assemble import build_engine
    from blobtorrent.network.policy import binding_of
    from blobtorrent.runtime.clock import SystemClock
    from blobtorrent.runtime.logs import QueuedLogging

    settings = load(environ=os.environ, assignments=args.set)
    binding = binding_of(settings.network)
    set_folder = settings.storage.download_dir
    folder = args.to or (Path() if set_folder == StorageSettings().download_dir else set_folder)
    peers = tuple(peer for text in args.peer for peer in resolve(text, binding))
    goal = goal_of(args)
    orders = [AddTorrent(metainfo, folder.absolute(), peers, goal, magnet=link, super_seeding=args.super_seeding)
              for metainfo, link in _load_all(args.source, binding)]

    logs = QueuedLogging(level=logging.DEBUG if args.verbose else logging.ERROR)
    logs.start()
    try:
        foreground = Foreground(
            build_engine(settings),
            make_reporter(as_json=args.json, quiet=args.quiet),
            clock=SystemClock(),
            timeout_s=args.timeout,
        )
        outcome = foreground.run(args.listen or settings.network.listen, orders)
    finally:
        logs.stop(timeout_s=1.0)
    return EXIT_OK if not outcome.code else fail(outcome.code, outcome.message, args.json, outcome.status)


def resolve(text: str, binding: Binding) -> tuple[Endpoint, ...]:
    """All addresses of "HOST:PORT", asked for where the policy allows. Raises FormatError, or NetworkError
    ("net.no-such-host", "net.proxy-only")."""
    try:
        return (parse_endpoint(text),)
    except FormatError:
        host, port = split_host_port(text)
    if not (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        raise FormatError("address.bad-endpoint", f"{text!r} has no port number")
    from blobtorrent.network.outgoing import look_up

    found = look_up(binding, host, lambda: RESOLVE_S)
    return tuple(Endpoint(str(address), int(port)) for address in found)


def _load_all(sources: list[str], binding: Binding) -> list[_Source]:
    """Every torrent once, in the order given."""
    from blobtorrent.core.session.sources import load_source

    found: dict[InfoHash, _Source] = {}
    for source in sources:
        if source.lower().startswith("magnet:"):
            from blobtorrent.model.magnet import parse_magnet

            link = parse_magnet(source)
            found.setdefault(link.info_hash, (None, link))
        else:
            metainfo = load_source(source, binding)
            found.setdefault(metainfo.info_hash, (metainfo, None))
    return list(found.values())


def goal_of(args: Namespace) -> SeedGoal:
    """Without a word about seeding the work ends with the download."""
    from blobtorrent.core.session.commands import SeedGoal

    if args.seed_for is None and args.ratio is None:
        return SeedGoal(time_s=0.0)
    return SeedGoal(ratio=args.ratio, time_s=None if args.seed_for in (None, math.inf) else args.seed_for)


def _duration(text: str) -> float:
    if text in ("inf", "forever"):
        return math.inf
    try:
        return parse_duration(text)
    except BlobTorrentError as error:
        raise argparse.ArgumentTypeError(error.detail) from None


def _ratio(text: str) -> float:
    try:
        ratio = float(text)
    except ValueError:
        ratio = -1.0
    if not 0 <= ratio < math.inf:
        raise argparse.ArgumentTypeError(f"not a ratio: {text!r}; write for instance 1.5")
    return ratio


def _listen(text: str) -> ListenSpec:
    try:
        return listener(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"--listen {error}") from None
