"""d.*: what is read of a download."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable, Iterator, Sequence
from operator import attrgetter

from blobtorrent.interface.rtorrent.claimed import GENERATION_9, Generation
from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.downloads.download import PRIORITY_NAMES, Download, text_reader
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.forms import real_paths, with_forms
from blobtorrent.interface.rtorrent.downloads.making import command, getter
from blobtorrent.interface.rtorrent.downloads.peers import id_html
from blobtorrent.interface.rtorrent.language.columns import Needs
from blobtorrent.interface.rtorrent.language.wholerow import Flag
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, one_text

USUAL_PEERS_MIN = 100
USUAL_PEERS_MAX = 200
USUAL_SLOTS = 50
USUAL_MAX_FILE_SIZE = 1 << 39
MAX_PEX = 8
ROOM_FRESH_S = 5.0
MAX_FOLDERS = 256                      # whose room is known

UNLIMITED_PEERS = 100_000              # as many as the engine takes; more than anybody may say
UNLIMITED = (1 << 32) - 1              # what that reads as
MAX_SLOTS = 10_000

SEED, LEECH, INITIAL_SEED = "seed", "leech", "initial_seed"
CONNECTIONS = (LEECH, SEED, INITIAL_SEED)


def commands(downloads: Downloads, generation: Generation = GENERATION_9) -> Iterator[Command]:
    yield from _states()
    yield from _figures(downloads)
    yield from _groups(generation)
    yield from _texts(downloads)
    yield from _limits()


def _states() -> Iterator[Command]:

    def flag(name: str, read: Callable[[Download], object], doc: str, *, is_neutral: bool = False) -> Command:
        return getter(name, Flag(read), doc, is_neutral=is_neutral)

    yield flag("d.state", attrgetter("is_started"), "Whether it is to be started.")
    yield flag("d.complete", attrgetter("shown_complete"), "Whether all that is wanted is here.")
    yield flag("d.incomplete", lambda download: not download.shown_complete, "Whether something is missing.")
    yield flag("d.is_active", attrgetter("is_active"), "Whether it may transfer something.")
    yield flag("d.is_open", attrgetter("is_open"), "Whether its files are open.")
    yield flag("d.is_hash_checked", lambda download: download.is_open and download.is_checked,
               "Whether it is known which pieces are here, since it was opened.")
    yield flag("d.is_hash_checking", attrgetter("is_checking"), "Whether it is being checked.")
    yield getter("d.hashing", attrgetter("shown_hashing"),
                 "0 unless it is being checked: 1 at first, 2 for handlers of the check that ends a download, 3 again.")
    yield flag("d.hashing_failed", attrgetter("has_failed"), "Whether it failed: d.try_start does nothing.")
    yield flag("d.is_meta", attrgetter("status.lacks_metadata"), "Whether it is a magnet link still.")
    yield flag("d.is_private", attrgetter("status.is_private"), "Whether only its trackers may name peers.")
    yield flag("d.is_partially_done", attrgetter("is_complete"), "Whether all that is wanted is here.")
    yield flag("d.is_not_partially_done", lambda download: not download.is_complete, "Whether something is missing.")
    yield flag("d.is_pex_active", lambda download: True, "Whether peers may tell of others.", is_neutral=True)
    yield flag("d.accepting_seeders", lambda download: download.number("accepting_seeders", 1),
               "What was said; seeds are treated like all peers.", is_neutral=True)
    yield flag("d.down.sequential", attrgetter("status.is_sequential"),
               "Whether pieces are fetched in their order.")


def _figures(downloads: Downloads) -> Iterator[Command]:

    def number(name: str, read: Callable[[Download], int], doc: str, *, is_neutral: bool = False,
               needs: Needs = Needs.STATE) -> Command:
        return getter(name, read, doc, is_neutral=is_neutral, needs=needs)

    yield number("d.bytes_done", attrgetter("status.done_bytes"), "Bytes that are here.")
    yield number("d.completed_bytes", attrgetter("status.done_bytes"), "Bytes of pieces that are here.")
    yield number("d.completed_chunks", attrgetter("num_done"), "Pieces that are here.")
    yield number("d.chunk_size", lambda download: downloads.shape(download).piece_length, "Bytes of a piece.",
                 needs=Needs.STATE | Needs.SHAPE)

    def num_hashed(download: Download) -> int:
        if download.is_checking:
            return download.status.checked_bytes // (downloads.shape(download).piece_length or 1)
        return download.num_pieces if download.is_open and download.is_checked else 0

    yield number("d.chunks_hashed", num_hashed, "Pieces that the check has looked at.", needs=Needs.STATE | Needs.SHAPE)
    yield number("d.wanted_chunks", attrgetter("num_wanted"), "Pieces that are still to come.")
    yield number("d.left_bytes", attrgetter("left_bytes"), "Bytes that are missing.")
    yield number("d.size_bytes", attrgetter("size_bytes"), "Bytes of all files.")
    yield number("d.size_chunks", attrgetter("num_pieces"), "How many pieces it has.")
    yield number("d.size_files", lambda download: downloads.shape(download).num_files, "How many files it has.",
                 needs=Needs.STATE | Needs.SHAPE)
    yield number("d.is_multi_file", lambda download: int(downloads.shape(download).is_multi_file),
                 "Whether it is a folder.", needs=Needs.STATE | Needs.SHAPE)
    yield number("d.creation_date", lambda download: downloads.shape(download).creation_date,
                 "When its .torrent file was made; 0 when that does not say.", needs=Needs.STATE | Needs.SHAPE)
    yield number("d.load_date", lambda download: int(download.status.added_at), "When it was added.")
    yield number("d.down.rate", attrgetter("status.down_bytes_per_s"), "Bytes a second that come.")
    yield number("d.down.total", attrgetter("status.downloaded_bytes"), "Bytes that came.")
    yield number("d.up.rate", attrgetter("status.up_bytes_per_s"), "Bytes a second that go.")
    yield number("d.up.total", attrgetter("status.uploaded_bytes"), "Bytes that went.")
    yield number("d.skip.rate", attrgetter("status.wasted_bytes_per_s"), "Bytes a second that come in vain.")
    yield number("d.skip.total", attrgetter("status.wasted_bytes"), "Bytes that came in vain.")
    yield number("d.ratio", attrgetter("ratio"), "What went by what is here, in thousandths.")
    yield number("d.peers_connected", attrgetter("status.peers_connected"), "Connected peers.")
    yield number("d.peers_complete", attrgetter("status.seeds_connected"), "Connected seeds.")
    yield number("d.peers_accounted",
                 lambda download: max(0, download.status.peers_connected - download.status.seeds_connected),
                 "Connected peers that are no seeds.")
    yield number("d.peers_not_connected",
                 lambda download: max(0, download.status.peers_known - download.status.peers_connected),
                 "Known peers that are not connected.")
    yield number("d.priority", attrgetter("priority"), "0 off, 1 low, 2 normal, 3 high.")
    yield number("d.state_changed", lambda download: download.number("state_changed", int(download.status.added_at)),
                 "When it was started or stopped last.")
    yield number("d.state_counter", lambda download: download.number("state_counter"), "How often it was started.")
    yield number("d.ignore_commands", lambda download: download.number("ignore_commands"),
                 "Whether what is done to many is not done to it.")
    room = _Room()
    yield number("d.free_diskspace", lambda download: room.free_bytes(download.root) if download.is_open else 0,
                 "Free bytes where its files are; 0 while it is closed.", needs=Needs.LOOK)
    yield number("d.size_pex", attrgetter("status.peers_exchanging"), "Connected peers that tell of others.")
    yield number("d.max_size_pex", lambda download: MAX_PEX, "Said to be so many; all may.", is_neutral=True)


def _groups(generation: Generation) -> Iterator[Command]:
    yield getter("d.group", lambda download: 0, "The number of its choke group.", is_neutral=True)
    yield getter("d.group.name", lambda download: generation.group_name,
                 "The same, as rTorrent 0.9.8 has it; its name when 0.16 is claimed.", returns="any", is_neutral=True)


def _texts(downloads: Downloads) -> Iterator[Command]:

    def text(name: str, read: Callable[[Download], str], doc: str, *, is_neutral: bool = False) -> Command:
        return getter(name, read, doc, returns="string", is_neutral=is_neutral)

    yield text("d.hash", attrgetter("hash"), "Its info-hash: 40 upper-case digits.")
    yield from with_forms("d.name", attrgetter("name"), "Its name.")
    yield from with_forms("d.base_path", attrgetter("base_path"),
                          "Its file or folder; empty until it was opened.")
    yield from real_paths("d.base_path", lambda download: download.base_path)
    yield from with_forms("d.base_filename", lambda download: os.path.basename(download.base_path),
                          "The last part of that.")
    for name in ("d.directory", "d.directory_base"):
        yield getter(name, downloads.directory, "The folder of its files; with its own, if it has one.",
                     returns="string", needs=Needs.STATE | Needs.SHAPE)
    yield from real_paths("d.directory", downloads.directory)
    yield text("d.bitfield", lambda download: download.have.hex().upper(), "The pieces that are here, in hexadecimal.")

    def chunks_seen(download: Download) -> str:
        return downloads.pieces(download).availability.hex().upper() if download.is_open else ""

    yield getter("d.chunks_seen", chunks_seen, "How many peers have each piece, two digits each.", returns="string",
                 needs=Needs.LOOK)
    yield text("d.connection_current", _connection, "How it meets peers: seed, leech or initial_seed.")

    def message(download: Download) -> str:
        shown = download.shown_message
        if shown:
            return shown
        failure = downloads.tracker_failure(download)
        return f"Tracker: [{failure}]" if failure else ""

    yield getter("d.message", message, "What went wrong last.", returns="string",
                 needs=Needs.STATE | Needs.TRACKERS)
    yield text("d.priority_str", lambda download: PRIORITY_NAMES[download.priority], "Its priority in a word.")
    yield text("d.throttle_name", attrgetter("status.group"), "The throttle that limits it; empty: none.")
    for key in ("tied_to_file", "loaded_file"):
        yield text(f"d.{key}", _kept_text(key), "The .torrent file that it was loaded from.")
        yield from real_paths(f"d.{key}", _kept_text(key))
    yield text("d.local_id", lambda download: _local_id(download).hex().upper(),
               "A name that we could have among its peers; each connection has another.", is_neutral=True)
    yield text("d.local_id_html", lambda download: id_html(_local_id(download)), "The same, percent-encoded.",
               is_neutral=True)
    yield getter("d.views", lambda download: list[Value](download.views), "The names of the list that it carries.",
                 returns="array")

    def has_view(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        return int(one_text(args) in download.views)

    yield command("d.views.has", has_view, "Whether a name is in that list.", returns="i8")._replace(is_safe=True)


def _limits() -> Iterator[Command]:

    def number(name: str, read: Callable[[Download], int], doc: str, *, is_neutral: bool = False) -> Command:
        return getter(name, read, doc, is_neutral=is_neutral)

    yield number("d.peers_max", _most_peers, "Peers at most.")
    yield number("d.peers_min", _least_peers,
                 "Peers, below which its trackers are asked for more as soon as they allow.")
    yield number("d.uploads_max", _upload_slots, "Peers that are uploaded to at most.")
    yield number("d.max_file_size", lambda download: download.number("max_file_size", USUAL_MAX_FILE_SIZE),
                 "Bytes: it is not opened while it has a larger file.")
    yield number("d.tracker_numwant", _peers_wanted,
                 "Peers that its trackers are asked for at a time; -1: as trackers.numwant says.")
    yield number("d.downloads_max", _download_slots, "Peers that are asked for data at the same time at most.")
    for name in ("uploads_min", "downloads_min"):
        yield number(f"d.{name}", _kept_number(name), "Slots that come to it first, as was said of it; 0 before.")


def _kept_number(key: str) -> Callable[[Download], int]:
    return lambda download: download.number(key)


def _kept_text(key: str) -> Callable[[Download], str]:
    return text_reader(key)


def _least_peers(download: Download) -> int:
    least = download.status.min_peers
    return USUAL_PEERS_MIN if least is None else least


def _most_peers(download: Download) -> int:
    most = download.status.max_peers or USUAL_PEERS_MAX
    return UNLIMITED if most >= UNLIMITED_PEERS else most


def _upload_slots(download: Download) -> int:
    slots = download.status.upload_slots
    return USUAL_SLOTS if slots is None else slots


def _download_slots(download: Download) -> int:
    slots = download.status.download_slots
    return USUAL_SLOTS if slots is None else slots


def _peers_wanted(download: Download) -> int:
    wanted = download.status.peers_wanted
    return -1 if wanted is None else wanted


def _connection(download: Download) -> str:
    said, when_complete = download.connection
    if said and when_complete is download.is_complete:     # it is chosen anew when that changes
        return said
    if not download.is_complete:
        return LEECH
    return INITIAL_SEED if download.status.super_seeding else SEED


class _Room:
    """How much there is where downloads are. A list asks about the same folder thousands of times."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[float, int]] = {}

    def free_bytes(self, folder: str) -> int:
        """As of a moment ago; of a folder that is not there yet where it will be; 0 when nobody can tell."""
        now = time.monotonic()
        at, free = self._known.get(folder, (0.0, 0))
        if at < now - ROOM_FRESH_S:
            free = _free_bytes(folder)
            if len(self._known) >= MAX_FOLDERS:
                self._known.clear()
            self._known[folder] = (now, free)
        return free


def _free_bytes(folder: str) -> int:
    while not os.path.isdir(folder) and folder not in ("/", ""):
        folder = os.path.dirname(folder)
    try:
        measured = os.statvfs(folder)
    except OSError:
        return 0
    return measured.f_bavail * measured.f_frsize


def _local_id(download: Download) -> bytes:
    return b"-lt0D80-" + hashlib.sha1(download.info_hash.wire_forms[0], usedforsecurity=False).digest()[:12]
