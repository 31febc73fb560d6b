"""@owned: an object that one thread owns says so loudly when another one calls it.

Checks exist only in debug mode (environment `BLOBTORRENT_DEBUG=1`, which the tests set); otherwise the decorator
returns the class as it is, at no cost.
"""

from __future__ import annotations

import functools
import os
import threading
from collections.abc import Callable
from types import FunctionType
from typing import Any, TypeVar

from blobtorrent.model.errors import WrongThread

C = TypeVar("C", bound=type)

_OWNER = "_owner_thread"


def debug_mode() -> bool:
    return os.environ.get("BLOBTORRENT_DEBUG", "") not in ("", "0")


def owned(cls: C) -> C:
    """Guard the public methods of a class: the first thread that calls one owns the object until `adopt`.

    Construction does not bind, since objects are built by one thread and handed to another. A call from elsewhere
    raises WrongThread ("thread.wrong-owner").
    """
    return _guarded(cls) if debug_mode() else cls


def adopt(thing: object) -> None:
    """The calling thread takes over an @owned object; without debug mode nothing happens."""
    if hasattr(type(thing), _OWNER):
        setattr(thing, _OWNER, threading.get_ident())


def _guarded(cls: C) -> C:
    """A subclass of the same name whose methods check; it has room for the owner also when `cls` has slots."""
    members: dict[str, Any] = {
        name: _check_first(member)
        for base in reversed(cls.__mro__)
        for name, member in vars(base).items()
        if isinstance(member, FunctionType) and not name.startswith("_")
    }
    members |= {"__slots__": (_OWNER,), "__module__": cls.__module__, "__qualname__": cls.__qualname__}
    members["__doc__"] = cls.__doc__
    return type(cls)(cls.__name__, (cls,), members)


def _check_first(method: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(method)
    def guarded(self: object, *args: Any, **kwargs: Any) -> Any:
        caller = threading.get_ident()
        owner = getattr(self, _OWNER, None)
        if owner is None:
            setattr(self, _OWNER, caller)
        elif owner != caller:
            raise WrongThread(
                "thread.wrong-owner",
                f"{type(self).__name__}.{method.__name__} called from {threading.current_thread().name}",
            )
        return method(self, *args, **kwargs)

    return guarded
