"""How the remote commands are told which torrents: by info-hash, by its beginning, by name, or by lines of stdin."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from blobtorrent.cli.client import Client
from blobtorrent.model.errors import Invalid, NotFound

MIN_PREFIX = 4                         # digits of a hash
HASH_DIGITS = (40, 64)                 # v1, v2
MAX_ASKED = 50                         # hashes in the line of one request
STDIN = "-"
TORRENT_HELP = "its info-hash, the first digits of that, or its name; - reads info-hashes from stdin"

_DIGITS = re.compile(r"[0-9a-f]+")
_FIELDS = "hash,info_hash_v1,info_hash_v2,name"


def select(client: Client, words: Sequence[str]) -> list[str]:
    """The hashes of the torrents that are meant, each once, in the order of the words.

    Raises NotFound ("torrent.unknown") or Invalid ("client.ambiguous"). The daemon is asked for its torrents only when
    a word is not a whole hash.
    """
    torrents: list[Any] | None = None
    found: dict[str, None] = {}
    for word in _with_stdin(words, sys.stdin):
        digits = word.lower()
        if is_whole_hash(digits):
            found[digits] = None
            continue
        if torrents is None:
            torrents = client.get("/v1/torrents", fields=_FIELDS)["torrents"]
        found[_one_of(torrents, word)] = None
    return list(found)


def select_one(client: Client, word: str) -> str:
    """The hash of the torrent that a word names. Raises what `select` does."""
    found = select(client, [word])
    if len(found) != 1:
        raise Invalid("client.one-torrent", f"{len(found)} torrents are named where one is meant")
    return found[0]


def read_torrents(client: Client, hashes: Sequence[str], fields: str | None = None) -> list[Any]:
    """These torrents as they are now, with these fields or all; those that are gone are left out."""
    found: list[Any] = []
    for start in range(0, len(hashes), MAX_ASKED):
        asked = ",".join(hashes[start : start + MAX_ASKED])
        found += client.get("/v1/torrents", hash=asked, fields=fields)["torrents"]
    return found


def is_whole_hash(word: str) -> bool:
    return len(word) in HASH_DIGITS and _DIGITS.fullmatch(word) is not None


def _with_stdin(words: Iterable[str], lines: Iterable[str]) -> Iterator[str]:
    """The words, for `-` the first of each line: what may follow it there is for people."""
    for word in words:
        if word != STDIN:
            yield word
            continue
        for line in lines:
            yield from line.split(maxsplit=1)[:1]


def _one_of(torrents: Sequence[Mapping[str, Any]], word: str) -> str:
    matches = [str(torrent["hash"]) for torrent in torrents if torrent["name"] == word]
    digits = word.lower()
    if not matches and len(digits) >= MIN_PREFIX and _DIGITS.fullmatch(digits):
        matches = [
            str(torrent["hash"]) for torrent in torrents
            if any((torrent[key] or "").startswith(digits) for key in ("info_hash_v1", "info_hash_v2"))
        ]
    if not matches:
        raise NotFound("torrent.unknown", f"{word}: no torrent has this name or hash")
    if len(matches) > 1:
        raise Invalid("client.ambiguous", f"{word}: {len(matches)} torrents are called so; give the hash")
    return matches[0]
