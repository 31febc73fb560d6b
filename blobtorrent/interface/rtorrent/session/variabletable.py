"""The settings of rTorrent that this engine has no use for: the table.

Their first values are those of rTorrent 0.9.8, or of 0.16 for the names that came with it. `claimed` has others for
who claims to be 0.16.
"""

from __future__ import annotations

from blobtorrent.interface.rtorrent.faults import failed, no_such_word
from blobtorrent.interface.rtorrent.session.variables import Kind, Variable
from blobtorrent.interface.rtorrent.values import Value

MAX_SIZE_LIMIT = 64 << 20


def _check_size_limit(value: Value) -> None:
    if not isinstance(value, int) or not 0 <= value < MAX_SIZE_LIMIT:
        raise failed("Invalid XMLRPC limit size.")


def _check_leech(value: Value) -> None:
    if value != "leech":
        raise no_such_word("connection_type", str(value))


def _check_seed(value: Value) -> None:
    if value not in ("seed", "initial_seed"):
        raise no_such_word("connection_type", str(value))


_COLOURS = {
    **dict.fromkeys(("alarm", "complete", "even", "footer", "incomplete", "info", "label", "leeching", "odd", "queued",
                     "seeding", "stopped", "title"), ""),
    "focus": "reverse",
}
_HASHING = ("interval", "max_tries", "read_ahead")
_SOCKETS = ("files", "http", "internal", "rpc")
_SHARED = ("files", "http")            # see sockets
_BOUNDS = (("max_alloc", 1_000_000, "most descriptors, at the next recompute."),
           ("min_alloc", 0, "descriptors that it is sure of, at the next recompute."))

_ROWS = (
    Variable("dht.override_port", Kind.NUMBER, 0, "Port announced instead of the real DHT port.", answers=False),
    Variable("dht.throttle.name", Kind.TEXT, "", "Name of the throttle used for DHT traffic.", answers=False),
    Variable("file.prioritize_toc", Kind.NUMBER, 0,
             "Whether the ends of files that file.prioritize_toc.first and .last name are wanted first, of downloads "
             "that are added from now on.", is_flag=True, is_neutral=False),
    Variable("log.handshake", Kind.TEXT, "", "File that handshakes are noted in."),
    Variable("magnet.path", Kind.TEXT, "", "Directory where metadata of magnets is kept."),
    Variable("network.block.ipv4", Kind.NUMBER, 0, "Whether IPv4 is not used.", answers=False),
    Variable("network.block.ipv4in6", Kind.NUMBER, 0, "Whether IPv4-mapped addresses are not used.", answers=False),
    Variable("network.block.ipv6", Kind.NUMBER, 0, "Whether IPv6 is not used.", answers=False),
    Variable("network.block.outgoing", Kind.NUMBER, 0,
             "Whether outgoing peer connections are suppressed.", answers=False),
    Variable("network.http.dns_cache_timeout", Kind.NUMBER, 60,
             "Seconds DNS answers are kept for HTTP.", answers=False),
    Variable("network.http.max_cache_connections", Kind.NUMBER, 0, "Cached HTTP connections.", answers=False),
    Variable("network.http.max_host_connections", Kind.NUMBER, 3, "Most HTTP connections per host.", answers=False),
    Variable("network.listen.backlog", Kind.NUMBER, 4096, "Listen queue length.", answers=False),
    Variable("network.local_address.ipv4", Kind.TEXT, "", "IPv4 address reported to trackers.", answers=False),
    Variable("network.local_address.ipv6", Kind.TEXT, "", "IPv6 address reported to trackers.", answers=False),
    Variable("network.local_port", Kind.NUMBER, 0,
             "Port reported to trackers instead of the listening one.", answers=False),
    Variable("network.local_port.ipv4", Kind.NUMBER, 0,
             "Port reported to trackers instead of the listening one for one address family.", answers=False),
    Variable("network.local_port.ipv6", Kind.NUMBER, 0,
             "Port reported to trackers instead of the listening one for one address family.", answers=False),
    Variable("network.prefer.ipv6", Kind.NUMBER, 0, "Whether IPv6 is preferred.", answers=False),
    Variable("network.rpc.use_jsonrpc", Kind.NUMBER, 1, "Whether JSON-RPC requests are answered.", is_neutral=False,
             is_flag=True),
    Variable("network.rpc.use_xmlrpc", Kind.NUMBER, 1, "Whether XML-RPC requests are answered.", is_neutral=False,
             is_flag=True),
    Variable("network.scgi.dont_route", Kind.NUMBER, 0,
             "Whether places that network.scgi.open_port opens from then on answer only who is on a network of ours, "
             "and nobody behind a router.", is_neutral=False, is_flag=True),
    Variable("network.scgi.gzip.min_size", Kind.NUMBER, 1000, "Smallest answer that is compressed.", answers=False),
    Variable("network.scgi.use_gzip", Kind.NUMBER, 1,
             "Whether answers may be compressed when the client offers it.", answers=False),
    Variable("network.xmlrpc.size_limit", Kind.NUMBER, 524288,
             "Largest XML-RPC request in bytes, below 64 MiB. It holds once it is set; none above 16 MiB is read.",
             answers=False, is_neutral=False, check=_check_size_limit),
    Variable("pieces.hash.on_completion", Kind.NUMBER, 1,
             "Whether events tell of a second check of finished downloads.", is_neutral=False, is_flag=True),
    Variable("protocol.choke_heuristics.down.leech", Kind.TEXT, "download_leech",
             "Default download choking strategy while leeching."),
    Variable("protocol.choke_heuristics.down.seed", Kind.TEXT, "download_leech",
             "Default download choking strategy while seeding."),
    Variable("protocol.choke_heuristics.up.leech", Kind.TEXT, "upload_leech",
             "Default upload choking strategy while leeching."),
    Variable("protocol.choke_heuristics.up.seed", Kind.TEXT, "upload_leech",
             "Default upload choking strategy while seeding."),
    Variable("protocol.connection.leech", Kind.TEXT, "leech",
             "How downloads meet peers while they lack something; there is one way, and another is refused.",
             is_neutral=False, check=_check_leech),
    Variable("protocol.connection.seed", Kind.TEXT, "seed",
             "How downloads that are loaded from now on meet peers once they are complete: seed, or initial_seed to "
             "show each of them a few pieces only.", is_neutral=False, check=_check_seed),
    Variable("session.on_completion", Kind.NUMBER, 1,
             "Whether the files of a download in the session folder are written at once when it is complete; else with "
             "all that has changed, every 20 minutes and at the end. The daemon's own state is saved either way.",
             is_flag=True, is_neutral=False),
    Variable("session.use_lock", Kind.NUMBER, 1, "Whether a lock file tells who uses the session directory.",
             is_neutral=False, is_flag=True),
    Variable("system.file.max_size", Kind.NUMBER, 549755813888,
             "Bytes: what is loaded from now on is not opened while it has a larger file.", is_neutral=False),
    *(Variable(f"system.hash.{word}", Kind.NUMBER, 0, f"Of checks: {word}.") for word in _HASHING),
    Variable("system.files.advise_random", Kind.NUMBER, 0,
             "Whether random access advice is given to the kernel for data files.", answers=False),
    Variable("system.files.advise_random.hashing", Kind.NUMBER, 0,
             "Whether random access advice also applies while hashing.", answers=False),
    Variable("system.files.session.fdatasync", Kind.NUMBER, 1,
             "Whether session files are flushed to disk with fdatasync after writing.", answers=False),
    *(Variable(f"system.sockets.{kind}.{word}", Kind.NUMBER, initial, f"Sockets for {kind}: {doc}", answers=False,
               is_neutral=kind not in _SHARED)
      for kind in _SOCKETS for word, initial, doc in _BOUNDS),
    Variable("trackers.delay_scrape", Kind.NUMBER, 0, "Whether scrapes are delayed after loading.", is_flag=True),
    *(Variable(f"ui.color.{element}", Kind.TEXT, initial, f"Colour of the screen: {element}.")
      for element, initial in _COLOURS.items()),
    Variable("ui.focus.page_size", Kind.NUMBER, 0, "Lines moved by the page keys."),
    Variable("ui.input.history.size", Kind.NUMBER, 99, "Lines kept in the input history.", answers=False),
    Variable("ui.keymap.style", Kind.TEXT, "emacs", "Key map flavour of the screen."),
    Variable("ui.throttle.global.step.large", Kind.NUMBER, 500, "Large step in KiB of the throttle keys."),
    Variable("ui.throttle.global.step.medium", Kind.NUMBER, 50, "Medium step in KiB of the throttle keys."),
    Variable("ui.throttle.global.step.small", Kind.NUMBER, 5, "Small step in KiB of the throttle keys."),
)

# Why nothing goes by them, by how their names begin.
_WHY = (
    ("dht.throttle.", "Its traffic is not limited."),
    ("dht.", "It is at the port that peers reach us at."),
    ("log.", "Handshakes are in the daemon's own log."),
    ("magnet.", "It is kept with the daemon's state."),
    ("network.block.", "network.bind_address and the settings say which way connections take."),
    ("network.http.dns_", "Answers of name servers are not kept: the system does that."),
    ("network.http.", "The daemon shares connections among calls by itself."),
    ("network.listen.", "The daemon chooses it."),
    ("network.local_address.", "network.local_address is for both kinds."),
    ("network.local_port", "Trackers are told the port that peers reach us at."),
    ("network.prefer.", "Peers are dialled at the address that they are known by."),
    ("network.scgi.", "Answers are compressed for those who ask for it."),
    ("protocol.choke_heuristics.", "There is one way, which suits both."),
    ("system.files.advise_random", "The daemon advises the kernel as it sees fit."),
    ("system.files.", "storage.sync of the daemon's settings says when."),
    ("system.hash.", "Checks take their turns by themselves."),
    ("system.sockets.", "Descriptors for these are not bounded: there are few."),
    ("trackers.delay_scrape", "Scrapes take their turns by themselves."),
    ("ui.", "The screen of blobtorrent top has no such thing."),
)


def _with_reason(row: Variable) -> Variable:
    why = next((why for beginning, why in _WHY if row.name.startswith(beginning)), "")
    return row._replace(doc=f"{row.doc} {why}") if row.is_neutral and why else row


NEUTRAL = tuple(map(_with_reason, _ROWS))
