from __future__ import annotations

from blobtorrent.core.session.gateway import SESSION_KEY, Gateway
from blobtorrent.interface.figures import measure_session
from blobtorrent.model.details import Figures, FilesystemStatus, SessionStats
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.status import PEER_SOURCES, MappingStatus, NetworkStatus, PeersFrom, SessionStatus
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from tests.support.rest import info_hash, status_of

STATS = SessionStats(
    Figures(downloaded_bytes=100, uploaded_bytes=50, wasted_bytes=7, torrents_added=3, torrents_finished=2),
    Figures(downloaded_bytes=9000), (FilesystemStatus("/data", 10, 64, True, 5.0),), 64 << 20, 1 << 20,
)


class AnsweringGateway(Gateway):
    """Answers with its stats, or not at all."""

    def __init__(self, stats: SessionStats | None) -> None:
        super().__init__(Mailbox("core"), StatusBoard(), EventBus(), StatusBoard())
        self.stats = stats

    def ask(self, command, timeout_s=0.0):
        if self.stats is None:
            raise Unavailable("command.no-answer", "no answer")
        return self.stats


def figures_of(gateway: Gateway) -> dict[str, float]:
    registry = Registry()
    measure_session(registry, gateway)
    return {
        sample.name + "".join(f" {value}" for _, value in sample.labels): sample.value
        for sample in registry.snapshot()
    }


def test_torrents_are_counted_by_what_they_do_and_what_keeps_them():
    gateway = AnsweringGateway(STATS)
    for number, fields in enumerate((
        {"state": "seeding", "peers_connected": 5, "seeds_connected": 1, "peers_from": (PeersFrom("dht", 9, 5),)},
        {"state": "downloading", "held_by": "space", "peers_connected": 2,
         "peers_from": (PeersFrom("dht", 4, 1), PeersFrom("incoming", 0, 1))},
        {"state": "error", "error_code": "storage.disk-full"},
        {"state": "error", "error_code": "storage.disk-full"},
    )):
        gateway.torrents.publish(info_hash(number), status_of(number, **fields))
    figures = figures_of(gateway)
    assert figures["blobtorrent_session_torrents seeding"] == 1
    assert figures["blobtorrent_session_torrents error"] == 2
    assert figures["blobtorrent_session_torrents moving"] == 0         # a series that comes and goes cannot be added up
    assert figures["blobtorrent_session_torrents_held space"] == 1
    assert figures["blobtorrent_session_torrents_failed storage.disk-full"] == 2
    by_source = {name: value for name, value in figures.items() if name.startswith("blobtorrent_session_peers_from")}
    assert by_source == {
        **{f"blobtorrent_session_peers_from {kind} {source}": 0
           for kind in ("known", "connected") for source in PEER_SOURCES},
        "blobtorrent_session_peers_from known dht": 13, "blobtorrent_session_peers_from connected dht": 6,
        "blobtorrent_session_peers_from connected incoming": 1}
    assert (figures["blobtorrent_session_peers all"], figures["blobtorrent_session_peers seeds"]) == (7, 1)


def test_the_ways_to_the_network_are_told_where_the_settings_name_any():
    gateway = AnsweringGateway(STATS)
    gateway._sessions.publish(SESSION_KEY, SessionStatus("running"))
    assert not any(name.startswith(("blobtorrent_p", "blobtorrent_interface")) and "payload" not in name
                   for name in figures_of(gateway))
    gateway._sessions.publish(SESSION_KEY, SessionStatus(
        "running", network=NetworkStatus("tun0", ("10.8.0.2",), "socks5://192.0.2.9:1080", datagrams="none"),
        mappings=(MappingStatus("tcp", "mapped", 6881, "pcp", "", 16881, lease_until=5.0),
                  MappingStatus("udp", "backoff", 6881))))
    figures = figures_of(gateway)
    assert (figures["blobtorrent_port_mapped tcp"], figures["blobtorrent_port_mapped udp"]) == (1, 0)
    assert figures["blobtorrent_port_lease_end_time_seconds tcp"] == 5.0
    assert figures["blobtorrent_interface_up"] == 1
    assert (figures["blobtorrent_proxy_up connections"], figures["blobtorrent_proxy_up datagrams"]) == (1, 0)


def test_the_session_tells_its_state_its_rates_and_its_totals():
    gateway = AnsweringGateway(STATS)
    gateway._sessions.publish(SESSION_KEY, SessionStatus(
        "running", down_bytes_per_s=11, up_bytes_per_s=12, started_at=99.0, damages=("row",)))
    figures = figures_of(gateway)
    assert figures["blobtorrent_session_ready"] == 1
    assert figures["blobtorrent_session_bytes_per_second received"] == 11
    assert figures["blobtorrent_session_bytes_per_second sent"] == 12
    assert figures["blobtorrent_session_damages"] == 1
    assert figures["blobtorrent_payload_bytes_total received"] == 100
    assert figures["blobtorrent_payload_bytes_total wasted"] == 7
    assert figures["blobtorrent_torrents_finished_total"] == 2
    assert figures["blobtorrent_filesystem_free_bytes /data"] == 10


def test_a_session_that_has_no_time_leaves_out_only_what_it_would_have_to_tell():
    figures = figures_of(AnsweringGateway(None))
    assert figures["blobtorrent_session_ready"] == 0
    assert not any(name.startswith("blobtorrent_payload") for name in figures)


def test_figures_name_no_torrent():
    gateway = AnsweringGateway(STATS)
    before = len(figures_of(gateway))
    for number in range(100):
        gateway.torrents.publish(info_hash(number), status_of(number, name=f"secret {number}"))
    assert len(figures_of(gateway)) == before
    assert not any("secret" in name for name in figures_of(gateway))
