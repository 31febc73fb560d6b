"""What `get` understands on its command line, before anything runs."""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from pathlib import Path

import pytest

from blobtorrent.cli.commands import get
from blobtorrent.cli.main import main
from blobtorrent.cli.output import EXIT_CONFIG, EXIT_FAILED, EXIT_TIMEOUT, EXIT_USAGE
from blobtorrent.config.values import ListenSpec
from blobtorrent.core.session.commands import SeedGoal
from blobtorrent.model.address import Endpoint
from blobtorrent.model.errors import FormatError, NetworkError
from blobtorrent.network.binding import ANYWHERE


def parse(*arguments: str) -> Namespace:
    parser = ArgumentParser()
    get.register(parser.add_subparsers())
    return parser.parse_args(["get", "x.torrent", *arguments])


@pytest.mark.parametrize(
    ("arguments", "goal"),
    [
        ((), SeedGoal(time_s=0.0)),
        (("--seed-for", "90"), SeedGoal(time_s=90.0)),
        (("--seed-for", "1h 30m"), SeedGoal(time_s=5400.0)),
        (("--seed-for", "inf"), SeedGoal()),
        (("--ratio", "1.5"), SeedGoal(ratio=1.5)),
        (("--ratio", "2", "--seed-for", "60"), SeedGoal(ratio=2.0, time_s=60.0)),
        (("--ratio", "2", "--seed-for", "inf"), SeedGoal(ratio=2.0)),
    ],
)
def test_seeding_lasts_as_long_as_the_options_say_and_not_at_all_without_any(
    arguments: tuple[str, ...], goal: SeedGoal
) -> None:
    assert get.goal_of(parse(*arguments)) == goal


@pytest.mark.parametrize(
    ("text", "spec"),
    [
        ("127.0.0.1:6881", ListenSpec("127.0.0.1", range(6881, 6882))),
        ("0.0.0.0:6881-6889", ListenSpec("0.0.0.0", range(6881, 6890))),
        ("[::1]:0", ListenSpec("::1", range(1))),
    ],
)
def test_listen_takes_a_port_a_range_or_any(text: str, spec: ListenSpec) -> None:
    assert parse("--listen", text).listen == [spec]


@pytest.mark.parametrize(
    "arguments",
    [
        ("--listen", "6881"),
        ("--listen", "127.0.0.1:70000"),
        ("--timeout", "soon"),
        ("--seed-for", "-1"),
        ("--ratio", "nan"),
        ("--ratio", "-0.5"),
        ("--frobnicate",),
    ],
)
def test_nonsense_is_wrong_usage(arguments: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        parse(*arguments)
    assert caught.value.code == EXIT_USAGE


def test_peers_are_addresses_or_names() -> None:
    assert get.resolve("10.0.0.1:51413", ANYWHERE) == (Endpoint("10.0.0.1", 51413),)
    assert get.resolve("[::1]:6881", ANYWHERE) == (Endpoint("::1", 6881),)
    assert Endpoint("127.0.0.1", 6881) in get.resolve("localhost:6881", ANYWHERE)


@pytest.mark.parametrize("text", ["localhost", "localhost:", "localhost:http", "localhost:0", "localhost:70000", ":1"])
def test_a_peer_without_a_port_is_refused(text: str) -> None:
    with pytest.raises(FormatError):
        get.resolve(text, ANYWHERE)


def test_an_unknown_name_of_a_peer_is_a_network_error() -> None:
    with pytest.raises(NetworkError, match="no address"):
        get.resolve("name..invalid:1", ANYWHERE)


def test_a_magnet_link_that_nobody_answers_runs_out_of_time(capsys: pytest.CaptureFixture[str]) -> None:
    link = "magnet:?xt=urn:btih:" + "a" * 40
    assert main(["get", link, "--json", "--timeout", "0.3", "--listen", "127.0.0.1:0"]) == EXIT_TIMEOUT
    out, _ = capsys.readouterr()
    told = [json.loads(line) for line in out.splitlines()]
    assert [line["event"] for line in told if "event" in line][:2] == ["listening", "metadata"]
    assert told[-1]["error"]["code"] == "get.timeout"


def test_a_magnet_link_without_a_torrent_is_refused_in_plain_words(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "magnet:?dn=x", "--json"]) == EXIT_FAILED
    out, err = capsys.readouterr()
    assert json.loads(out)["error"]["code"] == "magnet.no-hash"
    assert "names no torrent" in err


@pytest.mark.parametrize("assignment", ["no.such=1", "network.max_peers=many", "network"])
def test_a_bad_setting_has_its_own_exit_status(assignment: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get", "x.torrent", "--set", assignment]) == EXIT_CONFIG
    assert capsys.readouterr().err.count("\n") == 1


def test_a_source_that_is_no_torrent_is_one_line_of_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "x.torrent"
    path.write_bytes(b"\x1b[2J not a torrent")
    assert main(["get", str(path)]) == EXIT_FAILED
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.rstrip("\n").isprintable()
