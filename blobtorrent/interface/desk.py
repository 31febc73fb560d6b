"""Desk: what an interface may ask of the daemon as a whole: its settings, to read them again, to leave, to stop."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from blobtorrent.config.schema import Settings

if TYPE_CHECKING:
    from blobtorrent.config.listing import Setting


class ChangeResult(NamedTuple):
    """Full names of settings that are others now, and of those that will be after a restart."""

    applied: tuple[str, ...]
    need_restart: tuple[str, ...]


def unconditional() -> None:
    """A change is made whatever there is."""


class Desk(Protocol):
    """From any thread but the main one, which carries the requests out, one after the other.

    What changes something raises Unavailable: "session.starting" while the daemon starts or ends, and
    "command.no-answer" when there was none in time: it may happen yet.
    """

    def settings(self) -> Settings:
        """What holds now."""

    def listing(self) -> "tuple[Setting, ...]":
        """Every setting as it was written, with its source: what will hold after a restart."""

    def sources(self) -> Mapping[str, str]:
        """Where each setting comes from, by its full name: a place such as FILE:LINE, or "default"."""

    def change(self, patch: Mapping[str, Any], check: Callable[[], None] = unconditional) -> ChangeResult:
        """Merge `patch` (RFC 7396) into the settings that were made at run time, and use them; all of it or nothing.

        It is a document as a settings file is, with null for what is to be as the files say, for one key, a table or
        all. They come after the files and before the environment and the command line. A list of tables, such as
        `watch`, replaces that of the files. `check` is called right before, when no other change can come in between:
        what it raises is raised here, and nothing is changed.

        Raises ConfigError as `config.load.load` does, Conflict ("config.overridden") for what the environment or the
        command line says otherwise, or StorageError when it cannot be saved.
        """

    def reload(self) -> ChangeResult:
        """Read all settings again and use them, or raise what keeps them from being used."""

    def drain(self, timeout_s: float) -> None:
        """Begin to leave: nothing new is begun, what is under way is finished within `timeout_s` seconds, then the
        daemon ends. It is answered at once; the session's snapshot tells how far it is.
        """

    def stop(self) -> None:
        """End the daemon, as SIGTERM does."""
