"""What is answered in another way than rTorrent 0.9.8 does, on purpose, and why."""

from __future__ import annotations

import re
from typing import Any

# Patterns of the method (or the label of a raw request), of its parameters and of the difference.
_REASONS = (
    (r"^longer body than length$", "", "", "0.9.8 hangs; what is too much is dropped, as 0.16 does"),
    (r"^control char in answer$", "", "", "XML forbids it: it is left out"),
    (r"^invalid utf8 in answer$", "", "", "U+FFFD, not a question mark"),
    (r"^cat$", r"//4=", "", "U+FFFD, not a question mark"),
    (r"^(no params element|multicall raw)$", "", r"Content-Length", "the process number has other digits"),
    (r"^(execute|schedule|schedule_remove|upload_rate|download_rate|ratio\.|group\.|group2\.)", r"^\[''", "",
     "an empty target is taken, as 0.16 does"),
    (r"^system\.listMethods$", "", "", "the names of 0.9.8, 0.16 and before 0.9 together"),
    (r"^system\.methodHelp$", "", "", "there is help"),
    (r"^p\.", r":p2D", "Invalid index", "the peer of the recording is not there"),
    (r"^(t\.url|t\.multicall)$", "", r"announce", "trackers of a tier are shuffled when they are loaded"),
    (r"^system\.daemon$", "", "", "a replayed daemon has no terminal"),
    (r"^throttle\.up\.max$", "slowup", "", "nobody defined it here"),
    (r"^pieces\.memory\.max$", "", "", "the memory for pieces is what storage.memory_budget says"),
    (r"^load\.start_throw$", "", "", "it is understood, as in other builds of rTorrent"),
    (r"^d\.(load_date|state_changed)$", "", r"i8 1\d{9}, now i8 1\d{9}", "the time is another"),
    (r"^session\.name$", "", "", "host and process are others"),
    (r"^network\.port_range$", "", r"5140", "another program has the port"),
    (r"^content type text/xml with json body$", "", "", "the words of another parser"),
    (r"^gzip ACCEPT_ENCODING$", "", "", "compressed with another level"),
    (r"^(json content type, xml body|garbage|non-utf8 name bytes raw request)$", "", "parse error",
     "the words of another parser"),
)


def reason_for(name: str, params: Any, found: list[str]) -> str:
    """Why this differs; empty when nobody knows."""
    shown, what = repr(params), "; ".join(found)
    for of_name, of_params, of_difference, reason in _REASONS:
        if re.search(of_name, name) and re.search(of_params, shown) and re.search(of_difference, what):
            return reason
    return ""
