"""Where settings come from: defaults, then files in order, then the environment, then `--set`. The last one wins."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from blobtorrent.config.schema import LISTED_TABLES, Settings, default_settings

ENVIRONMENT_PREFIX = "BLOBTORRENT_"


def load(
    files: Iterable[Path] = (), environ: Mapping[str, str] | None = None, assignments: Iterable[str] = ()
) -> Settings:
    """Read and check all settings.

    `files` are TOML files, which must exist. `environ` may hold `BLOBTORRENT_SECTION__KEY`, whose value is TOML or,
    when it cannot be TOML, plain text. `assignments` are `section.key=VALUE` of the command line, VALUE being TOML.

    Raises ConfigError: "config.unreadable", "config.bad-toml", "config.unknown-key", "config.missing-key" or
    "config.bad-value"; the text begins with the place, `FILE:LINE` for a file.
    """
    files, assignments = list(files), list(assignments)
    if not files and not assignments and not any(map(is_setting, environ or ())):
        return default_settings()
    # Most runs of a command have nothing to read: they start without what reads it.
    from blobtorrent.config.sources import load_with_sources

    return load_with_sources(files, environ, assignments).settings


def is_setting(variable: str) -> bool:
    """Whether a variable of the environment is a setting, or is meant to be one."""
    if not variable.startswith(ENVIRONMENT_PREFIX):
        return False
    name = variable.removeprefix(ENVIRONMENT_PREFIX)
    return "__" in name or name.lower() in LISTED_TABLES
