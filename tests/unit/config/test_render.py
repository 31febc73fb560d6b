from __future__ import annotations

import sys

from blobtorrent.config.load import load
from blobtorrent.config.render import render_example
from blobtorrent.config.schema import NetworkSettings, Settings, StorageSettings, all_options

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def test_the_example_sets_nothing_as_it_stands():
    assert all(table == {} for table in tomllib.loads(render_example()).values())


def test_the_example_with_its_keys_uncommented_gives_the_defaults(tmp_path):
    lines = [
        line[1:] if line.startswith("#") and not line.startswith("# ") else line
        for line in render_example().splitlines()
    ]
    path = tmp_path / "all.toml"
    path.write_text("\n".join(lines))
    tables = tomllib.loads(path.read_text())
    assert {f"{section}.{key}" for section, table in tables.items() for key in table} == set(all_options())
    assert load([path]) == Settings(StorageSettings(), NetworkSettings())


def test_every_option_is_documented_in_whole_sentences():
    for key, option in all_options().items():
        assert option.doc.endswith("."), key
