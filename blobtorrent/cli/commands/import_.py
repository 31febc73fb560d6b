"""`blobtorrent import PROGRAM SESSION_DIR`: the torrents of another program, with what it knew of them."""

from __future__ import annotations

import base64
import os
from argparse import ArgumentTypeError, Namespace
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.cli.client import ApiError, Client, client_options, connect
from blobtorrent.cli.commands.add import MAX_SENT_BYTES
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, Subcommands, clean, fail, print_json
from blobtorrent.cli.paint import Cell, Style
from blobtorrent.cli.progress import percent
from blobtorrent.cli.screen import Screen
from blobtorrent.cli.table import Column
from blobtorrent.config.places import state_dir
from blobtorrent.core.session.options import is_custom
from blobtorrent.model.errors import BlobTorrentError, CommandError, Invalid
from blobtorrent.model.units import format_size

if TYPE_CHECKING:
    from blobtorrent.daemon.importing import Reader, Source, Writer

PROGRAMS = ("rtorrent", "transmission", "qbittorrent", "deluge")
HASH_SHOWN = 12                        # digits

_COLUMNS = (
    Column("NAME", is_text=True, importance=5), Column("RESULT", importance=6), Column("DONE", is_number=True),
    Column("TO CHECK", is_number=True), Column("NOTE", is_text=True, importance=1))

Put = Callable[["Source"], bool]       # puts a torrent where it belongs; False when it was there


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "import",
        help="take over the torrents of another program",
        description="Take over the torrents of rTorrent, Transmission, qBittorrent or Deluge: with their progress, "
                    "folders, priorities, labels, limits, figures and times. Files that are as the program left them "
                    "are not hashed again. Its session is only read, and it must have ended. Without --url the "
                    "torrents are written to a state directory whose daemon does not run.",
        parents=[client_options()],
    )
    parser.add_argument("program", choices=PROGRAMS, help="whose torrents they are")
    parser.add_argument("session_dir", metavar="SESSION_DIR", type=Path, help="the folder that it keeps them in")
    parser.add_argument("--state-dir", metavar="DIR", type=Path, help="the state directory to write to")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    parser.add_argument("--force", action="store_true", help="take them though the program seems to run on its session")
    parser.add_argument("--map", action="append", default=[], metavar="OLD=NEW", type=_moved_folder,
                        help="files that were in the folder OLD are in NEW now; may be repeated")
    starting = parser.add_mutually_exclusive_group()
    starting.add_argument("--start", dest="start", action="store_true", default=None,
                          help="have all of them run (default: those that did)")
    starting.add_argument("--stopped", dest="start", action="store_false", default=None, help="have none of them run")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.daemon.importing import Reader, key_of
    from blobtorrent.daemon.programs import open_program

    results: list[_Result] = []
    with closing(open_program(args.program, args.session_dir)) as session, Meter(is_wanted=not args.json) as meter:
        if not args.dry_run and not args.force:
            session.refuse_while_used()
        reader = Reader(session, dict(args.map), start=args.start)
        names = session.names()
        with _target(args) as (known, put):
            for number, name in enumerate(names):
                meter.show_count(number, len(names))
                results.append(
                    _Result(name.lower(), "present") if key_of(name) in known else _take(name, reader, known, put))
    return _tell(args, results)


class _Result(NamedTuple):
    """What became of a torrent: "imported", "present" or "refused"; with what is told of one that was read."""

    hash: str
    what: str
    facts: Mapping[str, Any] | None = None
    error: BlobTorrentError | None = None


def _take(name: str, reader: Reader, known: set[bytes], put: Put) -> _Result:
    """One that is damaged, or not wanted, keeps no other from being taken; a disk or a daemon that fails does."""
    try:
        source = reader.read(name)
    except BlobTorrentError as error:
        return _Result(name.lower(), "refused", error=error)
    info_hash = source.imported.record.info_hash
    try:
        is_new = not known.intersection((info_hash.v1, info_hash.v2)) and put(source)
    except (ApiError, CommandError) as error:
        return _Result(info_hash.hex, "refused", _facts(source), error)
    known.add(info_hash.v1 or info_hash.v2)
    return _Result(info_hash.hex, "imported" if is_new else "present", _facts(source))


# ---- where they go

@contextmanager
def _target(args: Namespace) -> Iterator[tuple[set[bytes], Put]]:
    """The keys of the torrents that are there, and how to put others there."""
    from blobtorrent.daemon.importing import known_torrents, open_state

    folder = state_dir(args.state_dir, os.environ)
    if args.url is not None:
        if args.state_dir is not None:
            raise Invalid("import.two-targets", "--url and --state-dir are two places to import to: give one")
        client = connect(args)
        there = client.get("/v1/torrents", fields="hash")["torrents"]
        known = {bytes.fromhex(torrent["hash"]) for torrent in there}
        yield known, lambda source: _send(client, args, source)
    elif args.dry_run:
        yield known_torrents(folder), _nowhere
    else:
        with open_state(folder) as writer:
            yield writer.known, lambda source: _write(writer, source)
            writer.flush()


def _nowhere(_source: Source) -> bool:
    return True


def _write(writer: Writer, source: Source) -> bool:
    writer.add(source)
    return True


def _send(client: Client, args: Namespace, source: Source) -> bool:
    """Have the daemon add a torrent. What it cannot be told is how far an unfinished one is: it checks that."""
    record = source.imported.record
    wishes, place = record.wishes, record.place
    if place.renames:
        raise Invalid("import.renamed", f"its files have other names than {record.facts.name} gives them: stop the "
                      "daemon and import it into the state directory")
    if place.root != place.download_dir:
        raise Invalid("import.unfinished-folder", f"it is to move from {place.root} to {place.download_dir} when it is "
                      "complete: stop the daemon and import it into the state directory")
    if source.imported.is_gone:        # a daemon that is not told would download it all again
        raise Invalid("import.files-gone", "none of its files is there: mount their disk first")
    if args.dry_run:
        return True
    tiers = wishes.trackers
    body: dict[str, Any] = {
        "download_dir": str(place.root),
        "start": record.should_run and tiers is None,
        "labels": list(wishes.labels),
        "group": wishes.group,
        "priority": wishes.priority,
        "down_limit_bytes_per_s": wishes.down_bytes_per_s,
        "up_limit_bytes_per_s": wishes.up_bytes_per_s,
        "sequential": wishes.is_sequential,
        "file_priorities": {
            str(number): priority.name.lower() for number, priority in wishes.file_priorities.items()},
        "custom": {name: field for name, field in wishes.custom.items() if is_custom(name)},
        "super_seeding": wishes.super_seeding,
        "split_files": False,          # whatever the daemon's settings say: they are there as they are
        "skip_check": record.have.is_full and not source.imported.to_check_bytes,
    }
    if wishes.goal is not None:
        body["seeding"] = {**wishes.goal._asdict(), "action": wishes.goal.action.value}
    if record.magnet:
        body["source"] = record.magnet
    elif len(source.raw) > MAX_SENT_BYTES:
        if source.path is None:
            raise Invalid("import.too-large", "its .torrent is too large to be sent, and is no file: stop the daemon "
                          "and import it into the state directory")
        body["source"] = os.path.abspath(source.path)
    else:
        body["metainfo"] = base64.b64encode(source.raw).decode("ascii")
    answer = client.request("POST", "/v1/torrents", body)
    if answer.status == 201 and tiers is not None:         # not started before: some trackers were switched off
        path = f"/v1/torrents/{answer.value['hash']}"
        client.request("PUT", f"{path}/trackers", {"tiers": [list(tier) for tier in tiers]})
        if record.should_run:
            client.request("POST", f"{path}/start")
    return answer.status == 201


# ---- telling

def _tell(args: Namespace, results: list[_Result]) -> int:
    summary, problem = _summary(results), _problem(results)
    if args.json:
        print_json({
            "torrents": [_as_json(result) for result in results],
            "dry_run": args.dry_run,
            **({"error": {"code": "import.refused", "message": problem}} if problem else {}),
        })
    else:
        if results:
            Screen(args).table(_COLUMNS, map(_row, results))
        print(summary + (" (nothing was done)" if args.dry_run else ""))
    return fail("import.refused", problem, False, EXIT_FAILED) if problem else EXIT_OK


def _problem(results: list[_Result]) -> str:
    """Why not all of them were taken, in a line; empty when they were."""
    refused = [(result.hash, result.error) for result in results if result.error is not None]
    if not refused:
        return ""
    digits, error = refused[0]
    more = f"; and {len(refused) - 1} more" if len(refused) > 1 else ""
    return f"{len(refused)} of {len(results)} torrents refused: {digits[:HASH_SHOWN]}: {error.detail}{more}"


def _summary(results: list[_Result]) -> str:
    counts = {what: sum(result.what == what for result in results) for what in ("imported", "present", "refused")}
    return f"{counts['imported']} imported, {counts['present']} there already, {counts['refused']} refused"


def _row(result: _Result) -> tuple[str | Cell, ...]:
    facts = result.facts
    name = result.hash[:HASH_SHOWN] if facts is None else clean(facts["name"])
    if result.error is not None:
        return (name, Cell("refused", Style.BAD), "", "", clean(result.error.detail))
    shown = Cell("there", Style.FAINT) if result.what == "present" else Cell("imported", Style.GOOD)
    if facts is None:
        return (name, shown, "", "", "")
    return (
        name, shown, percent(facts["done_bytes"], facts["size_bytes"]),
        format_size(facts["to_check_bytes"]) if facts["to_check_bytes"] else "", clean("; ".join(facts["notes"])))


def _as_json(result: _Result) -> dict[str, Any]:
    told = {"hash": result.hash, "result": result.what, **(result.facts or {})}
    if result.error is not None:
        told["error"] = {"code": result.error.code, "message": result.error.detail}
    return told


def _facts(source: Source) -> dict[str, Any]:
    """What is told of a torrent. Its metainfo is not kept for that: thousands of them would be gigabytes."""
    imported = source.imported
    record = imported.record
    return {
        "name": record.facts.name,
        "download_dir": str(record.place.root),
        "start": record.should_run,
        "size_bytes": record.facts.size_bytes,
        "done_bytes": record.done_bytes,
        "to_check_bytes": imported.to_check_bytes,
        "notes": list(imported.notes),
    }


def _moved_folder(text: str) -> tuple[str, str]:
    """Read OLD=NEW. Raises ArgumentTypeError."""
    old, _, new = text.partition("=")
    if not old or not os.path.isabs(new):
        raise ArgumentTypeError(f"{text!r} is not OLD=NEW, where NEW is an absolute path")
    return old, new
