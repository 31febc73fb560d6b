"""Configuration files as people have them: every line is understood, and what they say comes into force."""

from __future__ import annotations

from pathlib import Path

import pytest

from blobtorrent.interface.rtorrent.rcfile import RcFiles
from tests.support.rtorrentsession import SessionStage

FOLDER = Path(__file__).parent / "configurations"


class Configured(SessionStage):
    """A session that a configuration file was read into."""

    def __init__(self, name: str, root: Path) -> None:
        self.places: list[str] = []
        super().__init__(open_place=self.places.append, folder="")
        files = RcFiles()
        self.registry.extend(files.commands())
        file = root / name
        file.write_text((FOLDER / name).read_text().replace("@ROOT@", str(root)))
        self.reported: list[str] = []
        files.start(self.interpreter.context(), (), file, self.reported.append)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path


def test_the_usual_template(root: Path) -> None:
    stage = Configured("template.rc", root)
    assert stage.reported == []
    settings = stage.engine.settings()
    assert settings.storage.download_dir == root / "download"
    assert [str(spec) for spec in settings.network.listen] == ["0.0.0.0:50000", "[::]:50000"]
    assert (settings.network.upload_slots, settings.network.max_peers_per_torrent) == (100, 60)
    assert (settings.dht.enabled, settings.pex.enabled) == (False, False)
    assert stage.places == [f"unix:{root}/.session/rpc.socket"]
    assert stage.call("session.path") == f"{root}/.session/"
    assert (root / ".session" / "rtorrent.pid").exists()
    assert "monitor_diskspace" in stage.commands.scheduling.schedules
    stage.commands.close()


def test_that_of_an_image_with_a_front_end(root: Path) -> None:
    stage = Configured("container.rc", root)
    assert stage.reported == []
    settings = stage.engine.settings()
    assert settings.limits.down_bytes_per_s == 2000 << 10
    assert (settings.groups["thr_0"].up_bytes_per_s, settings.groups["thr_0"].down_bytes_per_s) == (60 << 10, 600 << 10)
    assert stage.call("group.rat_1.ratio.max") == 300
    assert stage.call("method.get", "group.rat_1.ratio.command") == "d.stop= ;d.close="
    assert stage.call("pieces.hash.on_completion") == 0


def test_a_tree_of_watched_folders(root: Path) -> None:
    stage = Configured("watchtree.rc", root)
    assert stage.reported == []
    assert stage.call("session.path") == f"{root}/tree/session/"
    assert (root / "tree" / "started").read_text() == "at 1700000000\n"
    assert stage.call("method.list_keys", "watched") == ["1_label", "2_folder"]
    assert [stage.call(f"ratio.{word}") for word in ("min", "max", "upload")] == [150, 400, 20 << 20]


def test_a_line_that_fails_is_told_with_its_place_and_the_others_are_run(root: Path) -> None:
    file = root / "bad.rc"
    file.write_text("throttle.max_uploads.set = 3\nnosuch = 1\nthrottle.max_peers.normal.set = 4\n")
    stage, files, reported = SessionStage(), RcFiles(), []
    stage.registry.extend(files.commands())
    files.start(stage.interpreter.context(), (), file, reported.append)
    assert len(reported) == 1
    assert f"{file}:2: " in reported[0] and 'Command "nosuch" does not exist.' in reported[0]
    assert stage.engine.settings().network.max_peers_per_torrent == 4
