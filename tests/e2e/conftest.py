"""A daemon for all tests of a module, which must find it as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.besieged import Besieged


@pytest.fixture(scope="module")
def besieged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    with Besieged(tmp_path_factory.mktemp("besieged")) as running:
        yield running


@pytest.fixture(scope="module")
def state(besieged: Besieged) -> str:
    """What it was before anybody came."""
    digest: str = besieged.digest()
    return digest


@pytest.fixture
def victim(besieged: Besieged, state: str) -> Iterator[Besieged]:
    yield besieged
    assert besieged.digest() == state
