"""The packages are built once, and installed once into a layer that every machine begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.debs import Debs, build_debs, layer_with


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Debs:
    return build_debs(tmp_path_factory.mktemp("debs"))


@pytest.fixture(scope="session")
def installed(debs: Debs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layer_with(tmp_path_factory.mktemp("installed"), debs)
