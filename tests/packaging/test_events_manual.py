"""The manual page of events knows every type with its fields, and names figures and settings that there are."""

from __future__ import annotations

import re

from blobtorrent.config.doors import HookSettings
from blobtorrent.model.eventnames import EVENT_NAMES
from tests.support.source import ROOT, modules

PAGE = (ROOT / "man" / "blobtorrent-events.7").read_text()

TOLD_OF_ALL = {"info_hash", "name", "labels"}              # explained once for all events of torrents


def section(name: str) -> str:
    return PAGE.partition(f".Sh {name}\n")[2].partition("\n.Sh ")[0]


def explained_types() -> dict[str, str]:
    """The text about each type."""
    _, *parts = re.split(r"^\.It Sy (\S+)$", section("EVENTS"), flags=re.MULTILINE)
    return dict(zip(parts[::2], parts[1::2]))


def test_the_page_explains_exactly_the_types_that_there_are():
    assert explained_types().keys() == set(EVENT_NAMES.values())


def test_the_page_names_every_field_of_every_type():
    for kind, name in EVENT_NAMES.items():
        words = set(re.findall(r"[a-z_]+", explained_types()[name]))
        assert set(kind.__annotations__) - TOLD_OF_ALL <= words, name


def test_the_page_names_settings_of_hooks_that_there_are():
    named = set(re.findall(r"^\.Sy ([a-z_]+)(?: [.,])?$", section("HOOKS"), re.MULTILINE)) - {"admin"}
    assert named <= {key for key, _ in HookSettings.options()}


def test_the_page_names_figures_that_there_are():
    exported = {
        name for path in modules().values() for name in re.findall(r'"(blobtorrent_[a-z0-9_]+)"', path.read_text())
    }
    named = set(re.findall(r"blobtorrent_[a-z0-9_]+", section("METRICS")))
    assert len(named) > 10 and named <= exported
