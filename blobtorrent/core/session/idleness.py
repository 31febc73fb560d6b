"""Why a torrent that runs moves nothing, or not more: what its peers, its trackers, its limits and its disk say. Pure.

Whatever the situation, a torrent that moves nothing gets at least one cause.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.core.session.situation import DhtRound, Limit, Situation
from blobtorrent.model.details import Cause, PeerStatus, TrackerStatus
from blobtorrent.model.geometry import BLOCK_SIZE
from blobtorrent.model.units import format_duration, format_rate, format_size

MAX_TRACKERS_TOLD = 5
MAX_WEB_SEEDS_TOLD = 5
_TRACKER_ADVICE = {
    "tracker.refused": "see that it knows this torrent, and you",
    "tracker.unregistered": "see that its site still has this torrent, or use another tracker",
    "tracker.passkey": "get the torrent file from its site once more: it does not know the key in its address",
    "tracker.overloaded": "it has too much to do; add another tracker if it stays so",
    "tracker.dns": "look at its name, and at the name server of this machine",
    "tracker.tls": "its certificate is not valid, or the clock of this machine is wrong",
    "tracker.forbidden-address": "its name leads to this machine or to its link: torrents may not send us there",
}


def of_download(situation: Situation) -> list[Cause]:
    """Causes, most important first; none when bytes come and no limit holds them back."""
    held = _of_hold(situation)
    if held:
        return held
    causes = _of_limits(situation, "down")
    if situation.status.down_bytes_per_s > 0:
        return causes
    insight = situation.insight
    if insight is not None and insight.waits_for_memory:
        causes.append(Cause(
            "memory.short", "all memory for pieces is in use",
            "it goes on when the disk has written what waits; if that takes long, raise storage.memory_budget"))
    causes += _of_giving_peers(situation) if situation.peers else _of_no_peers(situation)
    return [*causes, *_of_encryption(situation), *_of_web_seeds(situation)]


def of_seed(situation: Situation) -> list[Cause]:
    """The same for a complete torrent."""
    held = _of_hold(situation)
    if held:
        return held
    causes = _of_limits(situation, "up")
    if situation.status.up_bytes_per_s > 0:
        return causes
    causes += _of_taking_peers(situation) if situation.peers else _of_no_peers(situation)
    return [*causes, *_of_encryption(situation)]


def _of_hold(situation: Situation) -> list[Cause]:
    held_by, since_s = situation.status.held_by, situation.held_s
    if held_by == "pause":
        return [Cause("paused", "its owner has paused it", "start it", since_s)]
    if held_by == "space":
        room = situation.room
        figures = "" if room is None else (
            f" on {room.path}: {format_size(room.free_bytes)}, and {format_size(room.reserve_bytes)} are to stay free")
        return [Cause("space.low", f"little room is left{figures}",
                      "free some space, move the torrent to another disk, or lower storage.reserve", since_s)]
    if held_by == "disk":
        return [Cause("disk.failed", "the disk lost what was written to it, or cannot keep it",
                      "look at the log and at the disk, then stop and start the torrent", since_s)]
    return []


def _of_limits(situation: Situation, direction: str) -> list[Cause]:
    return [_of_limit(limit) for limit in situation.limits if limit.direction == direction and limit.is_reached]


def _of_tight_limits(situation: Situation, direction: str) -> list[Cause]:
    """Limits that let less than a block through in a second: often nothing moves, and they do not look used."""
    return [_of_limit(limit) for limit in situation.limits
            if limit.direction == direction and limit.bytes_per_s < BLOCK_SIZE and not limit.is_reached]


def _of_limit(limit: Limit) -> Cause:
    used, allowed = format_rate(limit.used_bytes_per_s), format_rate(limit.bytes_per_s)
    verb = "receive" if limit.direction == "down" else "send"
    return Cause("limit.reached", f"{used} of {allowed} that {limit.whose} may {verb} are used",
                 f"raise {limit.raised_by}")


# ---- connected peers

def _of_giving_peers(situation: Situation) -> list[Cause]:
    peers, insight = situation.peers, situation.insight
    useful = [peer for peer in peers if peer.am_interested]
    if not useful:
        lacking = 0 if insight is None else insight.pieces_lacking
        if insight is not None and not lacking:
            return [Cause("pieces.finishing", "all pieces have come and are checked and written", "wait a moment")]
        return [Cause(
            "no-piece-wanted", f"none of the {_count(len(peers), 'connected peer')} has any of the "
            f"{_count(lacking, 'piece')} that we lack", "wait for a peer that has them, announce again, or add other "
            "trackers or peers", situation.still_s), *_of_trackers(situation)]
    giving = [peer for peer in useful if not peer.peer_choking]
    if not giving:
        return [Cause(
            "all-choked", f"{_count(len(useful), 'peer')} of {len(peers)} could give what we lack, and none of them "
            "lets us have it now", "wait: they serve others first, and rather those who give; a higher limit for "
            "uploads may help", situation.still_s)]
    return [*_of_tight_limits(situation, "down"), _of_silent(giving, situation)]


def _of_silent(giving: list[PeerStatus], situation: Situation) -> Cause:
    asked = sum(peer.blocks_asked for peer in giving)
    if asked:
        text = f"{_count(asked, 'block')} were asked of {_count(len(giving), 'peer')} and have not come yet"
        return Cause("peers.silent", text, "wait: what does not come is soon asked of others", situation.still_s)
    text = f"{_count(len(giving), 'peer')} would give, and all that they have is asked for, or waits to be written"
    return Cause("pieces.busy", text, "wait; if it lasts, look at the disk", situation.still_s)


def _of_taking_peers(situation: Situation) -> list[Cause]:
    peers = situation.peers
    wanting = [peer for peer in peers if peer.peer_interested]
    if not wanting:
        return [Cause("nobody-wants", f"none of the {_count(len(peers), 'connected peer')} wants anything of it now",
                      "nothing is to be done: it is there for those who come", situation.still_s)]
    served = [peer for peer in wanting if not peer.am_choking]
    slots = 0 if situation.insight is None else situation.insight.upload_slots
    if not served:
        if slots:
            return [Cause("peers.waiting", f"{_count(len(wanting), 'peer')} will be served with the next round",
                          "wait some seconds")]
        if situation.insight is not None and situation.insight.lacks_slots:
            return [_of_shared_slots(len(wanting), situation)]
        return [Cause("slots.none", f"{_count(len(wanting), 'peer')} would take something, and no upload is allowed",
                      "raise the torrent's upload_slots or network.upload_slots")]
    waiting = len(wanting) - len(served)
    if waiting and situation.insight is not None and situation.insight.lacks_slots:
        cause = _of_shared_slots(waiting, situation)
    elif waiting:
        text = f"all {_count(slots, 'upload slot')} are taken, by peers that are slow; {waiting} wait"
        cause = Cause("slots.full", text, "wait, or raise network.upload_slots", situation.still_s)
    else:
        text = f"{_count(len(served), 'peer')} may take what they want, and ask for nothing"
        cause = Cause("peers.idle", text, "nothing is to be done: they will ask when they can", situation.still_s)
    return [*_of_tight_limits(situation, "up"), cause]


def _of_shared_slots(waiting: int, situation: Situation) -> Cause:
    return Cause("slots.shared", f"{_count(waiting, 'peer')} would take something, and other torrents have the slots",
                 "wait: they go round; or raise network.upload_slots_total, or the limit on what is sent",
                 situation.still_s)


# ---- servers that have its files

def _of_web_seeds(situation: Situation) -> Iterator[Cause]:
    """What goes wrong with each of them."""
    seeds = () if situation.insight is None else situation.insight.web_seeds
    for seed in [seed for seed in seeds if seed.error_code][:MAX_WEB_SEEDS_TOLD]:
        text = f"{seed.url_shown}: {seed.result} ({seed.error_code})"
        if seed.state == "banned":
            yield Cause("webseed.banned", text, "it is asked no more until the torrent is started anew")
        elif seed.next_try_s is not None:
            yield Cause("webseed.resting", text,
                        f"it is asked again in {format_duration(seed.next_try_s)}; look at its address")
        else:
            yield Cause("webseed.failed", text, "see that it has the files of the torrent, and lets us have them")


# ---- peers that the settings keep away

def _of_encryption(situation: Situation) -> Iterator[Cause]:
    insight = situation.insight
    if insight is None or not insight.peers_unencrypted:
        return
    if insight.encryption_code == "encryption.unavailable":
        yield Cause("encryption.unavailable", "encryption is required, and the OpenSSL of this machine has no RC4",
                    'set encryption.mode to "preferred", or have the legacy provider of OpenSSL enabled')
    else:
        text = (f"{_count(insight.peers_unencrypted, 'peer')} did not encrypt, and were lost as that was required "
                f"({insight.encryption_code})")
        yield Cause("encryption.required", text, 'with encryption.mode = "preferred" they would be taken')


# ---- nobody is connected

def _of_no_peers(situation: Situation) -> list[Cause]:
    known, insight = situation.status.peers_known, situation.insight
    if insight is None:
        return [Cause("starting", "it has just begun", "wait a moment", situation.state_s)]
    if not known:
        text, advice = "nobody is known who has it or wants it", "add a tracker or a peer"
        if any(tracker.state != "disabled" for tracker in situation.trackers):
            advice = "wait for its trackers, or add other trackers or peers"
    else:
        tried = f"{insight.addresses_dialled} are being tried, {insight.addresses_resting} could not be reached"
        text = f"nobody is connected: {_count(known, 'address', 'addresses')} known, of which {tried}"
        advice = "wait for the next try; if all fail, look at the firewall and at network.interface"
    causes = [Cause("no-peers", text, advice, situation.still_s)]
    if insight.addresses_filtered:
        times = _count(insight.addresses_filtered, "time")
        causes.append(Cause("peers.filtered", f"filter lists refused addresses of it {times}",
                            "if these are too many, look at filters.files, filters.block and filters.allow"))
    if insight.addresses_off_limits:
        times = _count(insight.addresses_off_limits, "time")
        causes.append(Cause("transport.off", f"a peer was not reached by a transport that is allowed, {times}",
                            "look at tcp.enabled and utp.enabled: one that is off may be the way to them"))
    causes += _of_trackers(situation)
    if situation.dht is not None and situation.dht.asked_s is not None:
        causes.append(_of_dht(situation.dht))
    if not situation.session.listen:
        causes.append(Cause("listener.closed", "no port is open: peers cannot come to us",
                            "look at network.listen and at the log"))
    return causes


def _of_trackers(situation: Situation) -> Iterator[Cause]:
    """What each source of peers said last."""
    usable = [tracker for tracker in situation.trackers if tracker.state != "disabled"]
    if not usable:
        kind = "trackers of a kind that is supported" if situation.trackers else "trackers"
        yield Cause("tracker.none", f"it has no {kind}", "add a tracker")
    for tracker in usable[:MAX_TRACKERS_TOLD]:
        cause = _of_tracker(tracker, situation.wall)
        if cause is not None:
            yield cause


def _of_dht(last: DhtRound) -> Cause:
    again = "" if last.next_s is None else f"it is asked again in {format_duration(last.next_s)}"
    if not last.nodes:
        return Cause("dht.silent", "no node of the DHT has answered",
                     f"{again}; look at dht.bootstrap, and whether the firewall lets UDP through", last.asked_s)
    text = f"{_count(last.nodes, 'node')} of the DHT answered and named {_count(last.peers, 'peer')}"
    return Cause("dht.answered", text, again, last.asked_s)


def _of_tracker(tracker: TrackerStatus, wall: float) -> Cause | None:
    if tracker.state == "announcing" and not tracker.last_announce_at:
        return Cause("tracker.announcing", f"{tracker.url_shown} has not answered yet", "wait some seconds")
    if tracker.state == "announcing":
        again = "it is being asked again now"
    elif tracker.next_announce_at:
        again = f"it is asked again in {format_duration(max(0.0, tracker.next_announce_at - wall))}"
    elif tracker.state == "backoff":
        again = "it does not want to be asked again: it is when somebody announces the torrent"
    else:
        again = "it is asked again when the one that serves in its place fails"
    since_s = max(0.0, wall - tracker.last_announce_at)
    if tracker.error_code:
        advice = f"{again}; {_TRACKER_ADVICE.get(tracker.error_code, 'look at its address and at the network')}"
        return Cause("tracker.failed", f"{tracker.url_shown}: {tracker.result} ({tracker.error_code})", advice, since_s)
    if tracker.last_announce_at:
        text = f"{tracker.url_shown} named {_count(tracker.peers_got, 'peer')}"
        return Cause("tracker.answered", text, again, since_s)
    return None


def _count(number: int, noun: str, nouns: str = "") -> str:
    return f"{number} {noun if number == 1 else nouns or noun + 's'}"
