"""Flood's page in a browser, by what a person does there: add, select, look at details, choose from menus, save."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.support.chromium import Page

_LIMITS = {"down": 1, "up": 2}         # the columns of the menu of speed limits


class FloodPage:
    """`pictures` is a folder for what is to be kept of how it looked."""

    def __init__(self, page: Page, url: str, pictures: Path) -> None:
        self.page = page
        self._url = url
        self._pictures = pictures
        self._num_pictures = 0
        self._num_responses = 0

    def open(self) -> None:
        self.page.open(self._url)
        self.page.wait_shown(".action--add-torrent")

    def picture(self, name: str) -> None:
        self._num_pictures += 1
        self.page.picture(self._pictures / f"{self._num_pictures:02}-{name}.png")

    def troubles(self) -> list[str]:
        """Error messages on the page, answers that say that Flood failed, and complaints of its scripts, since the
        last call."""
        new = self.page.responses[self._num_responses:]
        self._num_responses += len(new)
        complaints = self.page.complaints[:]
        self.page.complaints.clear()
        return [
            *self.page.texts(".alert.is-error"), *complaints,
            *(f"{answer.status} {answer.url}" for answer in new if answer.status >= 400)]

    # ---- adding

    def add_file(self, torrent: Path, destination: Path, *, tags: str = "", is_started: bool = True,
                 is_complete: bool = False) -> None:
        with self._adding("By File", destination, tags, is_started, is_complete):
            self.page.give_files(".modal input[type=file]", torrent)
            self.page.wait_shown(".dropzone__selected-files__file")

    def add_link(self, link: str, destination: Path, *, tags: str = "") -> None:
        with self._adding("By URL", destination, tags):
            self.page.write("#urls-0", link)

    @contextmanager
    def creating(self) -> Iterator[None]:
        """To fill in of what a torrent is made."""
        self.page.click(".action--add-torrent")
        self.choose_tab("Create")
        yield
        self._dismiss_menus()
        self.confirm("Add Torrent")

    @contextmanager
    def _adding(
        self, way: str, destination: Path, tags: str, is_started: bool = True, is_complete: bool = False,
    ) -> Iterator[None]:
        self.page.click(".action--add-torrent")
        self.choose_tab(way)
        yield
        if tags:
            self.page.write(".modal input[name=tags]", tags)
        self.page.write(".modal input[name=destination]", str(destination))
        self._dismiss_menus()
        self.tick("isCompleted", is_complete)
        self.tick("start", is_started)
        self.confirm("Add Torrent")

    # ---- the list

    def row(self, info_hash: bytes) -> str:
        """The selector of a torrent's row."""
        return f"[data-testid='torrent-{info_hash.hex().upper()}']"

    def facts(self, info_hash: bytes) -> dict[str, Any]:
        """What the list tells of a torrent: its `name`, `states`, and `percent` done."""
        told: dict[str, Any] = self.page.value(
            f"""(it => it && {{
              name: it.dataset.torrentName, states: it.dataset.torrentStatus.split("-"),
              percent: +(it.querySelector(".progress-bar__fill")?.style.width || "0%").replace("%", "")
            }})(document.querySelector({self.row(info_hash)!r}))""") or {}
        return told

    def names(self) -> list[str]:
        """Of all that the list shows."""
        found: list[str] = self.page.value(
            "[...document.querySelectorAll('[data-torrent-name]')].map(it => it.dataset.torrentName)")
        return found

    def wait_state(self, info_hash: bytes, state: str) -> None:
        self.page.wait_for(lambda: state in self.facts(info_hash).get("states", ()), f"a torrent that is {state}")

    def select(self, info_hash: bytes) -> None:
        """Rows move when others come: who has hit another one clicks again."""
        def is_selected() -> bool:
            self.page.click(self.row(info_hash))
            return self._is_selected(info_hash)

        self.page.wait_for(is_selected, "the row to be selected")

    def open_menu(self, info_hash: bytes) -> None:
        """That of a torrent."""
        def is_open() -> bool:
            self.select(info_hash)
            self.page.click(self.row(info_hash), button="right")
            self.page.wait_shown(".context-menu--entered")
            if self._is_selected(info_hash):
                return True
            self.leave_menu()          # it is that of another
            return False

        self.page.wait_for(is_open, "the menu of the torrent")

    def _is_selected(self, info_hash: bytes) -> bool:
        return self.page.comes_to_show(self.row(info_hash) + "[data-is-selected=true]")

    def choose_from_menu(self, item: str) -> None:
        self.page.click(".context-menu button", item)

    def leave_menu(self) -> None:
        self.page.press("Escape")
        self.page.wait_gone(".context-menu")

    def choose(self, info_hash: bytes, item: str) -> None:
        """From the menu of a torrent; a dialog may open."""
        self.open_menu(info_hash)
        self.choose_from_menu(item)
        self.page.wait_gone(".context-menu")

    def tag_filters(self) -> list[str]:
        """The tags that the sidebar offers."""
        return self.page.texts(".sidebar-filter__item .name")

    def limit(self, direction: str, speed: str) -> None:
        """Choose a speed limit, "down" or "up"."""
        self.page.click(".dropdown--speed-limits .sidebar__icon-button")
        self.page.click(f".dropdown__list:nth-child({_LIMITS[direction]}) .dropdown__item button", speed)
        self.page.wait_gone(".dropdown__content")

    # ---- details of a torrent

    @contextmanager
    def details(self, info_hash: bytes) -> Iterator[None]:
        self.choose(info_hash, "Torrent Details")
        self._await_dialog()
        yield
        self.leave_dialog()

    def told(self, name: str) -> str:
        """A line of the general facts."""
        (text,) = self.page.texts(f".torrent-details__detail--{name} .torrent-details__detail__value")
        return text

    def section(self) -> str:
        """All that the chosen page of the details says."""
        return "\n".join(self.page.texts(".modal__content"))

    def files(self) -> list[str]:
        self.page.wait_shown(".directory-tree .file__name a")
        return self.page.texts(".directory-tree .file__name a")

    def open_folder(self, name: str) -> None:
        self.page.click(".directory-tree__node--directory", name)

    def click_priority(self, file: str) -> None:
        """What a file's priority is changes with each click: none, normal, high."""
        self.page.click(f".directory-tree__node--file[title='{file}'] .file__detail--priority button")

    # ---- dialogs

    @contextmanager
    def settings(self) -> Iterator[None]:
        """To be changed in here, and then saved."""
        self.page.click(".sidebar__actions > .sidebar__action:nth-child(2)")
        self._await_dialog()
        yield
        self.confirm("Save Settings")

    def field(self, name: str) -> str:
        """What a field of a dialog has."""
        text: str = self.page.value(f"document.querySelector('.modal input[name={name}]')?.value ?? ''")
        return text

    def choose_tab(self, name: str) -> None:
        self._await_dialog()
        self.page.click(".modal__tab button", name)

    def tick(self, name: str, is_ticked: bool) -> None:
        """Bring a checkbox of a dialog to a state."""
        if self.is_ticked(name) != is_ticked:
            self.page.click(f".modal label:has(input[name={name}])")
        assert self.is_ticked(name) == is_ticked

    def is_ticked(self, name: str) -> bool:
        return bool(self.page.value(f"document.querySelector('.modal input[name={name}]').checked"))

    def confirm(self, button: str) -> None:
        """Press a button of a dialog that then goes."""
        self.page.click(".modal button", button)
        self.page.wait_gone(".modal__content__wrapper")

    def leave_dialog(self) -> None:
        self.page.press("Escape")
        self.page.wait_gone(".modal__content__wrapper")

    def _await_dialog(self) -> None:
        """Until it has come all the way."""
        self.page.wait_shown(".modal__animation--entered .modal__content__wrapper")

    def _dismiss_menus(self) -> None:
        """Menus that a field has opened."""
        self.page.click(".modal__header")
