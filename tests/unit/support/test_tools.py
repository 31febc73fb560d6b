from __future__ import annotations

import pytest

from tests.support.tools import require_module, require_tool

Skipped, Failed = pytest.skip.Exception, pytest.fail.Exception


def test_a_tool_that_is_there_is_found(monkeypatch):
    monkeypatch.setenv("CI", "true")
    assert require_tool("sh").endswith("/sh")
    assert require_module("json").loads("1") == 1


@pytest.mark.parametrize("ci", ["", "false"])
def test_a_missing_tool_skips_the_test(monkeypatch, ci):
    monkeypatch.setenv("CI", ci)
    with pytest.raises(Skipped, match="no-such-program is not installed"):
        require_tool("no-such-program")
    with pytest.raises(Skipped, match="no_such_module"):
        require_module("no_such_module")


def test_under_ci_a_missing_tool_is_a_failure(monkeypatch):
    monkeypatch.setenv("CI", "true")
    with pytest.raises(Failed, match="no-such-program"):
        require_tool("no-such-program")
    with pytest.raises(Failed, match="no_such_module"):
        require_module("no_such_module")
