"""Option and Section: how the schema says what can be set. An option is one key, a section the keys of one table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from blobtorrent.config.values import Reader
from blobtorrent.model.errors import ConfigError


class Option(NamedTuple):
    """What is known of one key. `default` is as written in TOML (None: the key must be given).

    `read` checks such a value and converts it. A change of a `is_live` one takes effect at a reload, of the others at
    the next start.
    """

    doc: str
    default: object
    read: Reader[Any]
    is_live: bool


def live(default: object, read: Reader[Any], doc: str) -> Any:
    """An option that a reload changes. `Any`: the attribute is the Option in the class and its value in an instance."""
    return Option(doc, default, read, True)


def at_start(default: object, read: Reader[Any], doc: str) -> Any:
    """An option that needs a restart."""
    return Option(doc, default, read, False)


class Section:
    """One table: an attribute is an Option in the class and its value in an instance, which never changes."""

    def __init__(self, **values: object) -> None:
        """Keys that are not given get their default.

        Raises TypeError for a key that is unknown, or missing, ConfigError for a default that is of no use here.
        """
        known = dict(self.options())
        if not values.keys() <= known.keys():
            raise TypeError(f"{type(self).__name__} has no {', '.join(sorted(values.keys() - known.keys()))}")
        missing = [key for key, option in known.items() if option.default is None and key not in values]
        if missing:
            raise TypeError(f"{type(self).__name__} needs {', '.join(missing)}")
        vars(self).update(
            (key, values[key] if key in values else _default_of(key, option)) for key, option in known.items()
        )

    @classmethod
    def options(cls) -> Iterator[tuple[str, Option]]:
        """The keys in the order they are documented."""
        return ((key, option) for key, option in vars(cls).items() if isinstance(option, Option))

    def check(self) -> None:
        """Raises ValueError, with words that follow the table's name, for values that do not go together."""

    def __setattr__(self, key: str, value: object) -> None:
        raise AttributeError(f"{key} cannot be set: settings are replaced as a whole")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).items()))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={value!r}' for key, value in vars(self).items())})"


def _default_of(key: str, option: Option) -> object:
    """Read late: "~" means the home of the time, and has no meaning where there is none."""
    try:
        return option.read(option.default)
    except ValueError as error:
        raise ConfigError("config.bad-value", f"{key} has to be set: by default it {error}") from None
