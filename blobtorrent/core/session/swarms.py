"""SwarmManager: opens and closes the live sides of torrents and shares connections among them. Owned by `core`."""

from __future__ import annotations

from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import (
    ChangeSwarm,
    CloseSwarm,
    OpenSwarm,
    PeersFound,
    PeerSource,
    SwarmSettings,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.ids import InfoHash, PeerId


class SwarmManager:
    """`max_links` connections are shared equally; no swarm gets more than `settings.max_links`, none less than one."""

    def __init__(self, outlets: Outlets, *, peer_id: PeerId, settings: SwarmSettings, max_links: int) -> None:
        self.listen_port = 0           # told to the swarms that are opened from now on
        self._outlets = outlets
        self._peer_id = peer_id
        self._settings = settings
        self._max_links = max_links
        self._open: list[InfoHash] = []
        self._share = settings.max_links

    def open(self, torrent: Torrent) -> None:
        """Start the swarm and tell it the peers we know."""
        info_hash, shard = torrent.info_hash, self._outlets.shard_of(torrent.info_hash)
        torrent.swarm_is_open = True
        self._open.append(info_hash)
        self._share_out()
        shard.post(OpenSwarm(
            info_hash=info_hash,
            metainfo=torrent.metainfo,
            store=torrent.store,
            have=torrent.have.copy(),
            peer_id=self._peer_id,
            settings=self._settings_now(),
            report_to=self._outlets.inbox,
            listen_port=self.listen_port,
        ))
        self.tell_peers(torrent, torrent.static_peers, PeerSource.STATIC)

    def tell_peers(self, torrent: Torrent, peers: tuple[Endpoint, ...], source: PeerSource) -> None:
        """Hand addresses to the torrent's swarm, if it is open."""
        if peers and torrent.swarm_is_open:
            self._outlets.shard_of(torrent.info_hash).post(PeersFound(torrent.info_hash, peers, source))

    def close(self, torrent: Torrent) -> None:
        """Drain the swarm; SwarmClosed comes to the inbox."""
        info_hash = torrent.info_hash
        torrent.swarm_is_open = False
        self._open.remove(info_hash)
        self._outlets.shard_of(info_hash).post(CloseSwarm(info_hash, self._outlets.inbox))
        self._share_out()

    def _share_out(self) -> None:
        """Work out every swarm's share anew and tell those that are open when it changed."""
        share = max(1, min(self._settings.max_links, self._max_links // max(1, len(self._open))))
        if share == self._share:
            return
        self._share = share
        for info_hash in self._open:
            self._outlets.shard_of(info_hash).post(ChangeSwarm(info_hash, self._settings_now()))

    def _settings_now(self) -> SwarmSettings:
        return self._settings._replace(max_links=self._share)
