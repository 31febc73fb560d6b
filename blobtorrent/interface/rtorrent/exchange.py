"""Exchange: one request and its answer, whichever of the two languages it is in.

Reading and writing take their time and need no commands, so they are done by other threads than `perform`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

from blobtorrent.interface.rtorrent import jsonrpc, xmlanswer, xmlrpc
from blobtorrent.interface.rtorrent.claimed import generation_of
from blobtorrent.interface.rtorrent.context import Budget, Trust
from blobtorrent.interface.rtorrent.faults import Fault, failed
from blobtorrent.interface.rtorrent.jsonrpc import JsonCall, Rejected
from blobtorrent.interface.rtorrent.rules import Rules, UnknownType
from blobtorrent.interface.rtorrent.values import MAX_ANSWER_BYTES, Row, Value
from blobtorrent.interface.rtorrent.xmlanswer import Dialect
from blobtorrent.interface.rtorrent.xmlrpc import Raw
from blobtorrent.runtime.pacing import Pace, let_go

_FAILED = "The command failed; the log has the reason."
_NO_XML = "XML-RPC is switched off: network.rpc.use_xmlrpc is 0."
_NO_JSON = "JSON-RPC is switched off: network.rpc.use_jsonrpc is 0."
USUAL_RULES = Rules()


class Commands(Protocol):
    """What answers calls, see `calls.Calls`. Both raise Fault."""

    def answer(self, name: str, params: Sequence[Raw], trust: Trust) -> Value: ...

    def answer_json(self, name: str, params: Sequence[Value], trust: Trust, budget: Budget) -> Value: ...


class Answer(NamedTuple):
    content_type: str
    parts: tuple[bytes, ...]

    @property
    def length(self) -> int:
        return sum(map(len, self.parts))


class Exchange(Protocol):
    """A request that has been read. `perform` is called once, on the thread of the commands, then `render`."""

    def perform(self, commands: Commands, trust: Trust) -> None: ...

    def render(self) -> Answer: ...


def read_request(body: bytes, content_type: str = "", rules: Rules = USUAL_RULES) -> Exchange:
    """Read the body of a request. Its faults are told when it is rendered. Raises UnknownType.

    `content_type` may be empty: then the first byte tells. XML is taken under any other name, as in 0.9.8.
    """
    kind = content_type.partition(";")[0].partition(" ")[0].strip().lower()
    first = body[:64].lstrip()[:1]
    if kind == jsonrpc.CONTENT_TYPE or not kind and first in (b"{", b"["):
        return JsonExchange(body) if rules.takes_json else JsonExchange(b"", Rejected(jsonrpc.UNKNOWN_METHOD, _NO_JSON))
    if kind in ("", xmlanswer.CONTENT_TYPE, "application/xml") or first == b"<":
        return XmlExchange(body, generation_of(rules.version).dialect, _refusal(len(body), rules))
    raise UnknownType(kind)


def _refusal(length: int, rules: Rules) -> Fault | None:
    """Why XML of so many bytes is not read."""
    if not rules.takes_xml:
        return failed(_NO_XML)
    if rules.max_xml_bytes and length > rules.max_xml_bytes:
        return failed("Call XML not a proper XML-RPC call.  XML-RPC request too large.  "
                      f"Max allowed is {rules.max_xml_bytes} bytes")
    return None


class XmlExchange:
    """`refusal` is its fault when it is not even to be read."""

    def __init__(self, body: bytes, dialect: Dialect, refusal: Fault | None = None) -> None:
        self._dialect = dialect
        self._result: Value = None
        self._fault = refusal
        self._call: xmlrpc.MethodCall | None = None
        if refusal is not None:
            return
        try:
            self._call = xmlrpc.parse_call(body)
        except Fault as fault:
            self._fault = fault

    def perform(self, commands: Commands, trust: Trust) -> None:
        call, self._call = self._call, None
        if call is None:
            return
        self._fault = failed(_FAILED)
        try:
            self._result = commands.answer(call.name, call.params, trust)
            self._fault = None
        except Fault as fault:
            self._fault = self._dialect.told(fault)

    def render(self) -> Answer:
        fault = self._fault
        if fault is None:
            try:
                return Answer(xmlanswer.CONTENT_TYPE, xmlanswer.render_answer(self._result, self._dialect))
            except Fault as raised:
                fault = self._dialect.told(raised)
            finally:
                _let_go(self._result)
        return Answer(xmlanswer.CONTENT_TYPE, xmlanswer.render_fault(fault, self._dialect))


class JsonExchange:
    def __init__(self, body: bytes, rejected: Rejected | None = None) -> None:
        self._calls: tuple[JsonCall | Rejected, ...] = ()
        self._is_list = False
        self._results: list[Value | Fault] = []        # one for each call
        if rejected is not None:
            self._calls = (rejected,)
            return
        try:
            self._calls, self._is_list = jsonrpc.parse_request(body)
        except Rejected as refusal:
            self._calls = (refusal,)

    def perform(self, commands: Commands, trust: Trust) -> None:
        pace, budget = Pace(), Budget()
        for call in self._calls:
            self._results.append(failed(_FAILED))
            if isinstance(call, JsonCall):
                budget.begin_next()
                try:
                    self._results[-1] = commands.answer_json(call.name, call.params, trust, budget)
                except Fault as fault:
                    self._results[-1] = fault
            pace.look()

    def render(self) -> Answer:
        answers, room = [], MAX_ANSWER_BYTES
        for call, result in zip(self._calls, self._results):
            if isinstance(call, JsonCall) and call.is_notification:
                continue
            answer = self._rendered(call, result, room)
            room -= sum(map(len, answer))
            answers.append(answer)
        if self._is_list:
            return Answer(jsonrpc.CONTENT_TYPE, jsonrpc.render_batch(answers))
        return Answer(jsonrpc.CONTENT_TYPE, answers[0] if answers else ())

    @staticmethod
    def _rendered(call: JsonCall | Rejected, result: Value | Fault, room: int) -> tuple[bytes, ...]:
        """One of the answers; a fault when it has more bytes than there is room for."""
        if isinstance(call, Rejected):
            return jsonrpc.render_error(call.code, call.text, call.id)
        try:
            if isinstance(result, Fault):
                raise result
            return jsonrpc.render_answer(result, call.id, max(0, room))
        except Fault as fault:
            return jsonrpc.render_fault(fault, call.id)
        finally:
            _let_go(result)


def _let_go(result: Value | Fault) -> None:
    """The list of a multicall, which is nobody else's; its rows may be."""
    if isinstance(result, list) and result and isinstance(result[0], Row):
        let_go(result)
