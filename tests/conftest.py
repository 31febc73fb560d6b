"""What all tests share: debug mode is on, interop and slow tests are marked, tools are asked for by `require_tool`."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from pathlib import Path

# Before the package is imported: @owned looks at it when a class is made. Child processes inherit it.
os.environ.setdefault("BLOBTORRENT_DEBUG", "1")
# Tests send nothing to the internet: those of the DHT name their own nodes.
os.environ.setdefault("BLOBTORRENT_DHT__BOOTSTRAP", "[]")

import hypothesis
import pytest

from tests.support.memory import live_files_below, remove_memory
from tests.support.tools import require_module, require_tool

__all__ = ["require_module", "require_tool"]

# The same cases on every run: a red suite is red for everybody. A slow moment of the machine is no failure.
hypothesis.settings.register_profile("suite", derandomize=True, deadline=None)
hypothesis.settings.load_profile("suite")

INTEROP = Path(__file__).parent / "interop"
SLOW = frozenset(Path(__file__).parent / "e2e" / name for name in (
    "crash", "life", "test_evil_peers.py", "test_steering.py", "test_top.py"))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--full", action="store_true", help="crash tests take hours instead of a minute")


@pytest.fixture
def is_full_run(request: pytest.FixtureRequest) -> bool:
    return bool(request.config.getoption("--full"))


@pytest.fixture(autouse=True)
def memory_is_given_back() -> Iterator[None]:
    yield
    remove_memory()


@pytest.fixture(autouse=True, scope="session")
def nothing_stays_in_shared_memory(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    ours = tmp_path_factory.getbasetemp()
    for path in live_files_below(ours):            # of a run that was killed, whose folder had the same number
        path.unlink()
    yield
    left = live_files_below(ours)
    for path in left:
        path.unlink()
    assert left == [], "live files that no test removed"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEROP in item.path.parents:
            item.add_marker(pytest.mark.interop)
        if not SLOW.isdisjoint((item.path, *item.path.parents)):
            item.add_marker(pytest.mark.slow)


def pytest_collection_finish() -> None:
    """Thousands of tests are looked through by every full collection of garbage, for a second and more, which would
    count for whoever is timed then."""
    gc.collect()
    gc.freeze()
