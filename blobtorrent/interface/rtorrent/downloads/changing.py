"""d.*: what is changed of a download, and what is done with it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence

from blobtorrent.core.session.commands import RESET, TorrentChanges
from blobtorrent.interface.rtorrent.context import Context
from blobtorrent.interface.rtorrent.downloads.download import CLOSED, NORMAL_PRIORITY, Download
from blobtorrent.interface.rtorrent.downloads.downloads import Downloads
from blobtorrent.interface.rtorrent.downloads.getters import (
    CONNECTIONS,
    INITIAL_SEED,
    MAX_SLOTS,
    SEED,
    UNLIMITED_PEERS,
)
from blobtorrent.interface.rtorrent.downloads.making import action, command, getter, number_setter, text_setter
from blobtorrent.interface.rtorrent.downloads.steering import MAX_FILE_SIZE, Steering
from blobtorrent.interface.rtorrent.faults import failed, no_such_word, wrong_type
from blobtorrent.interface.rtorrent.registry import Command
from blobtorrent.interface.rtorrent.values import Value, one_text, to_text

MAX_LIMIT = 1 << 16                    # peers or slots of a download
MAX_WANTED = 1000                      # peers in one answer of a tracker
# Texts, their words, and what is changed of a torrent.
_LIMITS: Mapping[str, tuple[str, Callable[[int], TorrentChanges]]] = {
    "uploads_min": ("Min uploads", lambda slots: TorrentChanges(min_upload_slots=slots)),
    "downloads_min": ("Min downloads", lambda slots: TorrentChanges(min_download_slots=slots)),
}


def commands(downloads: Downloads, steering: Steering, keep: Callable[[Download], None]) -> Iterator[Command]:
    """`keep(download)` writes its .torrent file into the session folder that clients look into."""
    yield from _steering(steering)
    yield from _setters(downloads, steering)
    yield from _variables(downloads)
    yield from _saving(keep)
    yield from _links()

    def update_priorities(download: Download) -> None:
        downloads.apply_priorities(download)
        downloads.settle()

    yield action("d.update_priorities", update_priorities, "Has what f.priority.set said count from now on.")


def _steering(steering: Steering) -> Iterator[Command]:
    yield action("d.start", steering.start, "Has it run; one that is started already stays as it is.")
    yield action("d.stop", steering.stop, "Has it stop; its files stay open.")
    yield action("d.open", steering.open, "Opens its files.")
    yield action("d.close", steering.close, "Closes its files; whether it is to be started stays as it is.")
    yield action("d.close.directly", steering.close, "The same.")
    yield action("d.pause", steering.pause, "Transfers nothing until d.resume.")
    yield action("d.resume", steering.resume, "Goes on after a pause.")
    yield action("d.check_hash", steering.check, "Hashes all that lies on disk.")
    yield action("d.erase", steering.erase, "Forgets it; its data stays where it is.")
    yield action("d.try_start", steering.try_start, "Starts it unless it is to be left alone, or failed.")
    yield action("d.try_stop", steering.try_stop, "Stops it unless it is to be left alone.")
    yield action("d.try_close", steering.try_close, "Stops and closes it unless it is to be left alone.")
    yield action("d.delete_tied", steering.delete_tied, "Deletes the .torrent file that it is tied to.")
    yield action("d.disconnect.seeders", lambda download: None, "Nothing: seeds of no use are dropped by themselves.",
                 is_neutral=True)


def _setters(downloads: Downloads, steering: Steering) -> Iterator[Command]:

    def priority(download: Download, value: int) -> None:
        downloads.change(download, TorrentChanges(priority=(value & 3) - NORMAL_PRIORITY))

    def sequential(download: Download, value: int) -> None:
        downloads.change(download, TorrentChanges(is_sequential=bool(value)))

    def peers_max(download: Download, value: int) -> None:
        require_limit("Max peer connections", value)
        downloads.change(download, TorrentChanges(max_peers=value or UNLIMITED_PEERS))

    def peers_min(download: Download, value: int) -> None:
        require_limit("Min peer connections", value)
        downloads.change(download, TorrentChanges(min_peers=value))

    def uploads_max(download: Download, value: int) -> None:
        require_limit("Max uploads", value)
        downloads.change(download, TorrentChanges(upload_slots=min(value, MAX_SLOTS)))

    def downloads_max(download: Download, value: int) -> None:
        require_limit("Max downloads", value)
        downloads.change(download, TorrentChanges(download_slots=min(value, MAX_SLOTS)))

    def peers_wanted(download: Download, value: int) -> None:
        downloads.change(download, TorrentChanges(peers_wanted=RESET if value < 0 else min(value, MAX_WANTED)))

    yield number_setter("d.priority.set", priority, "0 off, 1 low, 2 normal, 3 high; two bits of the number count.")
    yield number_setter("d.down.sequential.set", sequential, "Whether pieces are fetched in their order.")
    yield number_setter("d.peers_max.set", peers_max, "Peers at most; 0 for no limit.")
    yield number_setter("d.peers_min.set", peers_min,
                        "Peers, below which its trackers are asked for more as soon as they allow; 0: never.")
    yield number_setter("d.uploads_max.set", uploads_max, "Peers that are uploaded to at most.")
    yield number_setter("d.downloads_max.set", downloads_max,
                        "Peers that are asked for data at the same time at most; 0 for no limit.")
    yield number_setter("d.tracker_numwant.set", peers_wanted,
                        f"Peers that its trackers are asked for at a time, at most {MAX_WANTED}; -1: as others.")
    yield from _folders(steering)

    def message(download: Download, text: str) -> None:
        download.message = text

    def hashing_failed(download: Download, value: int) -> None:
        download.is_failed = bool(value)

    yield text_setter("d.message.set", message, "Shows another message.")
    yield number_setter("d.hashing_failed.set", hashing_failed, "Marks it as failed, or not.")

    def connection(download: Download, text: str) -> None:
        if text not in CONNECTIONS:
            raise no_such_word("connection_type", text)
        download.connection = (text, download.is_complete)
        if download.is_complete:
            downloads.change(download, TorrentChanges(super_seeding=text == INITIAL_SEED))

    yield text_setter("d.connection_current.set", connection, "How it meets peers: while it is complete, "
                      "initial_seed shows each of them a few pieces only.")

    def seed_connection(download: Download, text: str) -> None:
        downloads.set_texts(download, {"connection_seed": text or None})
        downloads.change(download, TorrentChanges(super_seeding=text == INITIAL_SEED))

    yield text_setter("d.connection_seed.set", seed_connection, "How it meets peers once it is complete: seed, or "
                      "initial_seed to show each of them a few pieces only.")

    def connects_as_seed(download: Download) -> str:
        if download.status.super_seeding:
            return INITIAL_SEED
        said = download.text("connection_seed")
        return SEED if said == INITIAL_SEED else said

    yield getter("d.connection_seed", connects_as_seed, "How it meets peers once it is complete.", returns="string")

    def throttle(download: Download, name: str) -> None:
        if download.is_active:
            raise failed("Cannot set throttle on active download.")
        downloads.change(download, TorrentChanges(group=name or RESET))

    yield text_setter("d.throttle_name.set", throttle, "The throttle that limits it; not while it is active.")

    def state(download: Download, value: int) -> None:
        if bool(value) != download.is_started and not download.status.is_started:
            downloads.set_texts(download, {CLOSED: "1" if value else None})

    yield number_setter("d.state.set", state, "What is said of whether it is to be started; it is not done by that.")
    for name in ("d.complete.set", "d.hashing.set"):
        yield number_setter(name, lambda download, value: None, "Nothing: that is as it is.", is_neutral=True)
    yield text_setter("d.group.set", lambda download, value: None, "Nothing: there is one group.", is_neutral=True)


def _folders(steering: Steering) -> Iterator[Command]:

    def setter(name: str, change: Callable[[Context, Download, str], None], doc: str) -> Command:

        def run(context: Context, download: Download, args: Sequence[Value]) -> Value:
            change(context, download, one_text(args))
            return None

        return command(name, run, doc)

    yield setter("d.directory.set", steering.set_directory,
                 "Where its file is, or the folder that its own folder is in. Nothing is moved.")
    yield setter("d.directory_base.set", steering.set_directory_base,
                 "Where its files are, without a folder of its own. Nothing is moved.")


def _variables(downloads: Downloads) -> Iterator[Command]:
    """What is kept with it as it was said."""

    def text_kept(name: str, key: str, doc: str, *, echoes: bool = False, is_neutral: bool = False) -> Command:

        def change(download: Download, text: str) -> None:
            downloads.set_texts(download, {key: text or None})

        return text_setter(name, change, doc, echoes=echoes, is_neutral=is_neutral)

    def number_kept(name: str, key: str, doc: str, *, echoes: bool = False, is_neutral: bool = False) -> Command:

        def change(download: Download, value: int) -> None:
            downloads.set_texts(download, {key: str(value)})

        return number_setter(name, change, doc, echoes=echoes, is_neutral=is_neutral)

    yield text_kept("d.tied_to_file.set", "tied_to_file", "Ties it to a .torrent file; empty: to none.", echoes=True)
    yield text_kept("d.loaded_file.set", "loaded_file", "Where it was loaded from.")
    yield number_kept("d.ignore_commands.set", "ignore_commands", "Whether what is done to many is not done to it.",
                      echoes=True)
    for key in ("state_changed", "state_counter"):
        yield number_kept(f"d.{key}.set", key, f"Another value of d.{key}.")
    yield number_kept("d.max_file_size.set", MAX_FILE_SIZE, "Bytes: it is not opened while it has a larger file.")
    for key, (words, changes_of) in _LIMITS.items():

        def limit(download: Download, value: int, key: str = key, words: str = words,
                  changes_of: Callable[[int], TorrentChanges] = changes_of) -> None:
            require_limit(words, value)
            downloads.set_texts(download, {key: str(value)})
            downloads.change(download, changes_of(min(value, MAX_SLOTS)))

        yield number_setter(f"d.{key}.set", limit, "Of slots that all torrents share, as many as this come first to "
                            "it while it has use for them.")

    def exchange(download: Download, value: int) -> None:
        if not download.status.is_private:
            downloads.change(download, TorrentChanges(exchanges_peers=bool(value)))

    def exchanges(context: Context, download: Download, _args: Sequence[Value]) -> Value:
        wish = download.status.exchanges_peers
        return context.call("protocol.pex") if wish is None else int(wish)

    yield command("d.peer_exchange", exchanges, "Whether its peers are told of each other.", returns="i8"
                  )._replace(is_safe=True)
    yield number_setter("d.peer_exchange.set", exchange,
                        "Whether its peers are told of each other; those of a private one never are.")
    for word, accepts in (("enable", True), ("disable", False)):

        def accept(download: Download, accepts: bool = accepts) -> None:
            downloads.set_texts(download, {"accepting_seeders": None if accepts else "0"})

        yield action(f"d.accepting_seeders.{word}", accept, "Is kept: seeds are treated like all peers.",
                     is_neutral=True)
    for key in ("connection_leech", "down.choke_heuristics.leech", "down.choke_heuristics.seed",
                "up.choke_heuristics.leech", "up.choke_heuristics.seed"):
        yield text_kept(f"d.{key}.set", key, "Is kept; nothing goes by it.", is_neutral=True)
        yield _text_getter(f"d.{key}", key)
    for way, usual in (("down", "download_leech"), ("up", "upload_leech")):
        key = f"{way}.choke_heuristics"
        yield text_kept(f"d.{key}.set", key, "Is kept; nothing goes by it.", is_neutral=True)
        yield _text_getter(f"d.{key}", key, usual)
    yield text_kept("d.mode.set", "mode", "Is kept.")

    def mode(_context: Context, download: Download, _args: Sequence[Value]) -> Value:
        if not download.has("mode"):
            raise failed("Object operator [mode] could not find element")
        return download.text("mode")

    yield command("d.mode", mode, "What was said; a fault before.", returns="string")._replace(is_safe=True)


def _text_getter(name: str, key: str, usual: str = "") -> Command:

    return getter(name, lambda download: download.text(key, usual),
                      "What was said; nothing goes by it: there is one way of choosing peers.", returns="string",
                      is_neutral=True)


def _saving(keep: Callable[[Download], None]) -> Iterator[Command]:

    def save(_context: Context, download: Download, _args: Sequence[Value]) -> Value:
        keep(download)
        return 1

    for name in ("d.save_full_session", "d.save_resume"):
        yield command(name, save, "Writes its files into the session folder, for clients that look there.",
                      returns="i8")


def _links() -> Iterator[Command]:

    def place(download: Download, args: Sequence[Value]) -> str:
        """Where the link is, or is to be; empty for none."""
        if len(args) != 3:
            raise failed("Wrong argument count.")
        kind, prefix, postfix = map(to_text, args)
        middles = {"base_path": download.base_path, "base_filename": os.path.basename(download.base_path),
                   "tied": os.path.expanduser(download.text("tied_to_file"))}
        if kind not in middles:
            raise failed("Unknown type argument.")
        middle = middles[kind]
        return os.path.expanduser(prefix) + middle + postfix if middle else ""

    def create(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        link = place(download, args)
        if link and download.base_path:
            try:
                os.symlink(download.base_path, link)
            except (OSError, ValueError) as error:
                raise failed(f"Could not create a link: {error}") from None
        return None

    def delete(_context: Context, download: Download, args: Sequence[Value]) -> Value:
        link = place(download, args)
        if link and os.path.islink(link):
            try:
                os.unlink(link)
            except OSError as error:
                raise failed(f"Could not delete a link: {error}") from None
        return None

    # A link to its data is a file of any name, wherever programs look for one.
    yield command("d.create_link", create, "TYPE, PREFIX, POSTFIX: makes a symbolic link to its data.")._replace(
        is_code=True)
    yield command("d.delete_link", delete, "TYPE, PREFIX, POSTFIX: deletes that link.")._replace(is_code=True)


def require_limit(words: str, value: int) -> None:
    """Raises Fault for what no limit can be."""
    if not 0 <= value <= MAX_LIMIT:
        raise failed(f"{words} must be between 0 and 2^16.")


def list_commands(downloads: Downloads) -> Iterator[Command]:
    """d.views.*: the list of names that a download carries."""

    def change(name: str, changed: Callable[[list[str], str], list[str]], doc: str) -> Command:

        def run(_context: Context, download: Download, args: Sequence[Value]) -> Value:
            view = one_text(args)
            if not view or "," in view:
                raise wrong_type()
            views = changed(download.views, view)
            if views != download.views:
                downloads.set_texts(download, {"views": ",".join(views) or None})
            return None

        return command(name, run, doc)

    yield change("d.views.push_back", lambda views, view: [*views, view], "Adds a name to its list.")
    yield change("d.views.push_back_unique", lambda views, view: views if view in views else [*views, view],
                 "Adds a name to its list, unless it is there.")
    yield change("d.views.remove", lambda views, view: [other for other in views if other != view],
                 "Takes a name out of its list.")
