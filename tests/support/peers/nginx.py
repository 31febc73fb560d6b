"""nginx with the files of a folder: the web server that most web seeds are."""

from __future__ import annotations

import os
import shutil
import socket
from pathlib import Path

from tests.support.peers.program import Program, free_port, wait_until

START_TIMEOUT_S = 20.0
# One process that stays with us; nothing is written outside of its folder.
CONFIG = """
daemon off; master_process off; pid {folder}/nginx.pid; error_log {folder}/error.log;
events {{ }}
http {{
  access_log {folder}/access.log; default_type application/octet-stream;
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  server {{
    listen 127.0.0.1:{port}; root {root};
    {options}
  }}
}}
"""
NO_RANGES = "max_ranges 0;"


def nginx() -> str | None:
    """The program, if it is installed."""
    return shutil.which("nginx", path=os.environ.get("PATH", "") + ":/usr/sbin")


class Nginx(Program):
    """Used as a context manager; `url` is its root."""

    def __init__(self, folder: Path, root: Path, options: str = "") -> None:
        program = nginx()
        assert program is not None
        folder.mkdir(parents=True)
        port = free_port()
        config = folder / "nginx.conf"
        config.write_text(CONFIG.format(folder=folder, port=port, root=root, options=options))
        super().__init__([program, "-p", str(folder), "-c", str(config), "-e", f"{folder}/error.log"])
        self.url = f"http://127.0.0.1:{port}/"
        self._port = port
        self._log = folder / "access.log"

    def wait_ready(self) -> None:
        wait_until(self._answers, START_TIMEOUT_S, "nginx")

    @property
    def requests(self) -> list[str]:
        """The lines of its access log."""
        return self._log.read_text().splitlines()

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self._port), 1.0).close()
        except OSError:
            return False
        return True
