"""Waiting: until the daemon is done with something that takes long, with a bar that shows how far it is."""

from __future__ import annotations

import time
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from blobtorrent.cli.client import ApiError, Client
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import OutOfTime, clean
from blobtorrent.cli.progress import percent
from blobtorrent.cli.selection import read_torrents
from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.units import format_size, parse_duration

POLL_S = 0.5

Torrent = Mapping[str, Any]

_FIELDS = "hash,name,state,held_by,error,size_bytes,wanted_bytes,done_bytes,checked_bytes,moved_bytes"


def add_wait_options(parser: ArgumentParser, until: str) -> None:
    """--wait and --timeout."""
    parser.add_argument("--wait", action="store_true", help=f"wait until {until}")
    parser.add_argument("--timeout", type=duration, metavar="S",
                        help="with --wait: give up after S seconds, with exit status 3")


def is_complete(torrent: Torrent) -> bool:
    """All of it is there, and what follows from that, such as a move, has been begun and done."""
    return bool(torrent["done_bytes"] >= torrent["wanted_bytes"]
                and torrent["state"] not in ("checking", "metadata", "downloading", "moving"))


def is_checked(torrent: Torrent) -> bool:
    return bool(torrent["state"] != "checking")


def is_moved(torrent: Torrent) -> bool:
    return bool(torrent["state"] != "moving")


def settler(
    client: Client, args: Namespace, is_done: Callable[[Torrent], bool]
) -> Callable[[list[Any]], list[Any]] | None:
    """If --wait was given: waits until all torrents are done, tells people how it ended, returns them as they are."""
    if not args.wait:
        return None

    def settle(answers: list[Any]) -> list[Any]:
        torrents = wait_for(client, [answer["hash"] for answer in answers], is_done, args)
        if not args.json:
            for torrent in torrents:
                share = percent(torrent["done_bytes"], torrent["wanted_bytes"])
                print(f"{clean(torrent['name'])}: {clean(torrent['state'])}, {share} of "
                      f"{format_size(torrent['wanted_bytes'])}")
        return torrents

    return settle


def wait_for(
    client: Client, hashes: Sequence[str], is_done: Callable[[Torrent], bool], args: Namespace
) -> list[Torrent]:
    """The torrents when all of them are done.

    Raises OutOfTime after the --timeout of `args`, ApiError when a torrent fails or is removed meanwhile.
    """
    deadline_s = None if args.timeout is None else time.monotonic() + args.timeout
    with Meter(is_wanted=not args.json) as meter:
        while True:
            torrents: list[Torrent] = read_torrents(client, hashes, None if args.json else _FIELDS)
            _raise_failure(torrents, hashes)
            open_ones = [torrent for torrent in torrents if not is_done(torrent)]
            if not open_ones:
                return torrents
            if deadline_s is not None and time.monotonic() >= deadline_s:
                raise OutOfTime(
                    "command.timeout", f"out of time: {len(open_ones)} of {len(torrents)} torrents not done")
            meter.show(sum(map(_done, torrents)), sum(map(_size, torrents)), open_ones[0]["state"])
            time.sleep(POLL_S)


def _raise_failure(torrents: Sequence[Torrent], hashes: Sequence[str]) -> None:
    for torrent in torrents:
        if torrent["state"] == "error":
            error = torrent["error"]
            raise ApiError(error["code"], f"{torrent['name']}: {error['message']}")
    if len(torrents) < len(hashes):
        raise ApiError("torrent.unknown", "a torrent was removed meanwhile")


def _done(torrent: Torrent) -> int:
    field = {"checking": "checked_bytes", "moving": "moved_bytes"}.get(torrent["state"], "done_bytes")
    return int(torrent[field])


def _size(torrent: Torrent) -> int:
    return int(torrent["size_bytes" if torrent["state"] in ("checking", "moving") else "wanted_bytes"])


def duration(text: str) -> float:
    """The value of an option: seconds, or with units. Raises ArgumentTypeError."""
    try:
        return parse_duration(text)
    except BlobTorrentError as error:
        raise ArgumentTypeError(error.detail) from None
