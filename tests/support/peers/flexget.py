"""FlexGet, from an environment of its own: one task at a time."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from tests.support.tools import require_folder

ENVIRONMENT = Path(__file__).parents[3] / ".venvs" / "flexget"
TIMEOUT_S = 90.0


class FlexGet:
    """Its configuration and what it remembers lie below `home`."""

    def __init__(self, home: Path) -> None:
        require_folder(ENVIRONMENT, "tests/run makes it")
        home.mkdir(exist_ok=True)
        self._home = home

    def run(self, task: dict[str, Any], *, fails: bool = False) -> str:
        """Its log. `fails`: entries are to fail."""
        config = self._home / "config.yml"
        remembering = ["seen", "seen_info_hash", "retry_failed"]
        config.write_text(json.dumps({"tasks": {"test": {"disable": remembering, **task}}}))
        done = subprocess.run(
            [ENVIRONMENT / "bin" / "flexget", "-c", config, "--loglevel", "verbose", "execute", "--no-cache", "--dump",
             "--discover-now"],
            cwd=self._home, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=TIMEOUT_S, check=False,
            env={**os.environ, "HOME": str(self._home), "COLUMNS": "500", "TERM": "dumb"})
        assert done.returncode == 0, done.stdout
        assert ("FAILED" in done.stdout or "ERROR" in done.stdout) == fails, done.stdout
        return done.stdout
