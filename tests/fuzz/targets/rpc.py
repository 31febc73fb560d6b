"""The rTorrent interface: its framing, its two codecs, its language, its configuration files."""

from __future__ import annotations

import json

from blobtorrent.interface.rtorrent.context import NOTHING, Budget, Target, Trust
from blobtorrent.interface.rtorrent.exchange import read_request
from blobtorrent.interface.rtorrent.faults import Fault
from blobtorrent.interface.rtorrent.jsonrpc import Rejected, parse_request
from blobtorrent.interface.rtorrent.language.parser import parse_statement
from blobtorrent.interface.rtorrent.language.pattern import matches
from blobtorrent.interface.rtorrent.rcfile import MAX_LINE, logical_lines
from blobtorrent.interface.rtorrent.rules import UnknownType
from blobtorrent.interface.rtorrent.scgi import BadFraming, ScgiReader
from blobtorrent.interface.rtorrent.values import answered
from blobtorrent.interface.rtorrent.xmlanswer import render_answer
from blobtorrent.interface.rtorrent.xmlrpc import parse_call
from tests.fuzz.registry import Shape, target
from tests.support.rpc import framed, recordings
from tests.support.rtorrentlanguage import LanguageStage
from tests.support.rtorrenttrust import TrustStage

RENEWED = 300                          # cases, after which a stage with all that was defined on it is a new one
XML = (b"<value>", b"</value>", b"<array><data>", b"</data></array>", b"<struct>", b"<member>", b"<name>", b"&#x0;",
       b"&lt;",
       b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"<!--", b"-->", b"<?x?>", b"<i8>", b"<i4>", b"<base64>", b"<nil/>",
       b"<boolean>",
       b"\xff", b"\0", b"\xed\xa0\x80", b"system.multicall", b"d.multicall2", b"methodName", b"d.name=", b"execute")
JSON = (b"null", b"1e999", b"\\ud800", b"\\u0000", b"jsonrpc", b"2.0", b"method", b"params", b"id", b"system.multicall",
        b"d.multicall2", b"d.name=", b"system.listMethods", b"[", b"{")
TEXTS = (b"$", b"{", b"}", b"(", b"((", b"(((", b")", b",", b";", b'"', b"\\", b"\n", b"\0", b"=", b" ", b"#", b"cat=",
         b"$cat=",
         b"branch=", b"try=", b"if=", b"not=", b"and=", b"or=", b"equal=", b"match=", b"method.insert=",
         b"method.set_key=",
         b"d.custom=", b"d.multicall2=", b"argument.0=", b"math.add=", b"elapsed.greater=", b"convert.date=", b"print=",
         b"schedule2=", b"view.filter=", b"load.raw=", b"group.insert=", b"99999999999999999999", b"0x", b"-1", b"main")


def requests() -> list[bytes]:
    raw = [case["request"].encode("latin-1").partition(b",")[2] for case in recordings("transport.json")]
    return [body for body in raw if body] + [case["request"].encode() for case in recordings("jsonrpc-0.16.20.json")]


def xml_requests() -> list[bytes]:
    return [body for body in requests() if body.lstrip().startswith(b"<")]


def json_requests() -> list[bytes]:
    return [body for body in requests() if not body.lstrip().startswith(b"<")]


class _Stages:
    """One of each, made anew now and then."""

    def __init__(self) -> None:
        self._cases = RENEWED

    def next(self) -> _Stages:
        self._cases += 1
        if self._cases > RENEWED:
            self._cases = 0
            self.trust, self.language = TrustStage(), LanguageStage()
        self.trust.restock()
        return self


_stages = _Stages()


@target("rpc.scgi", errors=(BadFraming, UnknownType), seeds=lambda: [framed(body[:300]) for body in requests()[:20]],
        tokens=(
    b"CONTENT_LENGTH\0", b"SCGI\0001\0", b"CONTENT_TYPE\0application/json\0", b":", b",", b"\0", b"\0\0", b"-1", b"+1",
            b"0",
    b"UNTRUSTED_CONNECTION\0001\0", b"99999999999"))
def _scgi(data: bytes) -> str:
    reader, found = ScgiReader(), None
    for at in range(0, len(data), 37):
        reader.feed(data[at:at + 37])
        found = reader.read()
        if found is not None:
            break
    if found is None:
        return "incomplete"
    assert int(found.headers["CONTENT_LENGTH"]) == len(found.body)
    read_request(found.body, found.headers.get("CONTENT_TYPE", ""))
    return "request"


@target("rpc.xmlrpc", errors=(Fault,), seeds=xml_requests, tokens=XML, shape=Shape.XML)
def _xmlrpc(data: bytes) -> str:
    call = parse_call(data)
    return f"{len(call.params) > 1}"


@target("rpc.jsonrpc", errors=(Rejected,), seeds=json_requests, tokens=JSON, shape=Shape.JSON)
def _jsonrpc(data: bytes) -> str:
    batch = parse_request(data)
    return f"{batch.is_list} {len(batch.entries) > 1}"


@target("rpc.xml_exchange", seeds=xml_requests, tokens=XML + TEXTS, shape=Shape.XML)
def _xml_exchange(data: bytes) -> str:
    """Asked by somebody who is not trusted with code: an answer in any case, and no code is run."""
    stage = _stages.next().trust
    request = read_request(data, "text/xml")
    request.perform(stage.calls, Trust.NO_CODE)
    answer = b"".join(request.render().parts)
    assert answer.startswith(b"<?xml") and answer.endswith(b"</methodResponse>\r\n") and not stage.sung
    return f"fault {b'faultCode' in answer}"


@target("rpc.json_exchange", seeds=json_requests, tokens=JSON + TEXTS, shape=Shape.JSON)
def _json_exchange(data: bytes) -> str:
    stage = _stages.next().trust
    request = read_request(data, "application/json")
    request.perform(stage.calls, Trust.NO_CODE)
    answer = b"".join(request.render().parts)
    assert not stage.sung
    return f"error {'error' in str(json.loads(answer))}" if answer else "nothing"


def texts() -> list[bytes]:
    return [
        b"d.name=", b"cat=a,$d.name=,\"b c\"", b"branch={d.complete=,print=yes,print=no}",
        b"method.insert=x,simple,\"cat=$argument.0=\"",
        b"((cat,((d.name)),{a,b}))", b"view.filter=main,((equal,((d.state)),((cat,1))))", b"try={d.erase=;cat=x}",
        b"d.multicall2=,main,d.name=,\"d.custom=a\"", b"math.add=1,2,$math.mul=3,4", b"elapsed.less=1,2",
        b"if=$not=1,cat=a,cat=b",
        b"match={d.name=,.*(a|b)+[[:alpha:]]{2,3}$}", b"d.custom.set=a,b;d.custom=a", b"throttle.max_uploads.set=5",
        b"execute={sh,-c,true}", b"schedule2=a,1,2,((d.start))", b"convert.date=0", b"string.replace=abc,{a,b}",
    ]


@target("rpc.text", errors=(Fault,), seeds=texts, tokens=TEXTS)
def _text(data: bytes) -> str:
    """A command text of somebody who is not trusted with code; then without an engine by somebody who is."""
    text = data.decode("utf-8", "surrogateescape")
    stages = _stages.next()
    aims = (NOTHING, *stages.trust.aims().values())
    result: object = None
    try:
        result = stages.trust.interpreter.context(Trust.NO_CODE).at(aims[len(data) % len(aims)]).text(text, many=True)
    except Fault as fault:
        result = fault
    assert not stages.trust.sung
    if not any(word in text for word in ("execute", "import")):
        stages.language.context().at(stages.language.download).text(text, many=True)
    return type(result).__name__


@target("rpc.statement", errors=(Fault,), seeds=texts, tokens=TEXTS)
def _statement(data: bytes) -> str:
    text, at, number = data.decode("utf-8", "surrogateescape"), 0, 0
    while at < len(text):
        statement = parse_statement(text, at)
        assert statement.end > at or statement.end >= len(text)
        if statement.end <= at:
            break
        at, number = statement.end, number + 1
    return f"{min(number, 3)}"


@target("rpc.pattern", errors=(Fault,), seeds=lambda: [
    b".*\0anything", b"(a|b)*c{2,5}\0abcc", b"[[:alpha:]_-]+\\d?\\w\0ab_1", b"^(?:x+x+)+y$\0" + b"x" * 40,
    b"[^a-z]\\x41\\u0042\0AB"],
    tokens=(b"(", b")", b"[", b"]", b"{", b"}", b"{1,1000}", b"*", b"+", b"?", b"|", b"\\", b"[:alpha:]", b"(?=",
            b"\\1", b"^", b"$",
            b"\0", b".", b"\\b", b"-", b"{0}", b"(?:"))
def _pattern(data: bytes) -> str:
    pattern, _, text = data.decode("utf-8", "surrogateescape").partition("\0")
    return f"{matches(pattern, text, Budget())}"


@target("rpc.rc_lines", seeds=lambda: [
    b"# comment\nsystem.umask.set = 0022\nthrottle.max_uploads.set = 5\\\n0\n",
    b"method.insert = x, simple, \"cat=a\"\r\n",
    b"schedule2 = a, 0, 0, ((print,b))\nview.add = mine\n\n", *texts()], tokens=(*TEXTS, b"\\\n", b"\r\n", b"#"))
def _rc_lines(data: bytes) -> str:
    """A configuration file, line by line as `import` runs them, without engine and programs."""
    stage = _stages.next().language
    words = set()
    for _, line in list(logical_lines(data))[:100]:
        if len(line) > MAX_LINE or b"execute" in line or b"import" in line:
            continue
        try:
            stage.context().text(line.decode("utf-8", "surrogateescape"))
            words.add("run")
        except Fault:
            words.add("fault")
    return " ".join(sorted(words))


KEPT = ("accepting_seeders", "ignore_commands", "last_active", "trackers", "views", "mode", "tied_to_file",
        "connection_seed", "state_changed", "loaded_file", "closed", "priority",
        "timestamp.started", "timestamp.finished", "max_file_size", "state_counter", "message")


def _getters(stage: TrustStage, kind: Target) -> list[str]:
    """Commands for everybody that look at a target of this kind."""
    found = (stage.registry.find(name) for name in stage.registry.names())
    return [command.name for command in found
            if command is not None and command.is_safe and command.target is kind and "multicall" not in command.name
            and command.name != "d.erase"]


@target("rpc.kept_texts", shape=Shape.JSON, tokens=(*(key.encode() for key in KEPT), *JSON, b"9" * 400, b"1e999",
                                                    b"-1"), seeds=lambda: [
    json.dumps({"trackers": '[[0,"http://a/",1,0],[1,"udp://b:1",0,1]]', "views": "mine other"}).encode(),
    json.dumps(dict.fromkeys(KEPT, "1")).encode(), json.dumps({"trackers": "[[1e999,1,1,1]]",
                                                               "tied_to_file": "~x/\0"}).encode()])
def _kept_texts(data: bytes) -> str:
    """Small texts that are kept with a torrent, and that others can set: all that reads them gets along."""
    try:
        told = json.loads(data)
    except (ValueError, RecursionError):
        return "no JSON"
    if not isinstance(told, dict):
        return "no object"
    stage, words = _stages.next().trust, set()
    for download in stage.side.downloads.all():
        texts = {key: value for key, value in told.items() if isinstance(value, str)}
        try:
            stage.side.downloads.set_texts(download, texts)
            stage.side.downloads.forget_trackers(download.info_hash)
        except Fault:
            words.add("too much")
        for kind, aim in stage.aims().items():         # nothing of the texts is about files
            if kind is Target.FILE:
                continue
            for name in _getters(stage, kind):
                try:
                    render_answer(answered(stage.interpreter.call(stage.interpreter.context(Trust.SAFE).at(aim), name)))
                except Fault as fault:
                    words.add(f"{fault.code}")
        for key in texts:
            try:
                stage.side.downloads.set_texts(download, {key: None})
            except Fault:
                pass
    return " ".join(sorted(words))
