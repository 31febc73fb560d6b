"""Programs and modules that only some tests need: without them a test is skipped with the reason, under CI it fails."""

from __future__ import annotations

import importlib
import os
import shutil
from pathlib import Path
from types import ModuleType

import pytest

_SEARCH_PATH = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"))


def require_tool(name: str) -> str:
    """The path of a program."""
    path = shutil.which(name, path=_SEARCH_PATH)
    if path is None:
        lacking(f"the program {name} is not installed")
    assert path is not None
    return path


def require_folder(path: Path, how: str) -> None:
    """What tests/run makes before the tests."""
    if not path.is_dir():
        lacking(f"there is no {path.name} at {path.parent.name}: {how}")


def require_module(name: str) -> ModuleType:
    """An imported Python module."""
    try:
        return importlib.import_module(name)
    except ImportError as error:
        lacking(f"the Python module {name} cannot be imported: {error}")
        raise


def lacking(reason: str) -> None:
    """Skip the test; under CI fail it."""
    if os.environ.get("CI", "").lower() not in ("", "0", "false"):
        pytest.fail(f"{reason}; under CI nothing may be skipped for a missing tool")
    pytest.skip(reason)
