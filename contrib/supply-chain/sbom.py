"""A bill of materials in CycloneDX 1.5 (JSON): what the program consists of, for those who watch for weaknesses.

    sbom.py               of a release: this checkout, and requirements.txt with its digests
    sbom.py --installed   of the environment that runs this: what importlib.metadata finds that we need, and its parts

The same input gives the same bytes: there is no time in it unless SOURCE_DATE_EPOCH gives one. Standard library only.
"""

from __future__ import annotations

import configparser
import datetime
import json
import os
import re
import sys
import uuid
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).resolve().parent
NAME = "blobtorrent"


class Part(NamedTuple):
    """One package. `pythons` are the versions of Python that it is for, none: all."""

    name: str
    version: str
    digests: tuple[str, ...] = ()      # SHA-256 of its files, in hexadecimal digits
    pythons: tuple[str, ...] = ()
    license: str = ""


def parts_of_lock(text: str) -> Iterator[Part]:
    """Raises ValueError for a requirement that is not pinned, or has no digest."""
    for line in text.replace("\\\n", " ").splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        found = re.match(r"([A-Za-z0-9._-]+)==([A-Za-z0-9._+!-]+)(?: ; (.*?))?\s+--hash", line)
        digests = tuple(re.findall(r"--hash=sha256:([0-9a-f]{64})", line))
        if found is None or not digests:
            raise ValueError(f"not pinned: {line[:60]}")
        pythons = tuple(re.findall(r'python_version == "([0-9.]+)"', found[3] or ""))
        yield Part(found[1], found[2], digests, pythons)


def installed_parts(wanted: str = NAME) -> Iterator[Part]:
    """What is needed of what is installed here, each once. Raises metadata.PackageNotFoundError without `wanted`."""
    seen, waiting = {_normal(wanted)}, [wanted]
    while waiting:
        for requirement in metadata.distribution(waiting.pop()).requires or ():
            name = re.match(r"[A-Za-z0-9._-]+", requirement)
            if name is None or "extra ==" in requirement or _normal(name[0]) in seen:
                continue
            seen.add(_normal(name[0]))
            try:
                found = metadata.distribution(name[0])
            except metadata.PackageNotFoundError:          # for another Python or system
                continue
            told = found.metadata
            # Some put the whole text there.
            terms = (told.get("License-Expression") or told.get("License") or "").partition("\n")[0][:100]
            yield Part(_normal(name[0]), found.version, license=terms)
            waiting.append(name[0])


def document(version: str, parts: list[Part], time: str | None) -> dict[str, Any]:
    """The bill, as JSON has it. `time` is that of the release, in RFC 3339."""
    root = {"type": "application", "bom-ref": f"pkg:pypi/{NAME}@{version}", "name": NAME, "version": version,
            "purl": f"pkg:pypi/{NAME}@{version}", "licenses": [{"license": {"id": "MIT"}}]}
    components = [_component(part) for part in sorted(parts)]
    body: dict[str, Any] = {
        "metadata": {**({} if time is None else {"timestamp": time}), "component": root},
        "components": components,
        "dependencies": [{"ref": root["bom-ref"], "dependsOn": [one["bom-ref"] for one in components]}],
    }
    serial = uuid.uuid5(uuid.NAMESPACE_URL, json.dumps(body, sort_keys=True))
    return {"bomFormat": "CycloneDX", "specVersion": "1.5", "serialNumber": f"urn:uuid:{serial}", "version": 1, **body}


def _component(part: Part) -> dict[str, Any]:
    purl = f"pkg:pypi/{part.name}@{part.version}"
    made: dict[str, Any] = {
        "type": "library", "bom-ref": purl, "name": part.name, "version": part.version, "purl": purl}
    # A package has a file for each kind of machine: any of them may be the one.
    made["properties"] = [{"name": f"{NAME}:sha256", "value": digest} for digest in part.digests]
    made["properties"] += [{"name": f"{NAME}:python", "value": python} for python in part.pythons]
    if part.license:
        made["licenses"] = [{"license": {"name": part.license}}]
    return made


def _normal(name: str) -> str:
    return re.sub(r"[-_]+", "-", name).lower()


def _version() -> str:
    """Of this checkout."""
    config = configparser.ConfigParser()
    config.read(HERE.parents[1] / "setup.cfg", encoding="utf-8")
    assert config["metadata"]["name"] == NAME
    text = (HERE.parents[1] / NAME / "__init__.py").read_text(encoding="utf-8")
    found = re.search(r'^__version__ = "([^"]+)"', text, re.MULTILINE)
    assert found is not None
    return found[1]


def main(words: list[str]) -> str:
    """The text of the bill."""
    if words == ["--installed"]:
        version, parts = metadata.version(NAME), list(installed_parts())
    else:
        version = _version()
        parts = list(parts_of_lock((HERE / "requirements.txt").read_text(encoding="utf-8")))
    epoch = os.environ.get("SOURCE_DATE_EPOCH")
    time = None if epoch is None else datetime.datetime.fromtimestamp(
        int(epoch), datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(document(version, parts, time), indent=2) + "\n"


if __name__ == "__main__":
    print(main(sys.argv[1:]), end="")
