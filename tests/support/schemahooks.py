"""Loaded by schemathesis: keeps what it makes up within the test's own folder, and mostly about torrents that exist.

The folder is named by BLOBTORRENT_TEST_FOLDER, the info-hashes of the torrents by BLOBTORRENT_TEST_HASHES.
"""

from __future__ import annotations

import os
import random
import socket
from pathlib import PurePosixPath
from typing import Any

import schemathesis
from urllib3.connection import HTTPConnection

FOLDER = os.environ["BLOBTORRENT_TEST_FOLDER"]
HASHES = os.environ["BLOBTORRENT_TEST_HASHES"].split(",")
PLACES = ("download_dir", "path")


@schemathesis.hook
def map_path_parameters(context: Any, parameters: Any) -> Any:
    """Nearly all hashes that fit are of torrents that there are, which nobody removes; files are the first ones."""
    if not parameters or context.operation.method.upper() == "DELETE":
        return parameters
    word = parameters.get("hash")
    if isinstance(word, str) and len(word) in (40, 64) and word[1] != "f":
        parameters["hash"] = HASHES[int(word[0], 16) % len(HASHES)]
    if isinstance(parameters.get("number"), int) and parameters["number"] > 1:
        parameters["number"] %= 2
    return parameters


@schemathesis.hook
def map_body(_context: Any, body: Any) -> Any:
    """What names a place on this machine names one in the folder, and what names a torrent names one that is there."""
    if isinstance(body, dict):
        for name in PLACES:
            if isinstance(body.get(name), str) and body[name].startswith(("/", "~")):
                parts = [part for part in PurePosixPath(body[name]).parts[1:] if part not in (".", "..")]
                body[name] = "/".join((FOLDER, *parts))
        if isinstance(body.get("source"), str):
            body["source"] = f"{FOLDER}/tiny.torrent"
    return body


@schemathesis.hook
def map_headers(_context: Any, headers: Any) -> Any:
    """Any text is a value of a header, but characters that HTTP has no place for are not what is looked for here."""
    return {name: "".join(filter(str.isprintable, value)).strip() if isinstance(value, str) else value
            for name, value in headers.items()} if headers else headers


def _call_from_another_address(self: HTTPConnection) -> socket.socket:
    """Wrong tokens are counted by address: each connection is from one of its own."""
    self.source_address = (f"127.{random.randrange(1, 255)}.{random.randrange(255)}.{random.randrange(1, 255)}", 0)
    return _new_conn(self)


_new_conn = HTTPConnection._new_conn
HTTPConnection._new_conn = _call_from_another_address
