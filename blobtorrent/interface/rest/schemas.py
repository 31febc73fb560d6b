"""JSON Schemas of what goes over the interface, of which the resources make theirs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from blobtorrent.config.transfers import MAX_GUARD, MAX_TEMPERATURE, MAX_WEIGHT, MIN_TEMPERATURE, PICKER_PRESETS
from blobtorrent.config.values import MAX_DURATION_S, MAX_LABEL
from blobtorrent.core.session.options import (
    MAX_LABELS,
    MAX_LINKS,
    MAX_PEERS,
    MAX_PRIORITY,
    MAX_RATE,
    MAX_RATIO,
    MAX_SLOTS,
)
from blobtorrent.core.session.picking import WEIGHT_NAMES
from blobtorrent.interface.rest.routes import Schema
from blobtorrent.model.urls import MAX_URL_BYTES

MIN_PIECE_BYTES, MAX_PIECE_BYTES = 16 << 10, 128 << 20

TEXT: Schema = {"type": "string"}
BOOLEAN: Schema = {"type": "boolean"}
COUNT: Schema = {"type": "integer", "minimum": 0}
INTEGER: Schema = {"type": "integer"}
NUMBER: Schema = {"type": "number"}
BASE64: Schema = {"type": "string", "contentEncoding": "base64"}
HASH: Schema = {"type": "string", "pattern": "^([0-9A-Fa-f]{40}|[0-9A-Fa-f]{64})$"}
ANY_OBJECT: Schema = {"type": "object"}


def nullable(schema: Schema) -> Schema:
    """The same, or null: what is absent."""
    kind = schema.get("type")
    if isinstance(kind, str) and "enum" not in schema:
        return {**schema, "type": [kind, "null"]}
    return {"anyOf": [schema, {"type": "null"}]}


def one_of(words: Sequence[str]) -> Schema:
    return {"type": "string", "enum": list(words)}


def list_of(schema: Schema, *, at_most: int | None = None, at_least: int | None = None) -> Schema:
    limits = {"maxItems": at_most, "minItems": at_least}
    return {"type": "array", "items": schema, **{key: value for key, value in limits.items() if value is not None}}


def described(schema: Schema, doc: str) -> Schema:
    return {**schema, "description": doc}


def answer_object(properties: Mapping[str, Schema], *, optional: Sequence[str] = ()) -> Schema:
    """What we answer: all of it is there but what is optional, and later versions may have more."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": [name for name in properties if name not in optional],
    }


def body_object(properties: Mapping[str, Schema], *, required: Sequence[str] = ()) -> Schema:
    """What we take: nothing else."""
    body: dict[str, Any] = {"type": "object", "properties": dict(properties), "additionalProperties": False}
    if required:
        body["required"] = list(required)
    return body


def ref(name: str) -> Schema:
    """A schema that is described once, in COMPONENTS or by the resources."""
    return {"$ref": f"#/components/schemas/{name}"}


NOTHING = body_object({})

PROBLEM = answer_object({
    "title": TEXT,
    "status": {"type": "integer", "minimum": 400, "maximum": 599},
    "code": described(TEXT, "Stable; what programs look at."),
    "detail": described(TEXT, "For people."),
})

# What may be said about a torrent, as core.session.options reads it. What a schema cannot say, descriptions do.
RATE_OPTION: Schema = {
    "description": 'Bytes a second, or text such as "2 MiB/s"; 0: no limit.',
    "anyOf": [{"type": "integer", "minimum": 0, "maximum": MAX_RATE}, TEXT],
}
DURATION_OPTION: Schema = {
    "description": 'Seconds, or text such as "1h 30m".',
    "anyOf": [{"type": "number", "minimum": 0, "maximum": MAX_DURATION_S}, TEXT],
}
LABEL_OPTION: Schema = {
    "type": "string", "minLength": 1, "maxLength": MAX_LABEL,
    "description": "Printable characters, no blanks at either end.",
}
GROUP_OPTION: Schema = {
    "type": "string", "maxLength": MAX_LABEL, "description": "The group whose limits it shares; empty: none.",
}
LABELS_OPTION = list_of(LABEL_OPTION, at_most=MAX_LABELS)
PEERS_OPTION = list_of(
    {"type": "string", "description": "HOST:PORT, or a service of the DNS. Names are looked up now and then.",
     "examples": ["192.0.2.1:6881", "[2001:db8::1]:6881", "node-1.example:6881", "_bittorrent._tcp.fleet.example"]},
    at_most=MAX_PEERS)
CUSTOM_OPTION: Schema = {
    "type": "object", "additionalProperties": {"type": "string"},
    "propertyNames": {"pattern": r"^custom([1-5]$|\.[\s\S])"},
}
FOLDER_OPTION: Schema = {
    "type": "string", "pattern": "^[/~]", "description": "An absolute path on the daemon's machine.",
}
GOAL_OPTION = body_object({
    "ratio": nullable({"type": "number", "minimum": 0, "maximum": MAX_RATIO}),
    "time_s": nullable(DURATION_OPTION),
    "idle_s": nullable(DURATION_OPTION),
    "action": nullable(one_of(("stop", "remove", "remove-with-data"))),
})
FILE_PRIORITIES_OPTION: Schema = {
    "type": "object",
    "description": "Numbers of files, and how much each is wanted.",
    "propertyNames": {"pattern": "^[0-9]{1,6}$"},
    "additionalProperties": one_of(("skip", "normal", "high")),
}
PRIORITY_OPTION: Schema = {"type": "integer", "minimum": -MAX_PRIORITY, "maximum": MAX_PRIORITY}

PICKER_OPTION = body_object({
    "preset": nullable(one_of(PICKER_PRESETS)),
    "temperature": nullable({"type": "number", "minimum": MIN_TEMPERATURE, "maximum": MAX_TEMPERATURE}),
    **{name: nullable({"type": "number", "minimum": 0, "maximum": MAX_WEIGHT}) for name in WEIGHT_NAMES},
    "guard": nullable({"type": "number", "minimum": 0, "maximum": MAX_GUARD}),
})

# Members that may be set when a torrent is added and changed at any time; null is the default.
CHANGEABLE: dict[str, Schema] = {
    "labels": described(nullable(LABELS_OPTION), "What torrents are found by."),
    "group": nullable(GROUP_OPTION),
    "priority": described(nullable(PRIORITY_OPTION), "Among torrents that wait: higher ones go first."),
    "seeding": described(nullable(GOAL_OPTION), "Its own goals; null: those of the settings."),
    "down_limit_bytes_per_s": nullable(RATE_OPTION),
    "up_limit_bytes_per_s": nullable(RATE_OPTION),
    "sequential": described(nullable(BOOLEAN), "Whether its pieces are fetched in order."),
    "picker": described(nullable(PICKER_OPTION), "Its own settings of the picker; null: all as in the settings."),
    "super_seeding": described(
        nullable(BOOLEAN), "Whether it shows each peer a few pieces only while it seeds (BEP 16)."),
    "upload_slots": described(
        nullable({"type": "integer", "minimum": 0, "maximum": MAX_SLOTS}), "Peers that it sends to at the same time."),
    "max_peers": described(
        nullable({"type": "integer", "minimum": 1, "maximum": MAX_LINKS}), "Peers that it is connected to at most."),
    "file_priorities": nullable(FILE_PRIORITIES_OPTION),
}

SIZE_OPTION: Schema = {
    "description": 'Bytes, or text such as "1 MiB".',
    "anyOf": [{"type": "integer", "minimum": MIN_PIECE_BYTES, "maximum": MAX_PIECE_BYTES}, TEXT],
}
URL_OPTION: Schema = {"type": "string", "maxLength": MAX_URL_BYTES, "examples": ["http://tracker.example/announce"]}
TIERS_OPTION = described(
    list_of({"anyOf": [URL_OPTION, list_of(URL_OPTION)]}),
    "Tiers of announce URLs (BEP 12): those of a tier stand for the same. A URL alone is a tier.",
)
