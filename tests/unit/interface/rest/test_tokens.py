"""Tokens as they are kept."""

from __future__ import annotations

import json

import pytest

from blobtorrent.interface.rest.grants import Grant, Scope
from blobtorrent.interface.rest.tokens import Token, digest_of, is_token_name, read_tokens, write_tokens
from blobtorrent.model.errors import FormatError

TOKEN = Token("tv", frozenset((Scope.ADD, Scope.READ)), digest_of(b"secret"), frozenset("ab"), 1.5, 2.5, None)
ROW = json.loads(write_tokens([TOKEN]))["tokens"][0]


def test_what_was_written_is_read():
    tokens = (TOKEN, Token("b", frozenset((Scope.ADMIN,)), digest_of(b"b")))
    assert read_tokens(write_tokens(tokens)) == tokens
    assert read_tokens(write_tokens(())) == ()


def test_the_secret_is_not_written():
    assert b"secret" not in write_tokens([TOKEN])


def test_a_grant_knows_which_token_it_came_with():
    assert TOKEN.grant == Grant("tv", TOKEN.scopes, TOKEN.labels, TOKEN.digest)


def test_a_token_ends_with_the_second_it_expires():
    assert [TOKEN.is_expired(wall) for wall in (2.4, 2.5, 2.6)] == [False, True, True]
    assert not TOKEN._replace(expires_at=None).is_expired(1e12)


@pytest.mark.parametrize(
    "data",
    [
        b"", b"{", b"null", b"[]", b"{}", b'{"format": 1}', b'{"format": 1, "tokens": 5}', b"[" * 100_000, b"\xff",
        *(
            json.dumps({"format": 1, "tokens": [{**ROW, **change}]}).encode() for change in (
                {"name": "a b"}, {"name": 5}, {"scopes": []}, {"scopes": ["root"]}, {"digest": "short"},
                {"digest": None}, {"labels": [5]}, {"labels": None}, {"created_at": "now"}, {"expires_at": []},
                {"unknown": 1},
            )
        ),
        json.dumps({"format": 1, "tokens": [{"name": "a"}]}).encode(),
    ],
)
def test_what_is_damaged_is_not_half_read(data):
    with pytest.raises(FormatError) as caught:
        read_tokens(data)
    assert caught.value.code == "token.damaged"


def test_what_a_later_version_wrote_is_told_apart_from_damage():
    with pytest.raises(FormatError) as caught:
        read_tokens(b'{"format": 2, "keys": {}}')
    assert caught.value.code == "token.newer"


@pytest.mark.parametrize(("name", "is_one"), [
    ("a", True), ("A-b_9", True), ("a" * 64, True), ("a" * 65, False), ("", False), ("a.b", False), ("a/b", False),
    ("a\n", False), ("\xe4", False),
])
def test_names_can_stand_in_paths_and_on_command_lines(name, is_one):
    assert is_token_name(name) is is_one
