"""`blobtorrent apply FILE`: have the daemon as a file says, and change nothing that is so already."""

from __future__ import annotations

import base64
import os
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from blobtorrent.cli.client import ApiError, Client, client_options, connect
from blobtorrent.cli.desired import (
    Desired,
    Details,
    Entry,
    Plan,
    Step,
    file_priorities,
    plan_for,
    read_desired,
    settings_that_differ,
    tracker_tiers,
)
from blobtorrent.cli.meter import Meter
from blobtorrent.cli.output import EXIT_FAILED, EXIT_OK, Subcommands, clean, fail, print_json
from blobtorrent.cli.paint import Painter, Style
from blobtorrent.cli.screen import Screen
from blobtorrent.model.errors import FormatError, Invalid, NotFound

if TYPE_CHECKING:
    from blobtorrent.network.binding import Binding

MAX_FILE_BYTES = 16 << 20


def register(commands: Subcommands) -> None:
    parser = commands.add_parser(
        "apply",
        help="have torrents and settings as a file says",
        description="Have the daemon as a file says: torrents that are missing are added, and options that differ are "
                    "changed. Doing it again changes nothing.",
        parents=[client_options()],
    )
    parser.add_argument("file", metavar="FILE", help="TOML, such as export writes; - is stdin")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    parser.add_argument("--prune", action="store_true", help="remove torrents that the file does not name; files stay")
    parser.add_argument("--prune-label", metavar="TEXT", help="the same, of torrents with this label only")
    parser.set_defaults(run=run)


def run(args: Namespace) -> int:
    desired, folder = _read(args.file)
    client = connect(args)
    sources = _Sources(folder)
    present = client.get("/v1/torrents")["torrents"]
    known = {torrent[key] for torrent in present for key in ("info_hash_v1", "info_hash_v2") if torrent[key]}
    wanted = [(*sources.identify(entry, known), entry.options) for entry in desired.entries]
    _refuse_doubles(wanted)
    plan = plan_for(wanted, present, Details(
        lambda digits: file_priorities(client.get(f"/v1/torrents/{digits}/files")["files"]),
        lambda digits: tracker_tiers(client.get(f"/v1/torrents/{digits}/trackers")["trackers"])))
    plan = plan._replace(prune=_pruned(args, desired, plan, present))
    differing = settings_that_differ(desired.settings, client.get("/v1/settings")) if desired.settings else ()
    with Meter(is_wanted=not args.json) as meter:
        applier = _Applier(client, sources, Screen(args).paint, meter, is_dry=args.dry_run, is_quiet=args.json)
        if differing:
            applier.change_settings(desired.settings, differing)
        applier.carry_out(plan)
    return applier.finish(plan)


def _read(path: str) -> tuple[Desired, Path]:
    """What the file says, and the folder that paths in it are relative to."""
    from blobtorrent.cli.torrentfiles import STANDARD, read_stdin

    if path == STANDARD:
        data, folder = read_stdin(MAX_FILE_BYTES), Path()
    else:
        folder = Path(path).parent
        try:
            with Path(path).open("rb") as file:
                data = file.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise NotFound("apply.unreadable", f"{path}: {error.strerror}") from None
    if len(data) > MAX_FILE_BYTES:
        raise FormatError("apply.too-large", f"{path}: more than {MAX_FILE_BYTES} bytes")
    try:
        return read_desired(data.decode()), folder
    except UnicodeDecodeError:
        raise FormatError("apply.bad-toml", f"{path}: not UTF-8") from None
    except Invalid as error:
        raise Invalid(error.code, f"{path}: {error.detail}") from None


def _refuse_doubles(wanted: list[tuple[str, str, Mapping[str, Any]]]) -> None:
    seen: set[str] = set()
    for digits, name, _ in wanted:
        if digits in seen:
            raise Invalid("apply.double", f"{name} ({digits}) is in the file twice")
        seen.add(digits)


def _pruned(args: Namespace, desired: Desired, plan: Plan, present: list[Mapping[str, Any]]) -> tuple[Step, ...]:
    if not args.prune and args.prune_label is None:
        return ()
    if not desired.entries:
        raise Invalid("apply.prunes-all", "the file names no torrent: all would be removed")
    labels = {torrent["hash"]: torrent["labels"] for torrent in present}
    return tuple(step for step in plan.prune if args.prune_label is None or args.prune_label in labels[step.hash])


class _Sources:
    """Torrents of the file, read when they are needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._raw: dict[str, bytes] = {}
        self._policy: Binding | None = None

    def identify(self, entry: Entry, known: set[str]) -> tuple[str, str]:
        """The hash of an entry, and a name to tell of it. Raises what reading the torrent does."""
        from blobtorrent.core.session.sources import read_source
        from blobtorrent.protocol.metafile import parse_torrent

        said = entry.origin.get("hash")
        if said in known:
            return said, said
        if "torrent" in entry.origin:
            source = str(self._folder / entry.origin["torrent"])
        elif "url" in entry.origin:
            source = entry.origin["url"]
        else:
            raise NotFound("torrent.unknown", f"{entry.place}: the daemon has no torrent {said}; say where it is")
        raw = read_source(source, binding=self._binding())
        metainfo = parse_torrent(raw)
        if said is not None and bytes.fromhex(said) not in metainfo.info_hash:
            raise Invalid("apply.other-hash", f"{entry.place}: {source} is the torrent {metainfo.info_hash.hex}")
        self._raw[metainfo.info_hash.hex] = raw
        return metainfo.info_hash.hex, metainfo.name

    def _binding(self) -> Binding:
        """What the daemon of this user or machine obeys: what it may not ask directly, we do not ask in its stead."""
        if self._policy is None:
            from blobtorrent.config.load import load_all
            from blobtorrent.config.places import config_files, overrides_file, state_dir
            from blobtorrent.network.policy import binding_of

            environ = os.environ
            loaded = load_all(
                config_files(None, environ), environ, overrides=overrides_file(state_dir(None, environ)))
            self._policy = binding_of(loaded.settings.network)
        return self._policy

    def metainfo(self, digits: str) -> str:
        return base64.b64encode(self._raw[digits]).decode("ascii")


class _Applier:
    """Carries out a plan, or tells of it. What is refused for one torrent does not keep the others from it."""

    def __init__(
        self, client: Client, sources: _Sources, paint: Painter, meter: Meter, *, is_dry: bool, is_quiet: bool
    ) -> None:
        self._client = client
        self._sources = sources
        self._paint = paint
        self._meter = meter
        self._is_dry = is_dry
        self._is_quiet = is_quiet
        self._settings: list[str] = []
        self._refused: dict[str, tuple[Step, ApiError]] = {}

    def change_settings(self, wanted: Mapping[str, Any], differing: tuple[str, ...]) -> None:
        self._settings = list(differing)
        if not self._is_dry:           # the same value may be written in two ways: the daemon knows what differed
            result = self._client.request("PATCH", "/v1/settings", wanted).value
            self._settings = [*result["applied"], *result["need_restart"]]
        for name in self._settings:
            self._tell("~", f"setting {name}", Style.WAITING)

    def carry_out(self, plan: Plan) -> None:
        total = len(plan.add) + len(plan.change) + len(plan.prune)
        for number, step in enumerate(plan.add):
            self._meter.show_count(number, total)
            if self._put(step, {"metainfo": self._sources.metainfo(step.hash)}):
                self._tell("+", step.name, Style.GOOD)
        for number, step in enumerate(plan.change, len(plan.add)):
            self._meter.show_count(number, total)
            if self._put(step, {}):
                self._tell("~", f"{step.name}: {', '.join(step.differing)}", Style.WAITING)
        for number, step in enumerate(plan.prune, len(plan.add) + len(plan.change)):
            self._meter.show_count(number, total)
            if self._do("DELETE", step, ""):
                self._tell("-", step.name, Style.BAD)

    def finish(self, plan: Plan) -> int:
        added, changed, removed = map(self._done, (plan.add, plan.change, plan.prune))
        error = self._error()
        if self._is_quiet:
            print_json({
                "added": added, "changed": changed, "removed": removed, "settings": self._settings,
                "unchanged": plan.unchanged, "dry_run": self._is_dry,
                **({"error": {"code": error.code, "message": error.detail}} if error else {}),
            })
        else:
            print(f"{len(added)} added, {len(changed)} changed, {len(removed)} removed, {plan.unchanged} unchanged"
                  + (" (nothing was done)" if self._is_dry else ""))
        return EXIT_OK if error is None else fail(error.code, error.detail, False, EXIT_FAILED)

    def _put(self, step: Step, origin: Mapping[str, str]) -> bool:
        """Have the torrent there with its options. Trackers are a resource of their own."""
        options = {name: value for name, value in step.options.items() if name != "trackers"}
        if not self._do("PUT", step, "", {**origin, **options}):
            return False
        is_said = "trackers" in (step.differing if step.differing else step.options)
        return not is_said or self._do("PUT", step, "/trackers", {"tiers": step.options["trackers"]})

    def _do(self, method: str, step: Step, below: str, body: Any = None) -> bool:
        if self._is_dry:
            return True
        try:
            self._client.request(method, f"/v1/torrents/{step.hash}{below}", body)
        except ApiError as error:
            self._refused[step.hash] = (step, error)
            return False
        return True

    def _tell(self, mark: str, text: str, style: Style) -> None:
        if not self._is_quiet:
            self._meter.hide()
            print(f"{self._paint(mark, style)} {clean(text)}", flush=True)

    def _done(self, steps: tuple[Step, ...]) -> list[dict[str, Any]]:
        return [
            {"hash": step.hash, "name": step.name, "options": step.differing}
            for step in steps if step.hash not in self._refused
        ]

    def _error(self) -> ApiError | None:
        """The first refusal, with the number of the others."""
        for step, error in self._refused.values():
            more = f" (and {len(self._refused) - 1} more refused)" if len(self._refused) > 1 else ""
            return ApiError(error.code, f"{step.name}: {error.detail}{more}")
        return None
