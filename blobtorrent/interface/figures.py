"""The session's figures for collectors: torrents by state, rates, totals. From its snapshots, and what it tells."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.model.details import SessionStats
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.status import PEER_SOURCES
from blobtorrent.runtime.metrics import COUNTER, GAUGE, Registry, Sample, labelled
from blobtorrent.runtime.pacing import paced

STATES = ("stopped", "queued", "checking", "metadata", "downloading", "seeding", "moving", "error")
STATS_TIMEOUT_S = 2.0                  # for the session; collectors wait for 10 s, and want the rest in any case

_OF_TORRENTS = {
    "blobtorrent_session_torrents": "Torrents by state.",
    "blobtorrent_session_torrents_held": "Torrents that should run and move nothing, by the reason.",
    "blobtorrent_session_torrents_failed": "Torrents in the state error, by the code of the error.",
    "blobtorrent_session_peers_from": "Addresses to try and connected peers, by the source that named them.",
    "blobtorrent_session_peers_banned": "Peers that were proven to have sent what is not the torrent's.",
    "blobtorrent_session_spoiled_pieces": "Pieces that did not match their hashes, of torrents that run.",
    "blobtorrent_session_peers": "Connected peers; seeds are those of them that have everything.",
}
_OF_SESSION = {
    "blobtorrent_session_ready": "1 while the session runs, 0 while it starts or ends.",
    "blobtorrent_session_start_time_seconds": "When it began, since 1970.",
    "blobtorrent_session_damages": "Things that were found damaged when the state was read.",
    "blobtorrent_session_bytes_per_second": "What all torrents move now.",
    "blobtorrent_port_mapped": "1 while the router passes our port on to us, 0 while it does not.",
    "blobtorrent_port_lease_end_time_seconds": "When that ends unless it is renewed, since 1970.",
    "blobtorrent_interface_up": "1 while the interface is there that traffic is bound to.",
    "blobtorrent_proxy_up": "1 while the proxy does its work, as far as is known; of datagrams: while it carries them.",
}
_OF_STATS = {
    "blobtorrent_payload_bytes_total": "Payload of this run; wasted is the part of received that was of no use.",
    "blobtorrent_torrents_added_total": "Torrents that were added in this run.",
    "blobtorrent_torrents_finished_total": "Torrents that were completed in this run.",
    "blobtorrent_filesystem_free_bytes": "Space that is free where torrents are downloaded to.",
    "blobtorrent_filesystem_reserve_bytes": "Space that downloads leave free there.",
}


def measure_session(registry: Registry, gateway: Gateway) -> None:
    """Have the figures exported."""
    registry.collect(_OF_TORRENTS, lambda: _torrents(gateway))
    registry.collect(_OF_SESSION, lambda: _session(gateway))
    registry.collect(_OF_STATS, lambda: _stats(gateway))


def _torrents(gateway: Gateway) -> Iterator[Sample]:
    states, held, failed = Counter(dict.fromkeys(STATES, 0)), Counter[str](), Counter[str]()
    peers = seeds = spoiled = banned = 0
    known, connected = Counter(dict.fromkeys(PEER_SOURCES, 0)), Counter(dict.fromkeys(PEER_SOURCES, 0))
    for status in paced(gateway.torrents.values()):
        states[status.state] += 1
        peers += status.peers_connected
        seeds += status.seeds_connected
        spoiled += status.spoiled_pieces
        banned += status.peers_banned
        for row in status.peers_from:
            known[row.source] += row.known
            connected[row.source] += row.connected
        if status.held_by:
            held[status.held_by] += 1
        if status.error_code:
            failed[status.error_code] += 1
    for state, number in states.items():
        yield Sample("blobtorrent_session_torrents", labelled(state=state), number, GAUGE)
    for reason, number in held.items():
        yield Sample("blobtorrent_session_torrents_held", labelled(by=reason), number, GAUGE)
    for code, number in failed.items():
        yield Sample("blobtorrent_session_torrents_failed", labelled(code=code), number, GAUGE)
    yield Sample("blobtorrent_session_peers", labelled(kind="all"), peers, GAUGE)
    yield Sample("blobtorrent_session_peers", labelled(kind="seeds"), seeds, GAUGE)
    yield Sample("blobtorrent_session_peers_banned", (), banned, GAUGE)
    yield Sample("blobtorrent_session_spoiled_pieces", (), spoiled, GAUGE)
    for source in known:
        yield Sample("blobtorrent_session_peers_from", labelled(source=source, kind="known"), known[source], GAUGE)
        yield Sample(
            "blobtorrent_session_peers_from", labelled(source=source, kind="connected"), connected[source], GAUGE)


def _session(gateway: Gateway) -> Iterator[Sample]:
    session = gateway.session
    yield Sample("blobtorrent_session_ready", (), int(session.state == "running"), GAUGE)
    yield Sample("blobtorrent_session_start_time_seconds", (), session.started_at, GAUGE)
    yield Sample("blobtorrent_session_damages", (), len(session.damages), GAUGE)
    for direction, rate in (("received", session.down_bytes_per_s), ("sent", session.up_bytes_per_s)):
        yield Sample("blobtorrent_session_bytes_per_second", labelled(direction=direction), rate, GAUGE)
    for mapping in session.mappings:
        label = labelled(transport=mapping.transport)
        yield Sample("blobtorrent_port_mapped", label, int(bool(mapping.external_port)), GAUGE)
        if mapping.lease_until:
            yield Sample("blobtorrent_port_lease_end_time_seconds", label, mapping.lease_until, GAUGE)
    network = session.network
    if network.interface:
        yield Sample("blobtorrent_interface_up", (), int(bool(network.addresses)), GAUGE)
    if network.proxy:
        yield Sample("blobtorrent_proxy_up", labelled(kind="connections"), int(not network.proxy_error_code), GAUGE)
        yield Sample("blobtorrent_proxy_up", labelled(kind="datagrams"), int(network.datagrams == "relay"), GAUGE)


def _stats(gateway: Gateway) -> Iterator[Sample]:
    """Nothing when the session has no time: the other figures tell why."""
    try:
        stats: SessionStats = gateway.ask(StatsOf(), STATS_TIMEOUT_S)
    except Unavailable:
        return
    run = stats.this_run
    for kind, count in (
        ("received", run.downloaded_bytes), ("sent", run.uploaded_bytes), ("wasted", run.wasted_bytes),
    ):
        yield Sample("blobtorrent_payload_bytes_total", labelled(kind=kind), count, COUNTER)
    yield Sample("blobtorrent_torrents_added_total", (), run.torrents_added, COUNTER)
    yield Sample("blobtorrent_torrents_finished_total", (), run.torrents_finished, COUNTER)
    for filesystem in stats.filesystems:
        where = labelled(path=filesystem.path)
        yield Sample("blobtorrent_filesystem_free_bytes", where, filesystem.free_bytes, GAUGE)
        yield Sample("blobtorrent_filesystem_reserve_bytes", where, filesystem.reserve_bytes, GAUGE)
