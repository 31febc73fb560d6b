"""Origin: where this process has its settings from, to read them again at any time."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.load import Loaded, load_all
from blobtorrent.config.places import config_files


class Origin(NamedTuple):
    """`config` is the settings file that was named, `overrides` the one of what was changed while the daemon ran."""

    config: Path | None
    environ: Mapping[str, str]
    assignments: Sequence[str]
    overrides: Path

    def read(self) -> Loaded:
        """The settings as they are now. Raises ConfigError."""
        return load_all(config_files(self.config, self.environ), self.environ, self.assignments, self.overrides)

    def read_with(self, overrides: str) -> Loaded:
        """As they would be if that were the text of the overrides. Raises ConfigError."""
        from blobtorrent.config.overrides import Overrides
        from blobtorrent.config.sources import load_with_sources

        files = config_files(self.config, self.environ)
        return load_with_sources(files, self.environ, self.assignments, Overrides(self.overrides, overrides))
