"""AnnounceLedger: what every tracker knows of us, what it is owed, and what it is being told. Pure.

A tracker is told of a torrent's life: `started`, `completed` if that happens in this life, `stopped`. A torrent that is
stopped and started again has another life, and a line hears of the end of one before it hears of the next. It is told
one thing at a time: calls run side by side, events must not.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from enum import Enum
from typing import NamedTuple

from blobtorrent.core.session.announcequeue import Line
from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.tracker.announce import AnnounceEvent, AnnounceQuery


class Share(Enum):
    """What an answer is to the torrent that it was given for."""

    ROUND = "round"                    # what it waits for
    NEWS = "news"                      # something that it told out of turn
    PAST = "past"                      # of a life that is over


class Tell(NamedTuple):
    """What to tell now. `farewell` has the figures of a life that is over; None: as they are now."""

    info_hash: InfoHash
    event: AnnounceEvent
    farewell: AnnounceQuery | None


class _Entry:
    """One line."""

    __slots__ = ("farewell", "has_completed", "info_hash", "is_due", "is_known", "is_told", "leaver", "owes_last",
                 "told", "told_late", "was_tried")

    def __init__(self) -> None:
        self.is_known = False          # it took an announce, and no `stopped` since
        self.told: AnnounceEvent | None = None             # what it has not answered yet
        self.told_late = False         # that is of a life that was over before
        # The life that is.
        self.info_hash: InfoHash | None = None
        self.is_due = False            # its round waits for an answer
        self.has_completed = False     # the download ended in this life
        self.is_told = False           # and the tracker took that
        self.was_tried = False         # or was told so in vain, and has served nothing since
        # The life before, until the tracker has heard of its end.
        self.farewell: AnnounceQuery | None = None
        self.leaver: InfoHash | None = None
        self.owes_last = False         # `completed` of that life


class AnnounceLedger:
    """`take` gives what a line is to be told now; then it is under way until `answered`, or taken back.

    After every change of a line it is time for `take`, once the change is made known to who waits for its answers.
    """

    def __init__(self) -> None:
        self._entries: dict[Line, _Entry] = {}
        self._leaving: dict[Line, None] = {}

    def __len__(self) -> int:
        """Lines that are of interest."""
        return len(self._entries)

    @property
    def is_quiet(self) -> bool:
        """No tracker has to hear yet that a life is over."""
        return not self._leaving

    def knows(self, line: Line) -> bool:
        """Whether this tracker counts us among its peers."""
        entry = self._entries.get(line)
        return entry is not None and entry.is_known

    def ask(self, line: Line, info_hash: InfoHash, *, has_completed: bool) -> None:
        """A round of the torrent wants an answer from it; `has_completed`: the download ended in this life."""
        entry = self._entries.setdefault(line, _Entry())
        entry.info_hash, entry.is_due, entry.has_completed = info_hash, True, has_completed

    def complete(self, line: Line) -> None:
        """The download has ended: it is to know that, once it knows us."""
        entry = self._entries.get(line)
        if entry is not None:
            entry.has_completed = True

    def leave(self, line: Line, farewell: AnnounceQuery, *, is_awaited: bool) -> None:
        """This life is over. Who knows us is told the rest of it; so is who takes `started`, if that is under way.

        `is_awaited`: an answer to that is to be expected, so the ledger is not quiet before it has come.
        """
        entry = self._entries.get(line)
        if entry is None:
            return
        if entry.farewell is None:
            entry.farewell, entry.leaver = farewell, entry.info_hash
            entry.owes_last = entry.has_completed and not entry.is_told
            if entry.is_known or entry.told is not None and is_awaited:
                self._leaving[line] = None
        entry.is_due = entry.has_completed = entry.is_told = entry.was_tried = False

    def take(self, line: Line) -> Tell | None:
        """What to tell it now. None: nothing, or nothing before it has answered."""
        entry = self._entries.get(line)
        if entry is None or entry.told is not None:
            return None
        if entry.farewell is not None and not entry.is_known:
            self._end_life(line, entry)
        if entry.farewell is not None:
            assert entry.leaver is not None
            entry.told = AnnounceEvent.COMPLETED if entry.owes_last else AnnounceEvent.STOPPED
            entry.told_late = True
            return Tell(entry.leaver, entry.told, entry.farewell)
        entry.told_late = False
        if entry.is_known and entry.has_completed and not (entry.is_told or entry.was_tried):
            entry.told, entry.was_tried = AnnounceEvent.COMPLETED, True
        elif entry.is_due:
            entry.told = AnnounceEvent.NONE if entry.is_known else AnnounceEvent.STARTED
        else:
            if not entry.is_known:
                del self._entries[line]
            return None
        assert entry.info_hash is not None
        return Tell(entry.info_hash, entry.told, None)

    def take_back(self, line: Line) -> None:
        """What was taken for it was not sent, nor will be."""
        entry = self._entries[line]
        entry.was_tried &= entry.told is not AnnounceEvent.COMPLETED
        entry.told = None

    def give_up(self, line: Line) -> None:
        """The round that wanted an answer wants it no more."""
        self._entries[line].is_due = False

    def answered(self, line: Line, *, is_taken: bool) -> Share:
        """It answered what was under way, or failed to."""
        entry = self._entries[line]
        event, entry.told = entry.told, None
        assert event is not None
        if event is AnnounceEvent.STOPPED:                 # told once: who does not hear it forgets us by and by
            entry.is_known = False
            self._end_life(line, entry)
            return Share.PAST
        entry.is_known |= is_taken
        if entry.farewell is not None:
            if event is AnnounceEvent.COMPLETED and (is_taken or entry.told_late):
                entry.owes_last = False
            if entry.is_known:
                self._leaving[line] = None
            else:
                self._end_life(line, entry)
            return Share.PAST
        if event is AnnounceEvent.COMPLETED:
            entry.is_told |= is_taken
            is_awaited = entry.is_due and is_taken         # else the round asks without news
        else:
            entry.was_tried &= not is_taken
            is_awaited = entry.is_due
        if is_awaited:
            entry.is_due = False
        return Share.ROUND if is_awaited else Share.NEWS

    def _end_life(self, line: Line, entry: _Entry) -> None:
        entry.farewell = entry.leaver = None
        entry.owes_last = False
        self._leaving.pop(line, None)
