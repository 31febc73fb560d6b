"""What the commands print, and the exit statuses they end with.

Names in torrents, peers' client names and trackers' texts are written by strangers: whatever of it reaches a terminal
goes through `clean` first. JSON needs no cleaning: it escapes by itself.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import TYPE_CHECKING, Any

from blobtorrent.model.errors import BlobTorrentError
from blobtorrent.model.text import clean

if TYPE_CHECKING:
    Subcommands = argparse._SubParsersAction[argparse.ArgumentParser]
else:
    Subcommands = argparse._SubParsersAction       # what each command's register() is given

__all__ = ["EXIT_BAD_PIECES", "EXIT_CONFIG", "EXIT_FAILED", "EXIT_OK", "EXIT_TIMEOUT", "EXIT_USAGE",
           "OutOfTime", "Subcommands", "clean", "fail", "print_json"]

EXIT_OK = 0
EXIT_FAILED = 1
EXIT_USAGE = 2
EXIT_TIMEOUT = 3
EXIT_BAD_PIECES = 4
EXIT_CONFIG = 78                       # EX_CONFIG of sysexits.h


class OutOfTime(BlobTorrentError):
    """What was waited for did not happen within --timeout."""


def print_json(value: Any) -> None:
    """One JSON value on one line of stdout, flushed: a reader at the other end of a pipe waits for whole lines."""
    line = json.dumps(value, ensure_ascii=True, separators=(", ", ": "))
    sys.stdout.write(line.replace("\x7f", "\\u007f") + "\n")      # the one control character that JSON lets through
    sys.stdout.flush()


def fail(code: str, message: str, as_json: bool, status: int = EXIT_FAILED) -> int:
    """Tell an error: one clean line on stderr, with `as_json` also the object on stdout. Returns the exit status."""
    print(f"blobtorrent: {clean(message)} ({clean(code)})", file=sys.stderr)
    if as_json:
        print_json({"error": {"code": code, "message": message}})
    return status
