"""Torrent: a torrent as the view knows it, read from what the daemon tells. Foreign text is made harmless here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from blobtorrent.cli.output import clean
from blobtorrent.cli.selection import is_whole_hash
from blobtorrent.cli.top.answers import understood

MAX_NAME = 512                         # characters

FIELDS = (
    "hash,name,state,held_by,error,size_bytes,wanted_bytes,done_bytes,checked_bytes,moved_bytes,down_bytes_per_s,"
    "up_bytes_per_s,uploaded_bytes,ratio,eta_s,peers_connected,peers_known,seeds_connected,download_dir,labels,"
    "priority,added_at,started,down_limit_bytes_per_s,up_limit_bytes_per_s"
)


class Torrent(NamedTuple):
    """One row of the list. Texts are clean; `error` and `held_by` are empty where there is nothing of the kind."""

    hash: str
    name: str
    state: str
    held_by: str
    error: str
    size_bytes: int
    wanted_bytes: int
    done_bytes: int
    worked_bytes: int                  # of size_bytes, while it is checked or moved
    down_bytes_per_s: int
    up_bytes_per_s: int
    uploaded_bytes: int
    ratio: float
    eta_s: int | None
    peers_connected: int
    peers_known: int
    seeds_connected: int
    download_dir: str
    labels: tuple[str, ...]
    priority: int
    added_at: int
    is_started: bool
    down_limit_bytes_per_s: int
    up_limit_bytes_per_s: int

    @property
    def is_complete(self) -> bool:
        return self.done_bytes >= self.wanted_bytes and self.state not in ("metadata", "checking")

    @property
    def is_active(self) -> bool:
        return bool(self.down_bytes_per_s or self.up_bytes_per_s)

    @property
    def progress(self) -> tuple[int, int]:
        """How much is done of how much, of what it does now."""
        if self.state in ("checking", "moving"):
            return self.worked_bytes, self.size_bytes
        return self.done_bytes, self.wanted_bytes


def read_torrent(told: Mapping[str, Any]) -> Torrent:
    """One torrent of the daemon's answer. Raises NetworkError ("client.bad-answer") for what cannot be one."""
    with understood("a torrent"):
        return _read(told)


def _read(told: Mapping[str, Any]) -> Torrent:
    digits, state, error, eta_s = told["hash"], told["state"], told["error"], told["eta_s"]
    if not is_whole_hash(digits):
        raise ValueError("no hash")
    return Torrent(
        hash=digits,
        name=clean(told["name"], MAX_NAME),
        state=clean(state),
        held_by=clean(told["held_by"] or ""),
        error="" if error is None else clean(error["message"], MAX_NAME) or clean(error["code"]),
        size_bytes=int(told["size_bytes"]),
        wanted_bytes=int(told["wanted_bytes"]),
        done_bytes=int(told["done_bytes"]),
        worked_bytes=int(told["moved_bytes" if state == "moving" else "checked_bytes"]),
        down_bytes_per_s=int(told["down_bytes_per_s"]),
        up_bytes_per_s=int(told["up_bytes_per_s"]),
        uploaded_bytes=int(told["uploaded_bytes"]),
        ratio=float(told["ratio"]),
        eta_s=None if eta_s is None else int(eta_s),
        peers_connected=int(told["peers_connected"]),
        peers_known=int(told["peers_known"]),
        seeds_connected=int(told["seeds_connected"]),
        download_dir=clean(told["download_dir"], MAX_NAME),
        labels=tuple(map(clean, told["labels"])),
        priority=int(told["priority"]),
        added_at=int(told["added_at"] or 0),
        is_started=bool(told["started"]),
        down_limit_bytes_per_s=int(told["down_limit_bytes_per_s"]),
        up_limit_bytes_per_s=int(told["up_limit_bytes_per_s"]),
    )
