"""A torrent of version 2 whose piece layers are lacking, until peers have given them and they are safe."""

from __future__ import annotations

import pytest

from blobtorrent.core.session.commands import AddTorrent, FilesOf, OpenListeners, StartTorrent, StopTorrent
from blobtorrent.core.session.queries import Explain
from blobtorrent.core.swarm.messages import KnownAddress, OpenSwarm, PeerSource, PeersTold, TellPeers
from blobtorrent.core.swarm.metadatamessages import (
    CloseMetadata,
    FetchLayers,
    LayersFound,
    MetadataFound,
    MetadataReport,
    OpenMetadata,
)
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import Conflict, FileMissing, StorageError
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.magnet import MagnetLink
from blobtorrent.protocol.metaedit import with_layers
from blobtorrent.protocol.metafile import encode_torrent, parse_torrent
from blobtorrent.storage.jobs import PrepareStore
from blobtorrent.storage.metadatareading import ReadMetadata
from blobtorrent.storage.state.library import AdoptTorrent, KeepLayers, KeepMetadata, KeepTorrent, TorrentKept
from blobtorrent.storage.state.statethread import METAFILE, Row, row_key
from tests.support.sessions import SessionRig
from tests.support.v2payload import make_v2_sample

TRACKER = "http://tracker.example/announce"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return make_v2_sample(tmp_path_factory.mktemp("v2"), "many", {"a": 70_000, "b": 5, "c": 90_000, "d": 16385}, 16384)


@pytest.fixture(scope="module")
def info_hash(sample):
    return InfoHash(v2=sample.info_hash)


@pytest.fixture
def link(info_hash):
    return MagnetLink(info_hash, tiers=((TRACKER,),))


def posted(mailbox, kind):
    return [message for message in mailbox.drain() if isinstance(message, kind)]


def status(rig, info_hash):
    found = rig.board.read(info_hash)
    assert found is not None
    return found


def keep(rig, job, raw=None, error=None):
    """The library thread answers."""
    row = None if error else Row(METAFILE, row_key(job.info_hash), b"digest")
    rig.tell(TorrentKept(job.info_hash, job.token, row, error, None if raw is None else parse_torrent(raw)))


def found_layers(sample, info_hash, *numbers):
    layers = list(sample.layers.items())
    return LayersFound(info_hash, dict(layers[number] for number in numbers), 2 in numbers, ())


@pytest.fixture
def rig(tmp_path, link):
    """An engine that keeps nothing, with the link on its way."""
    made = SessionRig()
    made.ask(AddTorrent(None, tmp_path, magnet=link))
    made.shard.drain()
    return made


def find_info(rig, sample, info_hash):
    rig.tell(MetadataFound(info_hash, sample.info, (KnownAddress(Endpoint("1.2.3.4", 5), PeerSource.TRACKER),)))
    for job in posted(rig.hashers, ReadMetadata):
        job.run()
        for answer in rig.inbox.drain():
            rig.tell(answer)


def test_the_layers_are_asked_of_the_peers_that_gave_the_metadata(rig, sample, info_hash):
    find_info(rig, sample, info_hash)
    (order,) = rig.shard.drain()
    assert isinstance(order, FetchLayers)
    assert order.metainfo.lacking_layers == {
        root: len(layer) // 32 for root, layer in sample.layers.items()}
    assert (status(rig, info_hash).state, status(rig, info_hash).name) == ("metadata", "many")
    assert status(rig, info_hash).lacks_metadata


def test_with_the_last_layer_it_is_a_torrent_as_any_other(rig, sample, info_hash):
    find_info(rig, sample, info_hash)
    rig.shard.drain()
    rig.tell(found_layers(sample, info_hash, 1))
    assert status(rig, info_hash).state == "metadata"
    rig.tell(found_layers(sample, info_hash, 0, 2))
    rig.answer_prepare(has_data=False)
    (order,) = posted(rig.shard, OpenSwarm)
    assert dict(order.metainfo.piece_layers) == sample.layers
    assert status(rig, info_hash).state == "downloading"


def test_a_torrent_file_without_layers_goes_the_same_way(sample, info_hash, tmp_path):
    rig = SessionRig()
    metainfo = parse_torrent(sample.bare.read_bytes())._replace(tiers=((TRACKER,),))
    assert rig.ask(AddTorrent(metainfo, tmp_path)) == info_hash
    (order,) = rig.shard.drain()
    assert isinstance(order, OpenMetadata) and order.metainfo == metainfo
    assert status(rig, info_hash).state == "metadata"
    rig.tell(found_layers(sample, info_hash, 0, 1, 2))
    rig.answer_prepare(has_data=False)
    assert status(rig, info_hash).state == "downloading"


def test_a_second_file_without_layers_is_of_no_use(rig, sample, info_hash, tmp_path):
    with pytest.raises(Conflict) as caught:
        rig.ask(AddTorrent(parse_torrent(sample.bare.read_bytes()), tmp_path))
    assert caught.value.code == "torrent.present"


def test_a_whole_torrent_file_ends_the_search(rig, sample, info_hash, tmp_path):
    find_info(rig, sample, info_hash)
    rig.ask(AddTorrent(parse_torrent(sample.torrent.read_bytes()), tmp_path))
    rig.answer_prepare(has_data=False)
    assert status(rig, info_hash).state == "downloading"
    rig.tell(found_layers(sample, info_hash, 0, 1, 2))     # on its way when the file came
    assert status(rig, info_hash).state == "downloading"


def test_more_hashes_than_a_torrent_file_may_hold_are_not_asked_for(rig, sample, info_hash, monkeypatch):
    from blobtorrent.core.session import metadata

    monkeypatch.setattr(metadata, "TORRENT_LIMITS", metadata.TORRENT_LIMITS._replace(size_bytes=len(sample.info) + 400))
    find_info(rig, sample, info_hash)
    assert (status(rig, info_hash).state, status(rig, info_hash).error_code) == ("error", "torrent.too-long")
    assert posted(rig.shard, FetchLayers) == []


# ---- of a daemon

@pytest.fixture
def daemon(tmp_path, link, sample, info_hash):
    """The metadata is kept, and the layers are lacking."""
    made = SessionRig(keeps=True)
    made.command(AddTorrent(None, tmp_path, magnet=link))
    made.ask(OpenListeners(()))
    made.save()
    (job,) = posted(made.library, AdoptTorrent)
    keep(made, job, error=FileMissing("storage.file-missing", "none"))
    find_info(made, sample, info_hash)
    (job,) = posted(made.library, KeepMetadata)
    keep(made, job, encode_torrent(job.info, tiers=job.tiers))
    assert posted(made.shard, FetchLayers)
    return made


def test_layers_are_kept_as_they_come(daemon, sample, info_hash):
    bare = sample.bare.read_bytes()
    daemon.tell(found_layers(sample, info_hash, 0))
    (job,) = posted(daemon.library, KeepLayers)
    keep(daemon, job, with_layers(bare, job.layers))
    assert status(daemon, info_hash).state == "metadata"
    daemon.tell(found_layers(sample, info_hash, 1, 2))
    (job,) = posted(daemon.library, KeepLayers)
    assert len(job.layers) == 2
    assert posted(daemon.disks, PrepareStore) == []        # they are not durable yet
    keep(daemon, job, sample.torrent.read_bytes())
    daemon.save()
    assert len(posted(daemon.disks, PrepareStore)) == 1
    assert not status(daemon, info_hash).lacks_metadata


def test_layers_that_cannot_be_kept_are_an_error(daemon, sample, info_hash):
    daemon.tell(found_layers(sample, info_hash, 0))
    (job,) = posted(daemon.library, KeepLayers)
    keep(daemon, job, error=StorageError("storage.disk-full", "full"))
    assert (status(daemon, info_hash).state, status(daemon, info_hash).error_code) == ("error", "storage.disk-full")
    assert CloseMetadata(info_hash) in daemon.shard.drain()


def test_it_may_be_stopped_while_layers_are_being_kept_and_goes_on_with_them(daemon, sample, info_hash):
    daemon.tell(found_layers(sample, info_hash, 0))
    (job,) = posted(daemon.library, KeepLayers)
    daemon.command(StopTorrent(info_hash))
    keep(daemon, job, with_layers(sample.bare.read_bytes(), job.layers))
    daemon.save()
    assert status(daemon, info_hash).state == "stopped"
    daemon.command(StartTorrent(info_hash))
    daemon.save()
    (adopt,) = posted(daemon.library, AdoptTorrent)
    keep(daemon, adopt, with_layers(sample.bare.read_bytes(), job.layers))
    (order,) = posted(daemon.shard, OpenMetadata)
    assert order.metainfo is not None and len(order.metainfo.lacking_layers) == 2


def test_a_file_without_layers_is_kept_before_it_is_acknowledged(sample, info_hash, tmp_path):
    rig, bare = SessionRig(keeps=True), sample.bare.read_bytes()
    reply = rig.command(AddTorrent(parse_torrent(bare), tmp_path, raw=bare))
    rig.ask(OpenListeners(()))
    (job,) = posted(rig.library, KeepTorrent)
    assert job.raw == bare
    keep(rig, job)
    assert not any(row.kind == METAFILE for row in rig.save())     # the file is written anew with each layer
    assert reply.wait(0) == info_hash
    (adopt,) = posted(rig.library, AdoptTorrent)
    keep(rig, adopt, bare)
    (order,) = posted(rig.shard, OpenMetadata)
    assert order.metainfo is not None and len(order.metainfo.lacking_layers) == 3


def explained(rig, info_hash):
    reply = rig.command(Explain(info_hash))
    for question in posted(rig.shard, TellPeers):
        rig.tell(PeersTold(question.info_hash, question.token))
    (cause,) = reply.wait(0).causes
    return cause.code, cause.text.partition("(")[2]


def test_it_is_told_how_far_the_layers_have_come(daemon, info_hash):
    assert explained(daemon, info_hash) == ("metadata.no-peers", "piece layers: 0 of 3 files)")
    daemon.tell(MetadataReport(info_hash, links=4, peers_known=9, layers_here=2, layers_total=3))
    assert explained(daemon, info_hash) == ("metadata.layers", "piece layers: 2 of 3 files)")


def test_what_needs_its_files_says_what_is_lacking(daemon, info_hash):
    with pytest.raises(Conflict, match="lacks the hashes of its pieces"):
        daemon.ask(FilesOf(info_hash))
