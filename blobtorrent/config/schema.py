"""All settings: one class per table, one attribute per key. The only list of them; `doors`, `transfers` and `shown`
have some of its classes.

The loader's checks, `blobtorrent.toml.example` and the option list of blobtorrent.toml(5) come from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from blobtorrent.config import splitvalues, values
from blobtorrent.config.doors import HookSettings, RestSettings, RtorrentSettings, WatchSettings
from blobtorrent.config.option import Option, Section, at_start, live
from blobtorrent.config.shown import LogSettings, TopSettings
from blobtorrent.config.transfers import (
    GroupSettings,
    LimitSettings,
    PickerSettings,
    QueueSettings,
    SeedingSettings,
    WebSeedSettings,
)
from blobtorrent.config.values import InterfaceSpec, ListenSpec, ProxySpec

MIB = 1 << 20
GIB = 1 << 30


class StorageSettings(Section):
    """Where the bytes go."""

    download_dir: Path = live("~/Downloads", values.folder, "Folder that torrents are downloaded to.")
    incomplete_dir: Path | None = live(
        "", values.optional_folder,
        "Folder where torrents lie until they are complete; then they move to their download folder. Empty: none.",
    )
    memory_budget: int = at_start(
        "64 MiB",
        values.size(4 * MIB, 64 * GIB),
        "Memory for pieces on their way between network and disk, in bytes or with a unit. When it is used up, "
        "peers wait.",
    )
    allocation: str = at_start(
        "sparse",
        values.one_of("sparse", "full"),
        '"sparse": files grow as their pieces arrive; "full": their space is reserved before the download starts.',
    )
    sync: str = live(
        "normal",
        values.one_of("normal", "always"),
        'How much a power cut may cost. "normal": at most what was received in the last seconds, see sync_after_s; '
        '"always": next to nothing, see sync_always_after_s, at the price of many more waits for the disk. A killed '
        "process loses nothing either way.",
    )
    sync_after_s: float = live(
        5.0,
        values.number(1, 3600),
        "Seconds after which what was received is made durable; with 64 MiB of it before that.",
    )
    sync_always_after_s: float = live(0.25, values.number(0, 3600), 'The same with sync = "always".')
    reserve: int = live(
        "64 MiB",
        values.size(0, 1024 * GIB),
        "Space that downloads leave free on every filesystem. Below it the downloads there pause, and go on by "
        "themselves when there is room again.",
    )
    split_size: int = live(
        0,
        splitvalues.split_size,
        "Files that are larger than this are kept as several of this size, as filesystems need that hold no larger "
        "ones: NAME.part000, NAME.part001 and so on. It is looked at when a torrent is added, and holds for that one "
        "for ever; what the addition says of a file holds for all its parts. Torrents of version 2 are never split. At "
        "least 16 KiB; 0: nothing is split.",
    )
    split_suffix: str = live(
        ".part", splitvalues.part_suffix, "What stands between the name of such a file and the number of its part."
    )
    hardlinks: str = at_start(
        "break",
        values.one_of("break", "write", "refuse"),
        'What to do before the first write to a file that has other hard links. "break": the torrent gets a copy of '
        'its own, the other names keep the old bytes; "write": all names see the new bytes; "refuse": the torrent '
        "stops with an error.",
    )
    open_files: int = live(
        0,
        values.whole_number(0, 65_536),
        "Files of torrents that are kept open at a time. 0: a share of the descriptors that the system grants.",
    )
    preload: str = live(
        "off",
        values.one_of("off", "advise", "read"),
        "What is done about the rest of a piece when a peer asks for some of it. The 512 KiB around what was asked for "
        'are always read at once. "off": nothing more; "advise": the kernel is told that the rest will be wanted, up '
        'to 4 MiB; "read": they are read into memory, as far as there is room.',
    )
    preload_min_piece: int = live(
        "256 KiB", values.size(0, GIB), "Pieces that are smaller than this are not preloaded."
    )
    preload_min_bytes_per_s: int = live(
        "5 KiB/s", values.rate(1 << 40), "Nor those that are asked for by peers that take less than this."
    )
    hash_threads: int = at_start(
        0, values.whole_number(0, 64), "Threads that check pieces; 0: one per processor, at most 4."
    )
    disk_threads: int = at_start(
        3, values.whole_number(2, 16), "Threads for each storage device: one writes, the others read for uploads."
    )


class NetworkSettings(Section):
    """Peers and how many."""

    listen: tuple[ListenSpec, ...] = at_start(
        ["0.0.0.0:6881-6999", "[::]:6881-6999"],
        values.listeners,
        'Where peers reach us: a list of "HOST:PORT". "HOST:6881-6999" takes the first free port of these, port 0 any. '
        "An empty list: no peer reaches us, we reach them.",
    )
    interface: InterfaceSpec = at_start(
        "",
        values.interface,
        'The only way that traffic may take: the name of an interface such as "tun0", or addresses of one, such as '
        '"10.8.0.2, fd00::2". Peers, trackers and name servers are reached by it, and only by it, also by the one that '
        "has the addresses: while it is gone nothing is sent. It takes Linux 5.7, or the capability CAP_NET_RAW. "
        "Empty: as the system routes.",
    )
    proxy: ProxySpec | None = at_start(
        "",
        values.proxy,
        'A proxy for connections to peers, trackers and web seeds: "socks5://ADDRESS:PORT" or "http://ADDRESS:PORT"; '
        "the second is asked with CONNECT. It looks names up, too. SOCKS 5 carries datagrams as well, to trackers and "
        "the DHT, where the proxy allows it. Empty: none.",
    )
    proxy_login_file: Path | None = at_start(
        "", values.optional_file, "File whose first line is USER:PASSWORD for the proxy. Empty: it wants none."
    )
    http_proxy: ProxySpec | None = live(
        "",
        values.proxy,
        "Another proxy, for calls over HTTP and HTTPS alone: to trackers, web seeds, webhooks, and for .torrent files. "
        'Written as "proxy"; it is asked without a login, also for plain HTTP with CONNECT. Empty: they take the way '
        "of all connections.",
    )
    proxy_strict: bool = at_start(
        True,
        values.boolean,
        "Whether nothing may go beside the proxy: no datagrams that it does not carry, no listening for peers, no "
        "question to another name server, no word to the router. Otherwise datagrams that it refuses go directly.",
    )
    port_mapping: str = at_start(
        "off",
        values.one_of("off", "auto", "pcp", "nat-pmp", "upnp"),
        'Whether the router of the network is asked to pass the port of the peers on to us, and how; "auto" tries all '
        "ways.",
    )
    allow_loopback: bool = at_start(
        False,
        values.boolean,
        "Whether anybody may name peers at loopback and private addresses. Otherwise only those may who are at such an "
        "address themselves: a tracker on the internet cannot send us to our own network. A web seed at such an "
        "address is read from without it, too, unless its URL has a query or another server sent us there; "
        "of those on this machine webseeds.allow_loopback decides.",
    )
    tls_ca_file: Path | None = live(
        "",
        values.optional_file,
        "Whom HTTPS servers must be vouched for by: a file of certificates in PEM form, for trackers, web seeds, "
        "downloads of .torrent files and webhooks. It is read once, when it is first needed. Empty, and no "
        "tls_ca_folder: by the authorities that the system knows.",
    )
    tls_ca_folder: Path | None = live(
        "", values.optional_folder, "A folder of such certificates, each named by its hash as `openssl rehash` does it."
    )
    tls_verify: bool = live(
        True,
        values.boolean,
        "Whether HTTPS servers must be vouched for at all. It is dangerous to say false: whoever sits between us and a "
        "tracker then reads passkeys, and answers in its place. tls_ca_file trusts one more server without that, and "
        "tls_unchecked_hosts gives up on one only.",
    )
    tls_unchecked_hosts: tuple[str, ...] = live(
        [],
        values.host_names,
        "HTTPS servers that need not be vouched for, by name or IPv4 address, without a port: a tracker whose "
        "certificate ran out, say. Whoever sits between us and one of these may answer in its place; all others are "
        "checked.",
    )
    tls_verify_host: bool = live(
        True,
        values.boolean,
        "Whether their certificates must name the host that we called. False is nearly as dangerous: everybody has a "
        "certificate for some name.",
    )
    max_peers: int = live(500, values.whole_number(1, 100_000), "Connections to peers, of all torrents together.")
    max_peers_per_torrent: int = live(200, values.whole_number(1, 100_000), "Connections to peers of one torrent.")
    max_peers_per_seed: int = live(
        0,
        values.whole_number(0, 100_000),
        "Connections to peers of one torrent that is complete, where that is to be less. 0: as of others.",
    )
    min_peers_per_torrent: int = live(
        100,
        values.whole_number(0, 100_000),
        "While a torrent has fewer peers than this, its trackers are asked for more before the interval that they want "
        "is over, no sooner than they allow, every ten minutes at most, and only if they count more than it has.",
    )
    min_peers_per_seed: int = live(
        -1, values.whole_number(-1, 100_000), "The same of one that is complete. -1: as of others."
    )
    static_peers: tuple[str, ...] = live(
        [],
        values.static_peers,
        'Peers to try for every torrent that is not private: a list of "HOST:PORT", or of services of the DNS such as '
        '"_bittorrent._tcp.fleet.example". Names are looked up again every five minutes, so that nodes of a fleet '
        "find each other without a tracker.",
    )
    send_buffer: int = live(
        0,
        values.size(0, GIB),
        "Bytes that the system keeps for each connection to a peer until they are sent; for new connections, as far as "
        "the system lets us. 0: as it sees fit, which was measured to be as good.",
    )
    receive_buffer: int = live(
        0, values.size(0, GIB), "The same of what has come and was not read yet."
    )
    type_of_service: int = live(
        0,
        values.whole_number(0, 255),
        "The byte that tells routers how urgent what is sent to peers is (TOS, or DSCP times four), on new "
        "connections; 8 is throughput.",
    )
    upload_slots: int = live(
        8, values.whole_number(0, 10_000), "Peers of one torrent that we send to at the same time; 0: upload nothing."
    )
    upload_slots_most: int = live(
        16,
        values.whole_number(0, 10_000),
        "A torrent that has no number of slots of its own gets more than upload_slots, up to so many, while its peers "
        "take what they get and no limit on sending is used up. 0: never more.",
    )
    seed_choking: str = live(
        "round-robin",
        values.one_of("round-robin", "fastest", "anti-leech"),
        "Whom a complete torrent sends to while more peers want data than there are slots. "
        '"round-robin": each in its turn of a minute and twenty pieces; "fastest": those that take fastest; '
        '"anti-leech": those that have next to nothing or nearly everything.',
    )
    upload_slots_total: int = live(
        0,
        values.whole_number(0, 1_000_000),
        "Peers of all torrents together that we send to at the same time. When there are too few, groups have as many "
        "as their weights say, the torrents of one equally many, and those that cannot be divided go round among them. "
        "0: no limit.",
    )
    upload_slots_min: int = live(
        0,
        values.whole_number(0, 10_000),
        "Of slots that all torrents share, as many as this come first to each torrent that has use for them. When "
        "there are too few for that, nobody is promised any. 0: none.",
    )
    upload_slots_divisor: int = live(
        1,
        values.whole_number(0, 1_000_000),
        "How many of these a limit on what is sent leaves: of its KiB/s, divided by this, the first ten bring a slot "
        "each, of the others five do. With 1 a limit of 100 KiB/s means 30 slots. 0: the limit does not matter.",
    )
    download_slots: int = live(
        0,
        values.whole_number(0, 10_000),
        "Peers of one torrent that are asked for data at the same time; the slowest makes room for others now and "
        "then. 0: no limit.",
    )
    download_slots_total: int = live(
        0,
        values.whole_number(0, 1_000_000),
        "The same of all torrents together, shared as upload slots are. 0: no limit.",
    )
    download_slots_min: int = live(
        0, values.whole_number(0, 10_000), "The same of download slots, as upload_slots_min."
    )
    download_slots_divisor: int = live(
        1,
        values.whole_number(0, 1_000_000),
        "How many of these a limit on what is received leaves, in the way of upload_slots_divisor. 0: the limit does "
        "not matter.",
    )


class EncryptionSettings(Section):
    """Encrypted connections to peers. They hide what it is; they keep no secret from who knows the torrent."""

    mode: str = live(
        "allowed",
        values.one_of("disabled", "allowed", "preferred", "required"),
        'How peers are met, from the next connection on. "disabled": in plain, both ways; "allowed": peers that come '
        "as they like, others are dialled in plain, and encrypted when they close without a word, and of an encrypted "
        'handshake the rest is plain where the peer offers that, which costs nothing; "preferred": others are dialled '
        'encrypted, and in plain when that fails, and all of the stream is encrypted (RC4) where the peer can; '
        '"required": all of the stream is, with everybody, and nobody else is spoken to. RC4 nearly doubles what a '
        "transfer costs the processor. Where OpenSSL has no RC4, which the log then says, only handshakes can be "
        'encrypted, and "required" means that nobody is connected.',
    )


# They answer everybody who asks for nodes, and keep nothing.
PUBLIC_ROUTERS = (
    "dht.libtorrent.org:25401", "router.bittorrent.com:6881", "router.utorrent.com:6881",
    "dht.transmissionbt.com:6881",
)


class DhtSettings(Section):
    """The distributed hash table: nodes of which each knows some peers. Never for private torrents."""

    enabled: bool = at_start(
        True, values.boolean, "Whether we take part in it, from the first torrent on that may be looked for there."
    )
    bootstrap: tuple[str, ...] = at_start(
        list(PUBLIC_ROUTERS),
        values.host_ports,
        'Nodes that know others, for the beginning: a list of "HOST:PORT". Nodes of earlier runs are asked besides. '
        "With other nodes than the public ones that stand here one has a table of one's own.",
    )
    read_only: bool = at_start(
        False, values.boolean, "Whether we ask and announce only, and answer nobody: for hosts that count every packet."
    )


class TrackerSettings(Section):
    """Servers that torrents name, to find peers by."""

    announce_to_all: bool = live(
        False,
        values.boolean,
        "Whether all trackers of a torrent are told of us. Otherwise of each tier the first that answers is, and the "
        "others of that tier stand in for it. The tiers do not wait for each other, as they do in other programs "
        "(BEP 12): each has one that is told. A private torrent always has one tracker at a time, whatever its tiers.",
    )
    udp: bool = live(True, values.boolean, "Whether trackers are asked over UDP, too.")
    http_calls: int = live(
        32, values.whole_number(1, 1000), "Trackers that are asked over HTTP at the same time. Each takes a thread."
    )
    peers_wanted: int = live(200, values.whole_number(0, 1000), "Peers that a tracker is asked for at a time.")
    own_address: str = live(
        "",
        values.optional_address,
        "The address of ours that trackers are to name to peers, for where they see another one. Many trackers pass it "
        "over. Empty: the one that they see.",
    )


class PexSettings(Section):
    """Peer exchange: connected peers tell each other of others. Never of private torrents."""

    enabled: bool = live(True, values.boolean, "Whether we take part in it.")


class LsdSettings(Section):
    """Local discovery: peers on the same network find each other by multicast. Never of private torrents."""

    enabled: bool = at_start(
        True,
        values.boolean,
        "Whether we take part in it, on the interfaces of the addresses in network.listen; with a proxy we never do.",
    )


class TcpSettings(Section):
    """Connections to peers over TCP."""

    enabled: bool = live(
        True,
        values.boolean,
        "Whether peers are dialled, and let in, by TCP. Connections that are open stay. With false here and at "
        "utp.enabled there are no new connections at all.",
    )


class UtpSettings(Section):
    """Connections to peers by uTP, which yields to all other traffic and passes more routers than TCP (BEP 29)."""

    enabled: bool = live(
        True,
        values.boolean,
        "Whether peers are dialled, and let in, by uTP, at the same port as by TCP. Connections that are open stay.",
    )
    dialing: str = live(
        "tcp-first",
        values.one_of("tcp-first", "race", "utp-first"),
        'How a peer is dialled that may be reached both ways. "tcp-first": by TCP, and by uTP as soon as that failed, '
        'or has not connected within a second; at once where the peer is known to speak uTP. "race": both at once. '
        '"utp-first": by uTP, and by TCP when that failed, or after three seconds. The way that connects first is '
        "taken. TCP costs less of the processor.",
    )
    hole_punching: bool = live(
        True,
        values.boolean,
        "Whether peers that nobody can dial are met with the help of one that both are connected to (BEP 55), and "
        "whether we help others so.",
    )


class FilterSettings(Section):
    """Peers by their addresses: whom we neither dial nor let in. Trackers and web seeds are not peers."""

    files: tuple[Path, ...] = live(
        [],
        values.list_files,
        "Files with addresses that are refused, one range a line, as P2P (PeerGuardian), DAT (eMule), CIDR or plain "
        "ranges, also packed with gzip; absolute paths. They are read again when they change. Lines that are not "
        "understood are counted and passed over; of a file that cannot be used, what was read before stays in force.",
    )
    block: tuple[str, ...] = live(
        [],
        values.address_ranges,
        'More of them, right here: "192.0.2.7", "192.0.2.0/24", "192.0.2.1-192.0.2.9", "2001:db8::/32".',
    )
    allow: tuple[str, ...] = live(
        [], values.address_ranges, "Addresses that are never refused, whatever the lists say; written in the same way."
    )


class Settings(NamedTuple):
    """Everything that can be set. `config.load.load()` makes one; nothing given means the defaults."""

    storage: StorageSettings
    network: NetworkSettings
    encryption: EncryptionSettings
    dht: DhtSettings
    trackers: TrackerSettings
    pex: PexSettings
    lsd: LsdSettings
    tcp: TcpSettings
    utp: UtpSettings
    filters: FilterSettings
    limits: LimitSettings
    queue: QueueSettings
    picker: PickerSettings
    seeding: SeedingSettings
    webseeds: WebSeedSettings
    rest: RestSettings
    rtorrent: RtorrentSettings
    log: LogSettings
    top: TopSettings
    groups: Mapping[str, GroupSettings]      # by name
    watch: tuple[WatchSettings, ...]
    hooks: tuple[HookSettings, ...]


SINGLE_TABLES: dict[str, type[Section]] = {        # [section]
    "storage": StorageSettings,
    "network": NetworkSettings,
    "encryption": EncryptionSettings,
    "dht": DhtSettings,
    "trackers": TrackerSettings,
    "pex": PexSettings,
    "lsd": LsdSettings,
    "tcp": TcpSettings,
    "utp": UtpSettings,
    "filters": FilterSettings,
    "limits": LimitSettings,
    "queue": QueueSettings,
    "picker": PickerSettings,
    "seeding": SeedingSettings,
    "webseeds": WebSeedSettings,
    "rest": RestSettings,
    "rtorrent": RtorrentSettings,
    "log": LogSettings,
    "top": TopSettings,
}
NAMED_TABLES: dict[str, type[Section]] = {"groups": GroupSettings}         # [section.NAME]
LISTED_TABLES: dict[str, type[Section]] = {        # [[section]], any number of them
    "watch": WatchSettings,
    "hooks": HookSettings,
}
TABLES = SINGLE_TABLES | NAMED_TABLES | LISTED_TABLES


def default_settings() -> Settings:
    """What holds when nothing is given."""
    tables: dict[str, Any] = {section: kind() for section, kind in SINGLE_TABLES.items()}
    return Settings(**tables, groups={}, watch=(), hooks=())


def all_options() -> dict[str, Option]:
    """Every option by its full name: `section.key`, `groups.NAME.key`, `watch.key`."""
    return {
        f"{section}.NAME.{key}" if section in NAMED_TABLES else f"{section}.{key}": option
        for section, settings in TABLES.items()
        for key, option in settings.options()
    }
