"""Names that callers may use whom nobody trusts, as rTorrent 0.16 marks them."""

from __future__ import annotations

_NAMES = """
choke_group.down.heuristics choke_group.down.max choke_group.down.max.unlimited choke_group.down.queued
choke_group.down.rate choke_group.down.total choke_group.down.unchoked choke_group.general.size
choke_group.index_of choke_group.list choke_group.size choke_group.tracker.mode choke_group.up.heuristics
choke_group.up.max choke_group.up.max.unlimited choke_group.up.queued choke_group.up.rate choke_group.up.total
choke_group.up.unchoked close_low_diskspace close_low_diskspace.normal close_untied dht.add_node dht.mode.set
dht.override_port dht.port dht.statistics dht.throttle.name directory.default enum.log_group network.bind_address
network.http.cacert network.http.capath network.http.current_open network.http.max_cache_connections
network.http.max_host_connections network.http.max_total_connections network.http.proxy_address
network.listen.backlog network.listen.port network.local_address network.max_open_files network.max_open_sockets
network.open_files network.open_sockets network.port_open network.port_random network.port_range
network.proxy.http network.proxy_address network.receive_buffer.size network.rpc.use_jsonrpc network.rpc.use_xmlrpc
network.scgi.dont_route network.send_buffer.size network.total_handshakes network.xmlrpc.size_limit
pieces.hash.on_completion pieces.memory.max pieces.preload.min_rate pieces.preload.min_size pieces.preload.type
pieces.sync.always_safe pieces.sync.timeout pieces.sync.timeout_safe protocol.pex remove_untied
session.on_completion session.path session.use_lock start_tied stop_untied strings.choke_heuristics
strings.choke_heuristics.download strings.choke_heuristics.upload strings.connection_type strings.encryption
strings.ip_filter strings.ip_tos strings.log_group strings.tracker_event strings.tracker_mode system.api_version
system.client_version system.file.max_size system.file.split_size system.file.split_suffix system.library_version
system.listMethods system.sockets.available_alloc system.sockets.max_size system.sockets.reserved_alloc
system.sockets.size throttle.down.max throttle.down.rate throttle.global_down.max_rate
throttle.global_down.max_rate.set throttle.global_down.max_rate.set_kb throttle.global_down.rate
throttle.global_down.total throttle.global_up.max_rate throttle.global_up.max_rate.set
throttle.global_up.max_rate.set_kb throttle.global_up.rate throttle.global_up.total throttle.max_downloads
throttle.max_downloads.div throttle.max_downloads.div._val throttle.max_downloads.div._val.set
throttle.max_downloads.div.set throttle.max_downloads.global throttle.max_downloads.global._val
throttle.max_downloads.global._val.set throttle.max_downloads.global.set throttle.max_downloads.set
throttle.max_peers.normal throttle.max_peers.normal.set throttle.max_peers.seed throttle.max_peers.seed.set
throttle.max_unchoked_downloads throttle.max_unchoked_uploads throttle.max_uploads throttle.max_uploads.div
throttle.max_uploads.div._val throttle.max_uploads.div._val.set throttle.max_uploads.div.set
throttle.max_uploads.global throttle.max_uploads.global._val throttle.max_uploads.global._val.set
throttle.max_uploads.global.set throttle.max_uploads.set throttle.min_downloads throttle.min_downloads.set
throttle.min_peers.normal throttle.min_peers.normal.set throttle.min_peers.seed throttle.min_peers.seed.set
throttle.min_uploads throttle.min_uploads.set throttle.unchoked_downloads throttle.unchoked_uploads
throttle.up.max throttle.up.rate trackers.numwant trackers.use_udp
"""

SAFE = frozenset(_NAMES.split())
