"""The pictures in README.md are those that contrib/readme-pictures makes: the same commands, and none that fails."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.support.source import ROOT


@pytest.mark.slow
def test_the_readme_shows_the_commands_that_the_script_runs() -> None:
    script = ROOT / "contrib" / "readme-pictures"
    done = subprocess.run([sys.executable, script, "--print"], capture_output=True, text=True, check=False, timeout=100)
    assert (done.returncode, done.stderr) == (0, "")
    made = done.stdout
    shown = "".join(re.findall(r"<!-- picture \w+ -->\n(.*?)<!-- end -->", (ROOT / "README.md").read_text(), re.DOTALL))
    commands = re.compile(r"^    \$ .*$", re.MULTILINE)
    assert commands.findall(shown) == commands.findall(made) != []
    assert not re.search(r"^    blobtorrent: ", made, re.MULTILINE), "a command failed"
