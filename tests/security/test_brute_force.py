"""Brute force and timing: 1,000 wrong tokens from one address help nobody and lock nobody else out."""

from __future__ import annotations

import ast
import inspect
import textwrap

from blobtorrent.interface.rest import keyring
from blobtorrent.interface.rest.attempts import FREE_ATTEMPTS
from tests.support.rest import TOKEN, RestRig

TRIES = 1000
OTHER = "127.0.0.2"


def test_a_thousand_tries_from_one_address_lock_out_that_address_only() -> None:
    with RestRig() as rig:
        wrong = [f"{number:064x}" for number in range(TRIES - 4)]
        wrong += [TOKEN[:-1], TOKEN + "0", TOKEN.upper(), TOKEN[::-1]]
        statuses = [rig.request("GET", "/v1/session", token=token).status for token in wrong[:40]]
        statuses += [rig.request("GET", "/v1/session", token=token).status for token in wrong[40:]]
        assert statuses[:FREE_ATTEMPTS] == [401] * FREE_ATTEMPTS
        assert set(statuses) == {401, 429}
        assert statuses.count(401) <= FREE_ATTEMPTS + 10           # what comes back in the minute that it takes
        refused = rig.request("GET", "/v1/session", token="wrong")
        assert refused.status == 429 and int(refused.headers["retry-after"]) > 0
        assert rig.request("GET", "/v1/session", address=OTHER).status == 200
        assert rig.request("GET", "/v1/session", token="wrong", address=OTHER).status == 401
        assert rig.request("GET", "/v1/session").status == 200     # nor its owner, who knows the token


def test_no_secret_is_compared_a_character_at_a_time() -> None:
    """What is compared is digests, and that in constant time: what a guess has in common with a token tells nothing."""
    tree = ast.parse(textwrap.dedent(inspect.getsource(keyring.Keyring._find)))
    called = {node.func.attr for node in ast.walk(tree) if isinstance(node, ast.Call)
              and isinstance(node.func, ast.Attribute)}
    assert "compare_digest" in called
    compared = [ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Compare)]
    assert not [text for text in compared if "digest" in text or "secret" in text]
