"""TOML text is read in time that grows with its length, whatever is in it."""

from __future__ import annotations

import time

import pytest

from blobtorrent.config.tomltext import parse_document
from blobtorrent.core.session.watch import read_sidecar
from blobtorrent.model.errors import Invalid

CPU_S = 1.0


@pytest.mark.parametrize("part", ["a.", '"b" . ', "'c'.\t"])
def test_a_key_of_very_many_parts_is_refused_at_once(part: str) -> None:
    text = "[x]\n" + part * 100_000 + "a = 1"
    began_s = time.process_time()
    with pytest.raises(ValueError, match="too deeply"):
        parse_document(text)
    with pytest.raises(Invalid, match="too deeply"):
        read_sidecar("x.toml", text.encode())
    assert time.process_time() - began_s < CPU_S


@pytest.mark.parametrize("text", ["x" * 500_000, "'" * 300_000, '"a" ' * 100_000, "a." * 99 + "= " + "a." * 99,
                                  ("a." * 99 + "!\n") * 2000, " ." * 200_000])
def test_looking_for_such_a_key_takes_no_longer_than_the_text(text: str) -> None:
    began_s = time.process_time()
    with pytest.raises(ValueError):
        parse_document(text)
    assert time.process_time() - began_s < CPU_S


def test_numbers_addresses_and_sentences_are_no_keys() -> None:
    values = {"rates": [1.5] * 300, "hosts": ["127.0.0.1"] * 300, "text": "One. Two, then. " * 300}
    text = f"rates = {values['rates']}\nhosts = {values['hosts']}\ntext = '{values['text']}'\n"
    assert parse_document(text) == values
