"""The programs of pyrosimple, from an environment of their own, with the configuration that a test gives them."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.peers.program import Program
from tests.support.tools import require_folder

ENVIRONMENT = Path(__file__).parents[3] / ".venvs" / "pyrosimple"
TIMEOUT_S = 60.0


class Pyrosimple:
    """They talk to the daemon at `url`. `config` is their config.toml; their home is `home`."""

    def __init__(self, home: Path, url: str, config: str = "") -> None:
        require_folder(ENVIRONMENT, "tests/run makes it")
        self.home = home
        self.url = url
        settings = home / ".config" / "pyrosimple" / "config.toml"
        settings.parent.mkdir(parents=True, exist_ok=True)
        settings.write_text(config)
        self.environment = {
            **os.environ, "HOME": str(home), "PYRO_SCGI_URL": url, "PYRO_CONF": str(settings), "TERM": "dumb"}

    def run(self, program: str, *words: str, status: int = 0, url: str | None = None) -> str:
        """What it printed; its exit status is `status`. `url` is another daemon's."""
        done = self.finish(program, *words, url=url)
        assert done.returncode == status, f"{program} {words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def finish(self, program: str, *words: str, url: str | None = None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ENVIRONMENT / "bin" / program, *words], cwd=self.home, stdin=subprocess.DEVNULL, capture_output=True,
            text=True, timeout=TIMEOUT_S, check=False, env={**self.environment, "PYRO_SCGI_URL": url or self.url})

    def rtcontrol(self, *words: str, status: int = 0) -> list[str]:
        """The lines it printed. Status 44 is that nothing matched."""
        return self.run("rtcontrol", *words, status=status).splitlines()

    def items(self, *words: str) -> list[dict[str, Any]]:
        """What it tells of the matching items as JSON."""
        found: list[dict[str, Any]] = json.loads(self.run("rtcontrol", "--json", *words))
        return found

    def rtxmlrpc(self, *words: str, status: int = 0, url: str | None = None) -> str:
        return self.run("rtxmlrpc", *words, status=status, url=url).rstrip("\n")


class Pyrotorque(Program):
    """Its queue manager, with the jobs of the configuration."""

    def __init__(self, pyrosimple: Pyrosimple) -> None:
        super().__init__([ENVIRONMENT / "bin" / "pyrotorque", "--no-fork", "-v"], home=pyrosimple.home,
                         environment=pyrosimple.environment)


def packaged_configuration(base: Path) -> list[str]:
    """The lines of the .rtorrent.rc that comes with pyrosimple, for somebody whose home is `base`."""
    require_folder(ENVIRONMENT, "tests/run makes it")
    (path,) = ENVIRONMENT.glob("lib/python*/site-packages/pyrosimple/data/full-example.rc")
    return path.read_text().replace("/home/USERNAME", str(base)).splitlines()
