"""While the torrents of earlier runs are read, the session tells how far that is, and does nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.core.session.commands import AddTorrent, OpenListeners, StopSession, StopTorrent
from blobtorrent.core.session.gateway import SESSION_KEY
from blobtorrent.core.session.past import Past
from blobtorrent.core.session.queries import StatsOf
from blobtorrent.core.session.restoring import RestoreEnded, TorrentsRestored
from blobtorrent.model.errors import Unavailable
from blobtorrent.model.status import SessionStatus
from blobtorrent.storage.state.statethread import SaveState
from tests.support.sessions import SessionRig, saved_torrent, torrent_of


def status(rig: SessionRig) -> SessionStatus:
    found = rig.sessions.read(SESSION_KEY)
    assert found is not None
    return found


def restoring_rig() -> SessionRig:
    return SessionRig(keeps=True, is_restored=False)


def test_torrents_are_known_as_they_come_and_the_snapshot_says_how_many(tmp_path: Path) -> None:
    rig, torrents = restoring_rig(), [torrent_of(4, seed=number) for number in (1, 2, 3)]
    saved = [saved_torrent(torrent, tmp_path / torrent.name) for torrent in torrents]
    rig.tell(TorrentsRestored(tuple(saved[:2]), 3))
    assert (status(rig).state, status(rig).loaded, status(rig).total, status(rig).torrents) == ("starting", 2, 3, 2)
    assert rig.board.read(torrents[1].info_hash) is not None
    assert rig.board.read(torrents[2].info_hash) is None
    rig.tell(TorrentsRestored(tuple(saved[2:]), 3))
    rig.tell(RestoreEnded(Past(), ("a row was damaged",)))
    assert (status(rig).loaded, status(rig).damages) == (3, ("a row was damaged",))
    assert rig.library.depth == 0      # none begins before the listeners are open
    rig.open_listeners()
    assert rig.library.depth == 3


@pytest.mark.parametrize("command", [
    AddTorrent(torrent_of(4), Path("/d"), raw=b"raw"), StopTorrent(torrent_of(4).info_hash), StatsOf(),
    OpenListeners(())])
def test_until_all_are_known_nothing_is_done(command: object, tmp_path: Path) -> None:
    rig = restoring_rig()
    rig.tell(TorrentsRestored((saved_torrent(torrent_of(4), tmp_path),), 2))
    with pytest.raises(Unavailable) as told:
        rig.ask(command)
    assert told.value.code == "session.starting"


def test_an_end_before_all_are_known_saves_nothing(tmp_path: Path) -> None:
    rig = restoring_rig()
    rig.tell(TorrentsRestored((saved_torrent(torrent_of(4), tmp_path),), 2))
    assert rig.ask(StopSession()) is True
    assert not [job for job in rig.saves.drain() if isinstance(job, SaveState)]
