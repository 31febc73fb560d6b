"""`/v1/torrents/{hash}`: one torrent, read, changed and steered."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from operator import attrgetter
from typing import Any

from blobtorrent.config.values import boolean
from blobtorrent.core.session.commands import (
    ChangeTorrent,
    Command,
    FilesOf,
    GoalAction,
    MoveTorrent,
    PauseTorrent,
    Reannounce,
    RecheckTorrent,
    RemoveTorrent,
    RenamePath,
    SeedGoal,
    StartTorrent,
    StopTorrent,
    TorrentChanges,
)
from blobtorrent.core.session.gateway import COMMAND_DEADLINE_S, Gateway
from blobtorrent.core.session.options import Fields, absolute_folder, read_changes, text
from blobtorrent.interface.rest.conditional import CONDITIONS, changed, has_conditions, matches, require_match
from blobtorrent.interface.rest.encode import GOAL, document, json_bytes, torrent_fields
from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Refused, Request, Response
from blobtorrent.interface.rest.jsonbody import read_fields, read_patch
from blobtorrent.interface.rest.listing import boolean_word
from blobtorrent.interface.rest.router import path_of
from blobtorrent.interface.rest.routes import JSON_TYPE, MERGE_PATCH_TYPE, Answer, Body, Operation, Parameter, Route
from blobtorrent.interface.rest.schemas import (
    BOOLEAN,
    CHANGEABLE,
    FOLDER_OPTION,
    NOTHING,
    body_object,
    nullable,
    ref,
)
from blobtorrent.interface.rest.selecting import Selection, read_names
from blobtorrent.interface.rest.v1.adding import DESIRED, Adder, allowed_labels, read_torrent
from blobtorrent.interface.rest.v1.lookup import digest_of, find_torrent, torrent_with
from blobtorrent.interface.rest.v1.torrents import FIELDS
from blobtorrent.model.errors import Conflict, Invalid
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.status import TorrentStatus

RENAME_DEADLINE_S = 30.0               # a rename when the torrent was stopped for it, and its files have the new names

_ONE = "/v1/torrents/{hash}"
_IT = (Answer(200, "The torrent as it is then.", ref("Torrent")),)
_SELECTED = (Answer(200, "The torrent.", ref("SelectedTorrent")),)
_PATH_BELOW = {"type": "string", "description": "Relative to the download folder."}


class TorrentResource:
    def __init__(self, gateway: Gateway, adder: Adder) -> None:
        self._gateway = gateway
        self._adder = adder

    def routes(self) -> Iterable[Route]:
        yield Route("GET", _ONE, self.read, Scope.READ, Operation(
            "One torrent, by either of its info-hashes.", _SELECTED, query=(FIELDS,),
        ), for_labels=True)
        yield Route("PUT", _ONE, self.put, Scope.ADD, Operation(
            "Have the torrent there, as the body says: it is added, or what the body says otherwise is changed.",
            (Answer(201, "It was added.", ref("Torrent")),
             Answer(200, "It is there; what differed is carried out.", ref("Torrent"))),
            body=DESIRED, problems=(412,), headers=CONDITIONS,
        ), for_labels=True)
        yield Route("PATCH", _ONE, self.change, Scope.CONTROL, Operation(
            "Change what the body names (RFC 7396): null is back to the default.", _SELECTED, query=(FIELDS,),
            body=Body(body_object(CHANGEABLE), types=(JSON_TYPE, MERGE_PATCH_TYPE)), problems=(412,),
            headers=CONDITIONS,
        ), for_labels=True)
        yield Route("DELETE", _ONE, self.remove, Scope.CONTROL, Operation(
            "Stop and forget it.", (Answer(204, "It is being removed."),),
            query=(Parameter("with_data", BOOLEAN, "Delete its files, too."),),
        ), for_labels=True)
        yield self._word("start", self.start, "Have it run as soon as the queue lets it.", Body(
            body_object({"now": nullable({
                **BOOLEAN, "description": "Beyond the queue and whatever its goal says, until it is stopped."})}),
            is_required=False))
        yield self._word("stop", self.stop, "Stop it.")
        yield self._word("pause", self.pause, "Transfer nothing until it is started, but keep its connections.")
        yield self._word("recheck", self.recheck, "Have everything on disk checked.")
        yield self._word("announce", self.announce, "Ask its trackers for peers now.")
        yield self._word("move", self.move, "Move its files to another folder; answers when that begins.", Body(
            body_object({
                "download_dir": FOLDER_OPTION,
                "move_files": nullable({**BOOLEAN, "description": "False: they are there already."}),
            }, required=("download_dir",))))
        yield self._word("rename", self.rename, "Give its file or folder another path; answers when it is done.", Body(
            body_object({"old": _PATH_BELOW, "new": _PATH_BELOW}, required=("old", "new"))))

    def _word(self, word: str, handler: Callable[..., Response], summary: str, body: Body | None = None) -> Route:
        operation = Operation(summary, _IT, body=body or Body(NOTHING, is_required=False))
        return Route("POST", f"{_ONE}/{word}", handler, Scope.CONTROL, operation, for_labels=True)

    def read(self, request: Request, digits: str) -> Response:
        selection = _selection(request)
        return document(selection.object_of(self._find(request, digits), time.time()))

    def change(self, request: Request, digits: str) -> Response:
        selection = _selection(request)
        patch = read_patch(request)
        status = self._find(request, digits)
        if isinstance(patch.get("seeding"), dict) and status.goal is not None:
            patch["seeding"] = {**GOAL.object_of(status.goal), **patch["seeding"]}
        if isinstance(patch.get("picker"), dict) and status.picker is not None:
            patch["picker"] = {**status.picker, **patch["picker"]}
        fields = Fields(patch)
        changes = read_changes(fields)
        fields.end()
        self._change(request, status, changes, selection)
        return document(selection.object_of(self._find(request, digits), time.time()))

    def _change(
        self, request: Request, status: TorrentStatus, changes: TorrentChanges, selection: Selection
    ) -> None:
        """Make the changes, if the torrent is what the request says; the session looks again when it comes to it."""
        if changes.labels is not None:
            wanted = changes.labels if isinstance(changes.labels, tuple) else ()
            allowed_labels(request.grant, wanted, status.labels)

        def is_current(status: TorrentStatus) -> bool:
            return matches(request.head, json_bytes(selection.object_of(status, time.time())))

        if not has_conditions(request.head):
            self._gateway.ask(ChangeTorrent(status.info_hash, changes))
            return
        if not is_current(status):
            raise changed()
        try:
            self._gateway.ask(ChangeTorrent(status.info_hash, changes, is_current))
        except Conflict as error:
            raise (changed() if error.code == "torrent.changed" else error) from None

    def put(self, request: Request, digits: str) -> Response:
        wanted = read_torrent(request, self._adder.reach, is_given=False)
        digest = digest_of(digits)
        if wanted.info_hash is not None and digest not in wanted.info_hash:
            raise Invalid("torrent.other-hash", f"the body has the torrent {wanted.info_hash.hex}")
        there = torrent_with(self._gateway, digest)
        if there is None and wanted.info_hash is not None:
            require_match(request.head, None)
            status, is_new = self._adder.add(request.grant, wanted)
            if is_new:
                location = ("Location", path_of("torrents", status.info_hash.hex))
                return document(torrent_fields(status, time.time()), 201)._replace(headers=(location,))
        self._carry_out(request, self._find(request, digits), wanted.options)
        return document(torrent_fields(self._find(request, digits), time.time()))

    def _carry_out(self, request: Request, status: TorrentStatus, options: Mapping[str, Any]) -> None:
        """What the options say otherwise than it is. A torrent that was added with them would be the same."""
        require_match(request.head, json_bytes(torrent_fields(status, time.time())))
        commands = list(_differences(self._gateway, status, options))
        if commands and not request.grant.allows(Scope.CONTROL):
            raise Refused(403, "rest.scope", "the torrent is there and differs: changing it needs the scope control")
        for command in commands:
            if isinstance(command, MoveTorrent):
                self._adder.reach.require(request.grant, command.download_dir)
        for command in commands:
            if isinstance(command, ChangeTorrent):
                self._change(request, status, command.changes, Selection(read_names(None)))
            else:
                self._gateway.ask(command)

    def remove(self, request: Request, digits: str) -> Response:
        fields = Fields(request.query)
        with_data = fields.take("with_data", boolean_word, False)
        fields.end()
        self._gateway.ask(RemoveTorrent(self._find(request, digits).info_hash, with_data))
        return Response(204, about={"with_data": str(with_data).lower()})

    def start(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        now = fields.take("now", boolean, False)
        fields.end()
        return self._command(request, digits, lambda info_hash: StartTorrent(info_hash, now))

    def stop(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, StopTorrent)

    def pause(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, PauseTorrent)

    def recheck(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, RecheckTorrent)

    def announce(self, request: Request, digits: str) -> Response:
        return self._plain_command(request, digits, Reannounce)

    def move(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        folder, move_files = fields.take("download_dir", absolute_folder), fields.take("move_files", boolean, True)
        fields.end()
        self._adder.reach.require(request.grant, folder)
        return self._command(request, digits, lambda info_hash: MoveTorrent(info_hash, folder, move_files))

    def rename(self, request: Request, digits: str) -> Response:
        fields = read_fields(request)
        old, new = fields.take("old", text), fields.take("new", text)
        fields.end()
        return self._command(
            request, digits, lambda info_hash: RenamePath(info_hash, old, new), RENAME_DEADLINE_S)

    def _find(self, request: Request, digits: str) -> TorrentStatus:
        return find_torrent(self._gateway, request.grant, digits)

    def _plain_command(self, request: Request, digits: str, command: Callable[[InfoHash], Command]) -> Response:
        """A command that has nothing to say but the torrent."""
        read_fields(request).end()
        return self._command(request, digits, command)

    def _command(
        self, request: Request, digits: str, command: Callable[[InfoHash], Command],
        deadline_s: float = COMMAND_DEADLINE_S,
    ) -> Response:
        """Have it done; the answer is the torrent as it is then."""
        self._gateway.ask(command(self._find(request, digits).info_hash), deadline_s)
        return document(torrent_fields(self._find(request, digits), time.time()))


def _selection(request: Request) -> Selection:
    fields = Fields(request.query)
    selection = Selection(read_names(fields.take("fields", text, None)))
    fields.end()
    return selection


def _differences(gateway: Gateway, status: TorrentStatus, options: Mapping[str, Any]) -> Iterator[Command]:
    """The commands that make a torrent what the options of an addition say; none when it is so.

    What only matters when a torrent is added, its first peers and whether to check it, is no difference.
    """
    changed = {name: value for name, value in options.items() if name in _SHOWN and value != _SHOWN[name](status)}
    priorities = options.get("file_priorities")
    if priorities:
        files = gateway.ask(FilesOf(status.info_hash))
        if status.split is not None:   # an addition counts the files of the torrent, not their parts
            priorities = {file.number: priorities[file.whole] for file in files if file.whole in priorities}
        now = {file.number: file.priority for file in files}
        if any(now.get(number) != priority for number, priority in priorities.items()):
            changed["file_priorities"] = priorities
    if changed:
        yield ChangeTorrent(status.info_hash, TorrentChanges(**changed))
    folder = options.get("download_dir")
    if folder is not None and str(folder) != status.download_dir:
        yield MoveTorrent(status.info_hash, folder)
    start = options.get("start")
    if start is not None and start is not status.is_started:
        yield StartTorrent(status.info_hash) if start else StopTorrent(status.info_hash)


# Arguments of AddTorrent and how the snapshot shows what became of them.
_SHOWN: dict[str, Callable[[TorrentStatus], Any]] = {
    "labels": attrgetter("labels"),
    "group": attrgetter("group"),
    "priority": attrgetter("priority"),
    "goal": lambda status: None if status.goal is None else SeedGoal(
        status.goal.ratio, status.goal.time_s, status.goal.idle_s, GoalAction(status.goal.action)),
    "down_bytes_per_s": attrgetter("down_limit_bytes_per_s"),
    "up_bytes_per_s": attrgetter("up_limit_bytes_per_s"),
    "is_sequential": attrgetter("is_sequential"),
    "super_seeding": attrgetter("super_seeding"),
    "picker": lambda status: status.picker or {},
    "upload_slots": attrgetter("upload_slots"),
    "max_peers": attrgetter("max_peers"),
}
