"""What is written for rTorrent is what it would have written: it is read as it was meant."""

from __future__ import annotations

import bencodepy
import pytest

from blobtorrent.protocol.rtorrentsave import encode_progress, encode_wanted
from blobtorrent.protocol.rtorrentsession import Progress, TrackerChoice, Wanted, read_progress, read_wanted

WANTED = Wanted(
    directory=b"/srv/\xff", is_started=True, priority=3,
    custom={"custom1": "a%20b", "custom.no\udcff": "ü {", "custom.x": ""},
    said={"tied_to_file": "~/w/a.torrent", "ignore_commands": "1", "up.choke_heuristics.seed": "upload_seed",
          "timestamp.started": "13", "timestamp.finished": "14", "state_changed": "15"},
    views=("rat_0", "ü"), throttle="slow", uploaded_bytes=1 << 40, downloaded_bytes=12, started_at=13, finished_at=14)


def test_what_was_wanted_is_read_again() -> None:
    raw = encode_wanted(WANTED, num_done=2, num_pieces=5)
    assert read_wanted(raw) == WANTED._replace(
        custom={name: text for name, text in WANTED.custom.items() if text})
    top = bencodepy.decode(raw)
    assert (top[b"complete"], top[b"chunks_done"], top[b"chunks_wanted"], top[b"state"]) == (0, 2, 3, 1)
    assert bencodepy.decode(encode_wanted(WANTED, num_done=5, num_pieces=5))[b"complete"] == 1


@pytest.mark.parametrize(("have", "written"), [
    (0, 0), (0b11111_11111, 10), (0b1, b"\x80\x00"), (0b10_0000_0000, b"\x00\x40")])
def test_progress_is_read_again(have: int, written: int | bytes) -> None:
    progress = Progress(
        have=have, mtimes=(1600, -4), priorities=(2, 0), peers=(), uncertain=0, saved_at=99,
        trackers=(TrackerChoice(b"http://a/", False, None), TrackerChoice(b"http://b/", True, 4)))
    raw = encode_progress(progress, 10, (1, 0))
    assert read_progress(raw, 10, 2) == progress
    top = bencodepy.decode(raw)
    assert (top[b"bitfield"], [file[b"completed"] for file in top[b"files"]]) == (written, [1, 0])
