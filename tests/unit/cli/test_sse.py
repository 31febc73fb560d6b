"""Server-sent events, however they are cut."""

from __future__ import annotations

import pytest

from blobtorrent.cli.sse import MAX_LINE_BYTES, ServerEvent, SseReader
from blobtorrent.model.errors import NetworkError

STREAM = (
    b": hello\n\nid: r-1\nevent: torrent-added\ndata: {\"a\": 1}\n\n"
    b"event: gap\ndata: one\ndata: two\n\nid: r-2\r\ndata:no space\r\n\r\n: beat\nid: r-3\n\ndata: \xc3\xa9"
)
EVENTS = [
    ServerEvent("torrent-added", '{"a": 1}'), ServerEvent("gap", "one\ntwo"), ServerEvent("message", "no space"),
]


def read(*chunks: bytes) -> tuple[list[ServerEvent], SseReader]:
    reader = SseReader()
    return [event for chunk in chunks for event in reader.feed(chunk)], reader


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_events_are_the_same_wherever_the_stream_is_cut(cut):
    events, reader = read(STREAM[:cut], STREAM[cut:])
    assert events == EVENTS
    assert reader.last_id == "r-3"


def test_an_event_without_an_end_is_none():
    assert read(b"data: half\n")[0] == []


def test_a_reader_goes_on_from_the_id_that_it_is_given():
    reader = SseReader("r-9")
    assert reader.feed(b"data: x\n\n") == [ServerEvent("message", "x")]
    assert reader.last_id == "r-9"


def test_a_line_without_an_end_is_refused():
    with pytest.raises(NetworkError):
        SseReader().feed(b"data: " + b"x" * MAX_LINE_BYTES)
