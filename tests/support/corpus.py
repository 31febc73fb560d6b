"""Torrents with the verdict that each must get: our own odd ones, and a foreign collection where there is one.

The collection is a folder with EXPECTED.tsv (file, verdict, figures), named by BLOBTORRENT_CORPUS or found as
`corpus/torrents` in a folder beside the checkout.
"""

from __future__ import annotations

import csv
import os
from pathlib import Path
from typing import NamedTuple

from tests.support.oddtorrents import odd_torrents


def _find_corpus() -> Path:
    named = os.environ.get("BLOBTORRENT_CORPUS")
    beside = sorted(Path(__file__).parents[3].glob("*/corpus/torrents/EXPECTED.tsv"))
    return Path(named) if named else beside[0].parent if beside else Path("/nonexistent")


CORPUS = _find_corpus()


class Judged(NamedTuple):
    """`is_good` is None where the standards leave room; `code` is the error of a bad one, where it is ours to say."""

    name: str
    data: bytes
    is_good: bool | None
    code: str = ""


def corpus_rows() -> list[dict[str, str]]:
    """The lines of EXPECTED.tsv; empty when there is none."""
    table = CORPUS / "EXPECTED.tsv"
    if not table.is_file():
        return []
    with table.open(encoding="utf-8", newline="") as lines:
        return list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))


def judged_torrents() -> list[Judged]:
    """All of both."""
    foreign = [Judged(row["file"], (CORPUS / row["file"]).read_bytes(),
                      None if row["strict"] == "either" else row["verdict"] == "accept") for row in corpus_rows()]
    return [*(Judged(odd.name, odd.data, not odd.code, odd.code) for odd in odd_torrents()), *foreign]
