"""QueueManager: which of the torrents that should run do. Pure.

Downloads and seeds have a limit each. A torrent that is stalled, because nobody has what it needs, or that is held,
because its filesystem has no room, runs on but holds no slot: the next one gets its turn, unless it would be held too.
When a torrent moves again there may be one too many for a while; then the last in rank goes back into the queue. One
that its owner wants to run now, beyond the queue, does so and takes no slot from others.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Iterable
from typing import NamedTuple

from blobtorrent.model.ids import InfoHash

NO_LIMIT = 0


class Contender(NamedTuple):
    """A torrent that should run. Higher priorities go first, then those that were added earlier."""

    info_hash: InfoHash
    priority: int
    added_at: float
    is_seed: bool
    is_running: bool
    is_stalled: bool = False           # it runs, and has moved nothing for a while
    lacks_room: bool = False           # it cannot write where it lies
    ignores_queue: bool = False        # it runs beyond the queue


class Verdict(NamedTuple):
    """Who begins and who goes back into the queue."""

    start: list[InfoHash]
    yield_: list[InfoHash]


class QueuePlace(NamedTuple):
    """Where one that waits stands among its kind: so many run of `limit` that may, so many others wait before it."""

    is_seed: bool
    limit: int                         # or NO_LIMIT
    running: int
    ahead: int
    lacks_room: bool                   # it would be held if it ran


class QueueManager:
    """`active_downloads` and `active_seeds` torrents hold slots at once; NO_LIMIT lets all run."""

    def __init__(self, *, active_downloads: int = NO_LIMIT, active_seeds: int = NO_LIMIT) -> None:
        self.active_downloads = active_downloads
        self.active_seeds = active_seeds

    @property
    def is_needed(self) -> bool:
        """Somebody may have to wait."""
        return bool(self.active_downloads or self.active_seeds)

    def decide(self, contenders: Iterable[Contender]) -> Verdict:
        """Look at all that should run, in any order."""
        everybody = list(contenders)
        verdict = Verdict([], [])
        self._share([one for one in everybody if not one.is_seed], self.active_downloads, verdict)
        self._share([one for one in everybody if one.is_seed], self.active_seeds, verdict)
        return verdict

    def place_of(self, waiting: InfoHash, contenders: Iterable[Contender]) -> QueuePlace:
        """The place of one of the contenders that does not run."""
        ranked = sorted(contenders, key=_rank)
        place = next(place for place, one in enumerate(ranked) if one.info_hash == waiting)
        own = ranked[place]
        rivals = [one.is_seed == own.is_seed and not (one.ignores_queue or one.lacks_room) for one in ranked]
        return QueuePlace(
            own.is_seed,
            self.active_seeds if own.is_seed else self.active_downloads,
            running=sum(is_rival and one.is_running and not one.is_stalled for is_rival, one in zip(rivals, ranked)),
            ahead=sum(is_rival and not one.is_running for is_rival, one in zip(rivals[:place], ranked)),
            lacks_room=own.lacks_room,
        )

    @staticmethod
    def _share(contenders: list[Contender], limit: int, verdict: Verdict) -> None:
        contenders.sort(key=_rank)
        free = limit if limit != NO_LIMIT else len(contenders)
        for one in contenders:
            if one.is_running and (one.is_stalled or one.lacks_room):
                continue
            if one.ignores_queue:
                if not one.is_running:
                    verdict.start.append(one.info_hash)
            elif free > 0 and not (one.lacks_room and limit != NO_LIMIT):
                free -= 1
                if not one.is_running:
                    verdict.start.append(one.info_hash)
            elif one.is_running:
                verdict.yield_.append(one.info_hash)


def _rank(one: Contender) -> tuple[int, float, InfoHash]:
    return -one.priority, one.added_at, one.info_hash
