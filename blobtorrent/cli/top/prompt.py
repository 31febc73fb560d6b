"""Prompt: a line that is typed at the bottom of the screen. Pure."""

from __future__ import annotations

from enum import Enum

from blobtorrent.cli.output import clean

MAX_TYPED = 4096                       # characters, as long as a path


class Topic(Enum):
    """What is asked for; the value stands before what is typed."""

    FILTER = "filter"
    ADD = "add path or URL"
    LABELS = "labels, with commas"
    LIMITS = "limits: down, up (0: none)"
    REMOVE = "remove? y: yes, d: with its files, n"


class Prompt:
    """`of` and `about` are the hash and the name of the torrent that it is about, if it is about one."""

    def __init__(self, topic: Topic, text: str = "", *, of: str = "", about: str = "") -> None:
        self.topic = topic
        self.of = of
        self.about = about
        self.text = text
        self.cursor = len(text)

    def press(self, key: str) -> None:
        """A key that edits the line; others do nothing."""
        if key == "left":
            self.cursor = max(0, self.cursor - 1)
        elif key == "right":
            self.cursor = min(len(self.text), self.cursor + 1)
        elif key in ("home", "^A"):
            self.cursor = 0
        elif key in ("end", "^E"):
            self.cursor = len(self.text)
        elif key == "^U":
            self.text, self.cursor = self.text[self.cursor:], 0
        elif key == "^K":
            self.text = self.text[: self.cursor]
        elif key == "backspace" and self.cursor:
            self.text = self.text[: self.cursor - 1] + self.text[self.cursor:]
            self.cursor -= 1
        elif key == "delete":
            self.text = self.text[: self.cursor] + self.text[self.cursor + 1:]
        elif len(key) == 1 and len(self.text) < MAX_TYPED and clean(key) == key:
            self.text = self.text[: self.cursor] + key + self.text[self.cursor:]
            self.cursor += 1
