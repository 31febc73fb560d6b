"""What one request may cost at most: work, answers, and what stays of it."""

from __future__ import annotations

import json
import time

import pytest

from blobtorrent.interface.rtorrent import exchange, jsonrpc, xmlanswer
from blobtorrent.interface.rtorrent.context import MAX_GRANTED, MAX_STEPS, STEPS_A_CALL, Budget, Target, Trust
from blobtorrent.interface.rtorrent.downloads import rows
from blobtorrent.interface.rtorrent.downloads.rows import Rows
from blobtorrent.interface.rtorrent.exchange import read_request
from blobtorrent.interface.rtorrent.faults import REFUSED, Fault
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.session.rates import MAX_THROTTLES
from blobtorrent.interface.rtorrent.session.variables import MAX_KEPT
from blobtorrent.interface.rtorrent.values import MAX_VALUES
from tests.support.rtorrentdownloads import Stage
from tests.support.rtorrentlanguage import LanguageStage
from tests.support.rtorrentsession import SessionStage


class Counted(LanguageStage):
    """`one` counts how often it is run; `many` runs it for a long time."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0
        self.registry.add(Command("one", Target.ANY, self._one))
        self.text('method.insert=many,simple,"' + "many1=;" * 9 + '"')
        for level in range(1, 12):
            self.text(f'method.insert=many{level},simple,"' + f"many{level + 1}=;" * 9 + '"')
        self.text("method.insert=many12,simple,one=")

    def _one(self, _context, _item, _args):
        self.count += 1


def entries(count: int) -> list[dict[str, object]]:
    return [{"methodName": "many", "params": [""]} for _ in range(count)]


def test_all_calls_of_a_multicall_share_their_work():
    stage = Counted()
    answers = stage.call("system.multicall", entries(500))
    assert len(answers) == 500 and all(answer["faultCode"] == REFUSED for answer in answers)
    assert 1000 < stage.count < MAX_STEPS + 500 * STEPS_A_CALL
    stage.count = 0
    (answer,) = stage.call("system.multicall", [{"methodName": "one", "params": [""]}] + entries(1))[:1]
    assert answer == [None] and stage.count > 1


def test_all_calls_of_a_batch_share_their_work():
    stage = Counted()
    calls = [{"id": number, "method": "many"} for number in range(500)] + [{"id": 500, "method": "one"}]
    request = read_request(json.dumps(calls).encode())
    request.perform(stage.calls, Trust.FULL)
    answers = json.loads(b"".join(request.render().parts))
    assert all("Too much work" in answer["error"]["message"] for answer in answers[:500])
    assert answers[500]["result"] == 0
    assert stage.count < MAX_STEPS + 501 * STEPS_A_CALL


def test_a_method_that_calls_itself_ends():
    stage = LanguageStage()
    stage.text('method.insert=again,simple,"again="')
    stage.text('method.insert=doubling,simple,"cat=$doubling=,$doubling="')
    for name in ("again", "doubling"):
        with pytest.raises(Fault, match="nesting"):
            stage.call(name, "")


def test_an_answer_that_is_too_large_is_a_fault_in_either_language(monkeypatch):
    monkeypatch.setattr(xmlanswer, "MAX_ANSWER_BYTES", 100_000)
    monkeypatch.setattr(exchange, "MAX_ANSWER_BYTES", 100_000)
    stage = LanguageStage()
    text = "x" * 60_000
    xml = (f"<methodCall><methodName>if</methodName><params><param><value></value></param><param><value><array><data>"
           f"<value><i4>1</i4></value><value><array><data>{f'<value>{text}</value>' * 2}</data></array></value>"
           "</data></array></value></param></params></methodCall>").encode()
    one = {"id": 1, "method": "if", "params": ["", 1, [text, text]]}
    batch = [{"id": number, "method": "cat", "params": ["", text]} for number in range(3)]
    whole = []
    for body in (xml, json.dumps(one).encode(), json.dumps(batch).encode()):
        request = read_request(body)
        request.perform(stage.calls, Trust.FULL)
        whole.append(b"".join(request.render().parts))
    assert all(b"Too large an answer." in answer for answer in whole)
    assert len(whole[0]) < 1000 and len(whole[1]) < 1000
    assert ["result" in answer for answer in json.loads(whole[2])] == [True, False, False]


def test_looking_for_many_texts_in_a_long_one_is_work():
    stage = LanguageStage()
    begun_s = time.thread_time()
    with pytest.raises(Fault, match="Too much work"):
        stage.call("string.contains", "", "x" * 4_000_000, *(f"y{number}" for number in range(10_000)))
    assert time.thread_time() - begun_s < 1.0


def test_many_patterns_for_files_are_work():
    stage = Stage()
    stage.engine.add("alpha")
    stage.side.downloads.refresh()
    with pytest.raises(Fault, match="Too much work"):
        stage.call("f.multicall", stage.only().hash, [f"*{number}*" for number in range(10_000)], "f.path=")
    assert len(stage.call("f.multicall", stage.only().hash, ["*.bin", "*.txt"], "f.path=")) == 1


def test_long_columns_are_not_kept():
    stage = Stage()
    stage.engine.add("alpha")
    stage.side.downloads.refresh()
    compiled = next(cell.cell_contents for command in stage.registry.commands() if command.name == "d.multicall2"
                    for cell in command.run.__closure__ if isinstance(cell.cell_contents, rows.Rows))._compiled
    stage.call("d.multicall2", "", "main", "d.name=")
    assert len(compiled) == 1
    assert stage.call("d.multicall2", "", "main", "cat=" + "x" * 20_000) == [["x" * 20_000]]
    assert len(compiled) == 1


def test_what_is_printed_is_work():
    stage = LanguageStage()
    with pytest.raises(Fault, match="Too much work"):
        stage.text("print=a;" * 10_000, many=True)
    assert len(stage.log) < 2_000
    stage.log.clear()
    with pytest.raises(Fault, match="Too much work"):
        stage.text("catch=nosuch=;" * 10_000, many=True)
    assert len(stage.log) < 2_000


def test_an_error_of_json_has_an_answer_however_deep():
    for document in ('{"id":1,"method":"cat","params":' + "[" * 900 + "]" * 900 + "}", "[" * 100_000,
                     '{"id":1,"method":"cat","params":["",' + '{"a":' * 900 + "1" + "}" * 900 + "]}"):
        with pytest.raises(jsonrpc.Rejected):
            jsonrpc.parse_request(document.encode())


def test_rows_are_granted_as_many_as_a_large_session_has():
    budget = Budget()
    for _ in range(30):
        budget.grant(MAX_GRANTED // 20)
    assert budget.steps == MAX_STEPS + MAX_GRANTED
    stage = Stage()
    stage.engine.add("alpha")
    stage.side.downloads.refresh()
    for columns, count in ((["d.name="] * 20_000, 10_000), (["d.name="] * 100_000, 0)):
        with pytest.raises(Fault, match="Too much work"):
            Rows(stage.side.downloads).of_downloads(
                stage.interpreter.context(), columns, stage.side.downloads.all() * count)


def test_what_is_kept_for_good_has_a_size():
    stage = SessionStage()
    long = "x" * (MAX_KEPT + 1)
    for name in ("ui.color.alarm.set", "session.name.set"):
        with pytest.raises(Fault, match="Too long"):
            stage.call(name, long)
    with pytest.raises(Fault, match="Too long"):
        for _ in range(100):
            stage.call("file.prioritize_toc.first.push_back", "x" * (MAX_KEPT // 50))
    with pytest.raises(Fault, match="Too large"):
        stage.call("file.prioritize_toc.last.set", *["x"] * (MAX_VALUES + 1))
    with pytest.raises(Fault, match="Too many throttles"):
        for number in range(MAX_THROTTLES + 1):
            stage.call("throttle.up", f"name{number}", "10")
