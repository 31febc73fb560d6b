"""What can be typed, and the scripts that complete it."""

from __future__ import annotations

import argparse
import subprocess
from pathlib import Path

import pytest

from blobtorrent.cli.catalogue import COMMANDS
from blobtorrent.cli.commands.completion import beginnings
from blobtorrent.cli.main import build_parser
from blobtorrent.cli.shellscripts import SHELLS, script_for
from blobtorrent.cli.wordtree import Argument, Kind, commands_of
from tests.support.tools import require_tool

# What is played for `blobtorrent`: the torrents, in the way that the real command prints them.
_TORRENTS = r"""#!/bin/sh
[ "$1 $2" = "completion torrents" ] || exit 1
printf 'aaaa1111\tdebian 12.iso\nbbbb2222\tubuntu\n'
[ "$3" != --url ] || printf 'cccc3333\tof-%s\n' "$4"
"""


@pytest.fixture(scope="module")
def commands():
    return list(commands_of(build_parser()))


@pytest.fixture
def folder(tmp_path: Path, commands) -> Path:
    """The scripts, and a played command in bin/."""
    for shell in SHELLS:
        (tmp_path / f"script.{shell}").write_text(script_for(shell, commands))
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "blobtorrent"
    program.write_text(_TORRENTS)
    program.chmod(0o755)
    for name in ("one.torrent", "two words.torrent"):
        (tmp_path / name).touch()
    (tmp_path / "folder").mkdir()
    return tmp_path


def bash(folder: Path, *words: str) -> list[str]:
    """What bash offers for the last of the words."""
    script = (
        "source ./script.bash; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); _blobtorrent; "
        "((${#COMPREPLY[@]} == 0)) || printf '%s\\n' \"${COMPREPLY[@]}\"")
    done = subprocess.run(
        [require_tool("bash"), "--norc", "-c", script, "bash", "blobtorrent", *words], cwd=folder, text=True,
        capture_output=True, env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}, check=True, timeout=20)
    assert done.stderr == ""
    return done.stdout.splitlines()


def test_every_command_is_known_with_its_options(commands):
    assert tuple(command.name for command in commands) == COMMANDS
    by_name = {command.name: command for command in commands}
    flags = {flag: option.argument for option in by_name["list"].options for flag in option.flags}
    assert flags["--error"] is None
    assert flags["--state"] == Argument(Kind.WORDS, (
        "stopped", "queued", "checking", "metadata", "downloading", "seeding", "moving", "error"))
    assert flags["--token-file"] == Argument(Kind.FILE)
    assert flags["--label"] == Argument(Kind.TEXT)
    assert by_name["move"].arguments == (Argument(Kind.TORRENT), Argument(Kind.FOLDER))
    assert all(command.help for command in commands)


def test_the_beginning_of_a_hash_is_as_long_as_it_must_be():
    hashes = ["a" * 40, "a" * 9 + "b" * 31, "b" * 40, "a" * 8 + "c" * 32]
    torrents = [{"hash": digits, "name": f"n\t{number}"} for number, digits in enumerate(hashes)]
    assert list(beginnings(torrents)) == [
        ("a" * 10, "n\\x090"), ("a" * 9 + "b", "n\\x091"), ("b" * 8, "n\\x092"), ("a" * 8 + "c", "n\\x093")]
    assert list(beginnings([])) == []


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify"]),
        (["li"], ["list", "limits"]),
        (["start", "aaa"], ["aaaa1111"]),
        (["start", "de"], ["debian\\ 12.iso"]),
        (["start", "--url", "unix:/x", "of"], ["of-unix:/x"]),
        (["list", "--state", "s"], ["stopped", "seeding"]),
        (["list", "--sta"], ["--state"]),
        (["verify", "on"], ["one.torrent"]),
        (["add", "two"], ["two words.torrent"]),
        (["add", "--to", "f"], ["folder"]),
        (["add", "--label", "x"], []),
        (["completion", "z"], ["zsh"]),
        (["stats", "x"], []),
        (["nonsense", "x"], []),
    ],
)
def test_bash_completes(folder, words, offered):
    assert bash(folder, *words) == offered


def test_bash_offers_all_torrents_to_who_has_typed_nothing(folder):
    assert bash(folder, "why", "") == ["aaaa1111", "bbbb2222"]


def test_fish_completes(folder):
    lines = ("start aa", "list --state s", "ver", "list --fie", "start --url u c", "add --to f", "add --label x")
    script = "; ".join(["source script.fish", *(f"complete -C 'blobtorrent {line}'" for line in lines)])
    done = subprocess.run(
        [require_tool("fish"), "--no-config", "-c", script], cwd=folder, text=True, capture_output=True, timeout=20,
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin", "HOME": str(folder)}, check=True)
    words = [line.split("\t")[0] for line in done.stdout.splitlines()]
    assert words == ["aaaa1111", "seeding", "stopped", "verify", "--fields", "cccc3333", "folder/"]
    assert "aaaa1111\tdebian 12.iso" in done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ver"], ["verify:check files against a torrent"]),
        (["why", ""], ["aaaa1111:debian 12.iso", "bbbb2222:ubuntu"]),
        (["why", "--url", "u", ""], ["aaaa1111:debian 12.iso", "bbbb2222:ubuntu", "cccc3333:of-u"]),
        (["list", "--st"], ["*--state[only these\\: stopped, queued, checking, metadata, downloading, seeding, moving, "
                            "error]:value:(stopped queued checking metadata downloading seeding moving error)"]),
        (["list", ""], ["*--hashes[print only info-hashes, for the stdin of other commands]"]),
        (["verify", ""], ["*:argument:_files"]),
    ],
)
def test_zsh_is_told_what_there_is(folder, words, offered):
    """Its own functions, which need a terminal, are played."""
    script = """
        _describe() { print -rl -- "${(P@)@[-1]}" }
        _arguments() { print -rl -- "$@"; _blobtorrent_torrents }
        words=(blobtorrent "$@"); CURRENT=$#words
        source ./script.zsh
    """
    done = subprocess.run(
        [require_tool("zsh"), "-f", "-c", script, "zsh", *words], cwd=folder, text=True, capture_output=True,
        env={"PATH": f"{folder / 'bin'}:/usr/bin:/bin"}, check=True, timeout=20)
    assert done.stderr == ""
    assert set(offered) <= set(done.stdout.splitlines())


@pytest.mark.parametrize("shell", SHELLS)
def test_help_with_quotes_breaks_no_script(folder, shell):
    parser = argparse.ArgumentParser()
    commands = parser.add_subparsers()
    command = commands.add_parser("odd", help="a 'quoted' [word]: $(touch broken) `touch broken` \\")
    command.add_argument("--of", metavar="FILE", help="it's [a] \"file\": $(touch broken) 100%% \\")
    script = folder / "odd"
    script.write_text(script_for(shell, list(commands_of(parser))))
    flags = {"bash": "-n", "zsh": "-n", "fish": "--no-execute"}
    done = subprocess.run([require_tool(shell), flags[shell], script], cwd=folder, capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (0, b"")
