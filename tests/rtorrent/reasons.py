"""What is answered in another way than rTorrent 0.9.8 does, on purpose, and why."""

from __future__ import annotations

import re
from typing import Any

# Patterns of the method (or the label of a raw request), of its parameters and of the difference.
_REASONS = (
    # ---- ours on purpose
    (r"^(execute|schedule|schedule_remove|upload_rate|download_rate|directory)$", r"^\[''", "",
     "an empty target is taken, as 0.16 does"),
    (r"^throttle\.global_up\.max_rate$", "", "i8 7168, now i8 8192", "an empty target was taken, as 0.16 does"),
    (r"^longer body than length$", "", "", "0.9.8 hangs; what is too much is dropped, as 0.16 does"),
    (r"^control char in answer$", "", "", "XML forbids it: it is left out"),
    (r"^invalid utf8 in answer$", "", "", "U+FFFD, not a question mark"),
    (r"^cat$", r"//4=", "", "U+FFFD, not a question mark"),
    (r"^system\.listMethods$", "", "", "the names of 0.9.8, 0.16 and before 0.9 together"),
    (r"^system\.methodHelp$", "", "No help", "there is help"),
    (r"^download_list$", "seeding", "1 values, now 0",
     "rTorrent forgets to look at its view when a paused download is stopped"),
    (r"^(download_list|d\.multicall2)$", "", r"^(0|0\.0): .*(5339763DCF|Fóxtrot).*, now .*(1DE49452D0|alpha)",
     "files of a pattern come sorted; rTorrent takes them from a heap"),
    (r"^load\.start_throw$", "", "", "it is understood, as in other builds of rTorrent"),
    # ---- another engine
    (r"^pieces\.memory\.max$", "", "", "the memory for pieces is what storage.memory_budget says"),
    (r"^pieces\.sync\.safe_free_diskspace$", "", "", "the space that is left is what storage.reserve says"),
    (r"^throttle\.up\.max$", "slowup", "", "a named throttle holds without a limit of all, too; rTorrent's does not"),
    (r"^t\.(activity|failed)_time_next$", ":t[12]", "now i8 0",
     "while one tracker of a tier answers, the others are not asked"),
    (r"^t\.multicall$", "", r"^1\.10: ", "how often trackers failed until then"),
    (r"^file$", "", r"hash_queued echo\.bin", "handlers run a moment later, and see what is so by then"),
    (r"^d\.peers_(connected|complete)$", "379198BFDB", "i8 0, now i8 1", "links are made, and ended, at other moments"),
    (r"^content type text/xml with json body$", "", "", "the words of another parser"),
    (r"^gzip (ACCEPT_ENCODING|offered)$", "", "", "the names of 0.9.8, 0.16 and before 0.9 together"),
    (r"^t\.normal_interval$", r":t[01]'", r"i8 1800, now i8 \d+$",
     "trackers of a tier are shuffled when they are loaded"),
    (r"^t target$", "", r"announce", "trackers of a tier are shuffled when they are loaded"),
    (r"^(system\.multicall|branch|d\.multicall2)$", r"connection_seed", r"initial_seed|0: struct 2 values, now array",
     "d.connection_seed.set is there for everybody, as in 0.16, where it answers nothing"),
    (r"^(json content type, xml body|garbage|non-utf8 name bytes raw request)$", "", "parse error",
     "the words of another parser"),
    # ---- the real program when it is asked again
    (r"^(t\.url|t\.multicall)$", "", r"announce", "trackers of a tier are shuffled when they are loaded"),
    (r"^system\.daemon$", "", "", "a replayed rTorrent has no terminal"),
)

# The same for 0.16.20, which is asked the same questions.
_REASONS_OF_16 = (
    (r"^(execute2|schedule2|schedule_remove2)$", "", "not defined",
     "scripts and configurations have these names: they are understood whatever is claimed"),
    (r"^method\.insert$", "nosuchtype", "", "configurations rely on it that a kind nobody knows is passed over"),
    (r"^f\.is_(create|resize)_queued$", ":f7", "", "files that a resumed download lacks do not wait to be made"),
    (r"^d\.start$", r"^\[''\]", "Target of wrong type to value command",
     "there d.start is made of two commands, and the first of them tells"),
    (r"^method\.list_keys$", "inserted_new", "", "the session is saved with each change, not by an event"),
    (r"^download_list$", "incomplete", "", "they came into the view in the order in which they were checked"),
)


def reason_for(name: str, params: Any, found: list[str], *, is_modern: bool) -> str:
    """Why this differs from a recording, `is_modern` of 0.16.20; empty when nobody knows."""
    shown, what = repr(params), "; ".join(found)
    reason: str
    for of_name, of_params, of_difference, reason in (*_REASONS, *(_REASONS_OF_16 if is_modern else ())):
        if re.search(of_name, name) and re.search(of_params, shown) and re.search(of_difference, what):
            return reason
    return ""
