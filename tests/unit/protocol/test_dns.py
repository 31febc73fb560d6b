"""Questions to name servers and what is made of their answers, the forged and broken ones too."""

from __future__ import annotations

import struct

import pytest

from blobtorrent.model.errors import FormatError
from blobtorrent.protocol.dns import Kind, Reply, Service, ask, read_reply

QUESTION = ask(7, "Example.org", Kind.A)
HERE = b"\xc0\x0c"                     # a pointer to the name that was asked for


def record(kind, data, owner=HERE):
    return owner + struct.pack(">HHIH", kind, 1, 60, len(data)) + data


def answer(*records, question=QUESTION, flags=0x8180, count=None, number=7):
    head = struct.pack(">HHHHHH", number, flags, 1, len(records) if count is None else count, 0, 0)
    return head + question[12:] + b"".join(records)


def test_a_question_is_laid_out_as_the_rfc_has_it():
    assert QUESTION == b"\0\7\1\0\0\1\0\0\0\0\0\0" + b"\7Example\3org\0" + b"\0\1\0\1"


@pytest.mark.parametrize("name", ["", ".", "a..b", "x" * 64, "a." * 130, "häuschen"])
def test_what_is_no_name_is_not_asked_for(name):
    with pytest.raises(FormatError):
        ask(7, name, Kind.A)


def test_addresses_are_read():
    assert read_reply(answer(record(1, b"\xc0\0\2\1"), record(1, b"\xc0\0\2\2")), QUESTION) == Reply(
        ("192.0.2.1", "192.0.2.2"))
    question = ask(7, "a", Kind.AAAA)
    assert read_reply(answer(record(28, bytes(15) + b"\1"), question=question), question).found == ("::1",)


def test_services_are_read():
    question = ask(7, "_bt._tcp.a", Kind.SRV)
    data = struct.pack(">HHH", 10, 5, 6881) + b"\4peer" + b"\xc0\x15"
    assert read_reply(answer(record(33, data), question=question), question).found == (
        Service(10, 5, 6881, "peer.a"),)


def test_aliases_are_followed_and_circles_are_not():
    alias = record(5, b"\1b\0")
    assert read_reply(answer(alias, record(1, b"\xc0\0\2\1", owner=b"\1B\0")), QUESTION).found == ("192.0.2.1",)
    circle = record(5, HERE)
    assert read_reply(answer(circle), QUESTION).found == ()


def test_records_of_somebody_else_are_left_out():
    assert read_reply(answer(record(1, b"\xc0\0\2\1", owner=b"\4evil\0")), QUESTION).found == ()


@pytest.mark.parametrize(("flags", "reply"), [
    (0x8183, Reply()), (0x8182, Reply(has_failed=True)), (0x8185, Reply(has_failed=True)), (0x8380, Reply(is_cut=True)),
])
def test_how_it_went_is_told(flags, reply):
    assert read_reply(answer(flags=flags), QUESTION) == reply


@pytest.mark.parametrize("data", [
    b"", QUESTION, answer(number=8), answer(question=ask(7, "example.com", Kind.A)),
    answer(question=ask(7, "Example.org", Kind.AAAA)), answer(count=1), answer(record(1, b"\xc0\0\2\1"))[:-1],
    answer(record(1, b"\xc0\0\2\1", owner=b"\xc0\x1d")), answer(record(5, b"\xc0")), answer(record(5, b"\x80")),
])
def test_what_is_no_answer_to_the_question_is_refused(data):
    with pytest.raises(FormatError):
        read_reply(data, QUESTION)
