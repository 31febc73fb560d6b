"""The Containerfile: its instructions, and that the daemon takes the words and settings in it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

from blobtorrent.cli.main import build_parser as build_command_parser
from blobtorrent.config.load import load
from blobtorrent.config.values import ListenSpec, UnixSpec
from blobtorrent.daemon.main import build_parser

ROOT = Path(__file__).resolve().parents[2]
TEXT = (ROOT / "contrib" / "container" / "Containerfile").read_text()


def instructions() -> list[tuple[str, str]]:
    """Each with what follows it, lines that go on put together."""
    lines = "\n".join(line for line in TEXT.splitlines() if not line.startswith("#")).replace("\\\n", " ").splitlines()
    pairs = [line.split(None, 1) for line in lines if line]
    return [(name, rest) for name, rest in pairs]


def the(name: str) -> str:
    """What follows the only instruction of this name."""
    (rest,) = [rest for found, rest in instructions() if found == name]
    return rest


def test_it_has_known_instructions_only_and_copies_what_there_is() -> None:
    known = {"FROM", "COPY", "RUN", "USER", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT"}
    assert {name for name, _ in instructions()} == known
    assert instructions()[0][0] == "FROM"
    copied = [word for name, rest in instructions() if name == "COPY" for word in rest.split()[:-1]]
    assert copied and all((ROOT / word).exists() for word in copied)


def test_the_daemon_takes_its_words_and_settings() -> None:
    program, *words = json.loads(the("ENTRYPOINT"))
    args = build_parser().parse_args(words)
    environ = dict(word.split("=", 1) for word in shlex.split(the("ENV")))
    settings = load(environ=environ)
    assert program == "blobtorrentd"
    volumes = json.loads(the("VOLUME"))
    assert {str(args.state_dir), str(settings.storage.download_dir)} == set(volumes)
    exposed = {int(port.partition("/")[0]) for port in the("EXPOSE").split()}
    listening = [*settings.network.listen, *(spec for spec in settings.rest.listen if isinstance(spec, ListenSpec))]
    assert {spec.ports[0] for spec in listening} == exposed
    # And the question whether it is well goes to where it listens.
    health = re.search(r"CMD (\[.*\])", the("HEALTHCHECK"))
    assert health is not None
    _, *question = json.loads(health[1])
    (local,) = [spec for spec in settings.rest.listen if isinstance(spec, UnixSpec)]
    assert build_command_parser().parse_args(question).url == f"unix:{args.runtime_dir}/{local.path}"
