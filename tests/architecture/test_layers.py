"""Imports point downward: from a module to its own package or to a lower rank, never to a sibling, never up."""

from __future__ import annotations

import pytest

from tests.support.source import PACKAGE, imports_of, modules

RANKS = {
    "blobtorrent.__main__": 10,
    "blobtorrent.cli": 9,
    "blobtorrent.daemon": 8,
    "blobtorrent.interface": 7,
    "blobtorrent.core.session": 6,
    "blobtorrent.core.swarm": 5,
    "blobtorrent.core": 5,
    "blobtorrent.discovery": 4,
    "blobtorrent.network": 3,
    "blobtorrent.storage": 3,
    "blobtorrent.protocol": 2,
    "blobtorrent.config": 2,
    "blobtorrent.runtime": 1,
    "blobtorrent.model": 0,
    "blobtorrent": 0,      # the version
}

PURE = ("blobtorrent.model", "blobtorrent.protocol", "blobtorrent.core.swarm")
IMPURE = {"socket", "ssl", "selectors", "threading", "queue", "time", "random", "subprocess"}


def layer_of(module: str) -> str:
    """The ranked package that a module belongs to; a new top-level package must be given a rank."""
    package = module
    while package not in RANKS:
        package = package.rpartition(".")[0]
    assert package != PACKAGE or module == PACKAGE, f"{module} has no rank"
    return package


def is_within(module: str, package: str) -> bool:
    return module == package or module.startswith(f"{package}.")


def breach(importer: str, imported: str) -> str | None:
    """What is wrong with this import; None when it keeps the rules."""
    if imported.startswith("."):
        return "a relative import"
    if not is_within(imported, PACKAGE):
        purist = any(is_within(importer, package) for package in PURE)
        return "not allowed in pure code" if purist and imported.partition(".")[0] in IMPURE else None
    here, there = layer_of(importer), layer_of(imported)
    if here == there or RANKS[there] < RANKS[here]:
        return None
    return f"rank {RANKS[here]} must not know rank {RANKS[there]}"


@pytest.mark.parametrize("module", modules())
def test_imports_keep_the_layers(module):
    flaws = {f"line {line}: {imported}": breach(module, imported) for imported, line in imports_of(module)}
    assert {place: flaw for place, flaw in flaws.items() if flaw} == {}


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("blobtorrent.model.ids", "blobtorrent.runtime.clock"),
        ("blobtorrent.network.door", "blobtorrent.storage.jobs"),
        ("blobtorrent.storage.store", "blobtorrent.network.messages"),
        ("blobtorrent.protocol.metafile", "blobtorrent.config.load"),
        ("blobtorrent.core.swarm.swarm", "blobtorrent.core.session.session"),
        ("blobtorrent.core.swarm.swarm", "threading"),
        ("blobtorrent.protocol.wire.link", "random"),
        ("blobtorrent.daemon.main", "blobtorrent.cli.main"),
        ("blobtorrent.runtime.loop", ".mailbox"),
    ],
)
def test_a_breach_of_the_layers_is_noticed(importer, imported):
    assert breach(importer, imported)


@pytest.mark.parametrize(
    ("importer", "imported"),
    [
        ("blobtorrent.core.session.session", "blobtorrent.core.swarm.messages"),
        ("blobtorrent.network.door", "blobtorrent.protocol.wire.greeting"),
        ("blobtorrent.cli.main", "blobtorrent"),
        ("blobtorrent.runtime.loop", "selectors"),
    ],
)
def test_a_step_down_is_allowed(importer, imported):
    assert breach(importer, imported) is None
