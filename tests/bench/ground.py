"""Where the benchmarks run: samples made once, folders to download into, and a clock for a process's work."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests.bench.contestants import OURS, Contestant
from tests.support.payload import MIB, Sample, make_sample, many_small_files

GIB = 1 << 30
RUN_TIMEOUT_S = 600.0
CHANCES = 3                            # for another program to get through one run

T = TypeVar("T")


class Ground:
    """Where content lies (`content`: in the page cache of a disk) and goes (`downloads`: into memory), and the options
    that all rows share."""

    def __init__(self, content: Path, downloads: Path, size: int, runs: int,
                 contestants: Sequence[Contestant]) -> None:
        self.content = content
        self._downloads = downloads
        self.size = size
        self.runs = runs
        self.contestants = tuple(contestants)
        self._samples: dict[str, Sample] = {}

    def sample(self, name: str, *, size: int | None = None, piece_length: int = MIB, files: int = 1) -> Sample:
        """Content of `size` bytes (the benchmark's own size when not given); the same name gives the same sample."""
        if name not in self._samples:
            length = self.size if size is None else size
            listed = length if files == 1 else many_small_files(files, length // files)
            work = self.content / name
            work.mkdir()
            self._samples[name] = make_sample(work, name, listed, piece_length)
            os.sync()                  # or the kernel would write it back while somebody is measured
        return self._samples[name]

    def forget(self, name: str) -> None:
        """Give its memory back."""
        if self._samples.pop(name, None):
            shutil.rmtree(self.content / name)

    @contextmanager
    def landing(self, count: int = 1) -> Iterator[list[Path]]:
        """Empty folders to download into, removed afterwards."""
        landing = self._downloads / "landing"
        folders = [landing / str(number) for number in range(count)]
        for folder in folders:
            folder.mkdir(parents=True)
        try:
            yield folders
        finally:
            shutil.rmtree(landing)

    def rounds(self) -> Iterator[tuple[int, Contestant]]:
        """Every contestant once a round; each round begins with another one, so that none always comes first."""
        for number in range(self.runs):
            turn = number % max(1, len(self.contestants))
            for contestant in self.contestants[turn:] + self.contestants[:turn]:
                yield number, contestant


def attempt(contestant: Contestant, run: Callable[[], T]) -> T:
    """What `run` returns. Another program that gives up in the middle may try again; ours has one chance."""
    for _ in range(1, 1 if contestant.name == OURS else CHANCES):
        try:
            return run()
        except RuntimeError as error:
            note(f"{contestant.name} failed and begins again: {error}")
    return run()


def note(text: str) -> None:
    """Progress, for whoever waits: the table alone goes to stdout."""
    print(text, file=sys.stderr, flush=True)
