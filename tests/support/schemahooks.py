"""Loaded by schemathesis: keeps what it makes up within the test's own folder, and at times about torrents that exist.

The folder is named by BLOBTORRENT_TEST_FOLDER, the info-hashes of the torrents by BLOBTORRENT_TEST_HASHES.
"""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import Any

import schemathesis

FOLDER = os.environ["BLOBTORRENT_TEST_FOLDER"]
HASHES = os.environ["BLOBTORRENT_TEST_HASHES"].split(",")
PATHS = ("download_dir", "path", "source")


@schemathesis.hook
def map_path_parameters(_context: Any, parameters: Any) -> Any:
    """Half of all hashes that fit are those of torrents that there are."""
    word = (parameters or {}).get("hash")
    if isinstance(word, str) and len(word) in (40, 64) and int(word[0], 16) % 2:
        parameters["hash"] = HASHES[int(word[1], 16) % len(HASHES)]
    return parameters


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """Whatever names a place on this machine names one in the folder."""
    if isinstance(body, dict):
        for name in PATHS:
            if isinstance(body.get(name), str) and body[name].startswith("/"):
                parts = [part for part in PurePosixPath(body[name]).parts[1:] if part not in (".", "..")]
                body[name] = "/".join((FOLDER, *parts))
    return body
