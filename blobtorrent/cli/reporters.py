"""Who tells the user of running torrents: as JSON lines, as plain lines, or as bars on a terminal.

A reporter is given all snapshots whenever something may have changed, and finds out itself what is worth telling.
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Sequence
from typing import TextIO

from blobtorrent.cli.output import clean, print_json
from blobtorrent.cli.progress import charset_for, plain_line, screen_lines
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus
from blobtorrent.model.units import format_duration, format_rate, format_size

JSON_INTERVAL_S = 1.0
PLAIN_INTERVAL_S = 10.0
SCREEN_INTERVAL_S = 0.25


class Reporter:
    """Says nothing: what --quiet asks for, and the base of the others."""

    def listening(self, addresses: Sequence[str]) -> None:
        """The engine can be reached at these "HOST:PORT"."""

    def update(self, torrents: Sequence[TorrentStatus], now: float) -> None:
        """`torrents` is the present state of all, in a fixed order."""

    def close(self) -> None:
        """The last word; nothing follows."""


class Milestones:
    """Finds what happened to a torrent between two snapshots: its new state, and whether it is finished now."""

    def __init__(self) -> None:
        self._states: dict[InfoHash, str] = {}
        self._finished: set[InfoHash] = set()
        self._begun: dict[InfoHash, tuple[float, int]] = {}        # when the download began, and what was there

    def passed(self, status: TorrentStatus, now: float) -> list[str]:
        """What is new; "finished" comes once, also for a torrent that was complete on disk."""
        passed = []
        is_new = self._states.get(status.info_hash) != status.state
        self._states[status.info_hash] = status.state
        if status.state == "downloading":
            self._begun.setdefault(status.info_hash, (now, status.done_bytes))
        if status.is_finished and status.info_hash not in self._finished:
            self._finished.add(status.info_hash)
            passed.append("finished")
        if is_new:
            passed.append(status.state)
        return passed

    def finished_line(self, status: TorrentStatus, now: float) -> str:
        """Where the result lies, and how fast it came if it came now."""
        line = f"finished: {clean(status.download_dir)}/{clean(status.name)}"
        if status.info_hash not in self._begun:
            return line
        began_s, was_done = self._begun[status.info_hash]
        fetched, seconds = status.done_bytes - was_done, max(now - began_s, 0.001)
        duration = f"{seconds:.1f}s" if seconds < 60 else format_duration(seconds)
        return f"{line} ({format_size(fetched)} in {duration}, {format_rate(fetched / seconds)})"


class JsonReporter(Reporter):
    """One object a line. Every line has the same figures; those of a line about no torrent are the sums of all."""

    EVENTS = ("metadata", "checking", "finished", "seeding", "stopped", "error")

    def __init__(self) -> None:
        self._milestones = Milestones()
        self._next_progress_s = 0.0

    def listening(self, addresses: Sequence[str]) -> None:
        print_json({"event": "listening", "listen": addresses[0] if addresses else None, "listeners": list(addresses),
                    "torrent": None, "done_bytes": 0, "size_bytes": 0, "down_bytes_per_s": 0, "up_bytes_per_s": 0,
                    "peers": 0})

    def update(self, torrents: Sequence[TorrentStatus], now: float) -> None:
        is_due = now >= self._next_progress_s
        if is_due:
            self._next_progress_s = now + JSON_INTERVAL_S
        for status in torrents:
            for milestone in self._milestones.passed(status, now):
                if milestone in self.EVENTS:
                    self._print(milestone, status)
            if is_due and status.state not in ("stopped", "error"):
                self._print("progress", status)

    def _print(self, event: str, status: TorrentStatus) -> None:
        line = {
            "event": event,
            "torrent": status.info_hash.hex,
            "name": status.name,
            "state": status.state,
            "done_bytes": status.done_bytes,
            "checked_bytes": status.checked_bytes,
            "size_bytes": status.size_bytes,
            "downloaded_bytes": status.downloaded_bytes,
            "uploaded_bytes": status.uploaded_bytes,
            "down_bytes_per_s": status.down_bytes_per_s,
            "up_bytes_per_s": status.up_bytes_per_s,
            "peers": status.peers_connected,
        }
        if status.error_code:
            line["error"] = {"code": status.error_code, "message": status.error_detail}
        print_json(line)


class PlainReporter(Reporter):
    """A line when something happened to a torrent, and now and then: for logs and pipes."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._milestones = Milestones()
        self._next_lines_s = 0.0

    def listening(self, addresses: Sequence[str]) -> None:
        self._print(f"listening on {', '.join(addresses) or 'nothing'}")

    def update(self, torrents: Sequence[TorrentStatus], now: float) -> None:
        is_due = now >= self._next_lines_s
        if is_due:
            self._next_lines_s = now + PLAIN_INTERVAL_S
        for status in torrents:
            milestones = self._milestones.passed(status, now)
            if "finished" in milestones:
                self._print(self._milestones.finished_line(status, now))
            elif (is_due or milestones) and status.state not in ("stopped", "error"):
                self._print(plain_line(status))

    def _print(self, line: str) -> None:
        self._out.write(line + "\n")
        self._out.flush()


class ScreenReporter(Reporter):
    """Redraws the torrents in place at the bottom of a terminal; what is finished is said above, for good."""

    def __init__(self, out: TextIO) -> None:
        self._out = out
        self._chars = charset_for(out.encoding)
        self._milestones = Milestones()
        self._drawn = 0
        self._next_frame_s = 0.0
        self._latest: Sequence[TorrentStatus] = ()

    def listening(self, addresses: Sequence[str]) -> None:
        self._out.write(f"listening on {', '.join(addresses) or 'nothing'}\n")

    def update(self, torrents: Sequence[TorrentStatus], now: float) -> None:
        news = [
            self._milestones.finished_line(status, now)
            for status in torrents
            if "finished" in self._milestones.passed(status, now)
        ]
        self._latest = torrents
        if news or now >= self._next_frame_s:
            self._next_frame_s = now + SCREEN_INTERVAL_S
            self._draw(news, self._frame(torrents))

    def close(self) -> None:
        self._draw([], self._frame(self._latest))

    def _frame(self, torrents: Sequence[TorrentStatus]) -> list[str]:
        columns, rows = shutil.get_terminal_size()
        frame = []
        for status in torrents:
            # The last column stays free: some terminals wrap when it is written.
            frame += screen_lines(status, columns - 1, self._chars)
        hidden = max(0, len(frame) - (rows - 2))
        if hidden:
            return [*frame[: rows - 3], f"... and {hidden + 1} more lines"]
        return frame

    def _draw(self, news: list[str], frame: list[str]) -> None:
        up = f"\x1b[{self._drawn}A" if self._drawn else ""
        lines = "".join(f"{line}\x1b[K\n" for line in [*news, *frame])
        self._out.write(f"{up}\r{lines}\x1b[J")
        self._out.flush()
        self._drawn = len(frame)


def make_reporter(*, as_json: bool, quiet: bool) -> Reporter:
    """The reporter that fits the options and what stdout is. --json wins over --quiet."""
    if as_json:
        return JsonReporter()
    if quiet:
        return Reporter()
    return ScreenReporter(sys.stdout) if sys.stdout.isatty() else PlainReporter(sys.stdout)
