"""How a tracker stands, for people: what it answered last, and when it is asked again. Pure."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from typing import NamedTuple

from blobtorrent.core.session.announcequeue import is_udp
from blobtorrent.core.session.announcetier import Tier
from blobtorrent.discovery.messages import AnnounceDone
from blobtorrent.model.details import TrackerStatus
from blobtorrent.model.text import clean
from blobtorrent.protocol.tracker.announce import SwarmCounts
from blobtorrent.protocol.tracker.faults import NEVER_S
from blobtorrent.protocol.tracker.tiers import State
from blobtorrent.runtime.redact import mask_parts, redact

MAX_RESULT = 300                       # characters of what a tracker said


class Answered(NamedTuple):
    """The last answer of one tracker, at `at` seconds since 1970; counts that it did not tell are None."""

    at: float
    result: str
    error_code: str = ""
    failures: int = 0                  # in a row
    seeds: int | None = None
    leeches: int | None = None
    downloads: int | None = None
    peers_got: int = 0


def answered(answer: AnnounceDone, before: Answered | None, wall: float) -> Answered:
    """What is remembered of an answer. A failure leaves the counts of the answer before."""
    reply = answer.reply
    if reply is not None:
        text = f"{len(answer.endpoints)} peer{'' if len(answer.endpoints) == 1 else 's'}"
        if reply.warning:
            text += f"; it warns: {reply.warning}"
        known = None if before is None else before.downloads           # few announces tell it: scrapes do
        return Answered(wall, _shown(text), seeds=reply.seeds, leeches=reply.leechers,
                        downloads=known if reply.downloads is None else reply.downloads,
                        peers_got=len(answer.endpoints))
    assert answer.error is not None
    last = before or Answered(wall, "")
    return last._replace(at=wall, result=_shown(answer.error.detail), error_code=answer.error.code,
                         failures=last.failures + 1, peers_got=0)


def without_secrets(answer: AnnounceDone) -> AnnounceDone:
    """The same; what the tracker says does not repeat the keys in its URL."""
    reply, error = answer.reply, answer.error
    if error is not None:
        error.detail = mask_parts(error.detail, answer.url)
        error.args = (error.code, error.detail)
    if reply is not None and reply.warning:
        answer = answer._replace(reply=reply._replace(warning=mask_parts(reply.warning, answer.url)))
    return answer


def with_counts(last: Answered, counts: SwarmCounts) -> Answered:
    """The same with what a scrape told, which came later."""
    return last._replace(
        seeds=last.seeds if counts.seeds is None else counts.seeds,
        leeches=last.leeches if counts.leechers is None else counts.leechers,
        downloads=last.downloads if counts.downloads is None else counts.downloads)


def unspoken(number: int, swarm: str, url: str) -> TrackerStatus:
    """A tracker whose protocol we do not speak, or are not to."""
    scheme = url.partition(":")[0]
    why = "are switched off" if is_udp(url) else "are not supported"
    return TrackerStatus(number, swarm, url, redact(url), "disabled", f"{scheme} trackers {why}",
                         "tracker.not-supported")


def tracker_status(
    number: int, swarm: str, url: str, tier: Tier | None, *, now: float, wall: float
) -> TrackerStatus:
    """One tracker at this moment, by both clocks. `tier` is None while the torrent is not announced."""
    state = "idle" if tier is None else _state_of(url, tier)
    last = None if tier is None else tier.trackers[url].answered
    status = TrackerStatus(number, swarm, url, redact(url), state)
    due_s = None if tier is None else tier.schedule.next_due_s
    if due_s is not None and due_s != NEVER_S and state in ("waiting", "backoff"):
        status = status._replace(next_announce_at=wall + max(0.0, due_s - now))
    if last is not None:
        status = status._replace(
            result=last.result, error_code=last.error_code, failures=last.failures, last_announce_at=last.at,
            seeds=last.seeds, leeches=last.leeches, downloads=last.downloads, peers_got=last.peers_got)
    return status


def _state_of(url: str, tier: Tier) -> str:
    """A tier has one schedule: it is that of the tracker that is asked now, or that was the last to answer."""
    state = tier.schedule.state
    if state is State.ANNOUNCING:
        return "announcing" if tier.is_asking(url) else "idle"
    if state is State.WAITING:
        return "waiting" if tier.in_use == url else "idle"
    return "backoff" if state is State.BACKOFF else "idle"


def _shown(text: str) -> str:
    """Text of a stranger, fit for a screen, without the owner's secrets."""
    return clean(redact(text), MAX_RESULT)
