"""What all tests share: debug mode is on, interop tests are marked, tools are asked for by `require_tool`."""

from __future__ import annotations

import os
from pathlib import Path

# Before the package is imported: @owned looks at it when a class is made. Child processes inherit it.
os.environ.setdefault("BLOBTORRENT_DEBUG", "1")

import pytest

from tests.support.tools import require_module, require_tool

__all__ = ["require_module", "require_tool"]

INTEROP = Path(__file__).parent / "interop"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if INTEROP in item.path.parents:
            item.add_marker(pytest.mark.interop)
