"""Why a tracker did not serve us, as a stable code: what it said in words, or what broke on the way. Pure.

Trackers have no codes of their own: they refuse in free text, mostly English. What the text plainly says becomes
"tracker.unregistered", "tracker.passkey" or "tracker.overloaded"; any other reason is "tracker.refused".
"""

from __future__ import annotations

import re

from blobtorrent.model.errors import NetworkError, TrackerError

MAX_TEXT_BYTES = 512                   # of a failure reason or warning
NEVER_S = float("inf")

# Not compiled here: most runs of the program are refused nothing. In this order, for a text may say two things.
_REASONS = (
    ("tracker.passkey",
     r"(?i)pass[ _]?key|auth(?:entication|orization)? ?key|(?:invalid|unknown|no such|unauthori[sz]ed) user|banned|"
     r"account|user not found"),
    ("tracker.unregistered",
     r"(?i)unregistered|not registered|torrent (?:is )?not (?:found|known|authori[sz]ed|exist)|"
     r"(?:unknown|no such) torrent|info ?_?hash (?:is )?not (?:found|known|authori[sz]ed)|invalid info ?_?hash|"
     r"not authori[sz]ed (?:for use )?(?:with|on) this|requested download is not|torrent (?:does not|doesn't) exist|"
     r"torrent (?:has been |was )?(?:deleted|removed|nuked|trumped)|not (?:on|in) (?:the )?whitelist"),
    ("tracker.overloaded",
     r"(?i)overload|too many|try (?:again )?later|too fast|flood|rate.?limit|busy|maintenance|temporar|slow ?down|"
     r"database"),
)
_OF_NETWORK = {
    "net.no-such-host": "tracker.dns",
    "net.timed-out": "tracker.timed-out",
    "net.tls": "tracker.tls",
    "net.refused": "tracker.unreachable",
    "net.unreachable": "tracker.unreachable",
    "net.reset": "tracker.unreachable",
    "net.no-address": "tracker.no-address",
    "net.bad-url": "tracker.bad-url",
    "net.bad-http": "tracker.bad-reply",
    "net.too-large": "tracker.bad-reply",
    "net.too-many-redirects": "tracker.bad-reply",
    "net.forbidden-address": "tracker.forbidden-address",
}


class TrackerRefused(TrackerError):
    """The tracker told why it does not serve us. `retry_s` is how long it wants to be left alone (BEP 31): None when
    it did not say, NEVER_S for ever."""

    def __init__(self, code: str, detail: str, retry_s: float | None = None) -> None:
        super().__init__(code, detail)
        self.retry_s = retry_s


def refusal(reason: str, retry_s: float | None = None) -> TrackerRefused:
    """The error for a tracker's words, which are untrusted text."""
    code = next((code for code, words in _REASONS if re.search(words, reason)), "tracker.refused")
    return TrackerRefused(code, reason or "no reason given", retry_s)


def read_retry(value: object) -> float | None:
    """Seconds of `retry in` (BEP 31): minutes as a number or its text, or "never". None for what is neither."""
    if isinstance(value, bytes):
        if value.strip().lower() == b"never":
            return NEVER_S
        value = int(value) if value.isdigit() and len(value) < 10 else None
    return max(value, 0) * 60.0 if isinstance(value, int) and value < 10**9 else None


def of_network(error: NetworkError) -> TrackerError:
    """What broke on the way to a tracker, as its error."""
    return TrackerError(_OF_NETWORK.get(error.code, "tracker.unreachable"), error.detail)
