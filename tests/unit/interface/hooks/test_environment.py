from __future__ import annotations

import os

import pytest

from blobtorrent.interface.eventjson import tell
from blobtorrent.interface.hooks.environment import MAX_VALUE, environment_of
from blobtorrent.model.events import SpaceLow, TorrentFailed, TorrentFinished
from tests.support.rest import info_hash, status_of

OURS = {
    "HOME": "/home/me", "NOTIFY_SOCKET": "/run/systemd/notify", "BLOBTORRENT_TOKEN_FILE": "/x", "LD_PRELOAD": "/x.so",
    "PYTHONPATH": "/x", "PATH": "/evil", "CREDENTIALS_DIRECTORY": "/run/credentials",
}


def told(event, status=None):
    return tell(event, status, number=3, event_id="ab-3", wall=5.5).fields


def test_a_program_finds_the_event_and_little_else():
    fields = told(TorrentFinished(info_hash(1), 99), status_of(1, labels=("tv", "hd")))
    assert environment_of(fields, OURS, "/downloads/torrent 1") == {
        "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
        "LANG": "C.UTF-8",
        "HOME": "/home/me",
        "BLOBTORRENT_ID": "ab-3",
        "BLOBTORRENT_EVENT": "torrent-finished",
        "BLOBTORRENT_TIME": "5.5",
        "BLOBTORRENT_HASH": info_hash(1).hex,
        "BLOBTORRENT_NAME": "torrent 1",
        "BLOBTORRENT_LABELS": "tv,hd",
        "BLOBTORRENT_DOWNLOAD_DIR": "/downloads",
        "BLOBTORRENT_PATH": "/downloads/torrent 1",
        "BLOBTORRENT_DOWNLOADED_BYTES": "99",
    }


def test_an_event_of_the_session_has_no_torrent():
    environ = environment_of(told(SpaceLow("/data", 1, 2)), {})
    assert environ["BLOBTORRENT_PATH"] == "/data" and environ["BLOBTORRENT_FREE_BYTES"] == "1"
    assert not {"BLOBTORRENT_HASH", "BLOBTORRENT_NAME", "BLOBTORRENT_LABELS"} & environ.keys()


@pytest.mark.parametrize("name", [
    "$(touch /tmp/canary)", "`id`", "'; id; '", '"; id; "', "a\nBLOBTORRENT_HASH=x", "a\0b", "\ud800", "caf\udce9",
    "-rf", "x" * 100_000, "", "\x1b]0;x\x07",
])
def test_a_foreign_name_is_one_value_that_an_environment_can_hold(name):
    environ = environment_of(told(TorrentFailed(info_hash(1), "c", name), status_of(1, name=name)), {})
    for value in environ.values():
        encoded = os.fsencode(value)
        assert b"\0" not in encoded and len(value) <= MAX_VALUE
    assert environ["BLOBTORRENT_HASH"] == info_hash(1).hex


def test_a_path_with_bytes_that_are_no_utf_8_is_kept_byte_for_byte():
    environ = environment_of(told(TorrentFinished(info_hash(1), 0), status_of(1)), {}, os.fsdecode(b"/d/caf\xe9"))
    assert os.fsencode(environ["BLOBTORRENT_PATH"]) == b"/d/caf\xe9"
