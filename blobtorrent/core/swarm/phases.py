"""The phases of a swarm as a table: what it may do now, and the way back from every fault."""

from __future__ import annotations

from enum import Enum, auto

from blobtorrent.runtime.machine import Table


class State(Enum):
    OPENING = auto()
    LEECHING = auto()                  # parent of the next two
    NORMAL = auto()
    ENDGAME = auto()
    SEEDING = auto()
    STARVED = auto()                   # the disk refuses
    DRAINING = auto()
    CLOSED = auto()


class Event(Enum):
    START = auto()
    ALL_REQUESTED = auto()
    MORE_TO_REQUEST = auto()
    COMPLETE = auto()
    LOST_PIECE = auto()
    DISK_REFUSED = auto()
    DISK_WORKS = auto()
    CLOSE = auto()
    DRAINED = auto()


SWARM = Table({
    State.OPENING: {Event.START: State.NORMAL, Event.COMPLETE: State.SEEDING, Event.CLOSE: State.DRAINING},
    State.LEECHING: {Event.COMPLETE: State.SEEDING, Event.DISK_REFUSED: State.STARVED, Event.CLOSE: State.DRAINING,
                     Event.LOST_PIECE: State.NORMAL},
    State.NORMAL: {Event.ALL_REQUESTED: State.ENDGAME},
    State.ENDGAME: {Event.MORE_TO_REQUEST: State.NORMAL},
    State.SEEDING: {Event.LOST_PIECE: State.NORMAL, Event.CLOSE: State.DRAINING},
    State.STARVED: {Event.DISK_WORKS: State.NORMAL, Event.COMPLETE: State.SEEDING, Event.DISK_REFUSED: State.STARVED,
                    Event.LOST_PIECE: State.STARVED, Event.CLOSE: State.DRAINING},
    State.DRAINING: {Event.DRAINED: State.CLOSED},
}, parents={State.LEECHING: (State.NORMAL, State.ENDGAME)}, start=State.OPENING, home=State.NORMAL,
    faults=(State.STARVED,), ends=(State.CLOSED,))
