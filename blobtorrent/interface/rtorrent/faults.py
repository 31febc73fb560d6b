"""The one error that a command, a text or a request may end with, in the words of rTorrent 0.9.8."""

from __future__ import annotations

import re

OF_16 = -500            # in 0.16, any command that refuses
TYPE = -501             # a parameter of a kind that no command takes; an unknown target
INDEX = -502            # a member that is missing from a struct
FAILED = -503           # a command refused: nearly everything
NO_SUCH_METHOD = -506
REFUSED = -507          # a limit, or a caller that is not trusted with this command


class Fault(Exception):
    """What the caller of a command is told: a `code` of XML-RPC and one line of text, which 0.16 may have other words
    for."""

    def __init__(self, code: int, text: str, of_16: str = "") -> None:
        super().__init__(code, text)
        self.code = code
        self.text = text
        self.of_16 = of_16

    def __str__(self) -> str:
        return self.text


class FaultOf16(Fault):
    """What only 0.16 says: told as it is."""


def failed(text: str, of_16: str = "") -> Fault:
    """A command that refuses, with its reason."""
    return Fault(FAILED, text, of_16)


def too_large() -> Fault:
    """There is more to answer than goes into one answer."""
    return Fault(REFUSED, "Too large an answer.")


def wrong_type(of_16: str = "") -> Fault:
    """An argument is missing, or is of a type the command cannot use."""
    return Fault(FAILED, "Wrong object type.", of_16)


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


def no_such_peer() -> Fault:
    """The target of a request names a peer that is not connected."""
    return Fault(TYPE, "Invalid index.", "invalid parameters: hash not found")


def not_an_index() -> Fault:
    """The target of a request has something else where the number of a file or tracker should be."""
    return Fault(TYPE, "Invalid index.", "invalid parameters: invalid index")


# Those whose words are names, in the order in which 0.16 counts them.
_OPTIONS = (
    "connection_type", "choke_heuristics", "choke_heuristics.download", "choke_heuristics.upload", "encryption",
    "encryption.handshake", "encryption.stream", "ip_filter", "ip_tos", "tracker_mode", "handshake_connection",
    "log_group")


def no_such_word(option: str, word: str) -> Fault:
    """An option, one of those that `strings.*` tells of, has no such word."""
    return failed("Invalid option name.", f"invalid option name : enum:{_OPTIONS.index(option)} name:'{word}'")


# What 0.16 says differently. Methods that are not defined are told of with a small letter there.
_TEXTS_OF_16 = {
    "Could not find info-hash.": "invalid parameters: info-hash not found",
    "Unsupported target type found.": "invalid parameters: invalid target",
    "Invalid index.": "invalid parameters: index not found",
    "Not a hash string.": "invalid parameters: target is not 40 bytes long",
    "Target of wrong type to command.": "Target of wrong type to generic command.",
}
_UNDEFINED = re.compile(r"Method '(.*)' not defined", re.DOTALL)


def undefined_method(fault: Fault) -> str | None:
    """The name of the method that a fault says is not defined."""
    found = _UNDEFINED.fullmatch(fault.text) if fault.code == NO_SUCH_METHOD else None
    return found[1] if found is not None else None


def text_of_16(fault: Fault) -> str:
    """How 0.16 says it."""
    return fault.of_16 or _TEXTS_OF_16.get(fault.text, fault.text)


def fault_of_16(fault: Fault) -> Fault:
    """The fault of a command, in the words and with the code that 0.16 has for it in XML."""
    name = undefined_method(fault)
    if name is not None:
        return Fault(NO_SUCH_METHOD, f"method '{name}' not defined")
    if fault.code in (TYPE, INDEX, FAILED) and not isinstance(fault, FaultOf16):
        return Fault(OF_16, text_of_16(fault))
    return fault
