"""A torrent that came as a magnet link, until its metadata is here and safe."""

from __future__ import annotations

import json
from hashlib import sha1, sha256
from time import process_time
from types import SimpleNamespace

import pytest

from blobtorrent.core.session.commands import (
    AddPeers,
    AddTorrent,
    AddTrackers,
    ChangeTorrent,
    FilePriority,
    FilesOf,
    MoveTorrent,
    OpenListeners,
    RecheckTorrent,
    RemoveTorrent,
    RenamePath,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.metadata import LEFT_UNKNOWN, MAX_NAMES, unselected
from blobtorrent.core.session.queries import MetainfoOf, TrackersOf
from blobtorrent.core.session.rows import read_record, torrent_body
from blobtorrent.core.session.swarms import MAX_METADATA_LINKS
from blobtorrent.core.session.torrent import Torrent
from blobtorrent.core.swarm.messages import KnownAddress, OpenSwarm, PeersFound, PeerSource
from blobtorrent.core.swarm.metadatamessages import (
    ChangeMetadata,
    CloseMetadata,
    MetadataFailed,
    MetadataFound,
    MetadataReport,
    OpenMetadata,
)
from blobtorrent.discovery.dhtmessages import FindPeers, ForgetPeers
from blobtorrent.discovery.messages import Announce, HostResolved, ResolveHost
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict, FileMissing, NetworkError, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.magnet import MagnetLink, parse_magnet
from blobtorrent.model.splitting import Split
from blobtorrent.protocol.bencode import encode
from blobtorrent.protocol.metafile import encode_torrent, parse_torrent
from blobtorrent.protocol.tracker.announce import AnnounceEvent
from blobtorrent.storage.jobs import PrepareStore
from blobtorrent.storage.metadatareading import ReadMetadata
from blobtorrent.storage.state.library import AdoptTorrent, KeepMetadata, KeepTorrent, TorrentKept
from blobtorrent.storage.state.statethread import METAFILE, TORRENT, Row, row_key
from tests.support.sessions import SessionRig

TRACKER = "http://tracker.example/announce"
ADDED = (Endpoint("127.0.0.9", 9),)


def info_of(**changes):
    return encode({b"name": b"content", b"piece length": 16384, b"length": 3 * 16384, b"pieces": bytes(60),
                   **{key.replace("_", " ").encode(): value for key, value in changes.items()}})


INFO = info_of()


def link_to(info=INFO, **more):
    return MagnetLink(InfoHash(v1=sha1(info).digest()), tiers=((TRACKER,),), peers=(("127.0.0.1", 7007),), **more)


LINK = link_to()


def posted(mailbox, kind):
    return [message for message in mailbox.drain() if isinstance(message, kind)]


def status(rig, link=LINK):
    found = rig.board.read(link.info_hash)
    assert found is not None
    return found


def found(rig, info=INFO, link=LINK, peers=()):
    rig.tell(MetadataFound(link.info_hash, info, tuple(peers)))
    for job in posted(rig.hashers, ReadMetadata):          # of an engine that keeps nothing
        job.run()
        for answer in rig.inbox.drain():
            rig.tell(answer)


def keep(rig, error=None):
    """The library thread makes the .torrent file; returns it."""
    (job,) = posted(rig.library, KeepMetadata)
    raw = encode_torrent(job.info, tiers=job.tiers, web_seeds=job.web_seeds)
    answer_kept(rig, job, error, parse_torrent(raw))
    return raw


def answer_kept(rig, job, error=None, metainfo=None):
    row = None if error else Row(METAFILE, row_key(job.info_hash), b"digest")
    rig.tell(TorrentKept(job.info_hash, job.token, row, error, None if error else metainfo))


def find_nothing(rig):
    """The library has no .torrent file of it."""
    (job,) = posted(rig.library, AdoptTorrent)
    answer_kept(rig, job, FileMissing("storage.file-missing", "none"))


@pytest.fixture
def rig(tmp_path):
    """An engine that keeps nothing, with the link on its way."""
    made = SessionRig()
    made.ask(AddTorrent(None, tmp_path, magnet=LINK))
    return made


@pytest.fixture
def daemon(tmp_path):
    """The same of a daemon, as far as the addition is answered."""
    made = SessionRig(keeps=True)
    reply = made.command(AddTorrent(None, tmp_path, magnet=LINK))
    made.ask(OpenListeners(()))
    made.rows = made.save()
    assert reply.wait(0) == LINK.info_hash
    find_nothing(made)
    return made


def test_peers_are_asked_for_it_at_once(rig):
    order, given = rig.shard.drain()
    assert isinstance(order, OpenMetadata) and order.info_hash == LINK.info_hash
    assert given == PeersFound(LINK.info_hash, (Endpoint("127.0.0.1", 7007),), PeerSource.MAGNET)
    assert status(rig).state == "metadata"
    assert not status(rig).is_finished


def test_trackers_of_the_link_are_told_that_something_is_left(rig):
    (announce,) = posted(rig.outcalls, Announce)
    assert (announce.url, announce.query.left) == (TRACKER, LEFT_UNKNOWN)


def test_trackers_of_the_link_are_told_of(daemon):
    assert [tracker.url for tracker in daemon.ask(TrackersOf(LINK.info_hash))] == [TRACKER]


def test_addresses_and_trackers_that_come_later_are_of_use(rig):
    rig.shard.drain()
    rig.command(AddPeers(LINK.info_hash, ADDED))
    assert rig.shard.drain() == [PeersFound(LINK.info_hash, ADDED, PeerSource.STATIC)]


def test_how_it_goes_is_seen(rig):
    rig.tell(MetadataReport(LINK.info_hash, links=3, peers_known=9))
    assert (status(rig).peers_connected, status(rig).peers_known) == (3, 9)


def test_with_the_metadata_it_goes_on_as_any_torrent(rig):
    rig.shard.drain()
    kept = (KnownAddress(Endpoint("1.2.3.4", 5), PeerSource.TRACKER),)
    found(rig, peers=kept)
    assert (status(rig).name, status(rig).size_bytes, status(rig).num_pieces) == ("content", 3 * 16384, 3)
    rig.answer_prepare(has_data=False)
    (opened,) = posted(rig.shard, OpenSwarm)
    assert opened.metainfo.raw_info == INFO
    assert opened.metainfo.tiers == ((TRACKER,),)
    assert opened.peers == kept
    assert status(rig).state == "downloading"


def test_trackers_are_not_told_that_it_left_and_came_back(rig):
    before = posted(rig.outcalls, Announce)
    found(rig)
    rig.answer_prepare(has_data=False)
    assert [announce.query.event for announce in before + posted(rig.outcalls, Announce)] == [before[0].query.event]


def test_a_name_of_the_link_is_shown_until_it_is_known(tmp_path):
    rig, link = SessionRig(), link_to(name="a promise")
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    assert status(rig, link).name == "a promise"
    found(rig)
    assert status(rig, link).name == "content"


def test_what_is_no_torrent_after_all_is_an_error(tmp_path):
    info = encode({b"name": b"x"})
    rig, link = SessionRig(), link_to(info)
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    rig.shard.drain()
    found(rig, info, link)
    assert (status(rig, link).state, status(rig, link).error_code) == ("error", "metainfo.bad-piece-length")
    assert posted(rig.shard, CloseMetadata) == [CloseMetadata(link.info_hash)]


def test_a_bug_of_who_seeks_it_is_an_error_and_ends_the_search(rig):
    rig.shard.drain()
    rig.tell(MetadataFailed(LINK.info_hash))
    assert (status(rig).state, status(rig).error_code) == ("error", "bug.swarm")
    assert posted(rig.shard, CloseMetadata)


def test_a_link_is_there_once(rig, tmp_path):
    with pytest.raises(Conflict, match="there already"):
        rig.ask(AddTorrent(None, tmp_path, magnet=LINK))


def test_a_link_to_one_half_of_a_hybrid_is_the_same_torrent(rig, tmp_path):
    with pytest.raises(Conflict, match="there already"):
        rig.ask(AddTorrent(None, tmp_path, magnet=MagnetLink(InfoHash(LINK.info_hash.v1, bytes(32)))))
    rig.ask(AddTorrent(None, tmp_path, magnet=MagnetLink(InfoHash(v2=bytes(32)))))


def test_a_link_to_one_half_of_a_hybrid_that_is_just_being_added_waits_for_it(tmp_path):
    tree = {b"content": {b"": {b"length": 3 * 16384, b"pieces root": bytes(range(32))}}}
    raw = b"d4:info" + info_of(meta_version=2, file_tree=tree) + b"e"
    hybrid = parse_torrent(raw)
    rig = SessionRig(keeps=True)
    first = rig.command(AddTorrent(hybrid, tmp_path, raw=raw))
    late = [rig.command(AddTorrent(None, tmp_path, magnet=MagnetLink(name)))
            for name in (InfoHash(v1=hybrid.info_hash.v1), InfoHash(v2=hybrid.info_hash.v2))]
    (job,) = posted(rig.library, KeepTorrent)
    answer_kept(rig, job)
    rig.save()
    assert first.wait(0) == hybrid.info_hash
    for reply in late:
        with pytest.raises(Conflict, match="there already"):
            reply.wait(0)


# ---- its .torrent file comes otherwise

TORRENT_FILE = encode_torrent(INFO, tiers=((TRACKER,),), web_seeds=())


def test_a_torrent_file_ends_the_wait(daemon, tmp_path):
    daemon.shard.drain()
    reply = daemon.command(AddTorrent(parse_torrent(TORRENT_FILE), tmp_path, raw=TORRENT_FILE))
    (job,) = posted(daemon.library, KeepTorrent)
    assert job.raw == TORRENT_FILE
    answer_kept(daemon, job)
    daemon.save()
    assert reply.wait(0) == LINK.info_hash
    assert status(daemon).state == "checking"
    assert not status(daemon).lacks_metadata
    found(daemon)                      # too late
    assert posted(daemon.library, KeepMetadata) == []


def test_so_it_does_for_one_that_is_stopped_and_without_state(rig, tmp_path):
    rig.ask(StopTorrent(LINK.info_hash))
    rig.ask(AddTorrent(parse_torrent(TORRENT_FILE), tmp_path))
    assert status(rig).state == "stopped"
    assert (status(rig).num_pieces, status(rig).lacks_metadata) == (3, False)


def test_a_torrent_file_that_cannot_be_kept_leaves_the_link_as_it_was(daemon, tmp_path):
    reply = daemon.command(AddTorrent(parse_torrent(TORRENT_FILE), tmp_path, raw=TORRENT_FILE))
    (job,) = posted(daemon.library, KeepTorrent)
    answer_kept(daemon, job, StorageError("storage.disk-full", "full"))
    with pytest.raises(StorageError):
        reply.wait(0)
    assert status(daemon).state == "metadata"


def test_peers_and_a_file_may_bring_it_at_the_same_time(daemon, tmp_path):
    found(daemon)
    reply = daemon.command(AddTorrent(parse_torrent(TORRENT_FILE), tmp_path, raw=TORRENT_FILE))
    jobs = daemon.library.drain()
    for job in jobs:
        answer_kept(daemon, job, metainfo=parse_torrent(TORRENT_FILE))
    daemon.save()
    daemon.save()
    assert reply.wait(0) == LINK.info_hash
    assert status(daemon).state == "checking"
    assert len(posted(daemon.disks, PrepareStore)) == 1


@pytest.mark.parametrize("command", [
    RecheckTorrent(LINK.info_hash), FilesOf(LINK.info_hash), MetainfoOf(LINK.info_hash),
    RenamePath(LINK.info_hash, "content", "other"),
])
def test_what_needs_the_metadata_says_so(daemon, command):
    with pytest.raises(Conflict) as caught:
        daemon.ask(command)
    assert caught.value.code == "torrent.no-metadata"


def test_it_may_be_stopped_and_started(rig):
    rig.shard.drain()
    rig.ask(StopTorrent(LINK.info_hash))
    assert status(rig).state == "stopped"
    assert not status(rig).is_finished
    assert posted(rig.shard, CloseMetadata) == [CloseMetadata(LINK.info_hash)]
    rig.ask(StartTorrent(LINK.info_hash))
    assert len(posted(rig.shard, OpenMetadata)) == 1


def test_it_may_be_removed(daemon):
    daemon.shard.drain()
    daemon.command(RemoveTorrent(LINK.info_hash, with_data=True))
    assert posted(daemon.shard, CloseMetadata) == [CloseMetadata(LINK.info_hash)]
    assert daemon.board.read(LINK.info_hash) is None


def test_metadata_that_comes_when_it_is_stopped_is_passed_over(rig):
    rig.ask(StopTorrent(LINK.info_hash))
    found(rig)
    assert status(rig).num_pieces == 0


# ---- what a daemon keeps

def test_the_link_is_safe_before_the_addition_is_answered(daemon):
    (row,) = [row for row in daemon.rows if row.kind == TORRENT]
    assert json.loads(row.body)["magnet"].startswith("magnet:?xt=urn:btih:")


def test_after_a_kill_it_goes_on_asking(daemon):
    (row,) = [row for row in daemon.rows if row.kind == TORRENT]
    again = SessionRig(keeps=True, saved=[Torrent(read_record(row.body, None))])
    again.ask(OpenListeners(()))
    assert status(again).state == "metadata"
    assert posted(again.shard, OpenMetadata) == []
    find_nothing(again)
    assert len(posted(again.shard, OpenMetadata)) == 1


def test_after_a_kill_what_was_kept_already_is_not_asked_for_again(daemon):
    """Its .torrent file was durable, and no row said so yet."""
    (row,) = [row for row in daemon.rows if row.kind == TORRENT]
    again = SessionRig(keeps=True, saved=[Torrent(read_record(row.body, None))])
    again.ask(OpenListeners(()))
    (job,) = posted(again.library, AdoptTorrent)
    answer_kept(again, job, metainfo=parse_torrent(b"d4:info" + INFO + b"e"))
    assert {row.kind for row in again.save()} >= {TORRENT, METAFILE}
    assert status(again).state == "checking"
    assert again.shard.drain() == []


def test_it_may_be_stopped_while_the_library_looks_for_it(daemon):
    daemon.command(StopTorrent(LINK.info_hash))
    daemon.save()
    daemon.command(StartTorrent(LINK.info_hash))
    (job,) = posted(daemon.library, AdoptTorrent)
    daemon.command(StopTorrent(LINK.info_hash))
    daemon.shard.drain()
    answer_kept(daemon, job, FileMissing("storage.file-missing", "none"))
    assert status(daemon).state == "stopped"
    assert posted(daemon.shard, OpenMetadata) == []


def test_what_was_found_as_it_was_stopped_is_of_no_use_when_it_is_started_again(daemon):
    daemon.command(StopTorrent(LINK.info_hash))
    daemon.save()
    daemon.command(StartTorrent(LINK.info_hash))
    found(daemon)
    assert posted(daemon.library, KeepMetadata) == []
    assert status(daemon).state == "metadata"


def test_however_often_it_is_stopped_and_started_peers_are_asked_once(daemon):
    for _ in range(2):
        daemon.command(StopTorrent(LINK.info_hash))
        daemon.save()
        daemon.command(StartTorrent(LINK.info_hash))
    daemon.shard.drain()
    while jobs := posted(daemon.library, AdoptTorrent):
        for job in jobs:
            answer_kept(daemon, job, FileMissing("storage.file-missing", "none"))
        daemon.save()
    assert len(posted(daemon.shard, OpenMetadata)) == 1


def test_a_link_in_a_row_that_cannot_be_read_is_an_error_of_its_torrent(daemon):
    (row,) = [row for row in daemon.rows if row.kind == TORRENT]
    record = read_record(row.body, None)
    record.magnet = "magnet:?nothing"
    again = SessionRig(keeps=True, saved=[Torrent(record)])
    again.ask(OpenListeners(()))
    find_nothing(again)
    assert (status(again).state, status(again).error_code) == ("error", "magnet.no-hash")
    assert again.ask(TrackersOf(LINK.info_hash)) == ()


def test_a_link_that_is_longer_in_its_row_is_read_back(tmp_path):
    parsed = parse_magnet(f"magnet:?xt=urn:btih:{LINK.info_hash.v1.hex()}"
                          + "".join(f"&tr=http://a{number}/" + "/" * 1990 for number in range(30)))
    rig = SessionRig()
    rig.ask(AddTorrent(None, tmp_path, magnet=parsed))
    assert status(rig).state == "metadata"


def test_nothing_is_done_with_metadata_before_it_is_durable(daemon):
    found(daemon)
    assert status(daemon).state == "metadata"
    assert parse_torrent(keep(daemon)).raw_info == INFO
    assert status(daemon).state == "metadata"
    rows = daemon.save()
    assert {row.kind for row in rows} >= {TORRENT, METAFILE}
    assert "magnet" not in json.loads(next(row.body for row in rows if row.kind == TORRENT))
    assert status(daemon).state == "checking"
    assert len(posted(daemon.disks, PrepareStore)) == 1


def test_metadata_that_cannot_be_kept_is_an_error_and_the_link_stays(daemon):
    found(daemon)
    keep(daemon, StorageError("storage.disk-full", "full"))
    assert (status(daemon).state, status(daemon).error_code) == ("error", "storage.disk-full")
    assert status(daemon).lacks_metadata


def test_it_may_be_stopped_while_its_metadata_is_being_kept(daemon):
    found(daemon)
    daemon.command(StopTorrent(LINK.info_hash))
    keep(daemon)
    daemon.save()                      # that it is stopped
    daemon.save()                      # and what it is
    assert status(daemon).state == "stopped"
    assert not status(daemon).lacks_metadata
    assert status(daemon).size_bytes == 3 * 16384


def test_it_moves_without_files(daemon, tmp_path):
    daemon.command(MoveTorrent(LINK.info_hash, tmp_path / "other"))
    daemon.save()
    assert status(daemon).download_dir == str(tmp_path / "other")
    assert status(daemon).state == "metadata"


def test_trackers_may_be_added(daemon):
    daemon.command(AddTrackers(LINK.info_hash, (("http://other.example/announce",),)))
    assert len(daemon.ask(TrackersOf(LINK.info_hash))) == 2


# ---- what the metadata says

def test_a_private_torrent_leaves_whom_it_found_elsewhere(tmp_path):
    info = info_of(private=1)
    rig, link = SessionRig(), link_to(info)
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    rig.shard.drain()
    peers = [KnownAddress(Endpoint("1.2.3.4", port), source, tracker="tracker.example")
             for port, source in enumerate(PeerSource, 1)]
    found(rig, info, link, peers)
    rig.answer_prepare(has_data=False)
    closed, opened = rig.shard.drain()
    assert closed == CloseMetadata(link.info_hash)
    assert {peer.source for peer in opened.peers} == {PeerSource.TRACKER, PeerSource.STATIC}
    assert status(rig, link).is_private


PRIVATE_V2 = encode({b"name": b"content", b"piece length": 16384, b"meta version": 2, b"private": 1, b"file tree": {
    b"content": {b"": {b"length": 3 * 16384, b"pieces root": bytes(range(32))}}}})


def test_nobody_hears_of_a_private_torrent_from_the_moment_that_it_is_known_to_be_one(tmp_path):
    """Also while its piece layers are lacking: then only those that its trackers name are asked for them."""
    rig = SessionRig(dht__enabled=True, lsd__enabled=True)
    link = MagnetLink(InfoHash(v2=sha256(PRIVATE_V2).digest()), tiers=((TRACKER,),))
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    rig.advance(1.0)
    assert posted(rig.udp, FindPeers)
    rig.shard.drain()
    found(rig, PRIVATE_V2, link, [KnownAddress(Endpoint("1.2.3.4", 1), PeerSource.DHT)])
    closed, opened = rig.shard.drain()
    assert closed == CloseMetadata(link.info_hash)
    assert isinstance(opened, OpenMetadata) and opened.peers == ()
    assert opened.metainfo is not None and list(opened.metainfo.lacking_layers.values()) == [3]
    assert (status(rig, link).state, status(rig, link).is_private) == ("metadata", True)
    assert ForgetPeers(link.info_hash) in rig.udp.drain()
    rig.advance(7200.0)
    assert posted(rig.udp, FindPeers) == []


def test_it_is_withdrawn_before_it_is_kept(daemon, tmp_path):
    info = info_of(private=1)
    link = link_to(info)
    daemon.command(AddTorrent(None, tmp_path, magnet=link))
    daemon.save()
    find_nothing(daemon)
    daemon.shard.drain()
    found(daemon, info, link)
    assert posted(daemon.shard, CloseMetadata) == [CloseMetadata(link.info_hash)]
    assert status(daemon, link).state == "metadata"


def test_it_leaves_all_trackers_but_one_before_it_is_kept(daemon, tmp_path):
    info = info_of(private=1)
    link = link_to(info)._replace(tiers=((TRACKER,), ("http://other.example/announce",)))
    daemon.outcalls.drain()
    daemon.command(AddTorrent(None, tmp_path, magnet=link))
    daemon.save()
    find_nothing(daemon)
    first = posted(daemon.outcalls, Announce)
    assert len(first) == 2
    for announce in first:
        daemon.answer_announce(announce)
    found(daemon, info, link)
    (again,) = posted(daemon.outcalls, Announce)
    daemon.answer_announce(again)
    (left,) = posted(daemon.outcalls, Announce)
    assert left.query.event is AnnounceEvent.STOPPED and left.url != again.url
    assert status(daemon, link).state == "metadata"


def test_what_its_trackers_say_while_it_has_no_swarm_is_kept_for_it(tmp_path):
    info = info_of(private=1)
    rig, link = SessionRig(), link_to(info)
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    (announce,) = posted(rig.outcalls, Announce)
    found(rig, info, link)
    rig.answer_announce(announce, Endpoint("1.2.3.4", 5))
    rig.answer_prepare(has_data=False)
    (opened,) = posted(rig.shard, OpenSwarm)
    assert [peer.endpoint for peer in opened.peers] == [Endpoint("1.2.3.4", 5)]


def test_an_error_without_metadata_ends_the_search(tmp_path):
    rig = SessionRig(dht__enabled=True)
    info = encode({b"name": b"x"})
    link = link_to(info)
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    rig.advance(1.0)
    found(rig, info, link)
    rig.udp.drain()
    rig.advance(7200.0)
    assert posted(rig.udp, FindPeers) == []


def test_files_that_another_torrent_has_are_not_touched(tmp_path):
    """What they are called is known with the metadata only."""
    rig = SessionRig()
    other = parse_torrent(b"d4:info" + info_of(pieces=bytes(59) + b"1") + b"e")
    rig.ask(AddTorrent(other, tmp_path))
    rig.answer_prepare(has_data=False)
    rig.ask(AddTorrent(None, tmp_path, magnet=LINK))
    found(rig)
    rig.answer_prepare(has_data=False)
    assert (status(rig).state, status(rig).error_code) == ("error", "torrent.path-taken")


# ---- peers that the link names

def test_names_are_looked_up_and_are_no_more_trusted_than_addresses(tmp_path):
    rig = SessionRig()
    link = MagnetLink(LINK.info_hash, peers=(("1.2.3.4", 5), *((f"host{number}.example", 7) for number in range(50))))
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    asked = posted(rig.outcalls, ResolveHost)
    assert [(job.host, job.port) for job in asked] == [(f"host{number}.example", 7) for number in range(MAX_NAMES)]
    rig.shard.drain()
    endpoint = Endpoint("5.6.7.8", 7)
    rig.tell(HostResolved("host3.example", 7, (endpoint,)))
    assert rig.shard.drain() == [PeersFound(LINK.info_hash, (endpoint,), PeerSource.MAGNET)]
    rig.tell(HostResolved("host3.example", 7, (endpoint,)))
    rig.tell(HostResolved("host4.example", 7, error=NetworkError("net.no-such-host", "none")))
    assert rig.shard.drain() == []


def test_a_torrent_that_turned_out_to_be_private_gets_no_peers_by_name(tmp_path):
    info = info_of(private=1)
    rig = SessionRig()
    link = link_to(info)._replace(peers=(("host.example", 7),))
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    found(rig, info, link)
    rig.answer_prepare(has_data=False)
    rig.shard.drain()
    rig.tell(HostResolved("host.example", 7, (Endpoint("5.6.7.8", 7),)))
    assert rig.shard.drain() == []


# ---- how many connections

def test_links_of_magnets_count(tmp_path):
    rig = SessionRig(max_links=60)
    links = [link_to(info_of(name=b"%d" % number)) for number in range(4)]
    for link in links:
        rig.ask(AddTorrent(None, tmp_path, magnet=link))
    granted = [order.max_links for order in posted(rig.shard, OpenMetadata)]
    assert granted[0] == MAX_METADATA_LINKS
    assert sum(granted) <= 60 + 4 * len(links)


def test_other_limits_are_told_to_those_that_look_for_metadata(daemon):
    daemon.shard.drain()
    daemon.command(ChangeTorrent(LINK.info_hash, TorrentChanges(max_peers=3)))
    assert posted(daemon.shard, ChangeMetadata) == [ChangeMetadata(LINK.info_hash, 3)]


def test_a_hybrid_goes_by_the_digest_that_the_link_has(tmp_path):
    tree = {b"content": {b"": {b"length": 3 * 16384, b"pieces root": bytes(range(32))}}}
    info = info_of(meta_version=2, file_tree=tree)
    for name in (InfoHash(v1=sha1(info).digest()), InfoHash(v2=sha256(info).digest())):
        rig, link = SessionRig(), MagnetLink(name)
        rig.ask(AddTorrent(None, tmp_path, magnet=link))
        rig.shard.drain()
        found(rig, info, link)
        rig.answer_prepare(has_data=False)
        (opened,) = posted(rig.shard, OpenSwarm)
        assert opened.info_hash == opened.metainfo.info_hash == name


def test_files_that_the_link_does_not_select_are_skipped(tmp_path):
    info = encode({b"name": b"many", b"piece length": 16384, b"pieces": bytes(60), b"files": [
        {b"length": 16384, b"path": [b"%d" % number]} for number in range(3)]})
    rig, link = SessionRig(), link_to(info, selected_files=(range(1, 2),))
    rig.ask(AddTorrent(None, tmp_path, magnet=link))
    found(rig, info, link)
    rig.answer_prepare(has_data=False)
    (opened,) = posted(rig.shard, OpenSwarm)
    assert opened.skipped == 0b101
    assert unselected(opened.metainfo, link) == {0: FilePriority.SKIP, 2: FilePriority.SKIP}


def test_a_hostile_selection_takes_no_time():
    files = [SimpleNamespace(is_pad=False)] * 50_000
    metainfo = SimpleNamespace(piece_hashes_v1=b"x" * 20, files=files)
    link = parse_magnet("magnet:?xt=urn:btih:" + "aa" * 20 + "&so=" + ",".join(str(2 * n) for n in range(10_000)))
    before = process_time()
    skipped = unselected(metainfo, link)
    assert process_time() - before < 1.0
    assert len(skipped) == 40_000 and 2 not in skipped and 3 in skipped


def test_a_selection_of_files_that_are_not_there_selects_all(tmp_path):
    metainfo = parse_torrent(b"d4:info" + INFO + b"e")
    assert unselected(metainfo, link_to(selected_files=(range(5, 900),))) == {}


def test_the_link_survives_in_a_row(daemon):
    (row,) = [row for row in daemon.rows if row.kind == TORRENT]
    record = read_record(row.body, None)
    assert read_record(torrent_body(record), None).magnet == record.magnet != ""


CYRILLIC = encode({
    b"name": "Фильм".encode("cp1251"), b"piece length": 16384, b"pieces": bytes(60),
    b"files": [{b"length": 3 * 16384, b"path": ["Серия".encode("cp1251")]}]})


def arrived(tmp_path, info, link, settings=None, **options):
    """A daemon that got a link and its metadata, and the torrent's row."""
    rig = SessionRig(keeps=True, **(settings or {}))
    rig.command(AddTorrent(None, tmp_path, magnet=link, **options))
    rig.ask(OpenListeners(()))
    rig.save()
    find_nothing(rig)
    rig.tell(MetadataFound(link.info_hash, info, ()))
    keep(rig)
    (row,) = [row for row in rig.save() if row.kind == TORRENT]
    return rig, read_record(row.body, None)


@pytest.mark.parametrize(("encodings", "renames", "path"), [
    (("cp1251",), {}, "Фильм/Серия"), (("shift-jis", "cp1251"), {}, "Фильм/Серия"), ((), {}, ""),
    (("cp1251",), {"mine": "other"}, "")])
def test_names_are_understood_when_they_come(tmp_path, encodings, renames, path):
    rig, record = arrived(tmp_path, CYRILLIC, link := link_to(CYRILLIC), encodings=encodings, renames=renames)
    lost = parse_torrent(encode_torrent(CYRILLIC)).files[0].path
    (file,) = rig.ask(FilesOf(link.info_hash))
    assert "/".join(file.path) == (path or "/".join(lost))
    assert record.wishes.encodings == ()
    assert dict(record.place.renames) == ({"/".join(lost): path} if path else renames)


def test_encodings_are_kept_until_they_are_tried(tmp_path):
    rig = SessionRig(keeps=True)
    rig.command(AddTorrent(None, tmp_path, magnet=LINK, encodings=("cp1251",)))
    rig.ask(OpenListeners(()))
    (row,) = [row for row in rig.save() if row.kind == TORRENT]
    assert read_record(row.body, None).wishes.encodings == ("cp1251",)


SEVERAL = encode({
    b"name": b"several", b"piece length": 16384, b"pieces": bytes(20 * 7),
    b"files": [{b"length": 100_000, b"path": [b"large"]}, {b"length": 10, b"path": [b"small"]}]})
SPLIT = {"storage__split_size": 65536}


def test_what_comes_is_split_as_was_wished_when_the_link_was_added(tmp_path):
    link = link_to(SEVERAL, selected_files=(range(1, 2),))
    rig, record = arrived(tmp_path, SEVERAL, link, SPLIT)
    assert [("/".join(file.path), file.size_bytes, file.priority) for file in rig.ask(FilesOf(link.info_hash))] == [
        ("several/large.part000", 65536, 0), ("several/large.part001", 34464, 0), ("several/small", 10, 1)]
    assert record.place.split == Split(65536, ".part") == status(rig, link).split


def test_a_wish_to_split_is_gone_where_there_is_nothing_to_split(tmp_path):
    rig, record = arrived(tmp_path, INFO, LINK, SPLIT)
    assert record.place.split is None is status(rig).split
    assert [file.path for file in rig.ask(FilesOf(LINK.info_hash))] == [("content",)]
