"""`/v1/torrents/{hash}/peers`: who is connected, and peers to try."""

from __future__ import annotations

from collections.abc import Iterable

from blobtorrent.core.session.commands import AddPeers
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.options import read_peers
from blobtorrent.core.session.queries import PeersOf
from blobtorrent.interface.rest.encode import RATIO_DIGITS, Shape, document
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields
from blobtorrent.interface.rest.routes import Answer, Body, Operation, Route
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    COUNT,
    NUMBER,
    PEERS_OPTION,
    TEXT,
    answer_object,
    body_object,
    described,
    list_of,
    nullable,
    one_of,
)
from blobtorrent.interface.rest.v1.lookup import find_torrent
from blobtorrent.model.address import Endpoint
from blobtorrent.model.details import PeerStatus, SourceStatus
from blobtorrent.model.ids import InfoHash

_PEERS = "/v1/torrents/{hash}/peers"

PEER: Shape[PeerStatus] = Shape({
    "address": (described(TEXT, "HOST:PORT, a HOST of IPv6 in brackets."),
                lambda peer: str(Endpoint(peer.host, peer.port))),
    "host": TEXT,
    "port": COUNT,
    "peer_id": (described(TEXT, "20 bytes in hexadecimal."), lambda peer: peer.peer_id.hex()),
    "client": described(TEXT, "What it calls itself."),
    "source": described(TEXT, "How we learned of it."),
    "transport": one_of(("tcp", "utp")),
    "encrypted": (described(BOOLEAN, "All of its stream is."), lambda peer: peer.is_encrypted),
    "cipher": described(one_of(("none", "plaintext", "rc4")), "Plaintext: its handshake was encrypted, and its stream "
                        "is not."),
    "incoming": (BOOLEAN, lambda peer: peer.is_incoming),
    "connected_s": (COUNT, lambda peer: int(peer.connected_s)),
    "am_choking": BOOLEAN,
    "am_interested": BOOLEAN,
    "peer_choking": BOOLEAN,
    "peer_interested": BOOLEAN,
    "optimistic": (described(BOOLEAN, "It has the slot that goes round."), lambda peer: peer.is_optimistic),
    "snubbed": (described(BOOLEAN, "It was asked for blocks and sends none."), lambda peer: peer.is_snubbed),
    "suspect": (described(BOOLEAN, "It had a part in a piece that did not match its hash: it is asked for whole pieces "
                          "alone until it is known whose blocks were wrong."), lambda peer: peer.is_suspect),
    "seed": (BOOLEAN, lambda peer: peer.is_seed),
    "flags": described(TEXT, "The same in letters."),
    "pieces_had": COUNT,
    "progress": (NUMBER, lambda peer: round(peer.progress, RATIO_DIGITS)),
    "blocks_asked": COUNT,
    "upload_queue_bytes": COUNT,
    "down_bytes_per_s": COUNT,
    "up_bytes_per_s": COUNT,
    "downloaded_bytes": COUNT,
    "uploaded_bytes": COUNT,
    "choke_cause": described(
        TEXT, "Why it may ask us for data: free-slot, gives-most, takes-fastest, on-trial, its-turn, begins-or-ends; "
        "or may not: not-interested, denied, no-slots, others-better, turn-over, snubs, waits."),
    "choke_history": (
        described(list_of(answer_object({"ago_s": COUNT, "unchoked": BOOLEAN, "cause": TEXT})),
                  "The same as it was before, and since when; the last is what holds now."),
        lambda peer: [{"ago_s": int(ago_s), "unchoked": is_unchoked, "cause": cause}
                      for ago_s, is_unchoked, cause in peer.choke_history]),
})

SOURCE: Shape[SourceStatus] = Shape({
    "source": described(TEXT, "tracker, dht, lsd (the local network), pex (other peers), dns (names), static (the "
                        "owner's), magnet, incoming (they came to us), cache (they did in an earlier run)."),
    "state": described(one_of(("waiting", "asking", "failing", "rests", "off", "private")),
                       "Private: not used for a private torrent."),
    "known": described(COUNT, "Addresses to try."),
    "connected": COUNT,
    "told": described(COUNT, "Addresses that it named when it did last."),
    "told_s": (described(nullable(COUNT), "Seconds since then."),
               lambda source: None if source.told_s is None else int(source.told_s)),
    "result": (described(nullable(TEXT), "What became of it last, in words."), lambda source: source.result or None),
    "error_code": (nullable(TEXT), lambda source: source.error_code or None),
    "next_s": (described(nullable(COUNT), "Seconds until it is asked again."),
               lambda source: None if source.next_s is None else round(source.next_s)),
})

_LIST = (Answer(200, "Who is connected, and where peers come from.", answer_object({
    "peers": list_of(PEER.schema), "sources": list_of(SOURCE.schema)})),)


class PeerResource:
    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway

    def routes(self) -> Iterable[Route]:
        yield Route("GET", _PEERS, self.read_all, Scope.READ, Operation(
            "The peers that the torrent is connected to.", _LIST,
        ), for_labels=True)
        yield Route("POST", _PEERS, self.add, Scope.CONTROL, Operation(
            "Have these peers tried, for ever.", _LIST,
            body=Body(body_object({"peers": PEERS_OPTION}, required=("peers",))),
        ), for_labels=True)

    def read_all(self, request: Request, digits: str) -> Response:
        return self._list(find_torrent(self._gateway, request.grant, digits).info_hash)

    def add(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        peers, names = fields.take("peers", read_peers)
        fields.end()
        info_hash = find_torrent(self._gateway, request.grant, digits).info_hash
        self._gateway.ask(AddPeers(info_hash, peers, names))
        return self._list(info_hash)

    def _list(self, info_hash: InfoHash) -> Response:
        report = self._gateway.ask(PeersOf(info_hash))
        return document({"peers": [PEER.object_of(peer) for peer in report.peers],
                         "sources": [SOURCE.object_of(source) for source in report.sources]})
