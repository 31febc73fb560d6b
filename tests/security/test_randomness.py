"""Randomness: what nobody may foresee comes from the system; a gate names the modules that may use `random` at all."""

from __future__ import annotations

import ast
import functools
import re

from tests.support.source import modules, tree_of

# Tokens, keys, node ids, transaction ids, ports: SystemRandom, secrets or os.urandom. What decides which piece is
# fetched or which tracker of a tier is asked first may be foreseen by nobody who would gain by it, and may use Random.
MAY_USE_RANDOM = {
    "blobtorrent.core.session.build": {"Random"},          # order of trackers, samples of pieces
    "blobtorrent.daemon.assemble": {"Random"},             # hands it to the swarms
    "blobtorrent.interface.rtorrent.session.ports": {"Random", "SystemRandom"},
    "blobtorrent.discovery.dht": {"SystemRandom"},
    "blobtorrent.daemon.udpdrivers": {"SystemRandom"},
}
SECRET_SOURCES = {
    "blobtorrent.daemon.token": "secrets", "blobtorrent.interface.rest.keyring": "secrets",
    "blobtorrent.storage.state.keyfile": "os.urandom|secrets", "blobtorrent.network.resolver": "os.urandom",
}


@functools.cache
def suspects() -> tuple[str, ...]:
    """Modules that have the word at all: to parse all others takes long on a busy machine."""
    return tuple(name for name, path in modules().items() if "random" in path.read_text(encoding="utf-8"))


def used(module: str) -> set[str]:
    """What a module takes of `random`, annotations aside."""
    tree = tree_of(module)
    for_types = {id(node) for parent in ast.walk(tree) if isinstance(parent, ast.If)
                 and ast.unparse(parent.test) == "TYPE_CHECKING" for node in ast.walk(parent)}
    names: set[str] = set()
    for node in ast.walk(tree):
        if id(node) in for_types:
            continue
        if isinstance(node, ast.ImportFrom) and node.module == "random":
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.Import) and any(alias.name.partition(".")[0] == "random" for alias in node.names):
            names.add("*")
    return names


def test_only_those_on_the_list_use_random() -> None:
    found = {module: names for module in suspects() if (names := used(module))}
    assert found == MAY_USE_RANDOM


def test_nobody_asks_the_module_itself() -> None:
    """Its functions share one generator that anybody may seed."""
    for module in suspects():
        for node in ast.walk(tree_of(module)):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                assert node.value.id != "random", module


def test_secrets_come_from_the_system() -> None:
    for module, source in SECRET_SOURCES.items():
        assert re.search(source, modules()[module].read_text(encoding="utf-8")), module


def test_what_udp_hears_by_is_not_to_be_foreseen() -> None:
    text = modules()["blobtorrent.daemon.udpdrivers"].read_text(encoding="utf-8")
    assert "SystemRandom" in text
