"""How the remote commands are told which torrents: by info-hash, by its beginning, or by name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from blobtorrent.cli.client import Client
from blobtorrent.model.errors import Invalid, NotFound

MIN_PREFIX = 4                         # digits of a hash
HASH_DIGITS = (40, 64)                 # v1, v2

_DIGITS = re.compile(r"[0-9a-f]+")


def select(client: Client, words: Sequence[str]) -> list[str]:
    """The hashes of the torrents that are meant, each once, in the order of the words.

    Raises NotFound ("torrent.unknown") or Invalid ("client.ambiguous"). The daemon is asked for its torrents only when
    a word is not a whole hash.
    """
    torrents: list[Any] | None = None
    found: dict[str, None] = {}
    for word in words:
        digits = word.lower()
        if _DIGITS.fullmatch(digits) and len(digits) in HASH_DIGITS:
            found[digits] = None
            continue
        if torrents is None:
            torrents = client.get("/v1/torrents")["torrents"]
        found[_one_of(torrents, word)] = None
    return list(found)


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
