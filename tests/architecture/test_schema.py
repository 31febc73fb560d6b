"""The settings schema, what is generated from it and what is read of it do not drift apart."""

from __future__ import annotations

import ast

from blobtorrent.config.render import render_example
from blobtorrent.config.schema import all_options
from tests.support.source import ROOT, modules, tree_of


def test_the_example_file_is_what_the_schema_renders():
    example = (ROOT / "blobtorrent.toml.example").read_text(encoding="utf-8")
    assert example == render_example(), "run: python -m blobtorrent.config.render > blobtorrent.toml.example"


def test_what_the_service_of_the_system_begins_with_is_what_the_schema_renders():
    text = (ROOT / "contrib/systemd/blobtorrent.toml").read_text(encoding="utf-8")
    assert text == render_example(of_system=True), (
        "run: python -m blobtorrent.config.render system > contrib/systemd/blobtorrent.toml")


def test_every_setting_is_read_by_somebody():
    read = {
        node.attr
        for module in modules() if not module.startswith("blobtorrent.config")
        for node in ast.walk(tree_of(module)) if isinstance(node, ast.Attribute)
    }
    assert {name for name in all_options() if name.rpartition(".")[2] not in read} == set()
