"""How a request names a torrent that is to be there, and how it gets there."""

from __future__ import annotations

import base64
import binascii
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from blobtorrent.core.session.commands import AddTorrent
from blobtorrent.core.session.gateway import Gateway
from blobtorrent.core.session.options import Fields, read_addition, text
from blobtorrent.core.session.sources import read_source
from blobtorrent.interface.rest.grants import Grant
from blobtorrent.interface.rest.http import Refused, Request
from blobtorrent.interface.rest.jsonbody import parse_json, read_fields
from blobtorrent.interface.rest.multipart import is_form, read_form
from blobtorrent.interface.rest.reach import Reach, is_everywhere, require_belief
from blobtorrent.interface.rest.routes import Body
from blobtorrent.interface.rest.schemas import (
    BASE64,
    BOOLEAN,
    CHANGEABLE,
    CUSTOM_OPTION,
    FOLDER_OPTION,
    PEERS_OPTION,
    TEXT,
    body_object,
    described,
    nullable,
)
from blobtorrent.interface.rest.v1.lookup import find_torrent, torrent_with
from blobtorrent.model.errors import Conflict, Invalid
from blobtorrent.model.ids import InfoHash
from blobtorrent.model.metainfo import Metainfo
from blobtorrent.model.status import TorrentStatus
from blobtorrent.protocol.metafile import parse_torrent

if TYPE_CHECKING:
    from blobtorrent.model.magnet import MagnetLink

ADD_DEADLINE_S = 30.0                  # an addition is answered when it is safe on disk

_ADDITION = body_object({
    "source": described({"type": "string"}, "A magnet link, the URL of a torrent file, or its absolute path on "
                        "the daemon's machine."),
    "metainfo": described(BASE64, "The bytes of the torrent file."),
    "download_dir": nullable(FOLDER_OPTION),
    "start": described(nullable(BOOLEAN), "Whether it is to run; so it does when nothing is said."),
    "skip_check": described(nullable(BOOLEAN), "When it is added, believe what lies on disk, if all sizes are right."),
    "split_files": described(nullable(BOOLEAN), "When it is added: false keeps large files whole whatever "
                             "storage.split_size says, such as files that are there already."),
    "peers": described(nullable(PEERS_OPTION), "Peers to try for ever, when it is added."),
    "custom": described(nullable(CUSTOM_OPTION), "Fields that front-ends of rTorrent keep with it, when it is added: "
                        "custom1 to custom5, and custom.NAME for d.custom."),
    **CHANGEABLE,
})
_FORM = body_object({
    **{name: described(TEXT, "JSON, or text as it is.") for name in _ADDITION["properties"] if name != "source"},
    "metainfo": {"type": "string", "contentMediaType": "application/octet-stream", "description": "The torrent file."},
}, required=("metainfo",))

ADDITION = Body({**_ADDITION, "oneOf": [{"required": ["source"]}, {"required": ["metainfo"]}]}, form=_FORM)
DESIRED = Body(_ADDITION, form=_FORM)


class Wanted(NamedTuple):
    """A torrent that is to be there: what the request gave of it, if anything, and arguments of AddTorrent."""

    raw: bytes | None
    metainfo: Metainfo | None
    options: Mapping[str, Any]
    magnet: MagnetLink | None = None

    @property
    def info_hash(self) -> InfoHash | None:
        if self.magnet is not None:
            return self.magnet.info_hash
        return None if self.metainfo is None else self.metainfo.info_hash


def read_torrent(request: Request, reach: Reach, *, is_given: bool = True) -> Wanted:
    """What a body says. Unless it `is_given`, the torrent itself may be missing.

    Raises Refused, also for what is beyond the `reach` of the caller, or Invalid, FormatError when it is no torrent,
    and what `read_source` does.
    """
    fields = _read_form(request) if is_form(request.head.content_type) else read_fields(request)
    options = read_addition(fields)
    source, encoded = fields.take("source", _source, None), fields.take("metainfo", _base64, None)
    fields.end()
    if (source is None) == (encoded is None) and (is_given or source is not None):
        raise Invalid("option.bad-value", "give either source or metainfo")
    if source is not None and source.lower().startswith("magnet:"):
        from blobtorrent.model.magnet import parse_magnet

        return Wanted(None, None, options, parse_magnet(source))
    raw = encoded if source is None else _read_source(request.grant, reach, source)
    return Wanted(raw, None if raw is None else parse_torrent(raw), options)


def _read_source(grant: Grant, reach: Reach, source: str) -> bytes:
    if os.path.isabs(source):
        reach.require(grant, Path(source))
        if _is_no_file(source):
            raise Invalid("option.bad-value", "source is no file")
    return read_source(source, from_loopback=is_everywhere(grant), binding=reach.binding())


def _read_form(request: Request) -> Fields:
    """A form: the file `metainfo`, and options as JSON; what is no JSON is text, so that paths need no quotes."""
    form = read_form(request.head.content_type, request.body)
    strange = next((name for name in form.files if name != "metainfo"), None)
    if strange is not None:
        raise Invalid("option.unknown", f"there is no file {strange}")
    return Fields({**{name: _json_or_text(value) for name, value in form.fields.items()}, **form.files})


def _json_or_text(value: str) -> Any:
    try:
        return parse_json(value.encode())
    except Refused:
        return value


def allowed_labels(grant: Grant, labels: tuple[str, ...], before: tuple[str, ...] = ()) -> tuple[str, ...]:
    """The labels that a torrent gets when the caller asks for these, in place of those `before`.

    A token that is bound to labels gives and takes none but its own, and leaves at least one of them.
    Raises Refused (403).
    """
    if not grant.is_bound:
        return labels
    if not labels and not before:
        return tuple(sorted(grant.labels))
    foreign = (set(labels) ^ set(before)) - grant.labels
    if foreign or not grant.sees(labels):
        raise Refused(403, "rest.scope", f"the token is bound to the labels {', '.join(sorted(grant.labels))}")
    return labels


class Adder:
    """Has torrents added. Used by all threads of the interface."""

    def __init__(self, gateway: Gateway, reach: Reach) -> None:
        self._gateway = gateway
        self.reach = reach

    def add(self, grant: Grant, wanted: Wanted) -> tuple[TorrentStatus, bool]:
        """The torrent, and whether it is new. One that was there already stays as it is.

        Raises Refused (403) for labels, folders and trust beyond the grant, Conflict when it is there and none of the
        caller's business, and what AddTorrent does.
        """
        info_hash = wanted.info_hash
        assert info_hash is not None
        if "download_dir" in wanted.options:
            self.reach.require(grant, wanted.options["download_dir"])
        if wanted.options.get("skip_check"):
            require_belief(grant)
        options = {**wanted.options, "labels": allowed_labels(grant, wanted.options.get("labels", ()))}
        is_new = True
        try:
            self._gateway.ask(AddTorrent(
                wanted.metainfo, raw=wanted.raw or b"", magnet=wanted.magnet,
                only_public_peers=wanted.magnet is not None and not is_everywhere(grant), **options), ADD_DEADLINE_S)
        except Conflict as error:
            there = torrent_with(self._gateway, info_hash.v1 or info_hash.v2)
            if error.code != "torrent.present" or there is None or not grant.sees(there.labels):
                raise
            is_new = False
        return find_torrent(self._gateway, grant, info_hash.hex), is_new


def _source(value: Any) -> str:
    """A URL, a magnet link or a path on this machine."""
    source = text(value)
    if not source.lower().startswith(("http:", "https:", "magnet:")):
        if not os.path.isabs(source):
            raise ValueError("must be a URL, a magnet link or an absolute path")
        if "\0" in source:
            raise ValueError("is no file")
    return source


def _is_no_file(path: str) -> bool:
    """Whether something else is there, which could keep a reader waiting. What cannot be looked at is left to its
    reader, who has words for it."""
    try:
        return not stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _base64(value: Any) -> bytes:
    if isinstance(value, bytes):       # a file of a form
        return value
    try:
        return base64.b64decode(text(value), validate=True)
    except (binascii.Error, ValueError):
        raise ValueError("is not base64") from None
