"""Which of our names rTorrent 0.9.8 does not have: those of before 0.9, of 0.16 and of other builds.

Configurations and scripts that were written for 0.9.8 may define such a name themselves; then theirs counts.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Final

# Each may have a setter.
_COMMANDS: Final = r"""
close_low_diskspace\.(look|normal)
choke_group\.all\.(down|up)\.update_balance
.+\.((or_)?(base64_)?as_binary|(or_)?base64|hex|realpath\.or_(empty|throw))
d\.(down\.sequential|multicall)
d\.timestamp\.(last_active|(finished|started)\.(elapsed|or_zero))
d\.tracker\.has_(active|active_not_scrape|usable)
dht\.override_port
directory\.watch\.ready
enum\.log_group
group\.look
load\.(start_)?throw
log\.(append_file(\.flush)?|append_gz_file|handshake|open_file\.flush|print|rpc)
magnet\.path
network\.((bind|local)_address\.ipv[46]|block\.(ipv4|ipv4in6|ipv6|outgoing)|http\.max_(cache|host|total)_connections)
network\.(listen\.port\.set|local_port(\.ipv[46])?|open_files|prefer\.ipv6|rpc\.use_(json|xml)rpc|total_handshakes)
network\.scgi\.(gzip\.min_size|open_systemd|use_gzip)
protocol\.encryption\.(handshake|stream)
schedule\.if_absent
string\..+
strings\.encryption\.(handshake|stream)
system\.(files\.advise_random(\.hashing)?|files\.session\.fdatasync|hash\.(interval|max_tries|read_ahead)|sockets\..+)
t\.is_scrapable
throttle\.max_unchoked_(downloads|uploads)
trackers\.delay_scrape
ui\.(color\..+|focus\.page_size|keymap\.style|status\.throttle\.(down|up)\.set)
"""

# Other names that commands have in 0.9.8 already.
_ALIASES: Final = """
bind check_hash connection_leech connection_seed dht dht_port directory download_rate encoding_list encryption execute
group.seeding.ratio.max group.seeding.ratio.max.set group.seeding.ratio.min group.seeding.ratio.min.set
group.seeding.ratio.upload group.seeding.ratio.upload.set group.seeding.view group.seeding.view.set ip key_layout
max_downloads max_downloads_div max_downloads_global max_memory_usage max_peers max_peers_seed max_uploads
max_uploads_div max_uploads_global min_downloads min_peers min_peers_seed min_uploads network.http.max_open
network.http.max_open.set port_random port_range proxy_address ratio.disable ratio.enable ratio.max ratio.max.set
ratio.min ratio.min.set ratio.upload ratio.upload.set scgi_local scgi_port schedule schedule_remove session
system.shutdown to_date to_elapsed_time to_gm_date to_gm_time to_kb to_mb to_throttle to_time to_xb torrent_list_layout
upload_rate
"""


@cache
def _newer() -> re.Pattern[str]:
    return re.compile(f"({'|'.join(_COMMANDS.split())})(\\.set)?")


def is_of_others(name: str, *, is_alias: bool) -> bool:
    """Whether 0.9.8 lacks a name of ours."""
    return name not in _ALIASES.split() if is_alias else _newer().fullmatch(name) is not None
