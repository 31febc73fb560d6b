"""Which commands there are, in the groups and the order in which `blobtorrent --help` lists them.

Each is a module of its name in `blobtorrent.cli.commands`.
"""

from __future__ import annotations

import keyword

GROUPS: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("torrents without a daemon", ("get", "create", "show", "verify", "edit", "magnet")),
    ("torrents of the daemon", (
        "add", "list", "start", "stop", "pause", "remove", "move", "rename", "files", "peers", "trackers", "limits",
        "set", "label", "recheck", "announce", "why",
    )),
    ("the daemon", ("top", "watch", "filters", "events", "stats", "settings", "token", "drain", "apply", "export")),
    ("what the daemon keeps, while it does not run", ("config", "tls", "doctor", "backup", "restore", "import")),
    ("the shell", ("completion",)),
)

COMMANDS = tuple(name for _, names in GROUPS for name in names)


def module_of(command: str) -> str:
    """The module of a command. No module can have the name `import`: that one ends in an underscore."""
    return f"blobtorrent.cli.commands.{command}{'_' if keyword.iskeyword(command) else ''}"
