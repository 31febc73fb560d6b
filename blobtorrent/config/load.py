"""Where settings come from: defaults, then files in order, then what was changed while the daemon ran, then the
environment, then `--set`. The last one wins."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from blobtorrent.config.schema import LISTED_TABLES, Settings, default_settings

ENVIRONMENT_PREFIX = "BLOBTORRENT_"


class Given(NamedTuple):
    """A value that somebody set: as written in TOML, as it was read, and the place it comes from."""

    written: object
    value: object
    place: str


class Loaded(NamedTuple):
    """The settings, and what of them was given, by full name as in `Collector`."""

    settings: Settings
    given: Mapping[str, Given]


def load(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = ()
) -> Settings:
    """As `load_all`, without where they come from."""
    return load_all(files, environ, assignments).settings


def load_all(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = (),
    overrides: Path | None = None,
) -> Loaded:
    """Read and check all settings.

    `files` are TOML files, which must exist; `overrides` is one that need not. `environ` may hold
    `BLOBTORRENT_SECTION__KEY`, whose value is TOML or, when it cannot be TOML, plain text. `assignments` are
    `section.key=VALUE` of the command line, VALUE being TOML.

    Raises ConfigError: "config.unreadable", "config.bad-toml", "config.unknown-key", "config.missing-key" or
    "config.bad-value"; the text begins with the place, `FILE:LINE` for a file.
    """
    files, assignments = list(files), list(assignments)
    is_overridden = overrides is not None and os.path.exists(overrides)
    if not files and not assignments and not is_overridden and not any(map(is_setting, environ or ())):
        return Loaded(default_settings(), {})
    # Most runs of a command have nothing to read: they start without what reads it.
    from blobtorrent.config.overrides import read_overrides
    from blobtorrent.config.sources import load_with_sources

    return load_with_sources(files, environ, assignments, None if overrides is None else read_overrides(overrides))


def is_setting(variable: str) -> bool:
    """Whether a variable of the environment is a setting, or is meant to be one."""
    if not variable.startswith(ENVIRONMENT_PREFIX):
        return False
    name = variable.removeprefix(ENVIRONMENT_PREFIX)
    return "__" in name or name.lower() in LISTED_TABLES
