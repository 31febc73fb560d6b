"""The screen as text."""

from __future__ import annotations

import base64
import time
from pathlib import Path

import pytest

from blobtorrent.cli.paint import Style
from blobtorrent.cli.progress import ASCII, UNICODE, columns_of
from blobtorrent.cli.top.frame import draw
from blobtorrent.cli.top.messages import Details, Happened, Limits, Lost, Screen, Session, Snapshot
from blobtorrent.cli.top.model import COMPACT, FULL, Top
from blobtorrent.cli.top.pages import TABS, Page, Tab, read_page
from blobtorrent.cli.top.torrent import read_torrent
from tests.support.fakedaemon import torrent as told

SCREENS = Path(__file__).with_name("screens")
KIB, MIB = 1 << 10, 1 << 20
TORRENTS = (
    told(1, name="debian-12.iso", state="downloading", size_bytes=650 * MIB, wanted_bytes=650 * MIB,
         done_bytes=200 * MIB, down_bytes_per_s=3 * MIB, up_bytes_per_s=20 * KIB, ratio=0.05, eta_s=150,
         peers_connected=7, peers_known=40, labels=["linux"], added_at=1),
    told(2, name="映画の名前.mkv", up_bytes_per_s=300 * KIB, size_bytes=4 << 30, wanted_bytes=4 << 30,
         done_bytes=4 << 30, ratio=2.5, peers_connected=2, peers_known=3, priority=2, added_at=2),
    told(3, name="bad\x1b[31m", state="error", started=True, done_bytes=0, added_at=3,
         error={"code": "disk.failed", "message": "the disk\x07 broke"}),
    told(4, name="waits", state="downloading", held_by="queue", done_bytes=10, added_at=4),
)
PAGES: dict[Tab, dict] = {
    Tab.INFO: TORRENTS[0],
    Tab.FILES: {"files": [
        {"number": 0, "path": ["a", "b\x9b.txt"], "size_bytes": 10, "done_bytes": 5, "priority": 1},
        {"number": 1, "path": ["a", "c"], "size_bytes": 10 * MIB, "done_bytes": 0, "priority": 0}]},
    Tab.PEERS: {"peers": [
        {"address": "192.0.2.7:6881", "progress": 0.5, "down_bytes_per_s": 5 * KIB, "up_bytes_per_s": 0, "flags": "DE",
         "downloaded_bytes": 3 * MIB, "uploaded_bytes": 0, "source": "tracker", "connected_s": 65,
         "client": "Evil \x1b]0;x\x07 1.0"}]},
    Tab.TRACKERS: {"trackers": [
        {"tier": 0, "state": "backoff", "seeds": None, "leeches": None, "peers_got": 0, "next_announce_at": 90,
         "url": "http://tracker.example/announce", "result": "it said \x1b[2J", "error_code": "tracker.failed"}]},
    Tab.PIECES: {"count": 16, "length_bytes": 65536, "have": base64.b64encode(b"\xf0\x00").decode(),
                 "availability": base64.b64encode(bytes([2] * 8 + [0] * 8)).decode(),
                 "partial": [{"index": 4, "blocks": 4, "done": 1}]},
    Tab.WHY: {"state": "downloading", "summary": "nobody has it", "causes": [
        {"code": "no-peers", "text": "nobody is known", "advice": "add a tracker", "since_s": 5}], "facts": {}},
}


def top_with(*torrents: dict, layout: str = COMPACT) -> Top:
    top = Top(layout=layout)
    session = Session("1.0", "running", "192.0.2.1:6881", 3 * MIB, 320 * KIB)
    found = [read_torrent(torrent) for torrent in torrents]
    top.take(Snapshot(session, found, (), True, Limits(0, 512 * KIB)))
    return top


def with_page(tab: Tab) -> Top:
    top = top_with(*TORRENTS)
    for key in ("enter", str(TABS.index(tab) + 1)):
        top.press(key)
    page: Page = read_page(tab, PAGES[tab], 60.0)
    top.take(Details(TORRENTS[0]["hash"], tab, page))
    return top


def screen(top: Top, columns: int, rows: int, chars=UNICODE) -> str:
    return "\n".join(line.text.rstrip() for line in draw(top, columns, rows, chars).lines)


def golden(name: str) -> str:
    """A screen as it has to be."""
    return (SCREENS / f"{name}.txt").read_text(encoding="utf-8").removesuffix("\n")


def test_the_list_of_a_wide_screen():
    top = top_with(*TORRENTS)
    top.press("down")
    assert screen(top, 132, 20) == golden("wide")


def test_the_list_of_a_small_screen():
    top = top_with(*TORRENTS)
    for _ in range(2):
        top.press("down")
    assert screen(top, 60, 10) == golden("small")


def test_the_list_with_three_lines_for_each_torrent():
    top = top_with(*TORRENTS, layout=FULL)
    top.press("down")
    assert screen(top, 110, 24) == golden("full")
    assert top.screen_rows == 6


def test_the_torrent_at_the_cursor_is_seen_in_full_on_a_small_screen():
    top = top_with(*(told(number, name=f"torrent {number}", added_at=number) for number in range(1, 20)), layout=FULL)
    for _ in range(30):
        lines = screen(top, 80, 12).splitlines()
        chosen = [line for line in lines if line.startswith("* ")]
        assert len(chosen) == 3 and chosen[0] == f"* torrent {top.number + 1}"
        top.press("down")
    assert top.number == 18


def test_the_layout_is_that_of_the_daemon_unless_its_user_chose_one():
    for own, then in ((None, COMPACT), (FULL, FULL)):
        top = Top(layout=own)
        top.take(Snapshot(Session("1", "running", "", 0, 0), [read_torrent(TORRENTS[0])], (), True, None,
                          Screen(COMPACT, "qwerty")))
        assert top.layout == then
        assert ("STATE" in screen(top, 132, 20)) is (then == COMPACT)


def test_only_ascii_is_drawn_where_there_is_nothing_else():
    top = top_with(TORRENTS[0])
    assert screen(top, 132, 20, ASCII) == golden("ascii")


@pytest.mark.parametrize("tab", [Tab.FILES, Tab.PEERS, Tab.TRACKERS, Tab.PIECES, Tab.WHY])
def test_a_page_of_a_torrent(tab):
    assert screen(with_page(tab), 80, 10) == golden(tab.value)


def test_the_first_page_has_rates_and_figures():
    shown = screen(with_page(Tab.INFO), 80, 60).splitlines()
    assert shown[4].split()[:3] == ["down", "3.0", "MiB/s"]
    assert shown[4].endswith("█")
    assert "ratio:           0.05" in shown
    assert "labels:          linux" in shown


@pytest.mark.parametrize("columns", [1, 2, 39, 40, 41, 59, 60, 61, 80, 100, 133, 300])
@pytest.mark.parametrize("rows", [1, 9, 10, 15, 24, 70])
@pytest.mark.parametrize("chars", [UNICODE, ASCII])
def test_every_screen_has_its_size_and_no_control_character(columns, rows, chars):
    tops = [top_with(), Top(), top_with(*TORRENTS, layout=FULL), *(with_page(tab) for tab in TABS)]
    for keys in ("l", "?", "/abc", "L", "^T", ["backspace", *"x" * 500]):
        top = top_with(*TORRENTS)
        for key in [keys] if keys == "^T" else keys:
            top.press(key)
        tops.append(top)
    lost = top_with(*TORRENTS)
    lost.take(Lost("refused " * 50))
    stopped = top_with(told(1, name="名" * 100, started=False))
    stopped.press("^D")
    for top in (*tops, lost, stopped):
        frame = draw(top, columns, rows, chars)
        assert len(frame.lines) == rows
        assert all(columns_of(line.text) <= columns for line in frame.lines)
        assert all(line.text.isprintable() for line in frame.lines)
        assert frame.cursor is None or (frame.cursor[0] < rows and frame.cursor[1] < columns)


def test_the_error_of_the_chosen_torrent_is_told():
    top = top_with(*TORRENTS)
    top.press("down")
    top.press("down")
    assert screen(top, 80, 12).splitlines()[-2] == "the disk\\x07 broke"


def test_the_line_at_the_cursor_stands_out_also_without_colours():
    top = top_with(*TORRENTS)
    top.press("down")
    marked = [line.text for line in draw(top, 80, 24, UNICODE).lines if line.is_marked]
    assert len(marked) == 1
    assert marked[0].startswith("* 映画の名前.mkv")


def test_a_daemon_that_does_not_answer_is_told_and_its_torrents_stay():
    top = top_with(*TORRENTS)
    top.take(Lost("cannot talk to the daemon"))
    lines = draw(top, 100, 24, UNICODE).lines
    assert lines[0].text == "*** BlobTorrent *** no answer: cannot talk to the daemon"
    assert lines[0].cells[-1].style is Style.BAD
    assert "debian-12.iso" in lines[2].text


def test_what_is_typed_is_seen_at_its_cursor():
    top = top_with(*TORRENTS)
    for key in ("backspace", *"/folder/file"):
        top.press(key)
    frame = draw(top, 60, 15, UNICODE)
    assert frame.lines[-2].text == "add path or URL> /folder/file"
    assert frame.cursor == (13, len("add path or URL> /folder/file"))
    for key in "x" * 100:
        top.press(key)
    frame = draw(top, 60, 15, UNICODE)
    assert frame.cursor == (13, 59)
    assert frame.lines[-2].text.endswith("xxx")


def test_the_log_shows_its_end():
    top = top_with()
    for number in range(40):
        top.take(Happened(f"event {number}"))
    top.press("l")
    lines = screen(top, 60, 15).splitlines()
    assert lines[1:13] == [f"event {number}" for number in range(28, 40)]
    top.press("home")
    assert screen(top, 60, 15).splitlines()[1] == "event 0"


def test_help_is_read_to_its_end():
    top = top_with()
    top.press("?")
    first = screen(top, 60, 15)
    top.press("end")
    last = screen(top, 60, 15)
    assert "everywhere" in first
    assert "back to the list" in last


def test_ten_thousand_torrents_stay_smooth():
    """Frames and reports are far from the 50 ms that would be noticed; the limit leaves room for a busy machine."""
    top = top_with(*(told(number, name=f"torrent {number:05}", down_bytes_per_s=number) for number in range(10_000)))
    for key in "ooooo":
        top.press(key)
    assert top.roster.order == "down"
    best_s = 1.0
    for turn in range(5):
        changed = [read_torrent(told(number, name=f"torrent {number:05}", down_bytes_per_s=number + turn * 7919))
                   for number in range(0, 10_000, 40)]
        began_s = time.thread_time()
        top.take(Snapshot(top.session, changed, (), False, None))
        top.press("pgdn")
        draw(top, 200, 60, UNICODE)
        best_s = min(best_s, time.thread_time() - began_s)
    assert best_s < 0.05
