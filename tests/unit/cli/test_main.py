"""The command as a whole: subcommands, statuses, broken pipes."""

from __future__ import annotations

import subprocess
import sys

import pytest

from blobtorrent import __version__
from blobtorrent.cli.catalogue import COMMANDS, GROUPS
from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_USAGE


def test_help_lists_every_command_below_the_title_of_its_group(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["--help"])
    assert caught.value.code == 0
    shown = capsys.readouterr().out
    for title, names in GROUPS:
        section = shown.partition(f"\n{title}:\n")[2].partition("\n\n")[0]
        assert [line.split()[0] for line in section.splitlines() if line[2] != " "] == list(names)
    assert all(shown.count(f"\n  {name} ") == 1 for name in COMMANDS)


@pytest.mark.parametrize("arguments", [[], ["frobnicate"], ["get"], ["verify", "x"]])
def test_wrong_usage_has_its_own_status(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(arguments)
    assert caught.value.code == EXIT_USAGE
    assert "usage:" in capsys.readouterr().err


def test_the_package_runs_as_a_module() -> None:
    command = [sys.executable, "-m", "blobtorrent", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"blobtorrent {__version__}\n"


def test_showing_a_torrent_loads_nothing_of_the_engine() -> None:
    code = ("import sys; from blobtorrent.cli.main import main; main(['show', '/nonexistent']); "
            "print(any(name in sys.modules for name in ('ssl', 'http.client', 'blobtorrent.daemon.assemble')))")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_an_engine_starts_without_the_modules_for_https() -> None:
    code = ("import sys; import blobtorrent.cli.foreground; "
            "print([name for name in ('ssl', 'http.client', 'email', 'cryptography') if name in sys.modules])")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
