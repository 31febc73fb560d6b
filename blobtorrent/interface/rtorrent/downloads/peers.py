"""p.*: the connected peers of a download."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from urllib.parse import quote_from_bytes

from blobtorrent.core.session.commands import AddPeers, HandlePeer
from blobtorrent.interface.rtorrent.context import Aim, Context, Target
from blobtorrent.interface.rtorrent.downloads.aiming import Aiming, PeerAim
from blobtorrent.interface.rtorrent.downloads.download import Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.making import action, command, getter, number_setter
from blobtorrent.interface.rtorrent.faults import Fault, failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, one_text, to_text
from blobtorrent.model.address import Endpoint, parse_endpoint
from blobtorrent.model.details import PeerStatus, PeerTreatment
from blobtorrent.model.errors import FormatError

USUAL_PORT = 6881
PREFERRED = 64                         # the verdict of ipv4_filter.get


def id_html(peer_id: bytes) -> str:
    """Percent-encoded, with upper-case digits; all but letters, digits and the hyphen."""
    return quote_from_bytes(peer_id, safe="").replace("_", "%5F").replace(".", "%2E").replace("~", "%7E")


def commands(downloads: Downloads) -> Iterator[Command]:
    """All but p.multicall, and add_peer."""

    def number(name: str, read: Callable[[PeerStatus], float], doc: str, *, is_neutral: bool = False) -> Command:
        return getter(name, lambda aim: int(read(aim.peer)), doc, target=Target.PEER, is_neutral=is_neutral)

    def text(name: str, read: Callable[[PeerStatus], str], doc: str, *, is_neutral: bool = False) -> Command:
        return getter(
            name, lambda aim: read(aim.peer), doc, target=Target.PEER, returns="string", is_neutral=is_neutral)

    yield text("p.address", lambda peer: peer.host, "Its address.")
    yield text("p.client_version", lambda peer: peer.client, "Its program, as far as its name tells.")
    yield text("p.id", lambda peer: peer.peer_id.hex().upper(), "Its name: 40 digits, as targets have them.")
    yield text("p.id_html", lambda peer: id_html(peer.peer_id), "Its name, percent-encoded.")
    yield text("p.options_str", lambda peer: peer.reserved.hex().upper(), "What it can do: its reserved bytes.")
    yield number("p.port", lambda peer: peer.port, "Its port.")
    yield number("p.completed_percent", lambda peer: 100 * peer.progress, "How much of the torrent it has.")
    yield number("p.up_rate", lambda peer: peer.up_bytes_per_s, "Bytes a second to it.")
    yield number("p.up_total", lambda peer: peer.uploaded_bytes, "Bytes to it.")
    yield number("p.down_rate", lambda peer: peer.down_bytes_per_s, "Bytes a second from it.")
    yield number("p.down_total", lambda peer: peer.downloaded_bytes, "Bytes from it.")
    yield number("p.is_encrypted", lambda peer: peer.is_encrypted, "Whether the stream is encrypted.")
    yield number("p.is_obfuscated", lambda peer: peer.has_encrypted_handshake, "Whether the handshake was.")
    yield number("p.is_incoming", lambda peer: peer.is_incoming, "Whether it dialled us.")
    for name in ("p.is_snubbed", "p.snubbed"):
        yield number(name, lambda peer: peer.is_snubbed or peer.is_denied,
                     "Whether it sends nothing of what it was asked for, or is to be sent nothing.")
    for name, doc in (("p.is_unwanted", "Whether ipv4_filter does not want it: such a one has no connection."),
                      ("p.banned", "Whether it is banned: such a one has no connection.")):
        yield number(name, lambda peer: 0, doc)
    yield number("p.peer_rate", lambda peer: peer.gained_bytes_per_s,
                 "Bytes a second that it downloads from all, by the pieces that it says it has.")

    def is_preferred(context: Context, aim: PeerAim, _args: Sequence[Value]) -> Value:
        try:
            return int(context.call("ipv4_filter.get", [aim.peer.host]) == PREFERRED)
        except Fault:                  # nothing is said of its address
            return 0

    yield command("p.is_preferred", is_preferred, "Whether ipv4_filter prefers it.", target=Target.PEER, returns="i8"
                  )._replace(is_safe=True)

    def peer_total(aim: PeerAim) -> int:
        return int(aim.peer.progress * aim.download.size_bytes)

    yield getter("p.peer_total", peer_total, "Bytes that it has of the torrent.", target=Target.PEER)

    def treat(aim: PeerAim, treatment: PeerTreatment) -> None:
        downloads.ask(HandlePeer(aim.download.info_hash, Endpoint(aim.peer.host, aim.peer.port), treatment))

    def set_banned(aim: PeerAim, value: int) -> None:
        if value:                      # one that is banned has no connection that it could be lifted from
            treat(aim, PeerTreatment.BAN)

    def set_snubbed(aim: PeerAim, value: int) -> None:
        treat(aim, PeerTreatment.DENY if value else PeerTreatment.SERVE)

    yield number_setter("p.banned.set", set_banned, "1 ends the connection, and keeps the peer and its host out.",
                        target=Target.PEER)
    yield number_setter("p.snubbed.set", set_snubbed, "1 has nothing sent to it any more, 0 as to others.",
                        target=Target.PEER)
    for name in ("p.disconnect", "p.disconnect_delayed"):
        yield action(name, lambda aim: treat(aim, PeerTreatment.PART), "Ends the connection. It may come again.",
                     target=Target.PEER)

    def add_peer(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        if download.status.is_private:
            raise failed("Download is private.")
        downloads.ask(AddPeers(download.info_hash, (_endpoint(one_text(args)),)))
        return None

    yield command("add_peer", add_peer, "HOST[:PORT]: has a peer tried, for ever.")

    aiming = Aiming(downloads)

    def call_target(context: Context, _item: object, args: Sequence[Value]) -> Value:
        if len(args) < 3:
            raise wrong_type()
        aim = aiming.read(f"{to_text(args[0])}:p{to_text(args[1])}")
        return context.at(Aim(Target.PEER, aim.item)).call(to_text(args[2]), args[3:])

    yield Command("p.call_target", Target.ANY, call_target, "any", True, False,
                  "HASH, PEERID, NAME[, ARGUMENT...]: calls a command on a peer.", "peer")


def _endpoint(text: str) -> Endpoint:
    host, colon, port = text.strip().rpartition(":")
    if not colon or text.endswith("]") or "]" not in text and host.count(":"):
        host, port = text.strip(), str(USUAL_PORT)
    if not host:
        raise failed("Could not parse host.")
    if not (port.isascii() and port.isdigit() and len(port) <= 5 and 0 < int(port) <= 65535):
        raise failed("Invalid port number.")
    bare = host.strip("[]")
    try:
        return parse_endpoint(f"[{bare}]:{port}" if ":" in bare else f"{bare}:{port}")
    except FormatError:
        raise failed("Could not parse host.") from None
