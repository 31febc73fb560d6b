"""Which requests are answered, as commands say, and that they are noted."""

from __future__ import annotations

import json
from pathlib import Path

from blobtorrent.interface.rtorrent.context import Trust
from blobtorrent.interface.rtorrent.rules import Rules
from tests.support.rpc import Stage
from tests.support.rtorrentsession import SessionStage

XML = b"<?xml version='1.0'?><methodCall><methodName>system.pid</methodName></methodCall>"
JSON = b'{"id":7,"method":"system.pid"}'


def answer(rules: Rules, body: bytes) -> str:
    exchange = rules.read(body, "")
    exchange.perform(Stage().calls, Trust.FULL)
    return b"".join(exchange.render().parts).decode()


class Ruled:
    """Commands, and the rules that follow them."""

    def __init__(self) -> None:
        self.rules = Rules()
        self.stage = SessionStage(rules=self.rules)


def test_both_languages_are_answered_and_each_is_switched_off_by_its_setting() -> None:
    ruled = Ruled()
    assert "<i8>4242</i8>" in answer(ruled.rules, XML)
    assert json.loads(answer(ruled.rules, JSON))["result"] == 4242
    ruled.stage.call("network.rpc.use_xmlrpc.set", 0)
    assert "network.rpc.use_xmlrpc is 0" in answer(ruled.rules, XML)
    assert json.loads(answer(ruled.rules, JSON))["result"] == 4242
    ruled.stage.call("network.rpc.use_xmlrpc.set", 1)
    ruled.stage.call("network.rpc.use_jsonrpc.set", 0)
    assert "<i8>4242</i8>" in answer(ruled.rules, XML)
    refused = json.loads(answer(ruled.rules, JSON))
    assert refused["error"]["code"] == -32601 and "network.rpc.use_jsonrpc is 0" in refused["error"]["message"]


def test_places_are_opened_as_routes_are_wanted() -> None:
    ruled = Ruled()
    told = []
    for value in (1, 0):
        ruled.stage.call("network.scgi.dont_route.set", value)
        told.append((ruled.stage.call("network.scgi.dont_route"), ruled.rules.is_routed))
    assert told == [(1, False), (0, True)]


def test_a_limit_that_was_set_is_kept_to_in_the_words_of_rtorrent() -> None:
    ruled = Ruled()
    long = XML.replace(b"</methodName>", b"</methodName>" + b" " * (1 << 20))
    assert "<i8>4242</i8>" in answer(ruled.rules, long)    # the usual half MiB is none that anybody asked for
    ruled.stage.call("network.xmlrpc.size_limit.set", 100)
    assert "<i8>4242</i8>" in answer(ruled.rules, XML)
    assert "XML-RPC request too large.  Max allowed is 100 bytes" in answer(ruled.rules, long)


def test_requests_and_answers_are_noted_while_somebody_wants_to(tmp_path: Path) -> None:
    ruled, file = Ruled(), tmp_path / "rpc.log"
    answer(ruled.rules, b'{"id":1,"method":"before"}')
    ruled.stage.call("log.rpc", str(file))
    exchange = ruled.rules.read(JSON, "")
    exchange.perform(Stage().calls, Trust.FULL)
    ruled.rules.tell(*exchange.render().parts)
    ruled.rules.read(b"[" + b" " * (1 << 17) + b"]", "")
    ruled.stage.call("log.rpc", "")
    answer(ruled.rules, b'{"id":1,"method":"after"}')
    ruled.stage.commands.close()
    first, told, long, rest = file.read_text().split("---\n")
    assert (first, rest) == (JSON.decode() + "\n", "")
    assert '"id":7' in told
    assert long.endswith(f"[{(1 << 17) + 2 - (1 << 16)} bytes more]\n")
