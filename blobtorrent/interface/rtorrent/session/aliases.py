"""Other names: those that rTorrent keeps beside the present ones, those of 0.16, and those from before 0.9.

rTorrent itself has forgotten the last; scripts and front-ends of that time still use them.
"""

from __future__ import annotations

from collections.abc import Iterator

from blobtorrent.interface.rtorrent.registry import Registry

# Each line: a command, and its other names.
_NAMES = """
dht.mode.set: dht
dht.port.set: dht_port
directory.default.set: directory
encoding.add: encoding_list
execute2: execute
group.seeding.ratio.disable: ratio.disable
group.seeding.ratio.enable: ratio.enable
group2.seeding.ratio.max: ratio.max
group2.seeding.ratio.max.set: ratio.max.set
group2.seeding.ratio.min: ratio.min
group2.seeding.ratio.min.set: ratio.min.set
group2.seeding.ratio.upload: ratio.upload
group2.seeding.ratio.upload.set: ratio.upload.set
keys.layout.set: key_layout
network.bind_address.set: bind
network.http.max_total_connections: network.http.max_open
network.http.max_total_connections.set: network.http.max_open.set
network.http.proxy_address: network.proxy.http
network.http.proxy_address.set: network.proxy.http.set
network.local_address.set: ip
network.max_open_sockets: system.sockets.max_size
network.max_open_sockets.set: system.sockets.max_size.set
network.open_sockets: system.sockets.size
network.port_random: network.listen.port.random
network.port_random.set: network.listen.port.random.set port_random
network.port_range: network.listen.port.range
network.port_range.set: network.listen.port.range.set port_range
network.proxy_address: network.proxy.global
network.proxy_address.set: network.proxy.global.set proxy_address
network.scgi.open_local: scgi_local
network.scgi.open_port: scgi_port
pieces.hash.on_completion.set: check_hash
pieces.memory.max.set: max_memory_usage
protocol.connection.leech.set: connection_leech
protocol.connection.seed.set: connection_seed
protocol.encryption.set: encryption
schedule2: schedule
schedule_remove2: schedule.remove schedule_remove
session.path.set: session
throttle.global_down.max_rate.set_kb: download_rate
throttle.global_up.max_rate.set_kb: upload_rate
throttle.max_downloads.div.set: max_downloads_div
throttle.max_downloads.global.set: max_downloads_global
throttle.max_downloads.set: max_downloads
throttle.max_peers.normal.set: max_peers
throttle.max_peers.seed.set: max_peers_seed
throttle.max_uploads.div.set: max_uploads_div
throttle.max_uploads.global.set: max_uploads_global
throttle.max_uploads.set: max_uploads
throttle.min_downloads.set: min_downloads
throttle.min_peers.normal.set: min_peers
throttle.min_peers.seed.set: min_peers_seed
throttle.min_uploads.set: min_uploads
ui.torrent_list.layout.set: torrent_list_layout
"""

_FORMER_NAMES = """
cat: get_hash_interval get_hash_max_tries get_hash_read_ahead set_hash_interval set_hash_max_tries set_hash_read_ahead
d.create_link: create_link
d.delete_link: delete_link
d.delete_tied: delete_tied
d.down.rate: d.get_down_rate
d.down.total: d.get_down_total
d.skip.rate: d.get_skip_rate
d.skip.total: d.get_skip_total
d.timestamp.finished: d.get_timestamp_finished
d.timestamp.started: d.get_timestamp_started
d.up.rate: d.get_up_rate
d.up.total: d.get_up_total
dht.add_node: dht_add_node
dht.port: get_dht_port
dht.port.set: set_dht_port
dht.statistics: dht_statistics
dht.throttle.name: get_dht_throttle
dht.throttle.name.set: set_dht_throttle
directory.default: get_directory
directory.default.set: set_directory
execute.capture: execute_capture
execute.capture_nothrow: execute_capture_nothrow
execute.nothrow: execute_nothrow
execute.raw: execute_raw
execute.raw_nothrow: execute_raw_nothrow
execute.throw: execute_throw
fi.filename_last: fi.get_filename_last
load.normal: load
load.raw: load_raw
load.raw_start: load_raw_start
load.raw_verbose: load_raw_verbose
load.start: load_start
load.start_verbose: load_start_verbose
load.verbose: load_verbose
log.handshake: get_handshake_log
log.handshake.set: set_handshake_log
method.erase: system.method.erase
method.get: system.method.get
method.has_key: system.method.has_key
method.insert: system.method.insert
method.list_keys: system.method.list_keys
method.set: system.method.set
method.set_key: system.method.set_key
network.bind_address: get_bind
network.bind_address.set: set_bind
network.http.cacert: get_http_cacert http_cacert
network.http.cacert.set: set_http_cacert
network.http.capath: get_http_capath http_capath
network.http.capath.set: set_http_capath
network.http.max_open: get_max_open_http
network.http.max_open.set: set_max_open_http
network.http.proxy_address: get_http_proxy http_proxy
network.http.proxy_address.set: set_http_proxy
network.local_address: get_ip
network.local_address.set: set_ip
network.max_open_files: get_max_open_files
network.max_open_files.set: set_max_open_files
network.max_open_sockets: get_max_open_sockets
network.port_open: get_port_open port_open
network.port_open.set: set_port_open
network.port_random: get_port_random
network.port_random.set: set_port_random
network.port_range: get_port_range
network.port_range.set: set_port_range
network.proxy_address: get_proxy_address
network.proxy_address.set: set_proxy_address
network.receive_buffer.size: get_receive_buffer_size
network.receive_buffer.size.set: set_receive_buffer_size
network.scgi.dont_route: get_scgi_dont_route
network.scgi.dont_route.set: scgi_dont_route set_scgi_dont_route
network.send_buffer.size: get_send_buffer_size
network.send_buffer.size.set: set_send_buffer_size
network.xmlrpc.dialect.set: set_xmlrpc_dialect xmlrpc_dialect
network.xmlrpc.size_limit: get_xmlrpc_size_limit
network.xmlrpc.size_limit.set: set_xmlrpc_size_limit xmlrpc_size_limit
pieces.hash.on_completion: get_check_hash
pieces.hash.on_completion.set: set_check_hash
pieces.memory.current: get_memory_usage
pieces.memory.max: get_max_memory_usage
pieces.memory.max.set: set_max_memory_usage
pieces.preload.min_rate: get_preload_required_rate
pieces.preload.min_rate.set: set_preload_required_rate
pieces.preload.min_size: get_preload_min_size
pieces.preload.min_size.set: set_preload_min_size
pieces.preload.type: get_preload_type
pieces.preload.type.set: set_preload_type
pieces.stats_not_preloaded: get_stats_not_preloaded
pieces.stats_preloaded: get_stats_preloaded
pieces.sync.always_safe: get_safe_sync
pieces.sync.always_safe.set: set_safe_sync
pieces.sync.timeout: get_timeout_sync
pieces.sync.timeout.set: set_timeout_sync
pieces.sync.timeout_safe: get_timeout_safe_sync
pieces.sync.timeout_safe.set: set_timeout_safe_sync
protocol.connection.leech: get_connection_leech
protocol.connection.leech.set: set_connection_leech
protocol.connection.seed: get_connection_seed
protocol.connection.seed.set: set_connection_seed
protocol.pex: get_peer_exchange
protocol.pex.set: peer_exchange set_peer_exchange
session.name: get_name
session.name.set: set_name
session.on_completion: get_session_on_completion
session.on_completion.set: set_session_on_completion
session.path: get_session
session.path.set: set_session
session.save: session_save
session.use_lock: get_session_lock
session.use_lock.set: set_session_lock
system.file.allocate: system.file_allocate
system.file.allocate.set: system.file_allocate.set
system.file.max_size: get_max_file_size
system.file.max_size.set: set_max_file_size
system.file.split_size: get_split_file_size
system.file.split_size.set: set_split_file_size
system.file.split_suffix: get_split_suffix
system.file.split_suffix.set: set_split_suffix
system.hash.interval.set: hash_interval
system.hash.max_tries.set: hash_max_tries
system.hash.read_ahead.set: hash_read_ahead
t.is_enabled.set: t.set_enabled
throttle.down: throttle_down
throttle.down.max: get_throttle_down_max
throttle.down.rate: get_throttle_down_rate
throttle.global_down.max_rate: get_download_rate
throttle.global_down.max_rate.set: set_download_rate
throttle.global_down.rate: get_down_rate
throttle.global_down.total: get_down_total
throttle.global_up.max_rate: get_upload_rate
throttle.global_up.max_rate.set: set_upload_rate
throttle.global_up.rate: get_up_rate
throttle.global_up.total: get_up_total
throttle.ip: throttle_ip
throttle.max_downloads.div: get_max_downloads_div
throttle.max_downloads.div.set: set_max_downloads_div
throttle.max_downloads.global: get_max_downloads_global
throttle.max_downloads.global.set: set_max_downloads_global
throttle.max_peers.normal: get_max_peers
throttle.max_peers.normal.set: set_max_peers
throttle.max_peers.seed: get_max_peers_seed
throttle.max_peers.seed.set: set_max_peers_seed
throttle.max_uploads: get_max_uploads
throttle.max_uploads.div: get_max_uploads_div
throttle.max_uploads.div.set: set_max_uploads_div
throttle.max_uploads.global: get_max_uploads_global
throttle.max_uploads.global.set: set_max_uploads_global
throttle.max_uploads.set: set_max_uploads
throttle.min_peers.normal: get_min_peers
throttle.min_peers.normal.set: set_min_peers
throttle.min_peers.seed: get_min_peers_seed
throttle.min_peers.seed.set: set_min_peers_seed
throttle.up: throttle_up
throttle.up.max: get_throttle_up_max
throttle.up.rate: get_throttle_up_rate
trackers.numwant: get_tracker_numwant tracker_numwant
trackers.numwant.set: set_tracker_numwant
trackers.use_udp: get_use_udp_trackers
trackers.use_udp.set: set_use_udp_trackers use_udp_trackers
view.add: view_add
view.filter: view_filter
view.filter_on: view_filter_on
view.list: view_list
view.set: view_set
view.sort: view_sort
view.sort_current: view_sort_current
view.sort_new: view_sort_new
"""

# KIND.get_NAME was KIND.NAME, KIND.set_NAME was KIND.NAME.set.
_FORMER_WORDS = """
d.get_base_filename d.get_base_path d.get_bitfield d.get_bytes_done d.get_chunk_size d.get_chunks_hashed
d.get_complete d.get_completed_bytes d.get_completed_chunks d.get_connection_current d.get_connection_leech
d.get_connection_seed d.get_creation_date d.get_custom d.get_custom1 d.get_custom2 d.get_custom3 d.get_custom4
d.get_custom5 d.get_custom_throw d.get_directory d.get_directory_base d.get_free_diskspace d.get_hash d.get_hashing
d.get_hashing_failed d.get_ignore_commands d.get_left_bytes d.get_loaded_file d.get_local_id d.get_local_id_html
d.get_max_file_size d.get_max_size_pex d.get_message d.get_mode d.get_name d.get_peer_exchange d.get_peers_accounted
d.get_peers_complete d.get_peers_connected d.get_peers_max d.get_peers_min d.get_peers_not_connected d.get_priority
d.get_priority_str d.get_ratio d.get_size_bytes d.get_size_chunks d.get_size_files d.get_size_pex d.get_state
d.get_state_changed d.get_state_counter d.get_throttle_name d.get_tied_to_file d.get_tracker_focus
d.get_tracker_numwant d.get_tracker_size d.get_uploads_max d.set_connection_current d.set_connection_seed
d.set_custom d.set_custom1 d.set_custom2 d.set_custom3 d.set_custom4 d.set_custom5 d.set_directory
d.set_directory_base d.set_hashing_failed d.set_ignore_commands d.set_max_file_size d.set_message
d.set_peer_exchange d.set_peers_max d.set_peers_min d.set_priority d.set_throttle_name d.set_tied_to_file
d.set_tracker_numwant d.set_uploads_max f.get_completed_chunks f.get_frozen_path f.get_last_touched
f.get_match_depth_next f.get_match_depth_prev f.get_offset f.get_path f.get_path_components f.get_path_depth
f.get_priority f.get_range_first f.get_range_second f.get_size_bytes f.get_size_chunks f.set_priority p.get_address
p.get_client_version p.get_completed_percent p.get_down_rate p.get_down_total p.get_id p.get_id_html
p.get_options_str p.get_peer_rate p.get_peer_total p.get_port p.get_up_rate p.get_up_total t.get_group t.get_id
t.get_min_interval t.get_normal_interval t.get_scrape_complete t.get_scrape_downloaded t.get_scrape_incomplete
t.get_scrape_time_last t.get_type t.get_url
"""


def aliases() -> Iterator[tuple[str, str]]:
    """Another name, and the command it stands for."""
    for line in f"{_NAMES}{_FORMER_NAMES}".split("\n"):
        name, _, others = line.partition(": ")
        for other in others.split():
            yield other, name
    for word in _FORMER_WORDS.split():
        kind, _, former = word.partition(".")
        verb, _, name = former.partition("_")
        yield word, f"{kind}.{name}.set" if verb == "set" else f"{kind}.{name}"


def add_aliases(registry: Registry) -> None:
    """Those whose commands are there, where nothing has the name yet."""
    for alias, name in aliases():
        if name in registry and alias not in registry:
            registry.redirect(alias, name)
