"""Which files of a torrent an option means: by number, by runs of numbers, or by patterns of paths. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from blobtorrent.model.errors import Invalid, NotFound

_RUNS = re.compile(r"[0-9]{1,8}(-[0-9]{1,8})?(,[0-9]{1,8}(-[0-9]{1,8})?)*")


def chosen_files(files: Sequence[Mapping[str, Any]], word: str) -> list[int]:
    """The numbers of the files that a word means: "3", "0,4-7", or a pattern such as "*.nfo" or "*/extras/*".

    A pattern is held against the whole path and against the file's own name. `files` are those of the daemon's answer.
    Raises NotFound ("torrent.no-such-file") when there is none, Invalid ("files.bad-run").
    """
    if _RUNS.fullmatch(word):
        wanted = _numbers(word)
        found = [int(file["number"]) for file in files if any(file["number"] in run for run in wanted)]
    else:
        found = [int(file["number"]) for file in files if _matches(file["path"], word)]
    if not found:
        raise NotFound("torrent.no-such-file", f"{word}: no file of the torrent has this number or name")
    return found


def _numbers(word: str) -> list[range]:
    runs = []
    for part in word.split(","):
        first, dash, last = part.partition("-")
        run = range(int(first), int(last if dash else first) + 1)
        if not run:
            raise Invalid("files.bad-run", f"{part}: the last number of a run comes behind the first")
        runs.append(run)
    return runs


def _matches(path: Iterable[str], pattern: str) -> bool:
    parts = list(path)
    return fnmatchcase("/".join(parts), pattern) or fnmatchcase(parts[-1], pattern)
