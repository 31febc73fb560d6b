"""Every answer of ours that is another than rTorrent's, one by one, and why.

The list is exact: an answer that differs and is not here is a mistake of ours, and so is one that is here and differs
no more. Only what depends on chance may be either way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import NamedTuple

_ALL_NAMES = "the names of 0.9.8, 0.16 and before 0.9 together"
_EMPTY_TARGET = "an empty target is taken, as 0.16 does"
_SUPER_SEEDING = "d.connection_seed.set is there for everybody, as in 0.16, where it answers nothing"
_BOTH_GENERATIONS = "scripts and configurations have these names: they are understood whatever is claimed"
_SORTED = "files of a pattern come sorted; rTorrent takes them from a heap"
_REPLACEMENT = "U+FFFD, not a question mark"
_SHUFFLED = "trackers of a tier are shuffled when they are loaded"
_ONE_OF_A_TIER = "while one tracker of a tier answers, the others are not asked: chance has one asked before"


class Listed(NamedTuple):
    """`step` is the line of a recording and the method, or the label of a raw request; `what` is found in the words
    that tell of the difference (a regular expression)."""

    step: str
    what: str
    reason: str
    by_chance: bool = False


LISTED: dict[str, tuple[Listed, ...]] = {
    "two_instances.jsonl": (
        Listed("101 file", r", now \['inserted (echo\.bin) (complete=0) (hashing=0) left=2000000', "
               r"'hash_queued \1 \2 hashing=1 left=2000000', 'inserted_new \1 \2 hashing=1 left=2000000', "
               r"'opened \1 \2 hashing=1 left=2000000', 'resumed \1 \2 \3 left=\d+', 'hash_done \1 \2 \3 left=\d+', "
               r"'paused \1 \2 \3 left=0', 'hash_removed \1 \2 \3 left=0', 'closed \1 \2 \3 left=0', "
               r"'hash_queued \1 \2 hashing=2 left=0', 'opened \1 \2 hashing=2 left=0', "
               r"'finished \1 complete=1 \3 left=0', 'resumed \1 complete=1 \3 left=0'",
               "the first pieces may be here when the handlers run that hear that they may come", by_chance=True),
    ),
    "flood.jsonl": (
        Listed("1 system.listMethods", "735 values, now", _ALL_NAMES),
        Listed("19 system.multicall", "^0: struct 2 values, now array 1 values$", _SUPER_SEEDING),
        Listed("29 d.multicall2", r"^5\.8: string '', now string 'initial_seed'$", _SUPER_SEEDING),
    ),
    "getters.jsonl": (
        Listed("678 t.activity_time_next", "now i8 0$", _ONE_OF_A_TIER, by_chance=True),
        Listed("679 t.activity_time_next", "now i8 0$", _ONE_OF_A_TIER, by_chance=True),
        Listed("698 t.failed_time_next", "now i8 0$", _ONE_OF_A_TIER, by_chance=True),
        Listed("699 t.failed_time_next", "now i8 0$", _ONE_OF_A_TIER, by_chance=True),
        Listed("757 t.normal_interval", r"i8 1800, now i8 \d+$", _SHUFFLED, by_chance=True),
        Listed("758 t.normal_interval", r"i8 1800, now i8 \d+$", _SHUFFLED, by_chance=True),
        Listed("812 system.listMethods", "735 values, now", _ALL_NAMES),
        Listed("815 system.methodHelp", "'No help is available for this method.', now string 'Its name.'",
               "there is help"),
        Listed("1217 throttle.up.max", "i8 0, now i8 5120",
               "a named throttle holds without a limit of all, too; rTorrent's does not"),
        Listed("1348 execute", "fault -503 'Bad return code.', now i8 0", _EMPTY_TARGET),
        Listed("1406 cat", r"string '\?\?', now string", _REPLACEMENT),
    ),
    "getters-0.16.20.jsonl": (
        Listed("1101 download_list", "", "they came into the view in the order in which they were checked",
               by_chance=True),
        Listed("1391 system.listMethods", "894 values, now", _ALL_NAMES),
        Listed("1665 execute2", "'execute2' not defined\", now i8 0", _BOTH_GENERATIONS),
        Listed("1675 schedule2", "'schedule2' not defined\", now fault -500 'Wrong number", _BOTH_GENERATIONS),
        Listed("1676 schedule2", "'schedule2' not defined\", now fault -500 'Could not parse", _BOTH_GENERATIONS),
        Listed("1677 schedule_remove2", "'schedule_remove2' not defined\", now i8 0", _BOTH_GENERATIONS),
        Listed("1714 d.start", "to value command.', now fault -500 'Target of wrong type to generic command.'",
               "there d.start is made of two commands, and the first of them tells"),
        Listed("1724 cat", "^answer: unparsable", "U+FFFD: there the answer is no XML"),
    ),
    "jsonrpc-0.16.20.json": (
        Listed("t target", "6970/announce", _SHUFFLED),
        Listed("system.listMethods", "", _ALL_NAMES),
        Listed("gzip offered", "", _ALL_NAMES),
        Listed("gzip ACCEPT_ENCODING", "", _ALL_NAMES),
        Listed("content type text/xml with json body", "Error=XML_ERROR_PARSING_TEXT.*, now .*Call is not valid XML",
               "the words of another parser"),
        Listed("load.start_throw", "method not found.*, now .*Could not open file",
               "it is understood, as in other builds of rTorrent"),
        Listed("non-utf8 name bytes raw request", "ill-formed UTF-8 byte.*, now .*result",
               "bytes that are no UTF-8 are taken in JSON as they are in XML"),
    ),
    "rutorrent.jsonl": (
        Listed("32 branch", "string 'initial_seed', now string ''", _SUPER_SEEDING),
    ),
    "builtin_views.jsonl": (
        Listed("53 download_list", "1 values, now 0",
               "rTorrent forgets to look at its view when a paused download is stopped"),
    ),
    "load_glob.jsonl": (
        Listed("5 download_list", "5339763DCF.*, now .*1DE49452D0", _SORTED),
        Listed("6 d.multicall2", "Fóxtrot.*, now .*alpha", _SORTED),
        Listed("8 d.multicall2", "Fóxtrot.*, now .*alpha", _SORTED),
    ),
    "settings.jsonl": (
        Listed("296 directory", "fault -503 'Wrong object type.', now string", _EMPTY_TARGET),
    ),
    "throttles.jsonl": (
        Listed("17 upload_rate", "fault -503 'Wrong object type.', now i4 0", _EMPTY_TARGET),
        Listed("18 throttle.global_up.max_rate", "i8 7168, now i8 8192", "an empty target was taken, as 0.16 does"),
    ),
    "transport.json": (
        Listed("longer body than length", "TimeoutError.*, now .*200 OK",
               "0.9.8 hangs; what is too much is dropped, as 0.16 does"),
        Listed("control char in answer", r"a\\x01b.*, now .*<string>ab", "XML forbids it: it is left out"),
        Listed("invalid utf8 in answer", r"abc\?\?\?", _REPLACEMENT),
    ),
}

# The real program when it is asked again, by method; 0.9.8 only.
_ASKED_AGAIN = (
    (r"^(t\.url|t\.multicall)$", "announce", _SHUFFLED),
    (r"^t\.(activity|failed)_time_next$", "", _ONE_OF_A_TIER),
    (r"^t\.normal_interval$", "", _SHUFFLED),
    (r"^d\.peers_(connected|complete)$", "i8 0, now i8 1", "links are made, and ended, at other moments"),
    (r"^system\.daemon$", "", "a replayed rTorrent has no terminal"),
)


def reason_for(recording: str, step: str, found: Iterable[str]) -> str:
    """Why this answer of ours differs; empty when it is not listed."""
    what = "; ".join(found)
    for listed in LISTED.get(recording, ()):
        if listed.step == step and re.search(listed.what, what):
            return listed.reason
    return ""


def reason_of_theirs(name: str, found: Iterable[str]) -> str:
    """Why the real program answers otherwise than when it was recorded."""
    what = "; ".join(found)
    return next((reason for of_name, of_difference, reason in _ASKED_AGAIN
                 if re.search(of_name, name) and re.search(of_difference, what)), "")


def stale(recording: str, steps: Iterable[str]) -> list[str]:
    """The steps that are listed and are not among `steps`, which differ: what is said of them is not so any more."""
    differing = set(steps)
    return [listed.step for listed in LISTED.get(recording, ())
            if not listed.by_chance and listed.step not in differing]
