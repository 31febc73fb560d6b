"""Which downloads there are, as the engine's board and what was erased have it."""

from __future__ import annotations

from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from tests.support.rtorrentengine import FakeEngine


def test_one_that_was_erased_and_is_back_before_anybody_looked_is_seen() -> None:
    engine = FakeEngine()
    info_hash = engine.add("alpha")
    downloads = Downloads(engine)
    (old,) = downloads.all()
    downloads.forget(old)
    assert downloads.all() == []           # the engine still takes it down
    status = engine.status(info_hash)
    engine.publish(status._replace(up_bytes_per_s=1))
    assert downloads.all() == []
    engine.torrents.withdraw(info_hash)
    engine.publish(status._replace(added_at=status.added_at + 0.5))
    (new,) = downloads.all()
    assert new is not old and new.hash == old.hash
