"""The settings schema and what is generated from it do not drift apart."""

from __future__ import annotations

from blobtorrent.config.render import render_example
from tests.support.source import ROOT


def test_the_example_file_is_what_the_schema_renders():
    example = (ROOT / "blobtorrent.toml.example").read_text(encoding="utf-8")
    assert example == render_example(), "run: python -m blobtorrent.config.render > blobtorrent.toml.example"
