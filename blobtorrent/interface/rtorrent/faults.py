"""The one error that a command, a text or a request may end with, in the words of rTorrent 0.9.8."""

from __future__ import annotations

TYPE = -501             # a parameter of a kind that no command takes; an unknown target
INDEX = -502            # a member that is missing from a struct
FAILED = -503           # a command refused: nearly everything
NO_SUCH_METHOD = -506
REFUSED = -507          # a limit, or a caller that is not trusted with this command


class Fault(Exception):
    """What the caller of a command is told: a `code` of XML-RPC and one line of text."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text

    def __str__(self) -> str:
        return self.text


def failed(text: str) -> Fault:
    """A command that refuses, with its reason."""
    return Fault(FAILED, text)


def wrong_type() -> Fault:
    """An argument is missing, or is of a type the command cannot use."""
    return Fault(FAILED, "Wrong object type.")


def wrong_target() -> Fault:
    """The command needs a download, file, peer or tracker, and was called with something else."""
    return Fault(FAILED, "Target of wrong type to command.")


def no_such_command(name: str) -> Fault:
    """A text names a command that does not exist."""
    return Fault(FAILED, f'Command "{name}" does not exist.')


def no_such_method(name: str) -> Fault:
    """A request names a method that does not exist, or is private."""
    return Fault(NO_SUCH_METHOD, f"Method '{name}' not defined")


def no_such_download() -> Fault:
    """The target of a request is an info-hash that is not in the session. Clients compare this text."""
    return Fault(TYPE, "Could not find info-hash.")


def unsupported_target() -> Fault:
    """The target of a request is neither empty nor an info-hash with an optional `:fN`, `:tN` or `:pID`."""
    return Fault(TYPE, "Unsupported target type found.")


def no_such_index() -> Fault:
    """The target of a request names a file, tracker or peer that its download does not have."""
    return Fault(TYPE, "Invalid index.")
