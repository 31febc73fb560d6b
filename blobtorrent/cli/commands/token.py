"""`blobtorrent token create|list|revoke`: who may use the daemon, and for what."""

from __future__ import annotations

import os
import time
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from blobtorrent.cli.client import Client, client_options, connect
from blobtorrent.cli.output import EXIT_OK, Subcommands, clean, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column
from blobtorrent.cli.waiting import duration
from blobtorrent.model.errors import Invalid
from blobtorrent.model.units import format_duration

SCOPES = ("read", "add", "control", "admin")

_COLUMNS = (
    Column("NAME", importance=9, is_text=True), Column("SCOPES", importance=8),
    Column("LABELS", importance=5, is_text=True), Column("CREATED", importance=2), Column("EXPIRES", importance=7),
    Column("USED", importance=4),
)


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "token",
        help="make, list and revoke tokens for the daemon",
        description="Tokens let programs and people use the daemon. create: make one and print its secret, which "
                    "nobody is told again; list: tell of all; revoke: let nobody in with one any more.",
        parents=[client_options()],
    )
    parser.add_argument("action", choices=("create", "list", "revoke"), metavar="create|list|revoke")
    parser.add_argument("name", nargs="?", metavar="NAME", help="create, revoke: the name of the token")
    parser.add_argument("--scope", choices=SCOPES, metavar="SCOPE", action="append",
                        help="create: what it is for, each more than the last: read, add (torrents), control "
                        "(and remove them), admin; may be repeated (default: read)")
    parser.add_argument("--label", metavar="TEXT", action="append",
                        help="create: only for torrents with this label; may be repeated")
    parser.add_argument("--expires", type=duration, metavar="TIME", help='create: how long it holds, as "30d"')
    parser.add_argument("-o", "--output", type=Path, metavar="FILE",
                        help="create: write the secret to this new file, for its owner to read; do not print it")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    given = (args.scope, args.label, args.expires, args.output)
    if (args.name is None) is not (args.action == "list") or args.action != "create" and any(
        option is not None for option in given
    ):
        raise Invalid("token.usage", "write token create NAME [OPTIONS], token list, or token revoke NAME")
    client = connect(args)
    if args.action == "create":
        _create(args, client)
    elif args.action == "list":
        _list(args, client)
    else:
        client.request("DELETE", f"/v1/tokens/{args.name}")
        if args.json:
            print_json({"revoked": args.name})
        else:
            print(f"revoked {clean(args.name)}")
    return EXIT_OK


def _create(args: Namespace, client: Client) -> None:
    wanted = {"name": args.name, "scopes": args.scope or ["read"], "labels": args.label, "expires_in_s": args.expires}
    body = {name: value for name, value in wanted.items() if value is not None}
    # The file is there before the token: one that nobody could save would be of no use.
    descriptor = None if args.output is None else _new_file(args.output)
    try:
        answer = client.request("POST", "/v1/tokens", body).value
    except BaseException:
        if descriptor is not None:
            os.close(descriptor)
            args.output.unlink()
        raise
    if descriptor is not None:
        with os.fdopen(descriptor, "w") as file:
            file.write(answer.pop("token") + "\n")
    if args.json:
        print_json(answer)
    elif descriptor is not None:
        print(f"wrote {clean(str(args.output))}")
    else:
        print(clean(answer["token"]))


def _new_file(path: Path) -> int:
    try:
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise Invalid("token.cannot-write", f"{path}: {error.strerror}") from None


def _list(args: Namespace, client: Client) -> None:
    answer = client.get("/v1/tokens")
    if args.json:
        print_json(answer)
    else:
        now = time.time()
        Screen(args).table(_COLUMNS, [_row(token, now) for token in answer["tokens"]])


def _row(token: Mapping[str, Any], now: float) -> tuple[Cell | str, ...]:
    expires_at = token["expires_at"]
    if expires_at is None:
        expires: Cell | str = "never"
    elif expires_at <= now:
        expires = Cell("expired", Style.BAD)
    else:
        expires = f"in {format_duration(expires_at - now)}"
    return (
        clean(token["name"]),
        clean(", ".join(token["scopes"])),
        clean(", ".join(token["labels"])),
        _ago(token["created_at"], now),
        expires,
        _ago(token["last_used_at"], now) or "never",
    )


def _ago(then: int | None, now: float) -> str:
    return "" if then is None else f"{format_duration(max(0.0, now - then))} ago"
