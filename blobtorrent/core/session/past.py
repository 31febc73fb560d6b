"""What is known of the runs before this one: what the session's row says. Pure.

What torrents moved stands in their own rows and is exact there; this row keeps what those moved that were removed, and
is committed together with their removal. So the sum of both is exact, whenever a process is killed.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Iterable
from typing import NamedTuple

from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.core.swarm.messages import Totals
from blobtorrent.model.details import Figures


class Past(NamedTuple):
    """As it was at `alive_at`, in seconds since 1970, when somebody looked last."""

    alive_at: float = 0.0
    seconds: float = 0.0               # that the program had run
    runs: int = 0
    removed: int = 0                   # torrents that are gone
    removed_finished: int = 0          # of these: were completed by downloading
    removed_bytes: Totals = Totals()   # that these moved

    def until(self, alive_at: float) -> "Past":
        """It ran until then, as something else tells that knows better."""
        return self._replace(alive_at=alive_at, seconds=self.seconds + alive_at - self.alive_at)

    def without(self, record: TorrentRecord) -> "Past":
        """A torrent was removed: what it did is kept here from now on."""
        did, moved = record.lifetime, self.removed_bytes
        return self._replace(
            removed=self.removed + 1,
            removed_finished=self.removed_finished + _was_finished(record),
            removed_bytes=Totals(
                moved.downloaded + did.downloaded_bytes,
                moved.uploaded + did.uploaded_bytes,
                moved.wasted + did.wasted_bytes,
            ),
        )


def figures(past: Past, records: Iterable[TorrentRecord]) -> Figures:
    """What was done by all torrents that there are, and those that are gone."""
    downloaded, uploaded, wasted = past.removed_bytes
    added, finished = past.removed, past.removed_finished
    for record in records:
        did = record.lifetime
        downloaded += did.downloaded_bytes
        uploaded += did.uploaded_bytes
        wasted += did.wasted_bytes
        added += 1
        finished += _was_finished(record)
    return Figures(downloaded, uploaded, wasted, past.seconds, past.runs, added, finished)


def _was_finished(record: TorrentRecord) -> bool:
    """Also one of which all was here when the program was killed, before it was saved that it is complete."""
    return record.finished_at > 0 or record.owes_finish and not record.left_bytes


def since(now: Figures, then: Figures) -> Figures:
    """What was done between the two."""
    return Figures(
        downloaded_bytes=now.downloaded_bytes - then.downloaded_bytes,
        uploaded_bytes=now.uploaded_bytes - then.uploaded_bytes,
        wasted_bytes=now.wasted_bytes - then.wasted_bytes,
        seconds=now.seconds - then.seconds,
        runs=now.runs - then.runs,
        torrents_added=now.torrents_added - then.torrents_added,
        torrents_finished=now.torrents_finished - then.torrents_finished,
    )
