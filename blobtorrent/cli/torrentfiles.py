"""Torrent files that commands read and write: `-` for stdin and stdout, trackers and web seeds as options give them."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from blobtorrent.core.session.sources import read_file
from blobtorrent.model.errors import Conflict, FormatError, Invalid
from blobtorrent.model.urls import TRACKER_SCHEMES, WEB_SEED_SCHEMES, usable_url
from blobtorrent.protocol.metafile import TORRENT_LIMITS

STANDARD = "-"                         # the file that is stdin or stdout


def read_torrent_bytes(path: str) -> bytes:
    """The bytes of a .torrent file, `-` being stdin. Raises what `read_file` does."""
    return read_stdin(TORRENT_LIMITS.size_bytes) if path == STANDARD else read_file(path)


def read_stdin(max_bytes: int) -> bytes:
    """All of stdin. Raises FormatError ("source.too-large")."""
    data = sys.stdin.buffer.read(max_bytes + 1)
    if len(data) > max_bytes:
        raise FormatError("source.too-large", f"stdin: more than {max_bytes} bytes")
    return data


def write_stdout(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


def check_output(output: Path) -> None:
    """A mistyped -o must not cost anybody a file that is no torrent. Checked before the long work.

    Raises Conflict ("create.output-exists") or Invalid ("create.no-folder").
    """
    if output.is_dir():
        raise Conflict("create.output-exists", f"{output} is a folder")
    if not output.parent.is_dir():
        raise Invalid("create.no-folder", f"{output.parent}: no such folder")
    try:
        with output.open("rb") as file:
            begins = file.read(1)
    except OSError:
        return                         # nothing there, or the error that writing will explain
    if begins not in (b"", b"d"):
        raise Conflict("create.output-exists", f"{output} exists and is no torrent: remove it first")


def tracker_tiers(options: list[str]) -> tuple[tuple[str, ...], ...]:
    """The tiers of --tracker options, a comma joining URLs into one. Raises Invalid ("create.bad-url")."""
    return tuple(tuple(_usable(url, TRACKER_SCHEMES) for url in option.split(",")) for option in options)


def web_seed_urls(options: list[str]) -> tuple[str, ...]:
    """The URLs of --web-seed options. Raises Invalid ("create.bad-url")."""
    return tuple(_usable(url, WEB_SEED_SCHEMES) for url in options)


def _usable(url: str, schemes: frozenset[str]) -> str:
    usable = usable_url(os.fsencode(url), schemes)
    if usable is None:
        raise Invalid("create.bad-url", f"{url}: not a URL with {', '.join(sorted(schemes))} that can be used")
    return usable
