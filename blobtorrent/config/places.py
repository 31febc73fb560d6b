"""Where the daemon's files are: settings, state, sockets."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from blobtorrent.model.errors import ConfigError

NAME = "blobtorrent"
CONFIG_FILE = f"{NAME}.toml"
DROP_INS = "conf.d"                    # a folder beside the settings file
OVERRIDES_FILE = "settings.toml"       # in the state directory
SYSTEM_CONFIG_DIR = Path("/etc") / NAME
SYSTEM_RUNTIME_DIR = Path("/run") / NAME


def config_files(explicit: Path | None, environ: Mapping[str, str]) -> list[Path]:
    """The settings files to read, in order: the file, then `conf.d/*.toml` beside it by name.

    Without an explicit file it is the first of the user's (XDG) and the system's that is there and may be looked at;
    maybe none. Raises ConfigError ("config.unreadable").
    """
    if explicit is None:
        candidates = [_xdg(environ, "XDG_CONFIG_HOME", ".config") / NAME, SYSTEM_CONFIG_DIR]
        explicit = next((folder / CONFIG_FILE for folder in candidates if os.path.exists(folder / CONFIG_FILE)), None)
    if explicit is None:
        return []
    return [explicit, *_drop_ins(explicit.parent / DROP_INS)]


def state_dir(explicit: Path | None, environ: Mapping[str, str]) -> Path:
    """What must survive: the flag, else STATE_DIRECTORY (systemd), else the user's state directory.

    Raises ConfigError ("config.no-home").
    """
    return explicit or _given_by_systemd(environ, "STATE_DIRECTORY") or _xdg(
        environ, "XDG_STATE_HOME", ".local/state"
    ) / NAME


def overrides_file(state: Path) -> Path:
    """The file of what was changed while the daemon ran; it need not be there."""
    return state / OVERRIDES_FILE


def runtime_dir(explicit: Path | None, environ: Mapping[str, str], state: Path) -> Path:
    """Sockets and the pid file: the flag, else RUNTIME_DIRECTORY (systemd), else the user's runtime directory.

    Where there is none, as for users without a login session, it is `run` in the state directory.
    """
    given = explicit or _given_by_systemd(environ, "RUNTIME_DIRECTORY")
    if given is not None:
        return given
    base = environ.get("XDG_RUNTIME_DIR", "")
    return Path(base) / NAME if os.path.isabs(base) else state / "run"


def credentials_dir(environ: Mapping[str, str]) -> Path | None:
    """Where systemd has put secrets for us (LoadCredential=); None when it has none."""
    return _given_by_systemd(environ, "CREDENTIALS_DIRECTORY")


def is_runtime_dir_removed(explicit: Path | None, environ: Mapping[str, str]) -> bool:
    """Whether the runtime directory goes when our process ends: that of systemd does, unless the unit preserves it."""
    return explicit is None and _given_by_systemd(environ, "RUNTIME_DIRECTORY") is not None


def _drop_ins(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.suffix == ".toml")
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError("config.unreadable", f"{folder}: {error.strerror}") from None


def _given_by_systemd(environ: Mapping[str, str], variable: str) -> Path | None:
    """The first of the directories that the service manager made for us."""
    first = environ.get(variable, "").partition(":")[0]
    return Path(first) if first else None


def _xdg(environ: Mapping[str, str], variable: str, fallback: str) -> Path:
    """A base directory of the XDG specification, which has relative values ignored."""
    base = environ.get(variable, "")
    if os.path.isabs(base):
        return Path(base)
    try:
        return Path("~").expanduser() / fallback
    except RuntimeError:               # a user without a name, as in some containers
        raise ConfigError("config.no-home", f"there is no home directory: set HOME or {variable}") from None
