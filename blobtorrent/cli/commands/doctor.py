"""`blobtorrent doctor STATE_DIR`: checks, and repairs, what a daemon keeps between two runs."""

from __future__ import annotations

import os
from argparse import Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from blobtorrent.cli.output import EXIT_BAD_PIECES, EXIT_OK, Subcommands, clean, print_json
from blobtorrent.model.errors import NotFound
from blobtorrent.model.units import format_size

if TYPE_CHECKING:
    from blobtorrent.model.damage import Damage
    from blobtorrent.storage.live.leftovers import Leftover
    from blobtorrent.storage.state.examine import Findings

MAX_PATH = 4096                        # characters of a path on the screen


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "doctor",
        help="check the saved state of a daemon",
        description="Check every row, torrent file and unfinished block in the state directory of a daemon that does"
                    " not run. Exit status 4 when something is damaged, or still damaged after a repair. Memory that"
                    " killed daemons left behind for nothing is told of too.",
    )
    parser.add_argument("state_dir", metavar="STATE_DIR", type=Path, help="the daemon's state directory")
    parser.add_argument("--repair", action="store_true", help="repair what can be; damaged files go to quarantine")
    parser.add_argument("--json", action="store_true", help="print the result as one JSON object")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    from blobtorrent.storage.live.leftovers import leftovers, remove_own
    from blobtorrent.storage.state.examine import examine
    from blobtorrent.storage.state.mend import mend
    from blobtorrent.storage.state.statedir import STATE_NAME, lock_folder, refuse_newer

    folder: Path = args.state_dir
    if not any(os.path.exists(folder / name) for name in (STATE_NAME, "torrents", "session")):
        raise NotFound("state.none", f"{folder} is no state directory")
    repaired = mend(folder) if args.repair else []
    refuse_newer(folder)
    lock = lock_folder(folder)
    try:
        findings = examine(folder)
        left = leftovers(folder)
        if args.repair:
            left = remove_own(left)
    finally:
        os.close(lock)
    if args.json:
        print_json({
            "state_dir": str(folder),
            "rows": findings.num_rows,
            "torrents": findings.num_torrents,
            "blocks": findings.num_blocks,
            "damages": [damage._asdict() for damage in findings.damages],
            "repaired": [damage._asdict() for damage in repaired],
            "leftovers": [{"where": str(leftover.path), "size_bytes": leftover.size, "detail": leftover.detail}
                          for leftover in left],
        })
    else:
        _print(findings, repaired, left)
    return EXIT_BAD_PIECES if findings.damages else EXIT_OK


def _print(findings: Findings, repaired: list[Damage], left: list[Leftover]) -> None:
    for leftover in left:
        remedy = "a repair removes it" if leftover.is_own else "remove it"
        print(f"left over: {clean(str(leftover.path), MAX_PATH)} holds {format_size(leftover.size)} of memory:"
              f" {clean(leftover.detail, MAX_PATH)} ({remedy})")
    for damage in repaired:
        print(f"repaired: {_line(damage)}")
    for damage in findings.damages:
        print(f"damaged: {_line(damage)}")
    print(f"{findings.num_torrents} torrents, {findings.num_rows} rows and {findings.num_blocks} unfinished blocks:"
          f" {len(findings.damages) or 'nothing'} damaged")


def _line(damage: Damage) -> str:
    return f"{damage.what} {clean(damage.where, MAX_PATH)}: {clean(damage.detail)} ({clean(damage.remedy)})"
