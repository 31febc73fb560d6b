"""Where the daemon's files are: settings, state, sockets. Pure arithmetic on paths and the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

NAME = "blobtorrent"
CONFIG_FILE = f"{NAME}.toml"
DROP_INS = "conf.d"                    # a folder beside the settings file
SYSTEM_CONFIG_DIR = Path("/etc") / NAME
SYSTEM_RUNTIME_DIR = Path("/run") / NAME


def config_files(explicit: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The settings files to read, in order: the file, then `conf.d/*.toml` beside it by name.

    Without an explicit file it is the first that exists of the user's (XDG) and the system's; maybe none.
    """
    if explicit is None:
        candidates = [_xdg(environ, "XDG_CONFIG_HOME", ".config") / NAME, SYSTEM_CONFIG_DIR]
        explicit = next((folder / CONFIG_FILE for folder in candidates if (folder / CONFIG_FILE).exists()), None)
    if explicit is None:
        return []
    return [explicit, *sorted((explicit.parent / DROP_INS).glob("*.toml"))]


def state_dir(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """What must survive: the flag, else STATE_DIRECTORY (systemd), else the user's state directory."""
    return explicit or _given_by_systemd(environ, "STATE_DIRECTORY") or _xdg(
        environ, "XDG_STATE_HOME", ".local/state"
    ) / NAME


def runtime_dir(explicit: Path | None, environ: Mapping[str, str], state: Path) -> Path:
    """Sockets and the pid file: the flag, else RUNTIME_DIRECTORY (systemd), else the user's runtime directory.

    Where there is none, as for users without a login session, it is `run` in the state directory.
    """
    given = explicit or _given_by_systemd(environ, "RUNTIME_DIRECTORY")
    if given is not None:
        return given
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / NAME if os.path.isabs(base) else state / "run"


def _given_by_systemd(environ: Mapping[str, str], variable: str) -> Path | None:
    """The first of the directories that the service manager made for us."""
    first = environ.get(variable, "").partition(":")[0]
    return Path(first) if first else None


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    """A base directory of the XDG specification, which has relative values ignored."""
    base = environ.get(variable, "")
    return Path(base) if os.path.isabs(base) else Path("~").expanduser() / fallback
