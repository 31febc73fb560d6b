"""What watches the daemon: only figures that it has, in rules and queries that their programs read."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.peers.daemon import Daemon
from tests.support.tools import require_tool

CONTRIB = Path(__file__).resolve().parents[2] / "contrib"
PROMETHEUS = CONTRIB / "prometheus"
DASHBOARD: dict[str, Any] = json.loads((CONTRIB / "grafana" / "blobtorrent.json").read_text())
SELECTOR = re.compile(r"\b(blobtorrent_\w+)(?:\{([^}]*)\})?")


@pytest.fixture(scope="module")
def figures(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    """The names of the samples that a daemon has, with the names of their labels."""
    with Daemon(tmp_path_factory.mktemp("daemon")) as daemon:
        text = daemon.get("/metrics").decode()
    labels: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels.setdefault(sample.name, set()).update(sample.labels)
    return labels


def queries() -> Iterator[str]:
    """All that the dashboard asks for."""
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "query":
            yield variable["query"]["query"]


def unknown_in(text: str, figures: dict[str, set[str]]) -> list[str]:
    """Names of figures, and labels that they are chosen by, that no daemon has."""
    found = []
    for name, chosen in SELECTOR.findall(text):
        labels = set(re.findall(r"(\w+)\s*[=!]~?", chosen)) - {"instance", "job"}
        if not labels <= figures.get(name, set()) or name not in figures:
            found.append(f"{name}{sorted(labels)}")
    return found


@pytest.mark.parametrize("name", ["blobtorrent.rules.yml", "blobtorrent.test.yml"])
def test_rules_name_figures_that_the_daemon_has(name: str, figures: dict[str, set[str]]) -> None:
    assert unknown_in((PROMETHEUS / name).read_text(), figures) == []


def test_the_dashboard_asks_for_figures_that_the_daemon_has(figures: dict[str, set[str]]) -> None:
    asked = list(queries())
    assert len(asked) > 30
    assert [unknown for query in asked for unknown in unknown_in(query, figures)] == []
    assert unknown_in('rate(blobtorrent_none{kind="x"}[5m])', figures) == ["blobtorrent_none['kind']"]


def test_the_dashboard_has_a_place_for_each_panel() -> None:
    places = [panel["gridPos"] for panel in DASHBOARD["panels"]]
    cells = [
        (x, y) for place in places for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells)), "panels lie on each other"
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(places)


def test_queries_of_the_dashboard_are_good_promql(tmp_path: Path) -> None:
    """As rules of which each is one query; the interval is what Grafana would put in."""
    rules = [{"record": "query", "expr": re.sub(r"\$__rate_interval", "5m", query).replace("$instance", ".*")}
             for query in queries() if not query.startswith("label_values(")]
    path = tmp_path / "queries.json"   # JSON is YAML
    path.write_text(json.dumps({"groups": [{"name": "queries", "rules": rules}]}))
    checked = subprocess.run([require_tool("promtool"), "check", "rules", "--lint=none", path], capture_output=True,
                             text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stderr
    assert f"{len(rules)} rules found" in checked.stdout


def test_alerts_fire_when_they_should(tmp_path: Path) -> None:
    for name in ("prometheus.yml", "blobtorrent.rules.yml", "blobtorrent.test.yml"):
        shutil.copy(PROMETHEUS / name, tmp_path)
    (tmp_path / "blobtorrent.token").write_text("token\n")
    for words in (["check", "config", "prometheus.yml"], ["test", "rules", "blobtorrent.test.yml"]):
        ran = subprocess.run([require_tool("promtool"), *words], cwd=tmp_path, capture_output=True, text=True,
                             check=False, timeout=60)
        assert ran.returncode == 0, ran.stdout + ran.stderr
