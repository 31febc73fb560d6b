"""What the commands share that have the daemon do something with some of its torrents."""

from __future__ import annotations

import argparse
from argparse import Namespace
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from blobtorrent.cli.client import ApiError, Client, client_options, connect
from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, Subcommands, clean, fail, print_json
from blobtorrent.cli.selection import TORRENT_HELP, read_torrents, select
from blobtorrent.model.errors import BlobTorrentError

HASH_SHOWN = 8                         # digits; enough to name a torrent by
MAX_NAMED = 3                          # failures that the line of an error tells of
MAX_TOGETHER = 10_000                  # torrents of one request

Settle = Callable[[list[Any]], list[Any]]      # waits until what was begun is done: the answers before and after


class Outcome(NamedTuple):
    """What the daemon said to each torrent: answers, and who was refused why. Who is a short name for people."""

    answers: list[Any]
    refused: list[tuple[str, BlobTorrentError]]


def register_steering(
    commands: Subcommands, name: str, *, help_text: str, description: str
) -> argparse.ArgumentParser:
    """A command on torrents that are named on its line."""
    parser = commands.add_parser(name, help=help_text, description=description, parents=[client_options()])
    parser.add_argument("torrent", nargs="+", metavar="TORRENT", help=TORRENT_HELP)
    return parser


def steer(args: Namespace, action: str, done: str) -> int:
    """Have the action done to all torrents of the command line."""
    return steer_by(connect(args), args, action, done)


def steer_by(client: Client, args: Namespace, action: str, done: str, *, settle: Settle | None = None) -> int:
    """The same with this client; see `tell` for `settle`."""
    hashes = select(client, args.torrent)
    if len(hashes) == 1:
        outcome = one_by_one(hashes, lambda digits: client.request("POST", f"/v1/torrents/{digits}/{action}").value)
    else:
        steered = together(client, hashes, {"action": action})
        outcome = Outcome(read_torrents(client, steered.answers), steered.refused)
    return tell(args, outcome, lambda torrent: f"{done} {clean(torrent['name'])}", settle=settle)


def one_by_one(hashes: Sequence[str], act: Callable[[str], Any]) -> Outcome:
    """`act` on each torrent. What is refused for one does not keep the others from it."""
    outcome = Outcome([], [])
    for digits in hashes:
        try:
            outcome.answers.append(act(digits))
        except ApiError as error:
            outcome.refused.append((digits[:HASH_SHOWN], error))
    return outcome


def together(client: Client, hashes: Sequence[str], body: dict[str, Any]) -> Outcome:
    """One request for many torrents: the daemon saves what it does to them at once. The answers are their hashes."""
    outcome = Outcome([], [])
    for start in range(0, len(hashes), MAX_TOGETHER):
        asked = {**body, "hashes": hashes[start : start + MAX_TOGETHER]}
        for result in client.request("POST", "/v1/torrents/actions", asked).value["results"]:
            if result["ok"]:
                outcome.answers.append(result["hash"])
            else:
                problem = result["problem"]
                outcome.refused.append((result["hash"][:HASH_SHOWN], ApiError(problem["code"], problem["detail"])))
    return outcome


def tell(
    args: Namespace, outcome: Outcome, told: Callable[[Any], str] | None, *, key: str = "torrents",
    settle: Settle | None = None,
) -> int:
    """A line for each answer, or with --json all of them below `key`; then what was refused, with exit status 1.

    When there was but one torrent, its error is raised.
    """
    answers, refused = outcome
    if len(refused) == 1 and not answers:
        raise refused[0][1]
    if told is not None and not args.json:
        for answer in answers:
            print(told(answer), flush=True)
    if settle is not None and answers:
        answers = settle(answers)
    if not refused:
        if args.json:
            print_json({key: answers})
        return EXIT_OK
    code, message = refused[0][1].code, _summary(refused, len(refused) + len(answers))
    if args.json:
        print_json({key: answers, "error": {"code": code, "message": message}})
    return fail(code, message, False, EXIT_FAILED)


def _summary(refused: Sequence[tuple[str, BlobTorrentError]], asked: int) -> str:
    named = "; ".join(f"{who}: {error.detail}" for who, error in refused[:MAX_NAMED])
    more = f"; and {len(refused) - MAX_NAMED} more" if len(refused) > MAX_NAMED else ""
    return f"{len(refused)} of {asked} torrents refused: {named}{more}"
