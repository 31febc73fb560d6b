"""Why a torrent does what it does, in words that name the next step, from a Situation. Pure.

The codes are stable; the words may change. An error's own code stands where the torrent is in error.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from blobtorrent.core.session.history import Step
from blobtorrent.core.session.idleness import of_download, of_seed
from blobtorrent.core.session.lifecycle import TorrentState
from blobtorrent.core.session.situation import Situation
from blobtorrent.model.details import Cause, Explanation
from blobtorrent.model.units import format_duration, format_rate, format_size

_ADVICE = {
    "storage.disk-full": "free some space, or move the torrent; a download goes on by itself",
    "storage.denied": "look at the owner and mode of its folder, then start it",
    "storage.files-gone": "put its files back and start it, or start it to download them again",
    "storage.file-missing": "put the file back, or recheck the torrent",
    "storage.unmounted": "mount the filesystem, then start it",
    "storage.half-moved": "start it: the move goes on",
    "storage.torrent-damaged": "add the torrent again",
    "state.row-lost": "look at its folder, then start it or move it",
    "torrent.path-taken": "move it to another folder, or remove the other torrent",
    "torrent.no-piece-hashes": "add it from a .torrent file that has its piece layers",
}
_USUAL_ADVICE = "look at the message and at the log; when that is mended, start it"


def explain(situation: Situation) -> Explanation:
    """Why the torrent is as it is."""
    causes = [*_of_session(situation), *_CAUSES[situation.state](situation), *_of_warnings(situation)]
    return Explanation(situation.status.state, _summary(situation, causes), tuple(causes), _facts(situation))


def _summary(situation: Situation, causes: list[Cause]) -> str:
    status = situation.status
    if status.state == "downloading" and status.down_bytes_per_s:
        text = f"downloading at {format_rate(status.down_bytes_per_s)}"
        if status.eta_s is not None:
            text += f", done in about {format_duration(status.eta_s)}"
    elif status.state == "seeding" and status.up_bytes_per_s:
        text = f"seeding at {format_rate(status.up_bytes_per_s)}"
    else:
        text = status.state
    return f"{text}: {causes[0].text}" if causes else text


def _of_session(situation: Situation) -> list[Cause]:
    if situation.session.state == "starting":
        return [Cause("session.starting", "the daemon is starting", "wait until it is ready")]
    if situation.session.state in ("draining", "stopped"):
        return [Cause("session.stopping", "the daemon is ending", "start it again")]
    return []


def _of_warnings(situation: Situation) -> list[Cause]:
    """No reason for anything, but whoever asks why should see it."""
    return [Cause("tls.unchecked", text, "set it back, or trust the one server by network.tls_ca_file")
            for text in situation.session.warnings]


# ---- states in which it is not in a swarm

def _of_stopped(situation: Situation) -> list[Cause]:
    status = situation.status
    if situation.is_removing:
        return _of_removing(situation)
    if status.error_code:
        return _of_error(situation)
    if situation.should_run:
        return [Cause("starting", "it is about to be started", "wait a moment", situation.state_s)]
    if status.held_by == "goal":
        met = situation.aims.met if situation.aims is not None else ""
        return [Cause("goal.met", f"it has given what was asked of it{met and ': '}{met}",
                      "raise or clear its goal, then start it; or start it now, whatever its goal", situation.state_s)]
    return [Cause("stopped", "its owner has stopped it, or added it stopped", "start it", situation.state_s)]


def _of_queued(situation: Situation) -> list[Cause]:
    line = situation.line
    if line is not None and line.lacks_room:
        return [Cause("space.low", "little room is left where it would be downloaded to",
                      "free some space, move it to another disk, or lower storage.reserve", situation.state_s)]
    if line is None or line.ahead == 0 and line.running < line.limit:
        return [Cause("queue.moving", "it is about to get its place in the queue", "wait a moment", situation.state_s)]
    kind = "seeds" if line.is_seed else "downloads"
    return [Cause(
        "queue.full", f"{line.running} {kind} run of {line.limit} that may; {line.ahead} more wait before it",
        f"raise queue.active_{kind}, raise its priority, or start it now, beyond the queue", situation.state_s)]


def _of_metadata(situation: Situation) -> list[Cause]:
    status = situation.status
    if situation.layers is not None:
        return _of_layers(situation, *situation.layers)
    if not status.peers_connected:
        known = f"; {status.peers_known} addresses are known" if status.peers_known else ""
        text = f"it came as a link, and no peer is connected that could tell what is in it{known}"
        return [Cause("metadata.no-peers", text, "wait, or add peers or trackers to it", situation.state_s)]
    return [Cause("metadata", f"{status.peers_connected} peers are asked what is in it", "wait; or add peers to it",
                  situation.state_s)]


def _of_layers(situation: Situation, here: int, total: int) -> list[Cause]:
    """It is of version 2 only (BEP 52), and came without what its pieces are checked against."""
    status, begun = situation.status, f"piece layers: {here} of {total} files"
    if not status.peers_connected:
        return [Cause("metadata.no-peers", f"no peer is connected that could give the hashes of its pieces ({begun})",
                      "wait, or add peers or trackers to it, or its .torrent file", situation.state_s)]
    return [Cause("metadata.layers", f"{status.peers_connected} peers are asked for the hashes of its pieces ({begun})",
                  "wait; or add peers to it", situation.state_s)]


def _of_loading(situation: Situation) -> list[Cause]:
    text = "its .torrent file is read and its files are looked at"
    if situation.ahead:
        text = f"{situation.ahead} others are loaded before it"
    return [Cause("loading", text, "wait; if it takes long, look at the disk", situation.state_s)]


def _of_waiting(situation: Situation) -> list[Cause]:
    return [Cause("checking.queued", f"{situation.ahead} others of the same disk are checked before it",
                  "wait; the disk would only be slower with two at a time", situation.state_s)]


def _of_hashing(situation: Situation) -> list[Cause]:
    status = situation.status
    return [Cause("checking", f"what lies on disk is hashed: {format_size(status.checked_bytes)} of "
                  f"{format_size(status.size_bytes)}", "wait until it is done", situation.state_s)]


def _of_moving(situation: Situation) -> list[Cause]:
    if situation.is_renaming:
        return [Cause("renaming", "its files get other names", "wait a moment", situation.state_s)]
    status = situation.status
    text = f"its files are moved to {status.download_dir}: {format_size(status.moved_bytes)} were copied"
    return [Cause("moving", text, "wait until it is done", situation.state_s)]


def _of_error(situation: Situation) -> list[Cause]:
    status = situation.status
    return [Cause(status.error_code or "error", status.error_detail or "something went wrong",
                  _ADVICE.get(status.error_code, _USUAL_ADVICE), situation.state_s)]


def _of_closing(situation: Situation) -> list[Cause]:
    return [Cause("closing", "its connections and files are being closed, and what came is saved",
                  "wait some seconds; if it takes long, look at the disk", situation.state_s)]


def _of_removing(situation: Situation) -> list[Cause]:
    return [Cause("removing", "it is being removed", "wait until it is gone", situation.state_s)]


_CAUSES: dict[TorrentState, Callable[[Situation], list[Cause]]] = {
    TorrentState.STOPPED: _of_stopped,
    TorrentState.QUEUED: _of_queued,
    TorrentState.METADATA: _of_metadata,
    TorrentState.LOADING: _of_loading,
    TorrentState.WAITING: _of_waiting,
    TorrentState.HASHING: _of_hashing,
    TorrentState.DOWNLOADING: of_download,
    TorrentState.SEEDING: of_seed,
    TorrentState.MOVING: _of_moving,
    TorrentState.ERROR: _of_error,
    TorrentState.CLOSING: _of_closing,
    TorrentState.REMOVING: _of_removing,
    TorrentState.GONE: _of_removing,
}


# ---- facts

def _facts(situation: Situation) -> dict[str, Any]:
    """The figures behind the causes, of plain types."""
    status, insight, peers = situation.status, situation.insight, situation.peers
    return {
        "machine_state": situation.state.value,
        "state_s": situation.state_s,
        "held_by": status.held_by or None,
        "held_s": situation.held_s,
        "still_s": situation.still_s,
        "listen": list(situation.session.listen),
        "queue": None if situation.line is None else situation.line._asdict(),
        "goal": None if situation.aims is None else situation.aims._asdict(),
        "peers": {
            "connected": status.peers_connected,
            "known": status.peers_known,
            "connected_from": dict(Counter(peer.source for peer in peers)),
            "seeds": sum(peer.is_seed for peer in peers),
            "have_what_we_lack": sum(peer.am_interested for peer in peers),
            "choke_us": sum(peer.am_interested and peer.peer_choking for peer in peers),
            "snubbed": sum(peer.is_snubbed for peer in peers),
            "want_from_us": sum(peer.peer_interested for peer in peers),
            "choked_by_us": sum(peer.peer_interested and peer.am_choking for peer in peers),
            "choked_by_us_because": dict(
                Counter(peer.choke_cause for peer in peers if peer.peer_interested and peer.am_choking)),
            "blocks_asked": sum(peer.blocks_asked for peer in peers),
        },
        "swarm": None if insight is None else {
            **insight._asdict(),
            "web_seeds": [{**seed._asdict(), "url": seed.url_shown} for seed in insight.web_seeds],
        },
        "limits": [{**limit._asdict(), "is_reached": limit.is_reached} for limit in situation.limits],
        "dht": None if situation.dht is None else situation.dht._asdict(),
        "sources": [source._asdict() for source in situation.sources],
        "trackers": [
            {
                "url": tracker.url_shown,
                "state": tracker.state,
                "result": tracker.result or None,
                "error_code": tracker.error_code or None,
                "failures": tracker.failures,
                "peers_got": tracker.peers_got,
            }
            for tracker in situation.trackers
        ],
        "room": None if situation.room is None else situation.room._asdict(),
        "history": [_fact_of(step, situation) for step in situation.history],
    }


def _fact_of(step: Step, situation: Situation) -> dict[str, Any]:
    at = situation.wall - (situation.now_s - step.at_s)
    return {"state": step.state.value, "because": step.event.value, "at": round(at, 3)}
