"""LayerTalk: asks peers for the piece layers of a torrent whose info dictionary is known (BEP 52). Owned by its
MetadataSwarm."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from blobtorrent.core.swarm.hashlayers import LayerManager
from blobtorrent.core.swarm.metadatamessages import LayersFound
from blobtorrent.model.errors import PeerError
from blobtorrent.protocol.wire.hashes import Hashes, HashReject, HashRequest

if TYPE_CHECKING:
    from blobtorrent.core.swarm.metadatalink import MetadataLink
    from blobtorrent.core.swarm.metadataswarm import MetadataSwarm
    from blobtorrent.model.metainfo import Metainfo


class LayerTalk:
    """The conversation; what is asked of whom is the `manager`'s to decide."""

    def __init__(self, swarm: MetadataSwarm, metainfo: Metainfo) -> None:
        self.manager: LayerManager[MetadataLink] = LayerManager(metainfo.lacking_layers, metainfo.geometry.piece_length)
        self._swarm = swarm
        for link in swarm.links:
            self.manager.join(link)

    def ask(self) -> None:
        for link, run in self.manager.requests(self._swarm.now):
            link.send(HashRequest(run).encode())

    def on_message(self, link: MetadataLink, message: Any) -> bool:
        """Whether it is one of ours. Raises PeerError ("metadata.unasked") for hashes that nobody asked for."""
        if isinstance(message, Hashes):
            self._on_hashes(link, message)
        elif isinstance(message, HashReject):
            self.manager.on_reject(link, message.run, self._swarm.now)
            self.ask()                 # of another one
        elif isinstance(message, HashRequest):
            if link.rejects_left:      # no layer is given before all are here
                link.rejects_left -= 1
                link.send(HashReject(message.run).encode())
        else:
            return False
        return True

    def _on_hashes(self, link: MetadataLink, message: Hashes) -> None:
        swarm = self._swarm
        swarm.downloaded.add(len(message.hashes))
        try:
            was_asked = self.manager.on_hashes(link, message, swarm.now)
        except PeerError as lie:
            swarm.ban(link, lie)
            return
        if not was_asked:
            swarm.count_unasked(link)
        elif self.manager.is_done:
            self.tell()
        else:
            self.ask()

    def tell(self) -> None:
        """Hand on the layers that came, if it is time to."""
        news = self.manager.take_news(self._swarm.now)
        if news:
            self._swarm.report()
            self._swarm.order.report_to.post(LayersFound(
                self._swarm.info_hash, news, self.manager.is_done, self._swarm.peers_to_keep()))
