"""Settings of the transfers: how fast, which torrents and which of their pieces first, and when one gave enough."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.config import values
from blobtorrent.config.option import Section, at_start, live
from blobtorrent.config.timewindows import TimeWindow, time_windows

MAX_RATE = 1 << 40                     # bytes a second: beyond every network


class WebSeedSettings(Section):
    """HTTP servers that a torrent names because they have its files (BEP 19). All limits hold for them, too."""

    policy: str = live(
        "always",
        values.one_of("always", "when-slow", "off"),
        'When they are asked. "always": together with peers; "when-slow": while peers send less than slow_bytes_per_s; '
        '"off": never.',
    )
    slow_bytes_per_s: int = live(
        "64 KiB/s", values.rate(MAX_RATE), 'What the peers of a torrent send together when they are slow: see "policy".'
    )
    connections: int = at_start(
        4, values.whole_number(1, 64), "Connections to web seeds, of all torrents together; each has a thread."
    )
    connections_per_seed: int = at_start(2, values.whole_number(1, 16), "Connections of a torrent to one web seed.")
    down_bytes_per_s: int = at_start(
        0, values.rate(MAX_RATE), "What all web seeds together may send, besides the other limits. 0: no limit."
    )
    allow_loopback: bool = at_start(
        True,
        values.boolean,
        "Whether web seeds on this machine are asked, as caches are: for files, by range, and without a query (but see "
        "network.allow_loopback). A stranger's torrent may name any server that listens here; false: none is asked.",
    )
    headers_file: Path | None = at_start(
        "",
        values.optional_file,
        "File with headers for web seeds, one a line: a URL that theirs begin with, at least https://HOST/, then NAME: "
        "VALUE. Only its owner and group may read it; it is read again when it changes. Empty: none.",
    )


class LimitSettings(Section):
    """How fast, for all torrents together. A rate is bytes a second, or text such as "2 MiB/s"; 0 means no limit."""

    down_bytes_per_s: int = live(0, values.rate(MAX_RATE), "What all torrents together may receive.")
    up_bytes_per_s: int = live(0, values.rate(MAX_RATE), "What all torrents together may send.")
    exempt_local: bool = live(
        False, values.boolean, "Whether peers at loopback, link-local and private addresses are free of all limits."
    )
    alternative: str = live(
        "never",
        values.one_of("never", "scheduled", "always"),
        'When the two rates below hold instead of the two above: "scheduled" is within alternative_schedule.',
    )
    alternative_down_bytes_per_s: int = live(0, values.rate(MAX_RATE), "The other limit on what is received.")
    alternative_up_bytes_per_s: int = live(0, values.rate(MAX_RATE), "The other limit on what is sent.")
    alternative_schedule: tuple[TimeWindow, ...] = live(
        [],
        time_windows,
        'Times of the week, local time: a list such as ["mon-fri 08:00-18:00", "sat,sun 10:00-12:00", '
        '"daily 23:00-01:30"].',
    )


class QueueSettings(Section):
    """How many torrents run at the same time; the others wait as queued. 0 means no limit."""

    active_downloads: int = live(0, values.whole_number(0, 1_000_000), "Torrents that download.")
    active_seeds: int = live(0, values.whole_number(0, 1_000_000), "Complete torrents that seed.")
    stalled_after_s: float = live(
        300,
        values.duration(10),
        "A torrent that moved no payload for so long gives its place to the next, and goes on all the same. Seconds, "
        'or text such as "5m".',
    )


PICKER_PRESETS = ("balanced", "rarest", "sequential", "archive", "random")
MAX_WEIGHT = 100.0
MIN_TEMPERATURE, MAX_TEMPERATURE = 0.01, 10.0
MAX_GUARD = 1000


class PickerSettings(Section):
    """Which piece is fetched next of the files with the highest priority. What a torrent has of its own comes first."""

    preset: str = live(
        "balanced",
        values.one_of(*PICKER_PRESETS),
        '"balanced": what few peers have first, and among such pieces those of files that are being written; "rarest": '
        'what few peers have, and nothing else; "sequential": in order; "archive": as balanced, with fewer files open '
        'and rare pieces guarded more; "random": any. Each is a set of the values below.',
    )
    temperature: float | None = live(
        "preset",
        values.number_or_preset(MIN_TEMPERATURE, MAX_TEMPERATURE),
        "How much choices are left to chance: a piece that is worth so much more than another is chosen 2.7 times as "
        'often. "preset": as the preset has it.',
    )
    weight_rarity: float | None = live(
        "preset", values.number_or_preset(0, MAX_WEIGHT), "What it is worth that half as many peers have a piece."
    )
    weight_sequence: float | None = live(
        "preset",
        values.number_or_preset(0, MAX_WEIGHT),
        "What it is worth that a piece is the next one, while somebody reads the torrent or it is fetched in order.",
    )
    weight_open_files: float | None = live(
        "preset", values.number_or_preset(0, MAX_WEIGHT), "What it is worth that a piece's file is being written."
    )
    weight_extent: float | None = live(
        "preset",
        values.number_or_preset(0, MAX_WEIGHT),
        "What it is worth that others of the same 4 MiB of the torrent are being fetched.",
    )
    weight_suggested: float | None = live(
        "preset", values.number_or_preset(0, MAX_WEIGHT), "What it is worth that the peer suggests a piece (BEP 6)."
    )
    guard: float | None = live(
        "preset",
        values.number_or_preset(0, MAX_GUARD),
        "Pieces that so few peers have, or fewer, come before all others whatever else counts, but for the priority of "
        "files and for what a reader needs at once. Seeds do not count.",
    )


class SeedingSettings(Section):
    """When a complete torrent has given enough; a torrent's own goals come before these. 0 means no such goal."""

    ratio: float = live(0, values.number(0, 1_000_000), "Uploaded bytes over bytes of payload.")
    time_s: float = live(0, values.duration(0), 'Time of seeding, in seconds or as text such as "7d".')
    idle_s: float = live(0, values.duration(0), "Time of seeding in which nobody took anything.")
    action: str = live(
        "stop",
        values.one_of("stop", "remove", "remove-with-data"),
        "What happens then; the last one also deletes the torrent's files.",
    )


class GroupSettings(Section):
    """Limits that the torrents of one group share. NAME is what torrents are put into; groups exist by being named."""

    down_bytes_per_s: int = live(0, values.rate(MAX_RATE), "What the torrents of the group together may receive.")
    up_bytes_per_s: int = live(0, values.rate(MAX_RATE), "What the torrents of the group together may send.")
    weight: float = live(
        1, values.number(0.01, 100), "The group's share of a limit above it, compared with other groups."
    )
