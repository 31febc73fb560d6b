"""f.*: the files of a download."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

from blobtorrent.interface.rtorrent.claimed import GENERATION_9, Generation
from blobtorrent.interface.rtorrent.context import Target
from blobtorrent.interface.rtorrent.downloads.aiming import FileAim
from blobtorrent.interface.rtorrent.downloads.download import CREATE, FIRST, LAST, RESIZE
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.forms import FORMS, real_paths, with_forms
from blobtorrent.interface.rtorrent.downloads.making import action, getter, number_setter
from blobtorrent.interface.rtorrent.faults import failed, wrong_target
from blobtorrent.interface.rtorrent.language.columns import Needs
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value

MAX_PRIORITY = 2


def commands(downloads: Downloads, generation: Generation = GENERATION_9) -> Iterator[Command]:
    """All but f.multicall."""

    def number(name: str, read: Callable[[FileAim], int], doc: str, *, needs: Needs = Needs.STATE) -> Command:
        return getter(name, read, doc, target=Target.FILE, needs=needs)

    yield number("f.completed_chunks", lambda aim: aim.rows.num_done(aim.place), "Completed pieces of the file.")
    yield number("f.is_created", lambda aim: int(_is_there(aim)), "Whether the file is there on disk.",
                 needs=Needs.LOOK)
    yield number("f.is_open", lambda aim: int(aim.download.is_open), "Whether the file is open, as its download is.")
    yield number("f.last_touched", _last_touched, "When the file was changed last, in microseconds since 1970.",
                 needs=Needs.LOOK)
    yield number("f.match_depth_next", lambda aim: aim.rows.shared_with(aim.place, aim.place + 1),
                 "How many parts of its path the next file shares.")
    yield number("f.match_depth_prev", lambda aim: aim.rows.shared_with(aim.place, aim.place - 1),
                 "How many parts of its path the file before shares.")
    yield number("f.offset", lambda aim: aim.rows.offset(aim.place), "Bytes of the torrent before the file.")
    yield number("f.path_depth", lambda aim: len(aim.rows.components(aim.place)), "How many parts the path has.")
    yield number("f.prioritize_first", lambda aim: int(aim.rows.prefers(FIRST, aim.place)),
                 "Whether the beginning of the file is preferred.")
    yield number("f.prioritize_last", lambda aim: int(aim.rows.prefers(LAST, aim.place)),
                 "Whether the end of the file is preferred.")
    yield number("f.priority", lambda aim: aim.rows.priority(aim.place), "How much it is wanted: 0, 1 or 2.")
    yield number("f.range_first", lambda aim: aim.rows.pieces(aim.place).start, "The first piece of the file.")
    yield number("f.range_second", lambda aim: aim.rows.pieces(aim.place).stop, "The piece after the last of the file.")
    yield number("f.size_bytes", lambda aim: aim.rows.size_bytes(aim.place), "Size of the file.")
    yield number("f.size_chunks", lambda aim: len(aim.rows.pieces(aim.place)), "Pieces that hold any of the file.")
    yield from _queueing(downloads, generation)

    def set_priority(aim: FileAim, priority: int) -> None:
        if not 0 <= priority <= MAX_PRIORITY:
            raise failed("Invalid value.")
        if not aim.download.status.lacks_metadata:
            downloads.wish_priority(aim.download, aim.rows.number(aim.place), priority)

    yield number_setter("f.priority.set", set_priority,
                        "How much the file is wanted: 0 off, 1 normal, 2 high. It counts from d.update_priorities on.",
                        target=Target.FILE)
    for end, key in (("first", FIRST), ("last", LAST)):
        yield _preferring(f"f.prioritize_{end}.enable", key, True)
        yield _preferring(f"f.prioritize_{end}.disable", key, False)
    yield getter("f.path", lambda aim: "/".join(aim.rows.components(aim.place)), "Path below the torrent's folder.",
                 target=Target.FILE, returns="string")
    yield from with_forms("f.frozen_path", lambda aim: aim.rows.path_on_disk(aim.place),
                          "Path on disk; empty until the download was opened.", target=Target.FILE)
    yield from real_paths("f.frozen_path", lambda aim: aim.rows.path_on_disk(aim.place), target=Target.FILE)
    yield getter("f.path_components", lambda aim: list[Value](aim.rows.components(aim.place)),
                 "The parts of the path.", target=Target.FILE, returns="array")
    for suffix, (write, words) in FORMS.items():
        yield getter(f"f.path_components.{suffix}", _each(write), f"The parts of the path, {words}.",
                     target=Target.FILE, returns="array")
    for name in ("fi.filename_last", "fi.is_file"):
        yield action(name, _no_iterator, "Refused: there is no screen that walks through files.", target=Target.FILE,
                     is_neutral=True)


def _queueing(downloads: Downloads, generation: Generation) -> Iterator[Command]:
    """What is done about a file when its download is opened next."""

    def is_to_be_created(aim: FileAim) -> int:
        usual = aim.download.was_opened and not (generation.tells_created and _is_there(aim))
        return _is_queued(aim, CREATE, usual)

    yield getter("f.is_create_queued", is_to_be_created, "Whether the file is to be created when its download is "
                 "opened next, or was to be; 0.9.8 says so of all that were opened.", target=Target.FILE,
                 needs=Needs.LOOK)
    yield getter("f.is_resize_queued", lambda aim: _is_queued(aim, RESIZE, aim.download.was_opened),
                 "Whether it is to be given its size then, or was to be.", target=Target.FILE)
    docs = {CREATE: "has the file made when its download is opened next, though nothing was written to it yet; one "
                    "that nobody wants is not",
            RESIZE: "has it given its whole length then, with holes where nothing was written yet"}
    for what, doc in docs.items():
        for word, is_queued in (("set", True), ("unset", False)):

            def queue(aim: FileAim, _number: int, what: str = what, is_queued: bool = is_queued) -> None:
                if not aim.download.status.lacks_metadata:
                    downloads.queue_file(aim.download, what, aim.rows.number(aim.place), is_queued)

            yield number_setter(
                f"f.{word}_{what}_queued", queue, f"NUMBER, which does not matter: {doc}." if is_queued else
                f"NUMBER, which does not matter: takes f.set_{what}_queued back.", target=Target.FILE)


def _is_queued(aim: FileAim, what: str, usual: bool) -> int:
    queued = aim.download.files_queued
    return int(queued.get((what, aim.rows.number(aim.place)), usual) if queued else usual)


def _preferring(name: str, key: str, is_preferred: bool) -> Command:
    return action(name, lambda aim: aim.rows.prefer(key, aim.place, is_preferred),
                  f"Has that end of the file wanted {'first' if is_preferred else 'no more than the rest'}, from "
                  "d.update_priorities on.", target=Target.FILE)


def _each(write: Callable[[str], str]) -> Callable[[FileAim], list[Value]]:
    return lambda aim: [write(part) for part in aim.rows.components(aim.place)]


def _is_there(aim: FileAim) -> bool:
    return os.path.lexists(aim.rows.path_on_disk(aim.place))


def _last_touched(aim: FileAim) -> int:
    try:
        return os.stat(aim.rows.path_on_disk(aim.place)).st_mtime_ns // 1000
    except OSError:
        return 0


def _no_iterator(_aim: FileAim) -> None:
    raise wrong_target()
