"""An info dictionary that peers gave becomes a torrent, on a thread that has time for it."""

from __future__ import annotations

from hashlib import sha1

import pytest

from blobtorrent.model.ids import InfoHash
from blobtorrent.protocol.bencode import encode
from blobtorrent.runtime.mailbox import Mailbox
from blobtorrent.storage.arena import SLOT_SIZE, Arena
from blobtorrent.storage.disk import DiskPool
from blobtorrent.storage.hasher import HasherPool
from blobtorrent.storage.metadatareading import MetadataRead, ReadMetadata

INFO = encode({b"name": b"content", b"piece length": 16384, b"length": 16384, b"pieces": bytes(20)})
NAME = InfoHash(v1=sha1(INFO).digest())
PATIENCE_S = 20.0


def job(info, answers):
    return ReadMetadata(NAME, info, (("http://a/",),), ("http://w/",), answers)


def test_it_is_read_with_what_the_link_said():
    answers: Mailbox[MetadataRead] = Mailbox("answers")
    job(INFO, answers).run()
    (answer,) = answers.drain()
    assert answer.error is None
    assert (answer.metainfo.info_hash, answer.metainfo.raw_info) == (NAME, INFO)
    assert (answer.metainfo.tiers, answer.metainfo.web_seeds) == ((("http://a/",),), ("http://w/",))


def test_what_is_no_torrent_is_told_as_that():
    answers: Mailbox[MetadataRead] = Mailbox("answers")
    job(b"de", answers).run()
    (answer,) = answers.drain()
    assert answer.metainfo is None
    assert answer.error.code.startswith("metainfo.")


def test_a_mistake_of_ours_is_answered_too():
    answers: Mailbox[MetadataRead] = Mailbox("answers")
    with pytest.raises(TypeError):
        job(None, answers).run()
    (answer,) = answers.drain()
    assert answer.error.code == "storage.bug"


def test_hash_threads_take_it():
    arena = Arena(4 * SLOT_SIZE, scratch_slots=0)
    hashers = HasherPool(arena, DiskPool(arena), 1)
    answers: Mailbox[MetadataRead] = Mailbox("answers")
    hashers.start()
    hashers.post(job(INFO, answers))
    answer = answers.get(PATIENCE_S)
    assert hashers.stop(PATIENCE_S)
    assert answer.metainfo is not None
