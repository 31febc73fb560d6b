"""What a route is: a method and a path, who may use it, what answers, and what openapi.json says of it."""

# Annotations are not deferred here: a named tuple would compile each from its text, which doubles its cost.
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from blobtorrent.interface.rest.grants import Scope
from blobtorrent.interface.rest.http import Head, Response

JSON_TYPE = "application/json"
MERGE_PATCH_TYPE = "application/merge-patch+json"

Schema = Mapping[str, Any]             # JSON Schema 2020-12, as OpenAPI 3.1 uses it
Handler = Callable[..., Response]      # handler(request, *the segments that stand for the names of the pattern)


class Parameter(NamedTuple):
    """A field of the query, or a header. None is ever required."""

    name: str
    schema: Schema
    doc: str


class Body(NamedTuple):
    """What a request carries: JSON of one of these media types, or, where there is one, a form with files."""

    schema: Schema
    is_required: bool = True
    types: tuple[str, ...] = (JSON_TYPE,)
    form: Schema | None = None


class Answer(NamedTuple):
    """One way to succeed. Without a schema there is no body, or one that is not JSON."""

    status: int
    doc: str
    schema: Schema | None = None
    content_type: str = JSON_TYPE


class Operation(NamedTuple):
    """What people are told about a route. `problems` are statuses of refusals that not all routes share; `headers` are
    those of a request that are of use here and not everywhere. What is read and never ends has no tag.
    """

    summary: str
    answers: tuple[Answer, ...]
    query: tuple[Parameter, ...] = ()
    body: Body | None = None
    problems: tuple[int, ...] = ()
    headers: tuple[Parameter, ...] = ()
    has_tag: bool = True


def always(_head: Head) -> bool:
    return True


def never(_head: Head) -> bool:
    return False


class Route(NamedTuple):
    """`pattern` is a path whose segments `{name}` stand for any one.

    `scope` is what a token must have, None: nobody needs one. `at_once`: whether the handler waits for nothing for
    this request, and does not take long: then it is called on the thread `rest`, which saves the way to another one and
    back. Tokens that are bound to labels may use only routes `for_labels`: these look at the grant, and show and change
    nothing but its torrents.
    """

    method: str
    pattern: str
    handler: Handler
    scope: Scope | None
    doc: Operation
    at_once: Callable[[Head], bool] = never
    for_labels: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The names in the pattern, in order."""
        return tuple(segment[1:-1] for segment in self.pattern.split("/") if segment.startswith("{"))
