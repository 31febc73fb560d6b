"""Claimed: all that goes with the version of rTorrent that we claim to be, in one place.

The commands are the same whatever is claimed. What one of them answers in its own way from 0.16 on stands here; faults
have their other words where they are raised.
"""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

from blobtorrent.interface.rtorrent.reading import XML_OF_9, XML_OF_16, Reading
from blobtorrent.interface.rtorrent.values import Value
from blobtorrent.interface.rtorrent.xmlanswer import V0_9, V0_16, Dialect

_LEVELS: Final = ("critical", "error", "warn", "notice", "info", "debug")
_PARTS_OF_9: Final = ("connection", "dht", "peer", "socket", "storage", "thread", "tracker", "torrent")
_PARTS_OF_16: Final = ("storage", "torrent")

Words = Mapping[str, tuple[str, ...]]


class Generation(NamedTuple):
    """`reading` is how its XML is read, `dialect` how it is written. `settings` begin with these values, by the names
    of their commands; all others as in 0.9.8; none of them is a
    setting of the engine. `words` are the answers of `strings.*`, by what follows that name.

    `silent_min_s` and `silent_interval_s` are told of trackers that have told nothing. `group_name` is that of the
    choke group of all downloads. `tells_created`: a file that is there is none that is to be created.
    `tells_unstarted`: a program that cannot be started is a fault for all commands that run one, and not only for
    those that want it to succeed. `tells_kinds`: so is a kind of method that nobody knows. `saves_by_key`: that a new
    download is saved is a handler, which people see and may take away.
    """

    reading: Reading
    dialect: Dialect
    settings: Mapping[str, Value]
    words: Words
    silent_min_s: int
    silent_interval_s: int
    group_name: Value
    tells_created: bool
    tells_unstarted: bool
    tells_kinds: bool
    saves_by_key: bool


GENERATION_9: Final = Generation(
    XML_OF_9, V0_9, MappingProxyType({}),
    {
        "encryption": (
            "none", "allow_incoming", "try_outgoing", "require", "require_RC4", "require_rc4", "enable_retry",
            "prefer_plaintext"),
        "ip_tos": ("default", "lowdelay", "throughput", "reliability", "mincost"),
        "log_group": (
            *_LEVELS, *(f"{part}_{level}" for part in _PARTS_OF_9 for level in _LEVELS), "__non_cascading__",
            "dht_all", "dht_manager", "dht_node", "dht_router", "dht_server", "instrumentation_memory",
            "instrumentation_mincore", "instrumentation_choke", "instrumentation_polling",
            "instrumentation_transfers", "peer_list_events", "protocol_piece_events", "protocol_metadata_events",
            "protocol_network_errors", "protocol_storage_errors", "resume_data", "rpc_events", "rpc_dump",
            "ui_events"),
    },
    silent_min_s=600, silent_interval_s=1800, group_name=0, tells_created=False, tells_unstarted=False,
    tells_kinds=False, saves_by_key=False,
)

GENERATION_16: Final = Generation(
    XML_OF_16, V0_16,
    {
        "dht.port": 0,
        "method.use_intermediate": 3,
        "network.xmlrpc.size_limit": 16 << 20,
    },
    {
        "encryption": (),
        "ip_tos": ("default", "lowdelay", "throughput", "reliability"),
        "log_group": (
            *_LEVELS, *(f"{part}_{level}" for part in _PARTS_OF_16 for level in _LEVELS), "__non_cascading__",
            "connection", "connection_bind", "connection_fd", "connection_filter", "connection_handshake",
            "connection_listen", "dht", "dht_all", "dht_error", "dht_controller", "dht_node", "dht_router",
            "dht_server", "instrumentation_memory", "instrumentation_mincore", "instrumentation_choke",
            "instrumentation_polling", "instrumentation_transfers", "mock_calls", "net_dns", "net_http", "net_socket",
            "peer_choke_queue", "peer_list_events", "peer_list_address", "protocol_piece_events",
            "protocol_metadata_events", "protocol_network_errors", "protocol_storage_errors", "resume_data",
            "rpc_events", "rpc_dump", "session_events", "storage", "system", "system_poll", "system_thread",
            "tracker_dump", "tracker_events", "tracker_requests", "ui_events"),
    },
    silent_min_s=300, silent_interval_s=600, group_name="default", tells_created=True, tells_unstarted=True,
    tells_kinds=True, saves_by_key=True,
)

_FIRST_OF_16: Final = (0, 16, 0)


def generation_of(version: str) -> Generation:
    """That of a version of rTorrent, as three numbers with dots between them."""
    return GENERATION_16 if tuple(map(int, version.split("."))) >= _FIRST_OF_16 else GENERATION_9
