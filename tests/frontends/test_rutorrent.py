"""What ruTorrent asks, as it asks, and what it makes of the answers: it reads XML with a pattern."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator
from typing import Any, NamedTuple

import pytest

from tests.rtorrent.recorded import GOLDEN, framed, placed, read_lines, render_call, send
from tests.rtorrent.servers import Server
from tests.rtorrent.stages import stage
from tests.rtorrent.torrents import ALPHA

RECORDING = GOLDEN / "rutorrent.jsonl"
CALLS = read_lines(RECORDING)

# What a stranger may not have, by the words that tell when it was recorded.
REFUSED = re.compile(
    "connect [46]|save settings|action: (start|stop|pause|unpause|announce|priority|label|super seeding|properties)"
    "|add torrent|plugin (init|action|uninstall)")
AFTERWARDS = ("action: remove", "plugin action: ratio", "poll after the actions")      # of what was refused


class Read(NamedTuple):
    """All that the application sees of an answer: values in a row, whatever they are part of."""

    values: list[str]
    types: list[str]
    is_fault: bool                     # the word is somewhere in it


def read(answer: bytes) -> Read:
    """rXMLRPCRequest::run, with PHP's preg_match_all, html_entity_decode and strstr."""
    text = answer.decode(errors="replace")
    found = re.findall(r"<value>(<string>|<i.>)(.*?)(?:</string>|</i.>)</value>", text, re.DOTALL)
    return Read([html.unescape(value) for _, value in found], [kind[1] for kind, _ in found], "faultCode" in text)


def ask(server: Server, line: dict[str, Any], *, is_untrusted: bool) -> bytes:
    """Everything that comes, read until the end as fread does; its headers are those of rXMLRPCRequest::send."""
    body = render_call(line["name"], placed(line["params"], server.stands_for))
    return send(server.dial, framed(body, {"CONTENT_TYPE": "text/xml", "SCGI": "1",
                                          "UNTRUSTED_CONNECTION": "01"[is_untrusted]}))


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with stage(RECORDING, "blobtorrent") as servers:
        yield servers[""]


def test_every_answer_to_a_stranger_is_the_same_or_a_refusal(server: Server) -> None:
    """These come first: what is refused changes nothing."""
    for line in CALLS:
        if line["when"] in AFTERWARDS:
            continue
        answer = read(ask(server, line, is_untrusted=True))
        assert answer.is_fault == bool(REFUSED.match(line["when"])), (line["when"], answer.values)
        if answer.is_fault:
            assert any("not allowed for untrusted" in value for value in answer.values), (line["when"], answer.values)
    assert not (server.root / "a/dl/sub").exists()


def test_every_answer_is_read_as_that_of_rtorrent_was(server: Server) -> None:
    for line in CALLS:
        answer = ask(server, line, is_untrusted=False)
        assert answer.startswith(b"Status: 200 OK\r\nContent-Type: text/xml\r\nContent-Length: "), line["when"]
        got, want = read(answer), read(line["raw"].encode())
        assert not got.is_fault, (line["when"], got.values)
        assert got.types == want.types, (line["when"], got.values, want.values)
        if line["name"] == "d.multicall2":
            names = line["params"][2:]
            assert len(got.values) % len(names) == 0
            column = names.index("d.hash=")
            assert got.values[column::len(names)].count(ALPHA) == 1


def test_blanks_quotes_and_line_ends_of_a_value_are_read_as_they_were_set(server: Server) -> None:
    value = " <a> & \"b\"\r\n'c'\t</string> ü "
    for name, params in (("d.custom2.set", [ALPHA, value]), ("d.custom2", [ALPHA])):
        got = read(ask(server, {"name": name, "params": params}, is_untrusted=False))
        # XML makes one of the line ends that it is given.
        assert [text.replace("\r", "") for text in got.values] == [value.replace("\r", "")]
