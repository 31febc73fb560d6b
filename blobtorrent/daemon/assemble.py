"""Assembly: builds every thread and queue of the engine. The one module that sees all of them."""

from __future__ import annotations

import gc
import os
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from logging import DEBUG
from pathlib import Path
from random import Random
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from blobtorrent.config.cautions import unchecked_servers
from blobtorrent.config.schema import NetworkSettings, Settings
from blobtorrent.core.session.build import Surroundings, build_session
from blobtorrent.core.session.commands import NO_ANSWER, StopSession
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.outlets import Outlets
from blobtorrent.core.session.record import TorrentRecord
from blobtorrent.core.session.session import DRAIN_S
from blobtorrent.core.swarm.host import SwarmHost
from blobtorrent.daemon.datagrams import Datagrams
from blobtorrent.daemon.measures import measure_engine, measure_files, measure_reads, measure_traffic
from blobtorrent.daemon.seedthreads import SeedThreads
from blobtorrent.daemon.supervisor import Part, Supervisor
from blobtorrent.discovery.outcall import Outcalls
from blobtorrent.model.addressfilter import AddressFilter, Gate
from blobtorrent.model.damage import Damage
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import SessionStatus, TorrentStatus
from blobtorrent.network.binding import Binding
from blobtorrent.network.door import Door
from blobtorrent.network.messages import TunePeers, UseEncryption, UseFilter
from blobtorrent.network.policy import binding_of, web_policy_of
from blobtorrent.network.receiver import SCATTER_UNITS
from blobtorrent.network.shard import Shard
from blobtorrent.network.utpmessages import UseTransports
from blobtorrent.protocol.wire.peerid import RANDOM_BYTES, make_peer_id
from blobtorrent.runtime import cryptolibrary
from blobtorrent.runtime.board import StatusBoard
from blobtorrent.runtime.bus import EventBus
from blobtorrent.runtime.clock import SystemClock
from blobtorrent.runtime.logs import get_logger
from blobtorrent.runtime.loop import SelectorLoop
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.runtime.metrics import Registry
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.filepool import FilePool, descriptor_share
from blobtorrent.storage.hasher import HasherPool, default_size
from blobtorrent.storage.store import Store

if TYPE_CHECKING:
    from blobtorrent.daemon.saved import Saved
    from blobtorrent.discovery.portmap import PortMapper
    from blobtorrent.network.udp import UdpLoop
    from blobtorrent.storage.live.livefile import LiveDraft

log = get_logger(__name__)

SWITCH_INTERVAL_S = 0.0005             # a thread that computes must not keep the network threads waiting for 5 ms
GARBAGE_THRESHOLD = 50_000             # new objects between collections: small pieces are many objects and no cycles
SPARE_CALLS = 8                        # for farewells to trackers and for name servers, when all calls are under way
STOP_S = 5.0                           # for all threads to end, after the session has
BROKEN_DRAIN_S = 3.0                   # for the session to end when a thread died that it may wait for in vain
CORE_LOOK_S = 0.1                      # between two looks whether the session's thread is there to answer


class Engine:
    """Everything that runs. `gateway` works between `start` and `stop`; `saved` is what outlives it, if anything.

    `core` is the thread that answers at the gateway, `binding` what all sockets to the outside obey,
    `files` has the open files of torrents.
    """

    def __init__(self, gateway: Gateway, supervisor: Supervisor, metrics: Registry, core: SelectorLoop,
                 saved: Saved | None = None, *, files: FilePool, binding: Binding, door: Mailbox[Any],
                 outcalls: Outcalls,
                 gates: Mapping[Gate, Mailbox[Any]] = MappingProxyType({})) -> None:
        """`gates` has those who meet peers, and what they refuse by."""
        self.gateway = gateway
        self.binding = binding
        self.files = files
        self.gates = tuple(gates)
        self._gatekeepers = tuple(gates.values())
        self._door = door
        self._outcalls = outcalls
        self._warned_of: tuple[str, ...] = ()          # the settings that have certificates of servers not checked
        self.metrics = metrics
        self._supervisor = supervisor
        self._core = core
        self._saved = saved

    def start(self) -> None:
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        gc.freeze()                    # what is here now stays: no collection needs to look at it again
        gc.set_threshold(GARBAGE_THRESHOLD, 20, 20)
        self._supervisor.start()

    def restore(self) -> Iterator[None]:
        """Read what is kept, a little with every step. Until it has ended the session tells only that it starts."""
        if self._saved is None:
            return
        from blobtorrent.core.session.restoring import RestoreEnded, TorrentsRestored

        inbox = self._core.mailbox
        for torrents in self._saved.restore():
            inbox.post(TorrentsRestored(tuple(torrents), self._saved.num_torrents))
            yield
        inbox.post(RestoreEnded(self._saved.past, tuple(self._saved.damages)))
        gc.freeze()

    def use_filter(self, address_filter: AddressFilter | None) -> None:
        """Have nothing to do with peers that it refuses, from now on."""
        for gatekeeper in self._gatekeepers:
            gatekeeper.post(UseFilter(address_filter))

    def apply(self, settings: Settings) -> None:
        """What sockets of peers are like from now on and how these are greeted, how many files are open and calls are
        made at a time, and whom servers must be vouched for by."""
        network = settings.network
        self.binding.web = web_policy_of(network)
        self._warn_of(unchecked_servers(network))
        self.files.apply(settings.storage.open_files)
        self._outcalls.max_threads = settings.trackers.http_calls + SPARE_CALLS
        self._door.post(TunePeers(network.send_buffer, network.receive_buffer, network.type_of_service))
        self._door.post(UseTransports(settings.tcp.enabled, settings.utp.enabled, settings.utp.dialing,
                                      self._core.mailbox))
        self._door.post(UseEncryption(settings.encryption.mode))

    def _warn_of(self, unchecked: tuple[str, ...]) -> None:
        for text in unchecked:
            if text not in self._warned_of:
                log.warning("DANGER: certificates of HTTPS servers are not checked", what=text)
        self._warned_of = unchecked

    def dead_threads(self) -> list[str]:
        """Names of threads that died of a bug: the engine cannot go on then."""
        return self._supervisor.dead_threads()

    def late_threads(self) -> list[str]:
        """Names of threads that hang, as far as they never should; it is asked every few seconds."""
        return self._supervisor.late_threads()

    def stop(self) -> bool:
        """Drain the session, then end all threads. False when something did not end in time, or is not saved."""
        if log.isEnabledFor(DEBUG):
            for sample in self.metrics.snapshot():
                log.debug("figure", name=sample.name, value=sample.value, labels=dict(sample.labels))
        is_clean = self._drain()
        is_clean = self._supervisor.stop(STOP_S) and is_clean
        if self._saved is not None:
            self._saved.close(is_clean=is_clean)
        return is_clean

    def abandon(self) -> None:
        """Instead of `start`: what is kept stays as it was found."""
        if self._saved is not None:
            self._saved.abandon()

    def _drain(self) -> bool:
        """Have the session end what is open. False when it did not, or is not there to do so."""
        limit_s = BROKEN_DRAIN_S if self._supervisor.dead_threads() else DRAIN_S + 1
        end_s = time.monotonic() + limit_s
        reply = self.gateway.submit(StopSession())
        while self._core.is_alive and time.monotonic() < end_s:
            try:
                return bool(reply.wait(CORE_LOOK_S))
            except Unavailable as error:
                if error.code != NO_ANSWER:
                    break
        return False


def build_engine(settings: Settings, state: Path | None = None, runtime: Path | None = None,
                 draft: LiveDraft | None = None, damages: Sequence[Damage] = ()) -> Engine:
    """Make the engine; nothing runs before its `start`.

    With a `state` directory it keeps what it has there, and in `runtime`, if that is there and stays when we are
    killed, or shared memory; else nothing outlives it. `draft` is the memory there, if it is being reserved already.
    `damages` were found before, and are told with those that are found here.
    Raises ConfigError when the state directory cannot be used.
    """
    _raise_descriptor_limit()
    # For choices that nobody gains from foreseeing; what strangers must not guess comes from the system.
    cryptolibrary.make_room()
    clock, rng = SystemClock(), Random(os.urandom(16))         # noqa: S311
    storage = settings.storage
    bus = EventBus()
    saved = None if state is None else _open_saved(settings, state, runtime, draft, damages, bus)
    live = saved.live if saved is not None else None

    arena = Arena(storage.memory_budget, scratch_slots=SCATTER_UNITS, live=live)
    disks = DiskPool(arena, storage.disk_threads, live)
    hash_threads = storage.hash_threads or default_size()
    hashers = HasherPool(arena, disks, hash_threads)
    files = FilePool(storage.open_files or descriptor_share())
    binding = binding_of(settings.network)
    door = Door(binding, clock)
    shard = Shard(0, arena)
    seed_threads = SeedThreads(arena, settings, clock, binding)
    host = SwarmHost(shard, arena, hashers.post, disks.post, door.mailbox, rng, clock, seed_threads.open_desk)
    outcalls = Outcalls(binding, clock=clock)

    def begin_udp() -> UdpLoop:
        from blobtorrent.daemon.udpdrivers import build_udp

        return build_udp(settings, state, binding, clock, outcalls.mailbox.post, metrics)

    datagrams = Datagrams(begin_udp)
    mapper = _port_mapper(settings.network, binding)

    def on_message(message: Any) -> None:
        session.on_message(message)

    core = SelectorLoop("core", on_message, clock=clock)
    board: StatusBoard[InfoHash, TorrentStatus] = StatusBoard()
    sessions: StatusBoard[str, SessionStatus] = StatusBoard()
    outlets = Outlets(
        inbox=core.mailbox,
        door=door.mailbox,
        shards=(shard.mailbox,),
        hashers=hashers,
        disks=disks,
        outcalls=outcalls.mailbox,
        udp=datagrams,
        open_store=_store_opener(saved, files, storage.allocation),
        library=saved.library.mailbox if saved is not None else None,
        state=saved.state.mailbox if saved is not None else None,
        files=saved.lanes if saved is not None else None,
        live=live,
        portmap=mapper.mailbox if mapper is not None else None,
    )
    session = build_session(Surroundings(
        outlets, settings, board, sessions, bus.publish, clock, core.timers, rng,
        peer_id=make_peer_id(os.urandom(RANDOM_BYTES)),
        check_jobs=2 * hash_threads,
        on_safe=saved.on_safe if saved is not None else None,
        damages=tuple(saved.damages) if saved is not None else (),
        memory=lambda: (arena.capacity * SLOT_SIZE, arena.reserved * SLOT_SIZE),
    ))
    supervisor = Supervisor([
        Part("events", bus.start, bus.stop, (bus.heart,)),
        *(saved.parts if saved is not None else ()),
        Part("disks", _start_later, disks.stop),
        Part("hashers", hashers.start, hashers.stop),
        Part("outcalls", outcalls.start, _leave(outcalls)),
        Part("webseeds", _start_later, seed_threads.stop),
        Part("udp", _start_later, datagrams.stop, (datagrams,)),
        *([] if mapper is None else [Part("portmap", mapper.start, mapper.stop)]),
        Part("door", door.start, door.stop, (door.heart,)),
        Part("shard", partial(shard.start, host), shard.stop, shard.hearts),
        Part("core", core.start, core.stop, (core,)),
    ])
    metrics = measure_engine(arena, disks, hashers, door, shard, core, bus, outcalls, session.announce_results)
    metrics.gauge("blobtorrent_tracker_announces_waiting", "Announces that are not answered yet.",
                  lambda: session.announces_waiting)
    metrics.gauge("blobtorrent_unsaved_bytes", "What was received and is not being made durable yet.",
                  lambda: session.unsaved_bytes)
    measure_files(metrics, files)
    measure_reads(metrics, host.reads)
    measure_traffic(metrics, host.traffic)
    seed_threads.measure(metrics)
    engine = Engine(Gateway(core.mailbox, board, bus, sessions), supervisor, metrics, core, saved,
                    files=files, binding=binding, door=door.mailbox, outcalls=outcalls,
                    gates={door.gate: door.mailbox, host.gate: shard.mailbox})
    engine.apply(settings)
    return engine


def _store_opener(saved: Saved | None, files: FilePool,
                  allocation: str) -> Callable[[Metainfo, TorrentRecord], Store]:
    if saved is not None:
        return partial(saved.open_store, files=files)
    return lambda metainfo, record: Store(record.place.root, metainfo, files, allocation=allocation)


def _port_mapper(network: NetworkSettings, binding: Binding) -> PortMapper | None:
    if network.port_mapping == "off":
        return None
    from blobtorrent.discovery.portmap import WAYS, PortMapper

    return PortMapper(binding, WAYS if network.port_mapping == "auto" else (network.port_mapping,))


def _open_saved(settings: Settings, state: Path, runtime: Path | None, draft: LiveDraft | None,
                damages: Sequence[Damage], bus: EventBus) -> Saved:
    from blobtorrent.daemon.saved import Saved

    return Saved(settings, state, runtime, bus.publish, scratch_slots=SCATTER_UNITS, draft=draft,
                 damages=damages)


def _start_later() -> None:
    """A disk lane starts with the first job for its device, the thread udp with the first datagram."""


def _leave(outcalls: Outcalls) -> Callable[[float], bool]:
    """Trackers that were to hear of our end were waited for by the session. Other calls may hang: nobody needs them."""

    def stop(_timeout_s: float) -> bool:
        outcalls.stop(0.0)
        return True

    return stop


def _raise_descriptor_limit() -> None:
    """As many files and sockets as the system lets us have without asking."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):      # some systems promise more than they grant: what we have must do
        return
