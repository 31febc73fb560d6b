"""A desk that is played: settings of the test, every wish is kept, and carried out as far as the settings go."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from blobtorrent.config.collect import Collector
from blobtorrent.config.listing import Setting, settings_in_force
from blobtorrent.config.load import Loaded
from blobtorrent.config.overrides import check_patch, patched
from blobtorrent.config.schema import Settings
from blobtorrent.interface.desk import ChangeResult, unconditional


class PlayedDesk:
    """`document` is what the settings were made of; all of it is of the place "test"."""

    def __init__(self, document: Mapping[str, Any] | None = None) -> None:
        self.document: dict[str, Any] = dict(document or {})
        self.wishes: list[tuple[str, Any]] = []

    def _loaded(self) -> Loaded:
        collector = Collector()
        collector.add(self.document, lambda _key: "test")
        return Loaded(collector.settings(), collector.given)

    def settings(self) -> Settings:
        return self._loaded().settings

    def listing(self) -> tuple[Setting, ...]:
        return tuple(settings_in_force(self._loaded()))

    def sources(self) -> Mapping[str, str]:
        return {setting.name: setting.source for setting in self.listing()}

    def change(self, patch: Mapping[str, Any], check: Callable[[], None] = unconditional) -> ChangeResult:
        check()
        named = check_patch(patch, "in the change")
        self.document = patched(self.document, patch)
        self.wishes.append(("change", patch))
        return ChangeResult(tuple(named), ())

    def reload(self) -> ChangeResult:
        self.wishes.append(("reload", None))
        return ChangeResult((), ())

    def drain(self, timeout_s: float) -> None:
        self.wishes.append(("drain", timeout_s))

    def stop(self) -> None:
        self.wishes.append(("stop", None))
