"""Settings of what people see: the log, and the screen of `blobtorrent top`."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.config import values
from blobtorrent.config.option import Section, at_start, live


class LogSettings(Section):
    """What is told, and where."""

    level: str = live(
        "info", values.one_of("debug", "info", "warning", "error"), "The least important messages that are written."
    )
    format: str = at_start(
        "auto",
        values.one_of("auto", "text", "json", "journal"),
        '"text": lines for people; "json": an object a line; "journal": entries with fields, sent to the journal of '
        'systemd; "auto": the journal when standard error is connected to it, else text.',
    )
    file: Path | None = at_start(
        "",
        values.optional_folder,
        "File to write to instead of standard error; opened again at a reload, so that it can be rotated.",
    )


class TopSettings(Section):
    """The screen of blobtorrent top, for all who look at this daemon."""

    layout: str = live(
        "full",
        values.one_of("full", "compact"),
        'How torrents are listed. "full": three lines each; "compact": one, in columns. Its option --layout goes '
        "before this.",
    )
    keys: str = live(
        "qwerty",
        values.one_of("qwerty", "azerty", "qwertz", "dvorak"),
        "The keyboard: the keys for the limits of all torrents are at the places that a, s, d and z, x, c have on a "
        "qwerty keyboard.",
    )
