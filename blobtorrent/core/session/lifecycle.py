"""The machines of the session and of a torrent, as tables. Whoever owns a machine does the work of its states.

A torrent is *stopped* when nothing of it runs: that is its home, and where every next step is decided. From *error* it
goes back to downloading by itself when the swarm reports that the disk takes bytes again; stop brings it home. Whatever
needs its files as a whole, a move or a rename, begins and ends at home.
"""

from __future__ import annotations

from enum import Enum

from blobtorrent.runtime.machine import Table


class SessionState(Enum):
    STARTING = "starting"
    RUNNING = "running"
    RETIRING = "retiring"              # nothing new is begun; torrents finish pieces, and hand on those only we have
    DRAINING = "draining"              # torrents close, trackers hear `stopped`
    STOPPED = "stopped"


class SessionEvent(Enum):
    READY = "ready"                    # listeners are open, or none was asked for
    RETIRE = "retire"
    STOP = "stop"
    DRAINED = "drained"                # all closed, or the deadline is over


SESSION = Table(
    {
        SessionState.STARTING: {SessionEvent.READY: SessionState.RUNNING, SessionEvent.STOP: SessionState.DRAINING},
        SessionState.RUNNING: {SessionEvent.RETIRE: SessionState.RETIRING, SessionEvent.STOP: SessionState.DRAINING},
        SessionState.RETIRING: {SessionEvent.STOP: SessionState.DRAINING},
        SessionState.DRAINING: {SessionEvent.DRAINED: SessionState.STOPPED},
    },
    start=SessionState.STARTING,
    home=SessionState.RUNNING,
    ends=(SessionState.STOPPED,),
)


class TorrentState(Enum):
    QUEUED = "queued"                  # it should run, and others have the places
    METADATA = "metadata"              # peers are asked for what the torrent is, or for its piece layers (BEP 52)
    LOADING = "loading"                # its metainfo is read, folders and empty files are made
    WAITING = "waiting"                # checking: other torrents of this device are hashed first
    HASHING = "hashing"                # checking: what lies on disk is hashed
    STOPPED = "stopped"
    DOWNLOADING = "downloading"
    SEEDING = "seeding"
    MOVING = "moving"                  # its files are moved or renamed
    ERROR = "error"
    CLOSING = "closing"                # on the way to stopped: swarm and files are being closed
    REMOVING = "removing"              # the same, on the way to gone
    GONE = "gone"

    CHECKING = "checking"              # parent of waiting and hashing
    ACTIVE = "active"                  # parent of downloading and seeding
    BUSY = "busy"                      # parent of everything that has something to close
    PRESENT = "present"                # parent of everything that can be removed


class TorrentEvent(Enum):
    FETCH = "fetch"                    # it is to run, and its metadata is not here
    KNOWN = "known"                    # its metadata is here, and safe
    FOUND = "found"                    # prepared; there are bytes to check
    TURN = "turn"                      # the hashers are free for this torrent
    LEECH = "leech"                    # the swarm opens with pieces missing, or with a finish that is yet to be told
    SEED = "seed"                      # the swarm opens complete
    FINISH = "finish"                  # the last missing piece is on disk
    LOSE = "lose"                      # a piece that was there cannot be read any more: it is fetched again
    FAIL = "fail"
    RECOVER = "recover"
    STOP = "stop"
    CLOSED = "closed"
    START = "start"
    QUEUE = "queue"
    MOVE = "move"
    MOVED = "moved"                    # or back where it was
    REMOVE = "remove"


_S, _E = TorrentState, TorrentEvent

TORRENT = Table(
    {
        _S.METADATA: {_E.KNOWN: _S.LOADING, _E.FAIL: _S.ERROR},
        _S.LOADING: {_E.FOUND: _S.WAITING, _E.LEECH: _S.DOWNLOADING, _E.SEED: _S.SEEDING, _E.FAIL: _S.ERROR},
        _S.WAITING: {_E.TURN: _S.HASHING},
        _S.HASHING: {_E.LEECH: _S.DOWNLOADING, _E.SEED: _S.SEEDING, _E.FAIL: _S.ERROR},
        _S.DOWNLOADING: {_E.FINISH: _S.SEEDING},
        _S.SEEDING: {_E.LOSE: _S.DOWNLOADING},
        _S.ACTIVE: {_E.FAIL: _S.ERROR},
        _S.ERROR: {_E.RECOVER: _S.DOWNLOADING},
        _S.BUSY: {_E.STOP: _S.CLOSING},
        _S.CLOSING: {_E.CLOSED: _S.STOPPED},
        _S.STOPPED: {_E.START: _S.LOADING, _E.FETCH: _S.METADATA, _E.QUEUE: _S.QUEUED, _E.MOVE: _S.MOVING},
        _S.QUEUED: {_E.START: _S.LOADING, _E.FETCH: _S.METADATA, _E.CLOSED: _S.STOPPED},
        _S.MOVING: {_E.MOVED: _S.STOPPED, _E.FAIL: _S.ERROR},
        _S.PRESENT: {_E.REMOVE: _S.REMOVING},
        _S.REMOVING: {_E.CLOSED: _S.GONE},
    },
    start=_S.STOPPED,
    home=_S.STOPPED,
    faults=(_S.ERROR,),
    ends=(_S.GONE,),
    parents={
        _S.CHECKING: (_S.WAITING, _S.HASHING),
        _S.ACTIVE: (_S.DOWNLOADING, _S.SEEDING),
        _S.BUSY: (_S.METADATA, _S.LOADING, _S.CHECKING, _S.ACTIVE, _S.ERROR),
        _S.PRESENT: (_S.BUSY, _S.CLOSING, _S.STOPPED, _S.QUEUED),
    },
)
