"""What pip would install, as pinned requirements with digests: `lock.py 3.10=REPORT 3.11=REPORT ... >requirements.txt`.

A REPORT is what `pip install --dry-run --report` writes for one version of Python. Where the versions of a package
differ, each line says for which Python it is; all digests of one version are together, as the files differ, too.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HEADER = """\
# What runs beside our own code, with the digests of its files: for CPython on Linux, x86_64. Made by lock.py.
# pip install --require-hashes --only-binary :all: --requirement requirements.txt
"""


def lock(reports: dict[str, dict[str, Any]]) -> str:
    """`reports` by version of Python. Raises ValueError for a file without a SHA-256 digest."""
    found: dict[str, dict[str, dict[str, set[str]]]] = {}  # package -> its version -> Python -> digests
    for python, report in reports.items():
        for item in report["install"]:
            name = re.sub(r"[-_]+", "-", item["metadata"]["name"]).lower()
            digest = item["download_info"].get("archive_info", {}).get("hashes", {}).get("sha256", "")
            if not re.fullmatch("[0-9a-f]{64}", digest):
                raise ValueError(f"{name} for Python {python} has no digest")
            found.setdefault(name, {}).setdefault(item["metadata"]["version"], {}).setdefault(python, set()).add(digest)
    lines = [HEADER]
    for name, versions in sorted(found.items()):
        for version, pythons in sorted(versions.items()):
            marker = "" if len(pythons) == len(reports) else " ; " + " or ".join(
                f'python_version == "{python}"' for python in sorted(pythons, key=_number))
            digests = sorted(set().union(*pythons.values()))
            words = [f"{name}=={version}{marker}", *[f"--hash=sha256:{digest}" for digest in digests]]
            lines.append(" \\\n    ".join(words) + "\n")
    return "".join(lines)


def _number(python: str) -> tuple[int, ...]:
    return tuple(map(int, python.split(".")))


if __name__ == "__main__":
    print(lock({python: json.loads(Path(path).read_text(encoding="utf-8"))
                for python, _, path in (word.partition("=") for word in sys.argv[1:])}), end="")
