"""The life of a client connection, as a table."""

from __future__ import annotations

from enum import Enum

from blobtorrent.runtime.machine import Table


class ConnectionState(Enum):
    SECURING = "securing"              # the channel is being established
    WAITING = "waiting"                # for the head of a request
    RECEIVING = "receiving"            # its body; it may be sent
    ANSWERING = "answering"            # somebody else works on the answer
    SENDING = "sending"
    FETCHING = "fetching"              # somebody else reads the next part of the body
    STREAMING = "streaming"            # a body that grows as things happen
    LINGERING = "lingering"            # the last answer is out; the client has not closed yet
    CLOSED = "closed"

    OPEN = "open"                      # parent of all but closed
    TAKING = "taking"                  # parent of waiting and receiving


class ConnectionEvent(Enum):
    SECURED = "secured"
    ADMIT = "admit"                    # the head is complete and passed the gate
    ASK = "ask"                        # the body is complete
    REFUSE = "refuse"
    ANSWER = "answer"
    FETCH = "fetch"                    # what was read of the body is sent
    FETCHED = "fetched"
    STREAM = "stream"
    END = "end"                        # of what is streamed
    SENT = "sent"                      # the client may send the next request
    LAST_SENT = "last-sent"
    CLOSE = "close"


_S, _E = ConnectionState, ConnectionEvent

CONNECTION = Table(
    {
        _S.SECURING: {_E.SECURED: _S.WAITING},
        _S.WAITING: {_E.ADMIT: _S.RECEIVING},
        _S.RECEIVING: {_E.ASK: _S.ANSWERING},
        _S.TAKING: {_E.REFUSE: _S.SENDING},
        _S.ANSWERING: {_E.ANSWER: _S.SENDING, _E.STREAM: _S.STREAMING},
        _S.SENDING: {_E.FETCH: _S.FETCHING, _E.SENT: _S.WAITING, _E.LAST_SENT: _S.LINGERING},
        _S.FETCHING: {_E.FETCHED: _S.SENDING},
        _S.STREAMING: {_E.END: _S.SENDING},
        _S.OPEN: {_E.CLOSE: _S.CLOSED},
    },
    home=_S.WAITING,
    start=_S.SECURING,
    ends=(_S.CLOSED,),
    parents={
        _S.TAKING: (_S.WAITING, _S.RECEIVING),
        _S.OPEN: (_S.SECURING, _S.TAKING, _S.ANSWERING, _S.SENDING, _S.FETCHING, _S.STREAMING, _S.LINGERING),
    },
)
