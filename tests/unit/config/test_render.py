from __future__ import annotations

import sys
from pathlib import Path

from blobtorrent.config.doors import HookSettings, WatchSettings
from blobtorrent.config.load import load
from blobtorrent.config.render import EXAMPLE_NAME, EXAMPLES, render_example
from blobtorrent.config.schema import all_options
from blobtorrent.config.sources import load_with_sources
from blobtorrent.config.transfers import GroupSettings

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def uncommented(text: str) -> str:
    """The example with every setting in force: prose begins with "# ", settings with "#"."""
    return "\n".join(
        line[1:] if line.startswith("#") and not line.startswith("# ") else line for line in text.splitlines()
    )


def test_the_example_sets_nothing_as_it_stands():
    assert all(table == {} for table in tomllib.loads(render_example()).values())


def test_the_service_of_the_system_leaves_its_network_and_its_machine_alone(tmp_path):
    """And sets nothing else, in a file that the daemon reads."""
    text = render_example(of_system=True)
    assert {section: table for section, table in tomllib.loads(text).items() if table} == {
        "lsd": {"enabled": False}, "network": {"port_mapping": "off"}, "webseeds": {"allow_loopback": False}}
    file = tmp_path / "blobtorrent.toml"
    file.write_text(text)
    settings = load([file])
    assert not settings.lsd.enabled and not settings.webseeds.allow_loopback
    assert settings.network.port_mapping == "off"
    assert load().lsd.enabled, "a daemon of one's own does"


def test_the_example_with_its_keys_uncommented_sets_every_option_to_its_default(tmp_path):
    path = tmp_path / "all.toml"
    path.write_text(uncommented(render_example()))
    loaded = load_with_sources([path])
    shapes = {key.replace(f".{EXAMPLE_NAME}.", ".NAME.").replace(".0.", ".") for key in loaded.given}
    assert shapes == set(all_options())
    defaults = load()
    assert loaded.settings._replace(groups={}, watch=(), hooks=()) == defaults
    assert loaded.settings.groups == {EXAMPLE_NAME: GroupSettings()}
    assert loaded.settings.watch == (WatchSettings(path=Path(str(EXAMPLES["watch.path"]))),)
    assert loaded.settings.hooks == (HookSettings(program=tuple(EXAMPLES["hooks.program"])),)


def test_every_option_is_documented_in_whole_sentences():
    for key, option in all_options().items():
        assert option.doc.endswith("."), key
