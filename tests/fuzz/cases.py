"""One case of a target: what came of it, how long it took, and whether that is a find.

A find is an error that the target does not declare, a bug of ours by name (BugError), a case that takes more than a
second of the processor, or memory that grows by more than 64 MiB with one case.
"""

from __future__ import annotations

import hashlib
import re
import signal
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from types import FrameType
from typing import Any, NamedTuple

from blobtorrent.model.errors import BlobTorrentError, BugError
from tests.fuzz.registry import Target

SLOWEST_S = 1.0
HANGS_S = 10.0                         # of the processor, after which a case is broken off
GROWTH_KIB = 64 << 10
MINIMISING_S = 10.0

_SOURCE = Path(__file__).parents[2]
_DIGITS = re.compile(r"[0-9]+|'.*'|\".*\"")


class Outcome(NamedTuple):
    """`word` tells kinds of outcomes apart. `find` is empty, or what is wrong, the same for all cases of one fault."""

    word: str
    cpu_s: float
    find: str = ""
    trace: str = ""


class Hangs(BaseException):
    """Raised in the middle of a case; no handler of an ordinary error takes it."""


@contextmanager
def watched() -> Iterator[None]:
    """Within, a case that does not end is broken off. For the main thread."""
    def stop(_number: int, _frame: FrameType | None) -> None:
        raise Hangs

    before = signal.signal(signal.SIGPROF, stop)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


def run_case(target: Target, data: bytes) -> Outcome:
    """Within `watched`."""
    peak_kib = getrusage(RUSAGE_SELF).ru_maxrss
    begun_s = time.thread_time()
    signal.setitimer(signal.ITIMER_PROF, HANGS_S)
    find = trace = ""
    try:
        word = _shown(target.run(data))
    except BaseException as error:
        if isinstance(error, KeyboardInterrupt):
            raise
        if isinstance(error, target.errors) and not isinstance(error, BugError):
            word = _word_of(error)
        else:
            word = find = _name_of(error)
            trace = "".join(traceback.format_exception(error))
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    cpu_s = time.thread_time() - begun_s
    if not find and cpu_s > SLOWEST_S:
        find, trace = "slow", f"{cpu_s:.2f} s"
    growth_kib = getrusage(RUSAGE_SELF).ru_maxrss - peak_kib
    if not find and growth_kib > GROWTH_KIB:
        find, trace = "memory", f"{growth_kib >> 10} MiB"
    return Outcome(word, cpu_s, find, trace)


def minimised(target: Target, data: bytes, find: str) -> bytes:
    """A shorter case of the same fault, as far as that is found in some seconds."""
    until_s = time.monotonic() + MINIMISING_S
    size = len(data) // 2
    while size and time.monotonic() < until_s:
        at = 0
        while at < len(data) and time.monotonic() < until_s:
            shorter = data[:at] + data[at + size:]
            if run_case(target, shorter).find == find:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def keep(target: Target, data: bytes, find: str, folder: Path | None = None) -> Path:
    """Write a find into the corpus, from where every short run takes it."""
    folder = folder or target.corpus
    folder.mkdir(parents=True, exist_ok=True)
    name = re.sub(r"[^A-Za-z0-9]+", "-", find).strip("-").lower()[:80]
    path = folder / f"{name}-{hashlib.sha256(data).hexdigest()[:8]}.bin"
    path.write_bytes(data)
    return path


def _shown(result: Any) -> str:
    return _DIGITS.sub("#", repr(result)[:200]) if isinstance(result,
                                                              str | int | tuple | bool) else type(result).__name__


def _word_of(error: BaseException) -> str:
    """The kind of an error that was to be expected: its code, and its text but for what is foreign in it."""
    code = error.code if isinstance(error, BlobTorrentError) else type(error).__name__
    return f"{code} {_DIGITS.sub('#', str(error))[:40]}"


def _name_of(error: BaseException) -> str:
    """The same for all errors of one cause: the class, and the innermost place in the source."""
    places = [frame for frame in traceback.extract_tb(error.__traceback__)
              if frame.filename.startswith(str(_SOURCE)) and "cases.py" not in frame.filename]
    if isinstance(error, Hangs):       # anywhere within the loop that does not end
        return f"hangs in {places[1].name}" if len(places) > 1 else "hangs"
    place = f"{Path(places[-1].filename).stem}.{places[-1].name}:{places[-1].lineno}" if places else "?"
    return f"{type(error).__name__} in {place}"
