"""Asks a daemon what a real rTorrent was asked, and compares the answers.

    python -m tests.rtorrent.replay [--on blobtorrent|rtorrent] [--jobs N] [--verbose] [FILE...]

Without files all recordings of golden/ are replayed, each on a fresh daemon. What differs on purpose is listed in
`reasons` and is counted apart. Exit status 1 when less than 99 % are the same, something differs without a reason, or
something that is listed there differs no more.
"""

from __future__ import annotations

import argparse
import re
import sys
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.rtorrent.reasons import reason_for, reason_of_theirs, stale
from tests.rtorrent.recorded import GOLDEN, Answer, call, decoded, differences, framed, placed, read_lines, send
from tests.rtorrent.servers import MODERN, Server
from tests.rtorrent.stages import know_peer, loosened, stage, wait_for_moment
from tests.rtorrent.torrents import payload

ENOUGH = 0.99
JOBS = 6                               # daemons side by side: they wait most of the time
POLL_S = 0.1
LENGTH = re.compile("Content-Length: [0-9]+")

# Made for tests of single parts: the same answers are in the others, or were of files and times that are played there.
NOT_REPLAYED = ("downloads.jsonl", "language.jsonl")

Step = dict[str, Any]


class Difference(NamedTuple):
    """A recording that is answered in another way now. `reason` is empty when there is none."""

    step: str
    params: str
    what: str
    reason: str = ""


class Report:
    """What came of a file."""

    def __init__(self, name: str, *, is_ours: bool = True) -> None:
        self.name = name
        self.is_ours = is_ours
        self.compared = 0
        self.differences: list[Difference] = []

    @property
    def num_same(self) -> int:
        return self.compared - len(self.differences)

    @property
    def num_unexplained(self) -> int:
        return sum(not difference.reason for difference in self.differences)

    @property
    def stale(self) -> list[str]:
        """What is listed as different and is not."""
        return stale(self.name, (difference.step for difference in self.differences)) if self.is_ours else []

    def told(self, *, with_reasons: bool = False) -> str:
        """How many are the same, and what differs, a line each."""
        lines = [f"{self.name}: {self.num_same} of {self.compared} the same"]
        for difference in self.differences:
            if with_reasons or not difference.reason:
                lines.append(f"  {self.name}:{difference.step}{difference.params}: {difference.what}" + (
                    f" [{difference.reason}]" if difference.reason else ""))
        lines += [f"  {self.name}:{step}: is listed as different and is the same" for step in self.stale]
        return "\n".join(lines)

    def note(self, step: str, name: str, params: str, found: list[str]) -> None:
        self.compared += 1
        if found:
            reason = reason_for(self.name, step, found) if self.is_ours else reason_of_theirs(name, found)
            self.differences.append(Difference(step, params, "; ".join(found[:3]), reason))


def replay_steps(servers: Mapping[str, Server], steps: Iterable[Step], report: Report) -> None:
    """Do what a scenario says, in order."""
    for recorded in steps:
        if "name" not in recorded and "op" not in recorded:
            continue                   # what it is about
        wait_for_moment(servers, recorded)
        server = servers[recorded.get("who", list(servers)[-1])]
        know_peer(server, recorded)
        step = placed(recorded, server.stands_for)
        operation = step.get("op", "call")
        line = step["line"]
        if operation == "sleep":
            time.sleep(step["secs"])
        elif operation == "put":
            _put(Path(step["path"]), payload(step["seed"], step["size"]))
        elif operation == "write":
            _put(Path(step["path"]), decoded(step))
        elif operation == "rm":
            Path(step["path"]).unlink()
        elif operation == "file":
            report.note(f"{line} file", "file", f" {step['path']}", _wait_for_file(step))
        elif operation == "call":
            found = _wait_for_answer(server, step)
            report.note(f"{line} {step['name']}", step["name"], _short(step["params"]), found)


def replay_raw(server: Server, cases: Iterable[Step], report: Report) -> None:
    """Raw requests, compared with all that came, but for the length where the process number is told."""
    pid = str(server.pid)
    for case in cases:
        if "headers" in case:
            headers = {name: value for name, value in case["headers"].items() if name != "CONTENT_LENGTH"}
            request = framed(case["request"].encode("utf-8", "surrogateescape"), headers)
        else:
            request = case["request"].encode("latin-1")
        try:
            got = send(server.dial, request, half_close=case.get("half_close", False))
        except OSError as error:
            got = f"<<{type(error).__name__}>>".encode()
        want = case["response"]
        shown = re.sub(rf"\b{pid}\b", "4242", got.decode("utf-8" if "headers" in case else "latin-1", "replace"))
        if pid != "4242" and "4242" in want:
            want, shown = (LENGTH.sub("Content-Length: ?", text) for text in (want, shown))
        found = [] if shown == want else [f"{want[:300]!r}, now {shown[:300]!r}"]
        report.note(case["label"], case["label"], "", found)


def recordings() -> list[Path]:
    """All there are."""
    return sorted(path for path in (*GOLDEN.glob("*.json*"), *GOLDEN.glob("scenarios/*.jsonl"))
                  if path.name not in NOT_REPLAYED)


def replay_file(path: Path, on: str) -> Report:
    """Replay one recording on daemons of its own."""
    report = Report(path.name, is_ours=on == "blobtorrent")
    steps = [{**step, "line": number} for number, step in enumerate(read_lines(path), 1)]
    with stage(path, on) as servers:
        if path.suffix == ".json":
            replay_raw(servers[""], (step for step in steps if step.get("server", "0.9.8") == "0.9.8"), report)
        elif path.parent.name == GOLDEN.name:
            survived = (step for step in steps if "CRASH" not in step.get("note", ""))
            replay_steps(servers, [loosened(step, is_modern=MODERN in path.name) for step in survived], report)
        else:
            replay_steps(servers, steps, report)
    return report


def _wait_for_answer(server: Server, step: Step) -> list[str]:
    """How the answer differs, once it does no more or the time is over."""
    end_s = time.monotonic() + step.get("eventually", 0)
    volatile = step.get("volatile", [])
    while True:
        try:
            got: Answer = call(server.dial, step["name"], step["params"])
        except OSError as error:
            got = {"t": type(error).__name__}
        found = differences(step["result"], got, volatile)
        if not found or time.monotonic() >= end_s:
            return found
        time.sleep(POLL_S)


def _wait_for_file(step: Step) -> list[str]:
    end_s = time.monotonic() + step.get("eventually", 0)
    path = Path(step["path"])
    while True:
        found = _file_differences(path, step)
        if not found or time.monotonic() >= end_s:
            return found
        time.sleep(POLL_S)


def _file_differences(path: Path, step: Step) -> list[str]:
    if "exists" in step and path.exists() != step["exists"]:
        return [f"exists: {path.exists()}"]
    if "lines" not in step:
        return []
    try:
        lines = path.read_text().split("\n")
    except OSError as error:
        return [str(error)]
    want = step["lines"]
    return [] if lines in (want, [*want, ""]) else [f"{want}, now {lines}"]


def _put(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def _short(params: Any) -> str:
    text = repr(params)
    return text if len(text) < 120 else f"{text[:117]}..."


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--on", choices=("blobtorrent", "rtorrent"), default="blobtorrent", help="what is asked")
    parser.add_argument("--jobs", type=int, default=JOBS, help="recordings that are replayed at the same time")
    parser.add_argument("--verbose", action="store_true", help="also what differs with a reason")
    parser.add_argument("files", nargs="*", type=Path, help="recordings (default: all)")
    args = parser.parse_args(argv)
    reports = []
    with ThreadPoolExecutor(args.jobs) as pool:
        for report in pool.map(partial(replay_file, on=args.on), args.files or recordings()):
            reports.append(report)
            print(report.told(with_reasons=args.verbose), flush=True)
    compared = sum(report.compared for report in reports)
    same = sum(report.num_same for report in reports)
    unexplained = sum(report.num_unexplained for report in reports)
    print(f"{same} of {compared} the same, {100 * same / max(1, compared):.2f} %; "
          f"{compared - same - unexplained} differ for a reason, {unexplained} without one")
    num_stale = sum(len(report.stale) for report in reports)
    return 0 if same >= ENOUGH * compared and not unexplained and not num_stale else 1


if __name__ == "__main__":
    sys.exit(main())
