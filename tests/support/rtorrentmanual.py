"""The parts of blobtorrent-rtorrent(7) that come from the code: `python -m tests.support.rtorrentmanual` puts them in.

They are between comments that say so; what stands outside of these is written by hand.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from blobtorrent.interface.rtorrent.context import Target
from blobtorrent.interface.rtorrent.registry import Command, Registry
from blobtorrent.interface.rtorrent.rules import Rules
from blobtorrent.interface.rtorrent.service import Machinery, Surroundings
from blobtorrent.interface.rtorrent.session.system import Claims
from blobtorrent.interface.rtorrent.turns import Turns
from tests.support.desk import PlayedDesk
from tests.support.source import ROOT

PAGE = ROOT / "man" / "blobtorrent-rtorrent.7"

_PART = re.compile(r'(\.\\" BEGIN (\w+), made by tests/support/rtorrentmanual\.py\n).*?(\.\\" END \2\n)', re.DOTALL)

# Headings: the first word of a name, and what its commands are about; others stand under the last one.
HEADINGS = {
    "d": "d.*: downloads",
    "f": "f.*: files of a download",
    "p": "p.*: peers of a download",
    "t": "t.*: trackers of a download",
    "load": "load.*: new downloads",
    "view": "view.*: lists of downloads",
    "event": "event.*: what is run when something happens",
    "method": "method.*: commands of one's own",
    "throttle": "throttle.*: limits",
    "network": "network.*: connections",
    "pieces": "pieces.*: memory, disks and checks",
    "protocol": "protocol.*: how we speak to peers",
    "dht": "dht.*: the distributed hash table",
    "trackers": "trackers.*: all trackers",
    "directory": "directory.*: folders",
    "session": "session.*: what is kept",
    "system": "system.*: the daemon and its machine",
    "execute": "execute.*: programs",
    "schedule": "schedule.*: what is run at times",
    "group": "group.*: ratio groups",
    "group2": "group2.*: bounds of ratio groups",
    "choke_group": "choke_group.*: who may send",
    "log": "log.*: log files",
    "file": "file.*: files",
    "ipv4_filter": "ipv4_filter.*: addresses that are kept out",
    "ip_tables": "ip_tables.*: tables of addresses",
    "strings": "strings.*: words",
    "enum": "enum.*: numbers of words",
    "convert": "convert.*: numbers for people",
    "math": "math.*: numbers",
    "string": "string.*: texts",
    "elapsed": "elapsed.*: times",
    "argument": "argument.*: what a method was given",
    "ui": "ui.*: the screen, which there is none of",
}
REST = "Other commands"
_WHEN = {
    "closed": "a download was closed", "opened": "the files of one were opened", "paused": "one stopped to transfer",
    "resumed": "one began to transfer", "finished": "one became complete", "erased": "one is removed",
    "hash_done": "one was checked", "hash_failed": "one could not be checked",
    "hash_final_failed": "the check of a complete one found bad pieces", "hash_queued": "one waits to be checked",
    "hash_removed": "one no longer does", "inserted": "there is another one",
    "inserted_new": "one was added, after the commands that came with it",
    "inserted_session": "one is known again from the last run",
}
_EVENTS = {
    **{f"event.download.{name}": f"Handlers by key: run when {when}." for name, when in _WHEN.items()},
    "event.system.startup_done": "Handlers by key: run when the daemon has started.",
    "event.system.shutdown": "Handlers by key: run when the daemon begins to end.",
    "event.view.show": "Handlers by key: run after ui.current_view.set, with the name of the view before.",
    "event.view.hide": "Handlers by key: run before ui.current_view.set shows another, with its name.",
}
_OF_GROUPS = {
    "view": "its view.", "ratio.min": "percent that must have been sent, of what is there.",
    "ratio.max": "percent above which nothing else matters.", "ratio.upload": "bytes that must have been sent, too.",
    "ratio.enable": "begins to look at its downloads, every minute.", "ratio.disable": "looks at them no more.",
    "ratio.command": "what is run on those that have done enough.",
}
_TARGETS = {Target.DOWNLOAD: "download", Target.FILE: "file", Target.PEER: "peer", Target.TRACKER: "tracker",
            Target.PAIR: "two downloads"}
_RETURNS = {"none": "", "i8": "number", "string": "text", "array": "list", "struct": "map",
            "base64": "bytes", "any": "anything"}


def registry() -> Registry:
    """Every command of the daemon. Nothing behind them runs."""
    return Machinery(Surroundings(Turns(), PlayedDesk(), folder="", claims=Claims(), rules=Rules())).registry


def with_parts(page: str, commands: Registry) -> str:
    """The page with its made parts as they should be."""
    parts = {"commands": _commands(commands), "aliases": _aliases(commands)}
    made = {name: "".join(f"{line}\n" for line in lines) for name, lines in parts.items()}
    return _PART.sub(lambda found: found[1] + made[found[2]] + found[3], page)


def shown_commands(commands: Registry) -> list[Command]:
    """Those that are no matter of their authors alone, by name."""
    return sorted((command for command in commands.commands() if command.is_public), key=lambda command: command.name)


def _commands(commands: Registry) -> Iterator[str]:
    by_heading: dict[str, list[Command]] = {}
    for command in shown_commands(commands):
        word, dot, _ = command.name.partition(".")
        by_heading.setdefault(HEADINGS.get(word, REST) if dot else REST, []).append(command)
    for heading in (*HEADINGS.values(), REST):
        if heading not in by_heading:
            continue
        yield f".Ss {heading}"
        yield ".Bl -tag -width Ds -compact"
        for command in by_heading[heading]:
            yield f".It Ic {command.name}"
            yield from _text(_describe(command))
        yield ".El"


def _describe(command: Command) -> str:
    """What it does, then in brackets what it needs and answers, and who may call it."""
    notes = [
        f"of a {_TARGETS[command.target]}" if command.target in _TARGETS else "",
        _RETURNS.get(command.returns, command.returns),
        "neutral" if command.is_neutral else "",
        "code" if command.is_code else "",
        "safe" if command.is_safe else "",
    ]
    shown = ", ".join(filter(None, notes))
    doc = command.doc or _doc_of_method(command.name)
    return f"{doc} ({shown})" if shown else doc


def _doc_of_method(name: str) -> str:
    """Of one that is made of other commands when the daemon starts."""
    if name in _EVENTS:
        return _EVENTS[name]
    kind, _, rest = name.partition(".")
    doc = _OF_GROUPS[rest.partition(".")[2].removesuffix(".set")]
    return f"{'Sets' if name.endswith('.set') else 'Of the group'} {rest.partition('.')[0]}: {doc}"


def _aliases(commands: Registry) -> Iterator[str]:
    names: dict[str, list[str]] = {}
    for alias, name in commands.redirects():
        names.setdefault(name, []).append(alias)
    yield ".Bl -tag -width Ds -compact"
    for name in sorted(names):
        yield f".It Ic {name}"
        yield from _text(" ".join(sorted(names[name])))
    yield ".El"


def _text(text: str) -> Iterator[str]:
    """Lines of a page; every sentence begins one, as mdoc wants it."""
    for sentence in re.split(r"(?<=[.:;]) (?=[A-Z(])", text):
        line = ""
        for word in sentence.replace("\\", "\\e").split():
            if line and len(line) + len(word) > 78:
                yield _safe(line)
                line = ""
            line = f"{line} {word}" if line else word
        if line:
            yield _safe(line)


def _safe(line: str) -> str:
    return f"\\&{line}" if line[0] in ".'" else line


if __name__ == "__main__":
    PAGE.write_text(with_parts(PAGE.read_text(), registry()))
