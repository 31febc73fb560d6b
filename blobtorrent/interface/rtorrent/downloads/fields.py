"""d.custom*, d.timestamp.*: what clients keep with a download, and when it did what."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.downloads.download import FIELD, Download, text_reader
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.making import command, getter, number_setter, reading, text_setter
from blobtorrent.interface.rtorrent.faults import failed, wrong_type
from blobtorrent.interface.rtorrent.registry import Command, Read
from blobtorrent.interface.rtorrent.values import Value, one_number, one_text, text_of, to_text

NUM_NUMBERED = 5


def commands(downloads: Downloads) -> Iterator[Command]:
    for number in range(1, NUM_NUMBERED + 1):
        yield from _numbered(downloads, f"custom{number}")
    yield from _named(downloads)
    yield from _times(downloads)


def _numbered(downloads: Downloads, key: str) -> Iterator[Command]:

    def change(download: Download, text: str) -> None:
        downloads.set_texts(download, {key: text or None})

    yield getter(f"d.{key}", text_reader(key), "A text of its owner.", returns="string")
    yield text_setter(f"d.{key}.set", change, "Keeps a text with it.", echoes=True)


def _named(downloads: Downloads) -> Iterator[Command]:

    def read_of(args: Sequence[Value]) -> Read:
        return text_reader(FIELD + one_text(args))

    def read(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        return read_of(args)(download)

    def require(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        key = FIELD + one_text(args)
        if not download.has(key):
            raise failed("No such custom value.")
        return download.text(key)

    def read_or(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        if len(args) != 2:
            raise wrong_type()
        return download.text(FIELD + to_text(args[0])) or text_of(args[1])

    def write(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        if not args:
            raise failed("Missing key argument.")
        if len(args) < 2:
            raise failed("Missing value argument.")
        downloads.set_texts(download, {FIELD + to_text(args[0]): text_of(args[1])})
        return None

    def fields(name: str, show: Callable[[dict[str, str]], Value], doc: str, returns: str) -> Command:

        def read_all(_context: Context, download: Download, args: Sequence[Value]) -> Value:
            if args:
                raise failed("d.custom.keys/items takes no arguments.")
            if not download.fields:
                raise failed("Object operator [custom] could not find element")
            return show(download.fields)

        return command(name, read_all, doc, returns=returns)._replace(is_safe=True)

    yield command("d.custom", read, "KEY: a field of its owner; empty when there is none.", returns="string"
                  )._replace(is_safe=True, bind=reading(read_of))
    yield command("d.custom_throw", require, "KEY: the same; a fault when there is none.", returns="string")
    yield command("d.custom.if_z", read_or, "KEY, VALUE: the same, or the value when it is empty.", returns="string")
    yield command("d.custom.set", write, "KEY, VALUE: keeps a field with it.")
    yield fields("d.custom.keys", lambda found: list[Value](found), "The keys of all fields.", "array")
    yield fields("d.custom.items", lambda found: dict[str, Value](found), "All fields.", "struct")


def _times(downloads: Downloads) -> Iterator[Command]:
    yield from _time(downloads, "started", lambda download: 0)
    yield from _time(downloads, "finished", lambda download: int(download.status.finished_at))
    yield getter("d.timestamp.last_active", lambda download: max(download.moved_at, download.number("last_active")),
                 "When payload came or went last, in seconds since 1970; 0 for never.")


def _time(downloads: Downloads, word: str, known: Callable[[Download], int]) -> Iterator[Command]:
    name, key = f"d.timestamp.{word}", f"timestamp.{word}"

    said = text_reader(key)

    def read(download: Download) -> int:
        return said(download) and download.number(key) or known(download)

    def write(download: Download, value: int) -> None:
        downloads.set_texts(download, {key: str(value)})

    def write_if_zero(download: Download, value: int) -> None:
        if not read(download):
            write(download, value)

    def is_later(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        return int(read(download) > one_number(args))

    yield getter(name, read, f"When it was first {word}, in seconds since 1970; 0 for never.")
    yield getter(f"{name}.or_zero", read, "The same.")
    yield command(f"{name}.elapsed", is_later, f"TIME: whether it was first {word} later than that.", returns="i8")
    yield number_setter(f"{name}.set", write, "Says otherwise.")
    yield number_setter(f"{name}.set_if_z", write_if_zero, "Says so unless it is known.")
