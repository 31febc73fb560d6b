"""The language of the rTorrent interface without an engine: its commands, and one download that is played."""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from blobtorrent.interface.rtorrent import aliases
from blobtorrent.interface.rtorrent.calls import Calls
from blobtorrent.interface.rtorrent.commands import arithmetic, conversions, language, methods, texts
from blobtorrent.interface.rtorrent.context import NOTHING, Aim, Context, Target, Trust
from blobtorrent.interface.rtorrent.faults import Fault, failed, no_such_download, unsupported_target
from blobtorrent.interface.rtorrent.language.evaluate import Interpreter
from blobtorrent.interface.rtorrent.rcfile import RcFiles
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.store import Kind, Store
from blobtorrent.interface.rtorrent.values import Value, answered, one_text, to_text

INFO_HASH = "5339763DCFCA6A79D5EE1CC5DCDE7667E4708227"
NOW_S = 1_800_000_000
_APPENDED = re.compile(r"echo (\S+) \$1 >> (\S+)")


class LanguageStage:
    """What is called is in `log` (of `print`, of swallowed faults) and `files` (of programs that write a line)."""

    def __init__(self) -> None:
        self.download = Aim(Target.DOWNLOAD, PlayedDownload())
        self.registry = Registry()
        self.store = Store(self.registry)
        self.log: list[str] = []
        self.files: dict[str, list[str]] = {}
        self.interpreter = Interpreter(self.registry, self.log.append)
        self.rc = RcFiles()
        for commands in (language.commands(), methods.commands(self.registry, self.store),
                         arithmetic.commands(lambda: NOW_S), conversions.commands(lambda: NOW_S), self.rc.commands(),
                         texts.commands(),                          played_download(self.download)):
            self.registry.extend(commands)
        self.registry.add(Command("execute.nothrow", Target.NONE, self._execute, "i8", is_code=True))
        self.store.define("throttle.max_uploads", Kind.VALUE, 50, is_static=True)
        self.store.define("session.name", Kind.STRING, "bt-host", is_static=True)
        aliases.install(self.registry)
        self.calls = Calls(self.interpreter, self._aim_of)

    def context(self, trust: Trust = Trust.FULL) -> Context:
        return self.interpreter.context(trust)

    def text(self, text: str, *, many: bool = False, aim: Aim = NOTHING) -> Value:
        """The result of a text. Raises Fault."""
        return answered(self.context().at(aim).text(text, many=many))

    def call(self, name: str, *params: Any, trust: Trust = Trust.FULL) -> Value:
        """The answer to a request. Raises Fault."""
        return answered(self.calls.answer(name, params, trust))

    def fault(self, text: str) -> str:
        """What a text fails with."""
        try:
            result = self.text(text)
        except Fault as fault:
            return fault.text
        raise AssertionError(f"{text} answers {result!r}")

    def _aim_of(self, text: str) -> Aim:
        if text != INFO_HASH:
            raise unsupported_target() if len(text) < len(INFO_HASH) else no_such_download()
        return self.download

    def _execute(self, context: Context, item: Any, args: Sequence[Value]) -> Value:
        """`sh -c 'echo WORD $1 >> PATH' x ARGUMENT`."""
        found = _APPENDED.match(to_text(args[2]))
        assert found is not None
        self.files.setdefault(found.group(2), []).append(f"{found.group(1)} {to_text(args[4])}")
        return 0


class PlayedDownload:
    """As the recorded one was: complete in nothing, of one file and one tracker."""

    def __init__(self) -> None:
        self.fields: dict[str, Value] = {
            "d.hash": INFO_HASH, "d.name": "Fóxtrot ünï.txt", "d.complete": 0, "d.is_multi_file": 0, "d.is_open": 0,
            "d.size_bytes": 50_000, "d.left_bytes": 50_000, "d.custom1": "abc", "d.custom2": "", "d.custom3": "",
            "d.priority": 2, "d.priority_str": "normal", "d.creation_date": 0, "d.timestamp.started": 0, "d.views": []}
        self.custom: dict[str, Value] = {}


_FILE: dict[str, Value] = {"f.path": "Fóxtrot ünï.txt", "f.size_bytes": 50_000}
_TRACKER: dict[str, Value] = {"t.url": "http://127.0.0.1:9/announce", "t.is_enabled": 1, "t.scrape_complete": 0}


def played_download(download: Aim) -> Iterator[Command]:
    for name in download.item.fields:
        yield Command(name, Target.DOWNLOAD, _reading(name), "any")
        yield Command(f"{name}.set", Target.DOWNLOAD, _writing(name), "any")
    for kind, fields in ((Target.FILE, _FILE), (Target.TRACKER, _TRACKER)):
        for name, value in fields.items():
            yield Command(name, kind, _constant(value), "any")
    yield Command("d.custom", Target.DOWNLOAD, _get_custom, "string")
    yield Command("d.custom.set", Target.DOWNLOAD, _set_custom, "none")
    yield Command("d.views.has", Target.DOWNLOAD, lambda context, item, args: 0, "i8")
    yield Command("d.multicall2", Target.NONE, _rows(download), "array")
    yield Command("f.multicall", Target.DOWNLOAD, _rows(Aim(Target.FILE, None)), "array")
    yield Command("t.multicall", Target.DOWNLOAD, _rows(Aim(Target.TRACKER, None)), "array")
    yield Command("system.time_seconds", Target.NONE, lambda context, item, args: NOW_S, "i8")


def _rows(aim: Aim) -> Callable[[Context, Any, Sequence[Value]], Value]:
    def run(context: Context, item: Any, args: Sequence[Value]) -> Value:
        inner = context.at(aim)
        return [[inner.text(to_text(column)) for column in args[1:]]]
    return run


def _constant(value: Value) -> Callable[[Context, Any, Sequence[Value]], Value]:
    return lambda context, item, args: value


def _reading(name: str) -> Callable[[Context, Any, Sequence[Value]], Value]:
    return lambda context, item, args: item.fields[name]


def _writing(name: str) -> Callable[[Context, Any, Sequence[Value]], Value]:
    def write(context: Context, item: PlayedDownload, args: Sequence[Value]) -> Value:
        if isinstance(item.fields[name], int):
            raise failed("Not a value.")
        item.fields[name] = one_text(args)
        return item.fields[name]
    return write


def _get_custom(context: Context, item: PlayedDownload, args: Sequence[Value]) -> Value:
    return item.custom.get(one_text(args), "")


def _set_custom(context: Context, item: PlayedDownload, args: Sequence[Value]) -> Value:
    if len(args) < 2:
        raise failed("Missing value argument.")
    item.custom[to_text(args[0])] = to_text(args[1])
    return None


def sent(value: Any) -> Any:
    """A parameter of a recording."""
    if isinstance(value, dict) and "$b64" in value:
        return base64.b64decode(value["$b64"]).decode("utf-8", "surrogateescape")
    if isinstance(value, dict) and "$i8" in value:
        return value["$i8"]
    return [sent(part) for part in value] if isinstance(value, list) else value


def recorded(value: Any) -> Any:
    """An answer of a recording; no value is 0 there."""
    if value["t"] == "array":
        return [recorded(part) for part in value["v"]]
    if value["t"] == "struct":
        return {key: recorded(part) for key, part in value["v"].items()}
    return value["v"]


def on_the_wire(value: Value) -> Value:
    """An answer of ours as a recording shows it."""
    if value is None:
        return 0
    if isinstance(value, list):
        return [on_the_wire(part) for part in value]
    return {key: on_the_wire(part) for key, part in value.items()} if isinstance(value, dict) else value
