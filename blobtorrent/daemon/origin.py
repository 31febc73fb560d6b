"""Origin: where this process has its settings from, to read them again at any time."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config.load import Loaded, load_all
from blobtorrent.config.places import config_files
from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import ConfigError

OVERRIDES_MODE = 0o600                 # settings may name secrets


class Mended(NamedTuple):
    """Overrides that cannot be read, and what holds in their stead until they are replaced by it."""

    text: str
    damage: Damage


class Said:
    """What a configuration of rTorrent has set: a document as those of settings files are. It holds for this run, and
    less of it with each change that a client makes. Written by the main thread, or before that looks.
    """

    def __init__(self) -> None:
        self.document: Mapping[str, Any] = {}


class Origin(NamedTuple):
    """`config` is the settings file that was named, `overrides` the one of what was changed while the daemon ran, and
    `said` comes after that.
    """

    config: Path | None
    environ: Mapping[str, str]
    assignments: Sequence[str]
    overrides: Path
    said: Said

    def read(self) -> Loaded:
        """The settings as they are now. Raises ConfigError."""
        if self.said.document:
            from blobtorrent.config.overrides import read_overrides

            return self.read_with(read_overrides(self.overrides).text)
        return load_all(config_files(self.config, self.environ), self.environ, self.assignments, self.overrides)

    def read_at_start(self) -> tuple[Loaded, Mended | None]:
        """As `read`; but what is damaged of our own making, the overrides, keeps no daemon from starting.

        Then those before the last change hold, or none. Raises ConfigError for what people wrote.
        """
        try:
            return self.read(), None
        except ConfigError as error:
            if not self.overrides.exists():
                raise
            for text, what in ((self._text_before(), "those before the last change hold"), ("", "none of them hold")):
                try:
                    loaded = self.read_with(text)
                except ConfigError:
                    continue
                remedy = f"it goes to quarantine; {what}: look through them"
                return loaded, Mended(text, Damage("changed settings", str(self.overrides), error.detail, remedy))
            raise

    @property
    def overrides_before(self) -> Path:
        """What the overrides were before the last change."""
        return self.overrides.with_name(f"{self.overrides.name}.1")

    def _text_before(self) -> str:
        from blobtorrent.config.overrides import read_overrides

        try:
            return read_overrides(self.overrides_before).text
        except ConfigError:
            return ""

    def read_with(self, overrides: str) -> Loaded:
        """As they would be if that were the text of the overrides. Raises ConfigError."""
        from blobtorrent.config.overrides import Overrides
        from blobtorrent.config.sources import load_with_sources

        files = config_files(self.config, self.environ)
        return load_with_sources(
            files, self.environ, self.assignments, Overrides(self.overrides, overrides), self.said.document)
