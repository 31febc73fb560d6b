"""Entity tags: who has a document already is not sent it, who changes one he has not seen is refused."""

from __future__ import annotations

import pytest

from blobtorrent.interface.rest.conditional import has_already, require_match, tag_of, with_tag
from blobtorrent.interface.rest.http import Head, Refused, Response

BODY = b'{"a":1}'
TAG = tag_of(BODY)


def head(method: str = "GET", **headers: str) -> Head:
    return Head(method, ("v1",), {}, {name.replace("_", "-"): value for name, value in headers.items()}, 0, True)


@pytest.mark.parametrize("value", [TAG, f"W/{TAG}", "*", f'"other", {TAG}', f'W/"x" ,W/{TAG}', f'"a,b",{TAG}'])
def test_who_has_the_document_is_told_only_that(value):
    told = with_tag(head(if_none_match=value), Response(200, BODY))
    assert (told.status, told.body, told.headers) == (304, b"", (("ETag", TAG),))


@pytest.mark.parametrize("value", ["", '"other"', TAG.strip('"'), TAG[:-1], "W/*", '"', "\xff", "w/" + TAG[1:]])
def test_who_has_something_else_is_sent_the_document(value):
    told = with_tag(head(if_none_match=value), Response(200, BODY))
    assert (told.status, told.body, told.headers) == (200, BODY, (("ETag", TAG),))


def test_head_is_treated_as_get_and_other_methods_have_no_tag():
    assert with_tag(head("HEAD", if_none_match=TAG), Response(200, BODY)).status == 304
    assert with_tag(head("POST", if_none_match=TAG), Response(200, BODY)) == Response(200, BODY)


@pytest.mark.parametrize("response", [Response(503, BODY), Response(201, BODY), Response(200, (b"a", b"b"))])
def test_what_is_no_document_in_one_piece_has_no_tag(response):
    assert with_tag(head(), response) is response


def test_a_tag_that_the_resource_gave_stays():
    response = Response(200, BODY, headers=(("ETag", 'W/"7"'),))
    assert with_tag(head(), response) is response
    assert has_already(head(if_none_match='"7"'), 'W/"7"')


def test_other_bytes_have_another_tag():
    assert len({tag_of(body) for body in (b"", b"a", b"b", b"ab")}) == 4


@pytest.mark.parametrize("value", [None, "*", TAG, f'"x", {TAG}'])
def test_a_change_of_what_is_there_is_let_through(value):
    require_match(head("PATCH") if value is None else head("PATCH", if_match=value), BODY)


@pytest.mark.parametrize("value", ["", '"x"', f"W/{TAG}", TAG.strip('"')])
def test_a_change_of_something_else_is_refused(value):
    with pytest.raises(Refused) as caught:
        require_match(head("PATCH", if_match=value), BODY)
    assert (caught.value.status, caught.value.code) == (412, "rest.changed")


def test_what_is_not_there_matches_nothing_and_what_is_there_is_not_made_again():
    for headers, body in (({"if_match": "*"}, None), ({"if_match": TAG}, None), ({"if_none_match": "*"}, BODY),
                          ({"if_none_match": TAG}, BODY)):
        with pytest.raises(Refused) as caught:
            require_match(head("PUT", **headers), body)
        assert caught.value.status == 412
    require_match(head("PUT", if_none_match="*"), None)
    require_match(head("PUT", if_none_match='"other"'), BODY)
