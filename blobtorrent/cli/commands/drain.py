"""`blobtorrent drain`: have the daemon finish what is under way and end."""

from __future__ import annotations

import time
from argparse import Namespace
from collections.abc import Mapping
from typing import Any

from blobtorrent.cli.client import ApiError, Client, client_options, connect
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_OK, OutOfTime, Subcommands, clean, print_json
from blobtorrent.cli.waiting import duration
from blobtorrent.model.errors import NetworkError

DEFAULT_TIMEOUT_S = 60.0
END_S = 60.0                           # for the daemon to save its state and end after that
POLL_S = 0.5


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "drain",
        help="have the daemon finish its work and end",
        description="Have the daemon take no new work, finish the pieces that are under way, hand on those that nobody "
                    "else has, tell the trackers, save its state and end.",
        parents=[client_options()],
    )
    parser.add_argument("--timeout", type=duration, metavar="S", default=DEFAULT_TIMEOUT_S,
                        help="what is not finished after S seconds is left (default: %(default)g)")
    parser.add_argument("--wait", action="store_true", help="wait until the daemon has ended")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    client = connect(args)
    session = client.request("POST", "/v1/session/drain", {"timeout_s": args.timeout}).value
    if args.wait:
        with Meter(is_wanted=not args.json) as meter:
            session = _wait_for_end(client, session, args.timeout + END_S, meter)
    if args.json:
        print_json(session)
    else:
        print("the daemon has ended" if args.wait else f"the daemon is {clean(session['state'])}")
        if session["unique_pieces"]:
            print(f"{session['unique_pieces']} pieces are nowhere else")
    return EXIT_OK


def _wait_for_end(client: Client, session: Mapping[str, Any], timeout_s: float, meter: Meter
                  ) -> Mapping[str, Any]:
    """The last that the daemon told of itself. Another one may be there the moment that it has gone."""
    deadline_s = time.monotonic() + timeout_s
    while time.monotonic() < deadline_s:
        time.sleep(POLL_S)
        try:
            now = client.get("/v1/session")
        except ApiError:               # it has no time any more
            continue
        except NetworkError:
            return session
        if now["started_at"] != session["started_at"]:
            return session
        session = now
        if session["to_drain"]:
            meter.show_count(session["drained"], session["to_drain"])
    raise OutOfTime("command.timeout", "out of time: the daemon has not ended")
