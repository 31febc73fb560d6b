"""Packages and release are made once; the packages are installed once, into a layer that every machine begins with."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import rpms as rpm_packages
from tests.support.debs import Debs, build_debs, layer_with
from tests.support.release import Release, make_release
from tests.support.rpms import Rpms, build_rpms


@pytest.fixture(scope="session")
def debs(tmp_path_factory: pytest.TempPathFactory) -> Debs:
    return build_debs(tmp_path_factory.mktemp("debs"))


@pytest.fixture(scope="session")
def installed(debs: Debs, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return layer_with(tmp_path_factory.mktemp("installed"), debs)


@pytest.fixture(scope="session")
def rpms(tmp_path_factory: pytest.TempPathFactory) -> Rpms:
    return build_rpms(tmp_path_factory.mktemp("rpms"))


@pytest.fixture(scope="session")
def rpm_installed(rpms: Rpms, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rpm_packages.layer_with(tmp_path_factory.mktemp("rpm-installed"), rpms)


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    return make_release(tmp_path_factory.mktemp("release"))
