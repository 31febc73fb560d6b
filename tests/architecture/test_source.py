"""What can be seen in the source without running it: sizes, names, locks, leftovers."""

from __future__ import annotations

import ast
import subprocess

import pytest

from tests.support.source import ROOT, modules, tree_of

MAX_LINES = 500

LOCKS = {"Lock", "RLock", "Condition", "Semaphore", "BoundedSemaphore", "Barrier"}
MAY_LOCK = {"blobtorrent.storage.arena", "blobtorrent.storage.filepool"}
MAY_USE_THE_LOCK_OF_A_QUEUE = {"blobtorrent.runtime.mailbox"}

MAY_SWALLOW = {
    "blobtorrent.runtime.loop", "blobtorrent.runtime.worker",
    "blobtorrent.daemon.desk",         # main thread
    "blobtorrent.interface.rtorrent.turns",                # the threads of the command language
    "blobtorrent.core.swarm.guard",    # one swarm's bug is not the others'
    "blobtorrent.network.receiver",    # nor the shard's
}

SHAPELESS_NAMES = {"utils", "util", "helpers", "helper", "common", "misc"}


def names_used(module: str) -> set[str]:
    nodes = list(ast.walk(tree_of(module)))
    return (
        {node.attr for node in nodes if isinstance(node, ast.Attribute)}
        | {node.id for node in nodes if isinstance(node, ast.Name)}
        | {alias.name for node in nodes if isinstance(node, ast.ImportFrom) for alias in node.names}
    )


@pytest.mark.parametrize("module", modules())
def test_a_module_is_no_longer_than_one_idea(module):
    lines = modules()[module].read_text(encoding="utf-8").count("\n")
    assert lines <= MAX_LINES


@pytest.mark.parametrize("module", modules())
def test_a_module_says_what_it_knows(module):
    assert ast.get_docstring(tree_of(module))


@pytest.mark.parametrize("module", modules())
def test_a_module_has_a_name_with_a_meaning(module):
    assert not set(module.split(".")) & SHAPELESS_NAMES


def test_locks_exist_only_where_the_design_lists_them():
    assert {module for module in modules() if names_used(module) & LOCKS} <= MAY_LOCK


def test_only_the_mailbox_reaches_into_a_queue():
    assert {module for module in modules() if "mutex" in names_used(module)} <= MAY_USE_THE_LOCK_OF_A_QUEUE


def swallows_everything(handler: ast.ExceptHandler) -> bool:
    """Whether a handler takes any exception and does not raise it again."""
    caught = handler.type
    takes_all = caught is None or (isinstance(caught, ast.Name) and caught.id in ("Exception", "BaseException"))
    last = handler.body[-1]
    return takes_all and not (isinstance(last, ast.Raise) and last.exc is None)


def test_only_loop_tops_swallow_any_exception():
    swallowers = {
        module
        for module in modules()
        for node in ast.walk(tree_of(module))
        if isinstance(node, ast.ExceptHandler) and swallows_everything(node)
    }
    assert swallowers <= MAY_SWALLOW


def test_no_file_names_the_checkout_it_was_written_in():
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    listing = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True).stdout
    files = [ROOT / name for name in listing.decode().split("\0") if name]
    needle = f"{ROOT}/".encode()
    assert [path.name for path in files if path.is_file() and needle in path.read_bytes()] == []
