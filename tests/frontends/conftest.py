"""Front-ends that were made for rTorrent, as their users have them."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.support.memory import remove_memory

# ruTorrent comes with no package: who has a checkout names it there, see README.md.
collect_ignore = [] if "BLOBTORRENT_RUTORRENT" in os.environ else ["test_rutorrent_application.py"]


@pytest.fixture(autouse=True, scope="module")
def memory_is_given_back() -> Iterator[None]:
    """At the end of a file: its tests share a daemon."""
    yield
    remove_memory()
