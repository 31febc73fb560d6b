"""What rTorrent's XML-RPC library answers by itself, and says of it. In the order that it lists these calls."""

from __future__ import annotations

from typing import Final, NamedTuple


class LibraryCall(NamedTuple):
    """`signature` is the type of the answer, then those of the parameters."""

    help: str
    signature: tuple[str, ...]


NO_HELP: Final = "No help is available for this method."
UNKNOWN: Final = "undef"               # the signature of a command: its arguments may be of several types

LIBRARY: Final = {
    "system.listMethods": LibraryCall("Return an array of all available XML-RPC methods on this server.", ("array",)),
    "system.methodExist": LibraryCall(
        "Tell whether a method by a specified name exists on this server", ("string", "boolean")),
    "system.methodHelp": LibraryCall("Given the name of a method, return a help string.", ("string", "string")),
    "system.methodSignature": LibraryCall(
        "Given the name of a method, return an array of legal signatures. Each signature is an array of strings.  The "
        "first item of each signature is the return type, and any others items are parameter types.",
        ("array", "string")),
    "system.multicall": LibraryCall(
        "Process an array of calls, and return an array of results.  Calls should be structs of the form {'methodName':"
        " string, 'params': array}. Each result will either be a single-item array containing the result value, or a "
        "struct of the form {'faultCode': int, 'faultString': string}.  This is useful when you need to make lots of "
        "small calls without lots of round trips.", ("array", "array")),
    "system.shutdown": LibraryCall("Shut down the server.  Return code is always zero.", ("int", "string")),
    "system.capabilities": LibraryCall(
        "Return the capabilities of XML-RPC server.  This includes the version number of the XML-RPC For C/C++ "
        "software",
        ("struct",)),
    "system.getCapabilities": LibraryCall(
        "Return the list of standard capabilities of XML-RPC server.  See "
        "http://tech.groups.yahoo.com/group/xml-rpc/message/2897", ("struct",)),
}
