"""How every source of peers stands for one torrent: what came of it, what it does next, what went wrong.

`source_statuses` is pure; PeerSources, owned by `core`, gathers for it what each manager knows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, NamedTuple

from blobtorrent.core.session.history import Heard
from blobtorrent.core.session.situation import DhtRound
from blobtorrent.core.swarm.messages import PeerSource
from blobtorrent.model.details import PeerNameStatus, SourceStatus, TrackerStatus
from blobtorrent.model.status import TorrentStatus

if TYPE_CHECKING:
    from blobtorrent.core.session.answers import Answers
    from blobtorrent.core.session.build import Parts
    from blobtorrent.core.session.torrent import Torrent
    from blobtorrent.runtime.clock import Clock

OFF, PRIVATE, RESTS, ASKING, WAITING, FAILING = "off", "private", "rests", "asking", "waiting", "failing"


class Facts(NamedTuple):
    """What is known of a torrent's sources. `has_peers`: it is on the network."""

    status: TorrentStatus
    has_peers: bool
    heard: Mapping[PeerSource, Heard]
    trackers: tuple[TrackerStatus, ...]
    dht: DhtRound | None               # None when it is not looked for there
    names: tuple[PeerNameStatus, ...]
    num_static: int                    # addresses that its owner named
    has_dht: bool                      # by the settings, as the next two
    has_pex: bool
    has_lsd: bool
    can_be_reached: bool               # somebody could come to us
    now_s: float
    wall: float


class _Stand(NamedTuple):
    state: str
    result: str = ""
    error_code: str = ""
    next_s: float | None = None


def source_statuses(facts: Facts) -> tuple[SourceStatus, ...]:
    """Those that there are for it, and those that could be: off, or not for private torrents."""
    known = {row.source: row for row in facts.status.peers_from}
    heard = {source.value: heard for source, heard in facts.heard.items()}
    stands = dict(_stands(facts))
    rest = _Stand(WAITING if facts.has_peers else RESTS)
    found = []
    for name in [*stands, *(name for name in {**known, **heard} if name not in stands)]:
        stand, told, row = stands.get(name, rest), heard.get(name), known.get(name)
        found.append(SourceStatus(
            source=name,
            state=stand.state,
            known=row.known if row else 0,
            connected=row.connected if row else 0,
            told=told.addresses if told else 0,
            told_s=facts.now_s - told.at_s if told else None,
            result=stand.result,
            error_code=stand.error_code,
            next_s=stand.next_s,
        ))
    return tuple(found)


def _stands(facts: Facts) -> Iterator[tuple[str, _Stand]]:
    yield PeerSource.TRACKER.value, _of_trackers(facts)
    yield PeerSource.DHT.value, _of_public(facts, has_it=facts.has_dht) or _of_dht(facts.dht)
    lsd = _of_public(facts, has_it=facts.has_lsd)
    if lsd is None:
        lsd = _Stand(WAITING, "announced on the local network") if facts.can_be_reached else _Stand(
            FAILING, "nobody could reach us, so it is not announced", "lsd.no-listener")
    yield PeerSource.LSD.value, lsd
    yield PeerSource.PEX.value, _of_public(facts, has_it=facts.has_pex) or _Stand(WAITING)
    if facts.names:
        yield PeerSource.DNS.value, _of_names(facts)
    if facts.num_static:
        text = f"{facts.num_static} named by the owner, tried for ever"
        yield PeerSource.STATIC.value, _Stand(WAITING if facts.has_peers else RESTS, text)


def _of_public(facts: Facts, *, has_it: bool) -> _Stand | None:
    """Why a source that anybody can read is not used, if so."""
    if not has_it:
        return _Stand(OFF)
    if facts.status.is_private:
        return _Stand(PRIVATE)
    return None if facts.has_peers else _Stand(RESTS)


def _of_trackers(facts: Facts) -> _Stand:
    trackers = [tracker for tracker in facts.trackers if tracker.state not in ("idle", "disabled")]
    if not trackers:
        return _Stand(RESTS if facts.trackers else OFF, "" if facts.trackers else "it names no tracker")
    failing = [tracker for tracker in trackers if tracker.error_code]
    times = [tracker.next_announce_at for tracker in trackers if tracker.next_announce_at]
    if any(tracker.state == "announcing" for tracker in trackers):
        state = ASKING
    else:
        state = FAILING if len(failing) == len(trackers) else WAITING
    result = f"{len(trackers) - len(failing)} of {len(trackers)} answer"
    if failing:
        result += f"; {failing[0].url_shown}: {failing[0].result}"
    return _Stand(state, result, failing[0].error_code if failing else "",
                  max(0.0, min(times) - facts.wall) if times else None)


def _of_dht(last: DhtRound | None) -> _Stand:
    if last is None:
        return _Stand(RESTS)
    if last.asked_s is None:
        return _Stand(ASKING, next_s=last.next_s)
    if not last.nodes:
        return _Stand(FAILING, "no node has answered", "dht.no-nodes", last.next_s)
    return _Stand(WAITING, f"{last.nodes} nodes answered, {last.announced} know of us", next_s=last.next_s)


def _of_names(facts: Facts) -> _Stand:
    failing = [name for name in facts.names if name.error_code]
    times = [name.next_s for name in facts.names if name.next_s is not None]
    if any(name.state == "asking" for name in facts.names):
        state = ASKING
    else:
        state = FAILING if len(failing) == len(facts.names) else WAITING
    result = f"{len(facts.names) - len(failing)} of {len(facts.names)} names are known"
    if failing:
        result += f"; {failing[0].error_detail}"
    return _Stand(state, result, failing[0].error_code if failing else "", min(times, default=None))


class PeerSources:
    """`can_be_reached()` tells whether somebody could come to us."""

    def __init__(self, parts: Parts, answers: Answers, *, has_lsd: bool, can_be_reached: Callable[[], bool],
                 clock: Clock) -> None:
        self._parts = parts
        self._answers = answers
        self._has_lsd = has_lsd
        self._can_be_reached = can_be_reached
        self._clock = clock

    def of(self, torrent: Torrent) -> tuple[SourceStatus, ...]:
        now, wall, parts = self._clock.now(), self._clock.wall(), self._parts
        return source_statuses(Facts(
            status=torrent.status(now, wall),
            has_peers=torrent.has_peers,
            heard=torrent.heard,
            trackers=self._answers.trackers(torrent) if torrent.has_peers else (),
            dht=None if parts.dht is None else parts.dht.last_round(torrent.info_hash),
            names=() if parts.names is None else parts.names.statuses(torrent),
            num_static=len(torrent.record.wishes.static_peers),
            has_dht=parts.dht is not None,
            has_pex=parts.swarms.exchanges_peers(torrent),
            has_lsd=self._has_lsd,
            can_be_reached=self._can_be_reached(),
            now_s=now,
            wall=wall,
        ))
