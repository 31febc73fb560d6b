"""Listeners that come and go, and the port that is told."""

from __future__ import annotations

import pytest

from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import Reply
from blobtorrent.core.session.ports import PortManager
from blobtorrent.model.errors import NetworkError
from blobtorrent.network.messages import ListenFailed, Listening
from blobtorrent.runtime.mailbox import Mailbox

ANY = ListenSpec("0.0.0.0", range(6881, 6890))


@pytest.fixture
def ports():
    return PortManager(Mailbox("core"))


def opening(ports, answer):
    reply = Reply()
    ports.open((ANY,), reply)
    (ports.on_listening if isinstance(answer, Listening) else ports.on_failed)(answer)
    return reply


@pytest.mark.parametrize("code", ["net.interface-gone", "net.proxy-only"])
def test_not_to_listen_as_the_settings_ask_for_is_no_failure(ports, code):
    assert opening(ports, ListenFailed("0.0.0.0", code, "")).wait(0) == ()
    assert ports.public_port == 0


def test_a_port_that_cannot_be_had_is_one(ports):
    with pytest.raises(NetworkError):
        opening(ports, ListenFailed("0.0.0.0", "net.cannot-listen", "")).wait(0)


def test_a_listener_may_come_later_move_and_go(ports):
    opening(ports, ListenFailed("0.0.0.0", "net.interface-gone", ""))
    assert ports.on_listening(Listening("0.0.0.0", 6881)) is None
    assert ports.public_port == 6881
    ports.on_listening(Listening("0.0.0.0", 6882))
    assert ports.opened == [("0.0.0.0", 6882)]
    ports.on_failed(ListenFailed("0.0.0.0", "net.interface-gone", ""))
    assert (ports.opened, ports.public_port) == ([], 0)


def test_the_port_outside_is_told_while_there_is_one_inside(ports):
    ports.external_port = 16881
    assert ports.public_port == 0
    opening(ports, Listening("0.0.0.0", 6881))
    assert (ports.port, ports.public_port) == (6881, 16881)


def test_only_ipv4_passes_through_a_mapping(ports):
    opening(ports, Listening("0.0.0.0", 6881))
    assert ports.public_port_of(is_ipv6=True) == 0
    ports.on_listening(Listening("::", 6881))
    ports.external_port = 16881
    assert (ports.public_port_of(is_ipv6=False), ports.public_port_of(is_ipv6=True)) == (16881, 6881)


def test_word_of_another_listener_is_no_answer_to_the_one_that_is_waited_for(ports):
    opening(ports, Listening("0.0.0.0", 6881))
    reply = Reply()
    ports.open((ListenSpec("::", range(6881, 6890)), ListenSpec("127.0.0.1", range(1))), reply)
    assert ports.on_listening(Listening("0.0.0.0", 6885)) is None      # opened anew meanwhile
    assert ports.on_failed(ListenFailed("0.0.0.0", "net.interface-gone", "")) is None
    assert ports.is_opening
    assert ports.on_listening(Listening("::", 6881)).host == "127.0.0.1"
    assert ports.on_listening(Listening("127.0.0.1", 6881)) is None
    assert not ports.is_opening
    assert reply.wait(0) == (("::", 6881), ("127.0.0.1", 6881))
