"""The settings of all that leads into the daemon and out of it: interfaces, watched folders, hooks. See `schema`."""

from __future__ import annotations

from pathlib import Path

from blobtorrent.config import hookvalues, values
from blobtorrent.config.option import Section, at_start, live
from blobtorrent.config.values import HttpsSpec, ListenSpec, UnixSpec


class RestSettings(Section):
    """The HTTP interface."""

    listen: tuple[ListenSpec | HttpsSpec | UnixSpec, ...] = at_start(
        ["unix:rest.sock", "127.0.0.1:7070"],
        values.web_listeners,
        'A list of "HOST:PORT", "https:HOST:PORT" and "unix:PATH"; a relative path is below the runtime directory. An '
        "empty list: off. A port that is taken keeps the daemon from starting, except the one of the default list.",
    )
    allowed_hosts: tuple[str, ...] = at_start(
        [],
        values.host_names,
        "Names besides IP addresses and localhost by which clients may call the TCP listeners; what comes for another "
        "name is refused.",
    )
    tls_certificate: Path | None = at_start(
        "",
        values.optional_file,
        "PEM file with the certificate for https, and those that lead to its issuer. A reload reads it again.",
    )
    tls_key: Path | None = at_start(
        "",
        values.optional_file,
        "PEM file with the private key of the certificate. Only its owner and group may read it.",
    )
    socket_mode: int = at_start(
        "0660", values.socket_mode, "Mode of the UNIX sockets, in octal digits. Who cannot write to them is kept out."
    )
    socket_group: str = at_start(
        "",
        values.group_name,
        "Group of the UNIX sockets, by name or number. Its members need no token and may do everything. Empty: the "
        "group of the process, whose members need one.",
    )
    connections_per_address: int = at_start(
        16,
        values.whole_number(1, 10_000),
        "TCP connections from one address, or from one IPv6 network (/64), at the same time.",
    )
    folders: tuple[Path, ...] = live(
        [],
        values.folders,
        "Folders, besides storage.download_dir, in and below which tokens without the scope admin may have torrents "
        "downloaded, moved to and read from.",
    )
    metrics_open: bool = at_start(False, values.boolean, "Whether /metrics needs no token.")


class RtorrentSettings(Section):
    """The interface of rTorrent, for Flood, ruTorrent and whatever else speaks XML-RPC or JSON-RPC with it."""

    listen: tuple[ListenSpec | UnixSpec, ...] = at_start(
        ["unix:rpc.sock"], values.rpc_listeners,
        'Where to listen for SCGI: a list of "HOST:PORT" and "unix:PATH"; a relative path is below the runtime '
        "directory. An empty list, here and in http_listen: the whole interface is off.",
    )
    http_listen: tuple[ListenSpec | UnixSpec, ...] = at_start(
        [], values.rpc_listeners, "The same for HTTP: what is sent with POST to /RPC2 is answered."
    )
    trusted: tuple[ListenSpec | UnixSpec, ...] = at_start(
        [], values.rpc_listeners,
        "Which of these, as they are written there, may have programs run, commands defined and torrents loaded from "
        "URLs of this machine. For UNIX sockets root, our own user and the members of the socket's group always may; "
        "anybody else may do all but that. A request that is marked UNTRUSTED_CONNECTION may only do what rTorrent "
        "flags as safe.",
    )
    http_tokens: bool = at_start(
        False,
        values.boolean,
        "Whether HTTP clients need a token with the scope admin, which they send as the password of any user.",
    )
    socket_mode: int = at_start("0660", values.socket_mode, "Mode of the UNIX sockets, in octal digits.")
    socket_group: str = at_start(
        "", values.group_name, "Group of the UNIX sockets, by name or number. Empty: the group of the process."
    )
    client_version: str = at_start(
        "0.9.8",
        values.client_version,
        "The version of rTorrent that front-ends are told. From 0.16.0 on answers are written as that version does.",
    )


class WatchSettings(Section):
    """A folder whose torrent files are added; they are then moved to done/ or failed/ in it. One table a folder."""

    path: Path = live(None, values.folder, "The folder. It must be given.")
    download_dir: Path | None = live(
        "", values.optional_folder, "Where its torrents are downloaded to. Empty: storage.download_dir."
    )
    label: str = live("", values.label, "A label that its torrents get. Empty: none.")
    start: bool = live(True, values.boolean, "Whether its torrents are started.")


class HookSettings(Section):
    """A program or a URL that is told of what happens, as blobtorrent-events(7) explains. One table a hook."""

    events: tuple[str, ...] = live(
        ["torrent-finished"], hookvalues.hook_events, "The events that it is told of, by their names."
    )
    labels: tuple[str, ...] = live(
        [], hookvalues.labels, "Only events of torrents with one of these labels. An empty list: all events."
    )
    program: tuple[str, ...] = live(
        [],
        hookvalues.command,
        "A program, by its absolute path, and its arguments. It is run as the daemon's user, without a shell, with the "
        "event in its environment and as JSON on its standard input. Either this or url must be given.",
    )
    url: str = live(
        "",
        hookvalues.web_address,
        "An http or https URL that the event is posted to as JSON. Redirects are not followed.",
    )
    secret_file: Path | None = live(
        "",
        values.optional_folder,
        "File with a secret that what is posted is signed with (HMAC-SHA256). Empty: it is not signed.",
    )
    timeout_s: float = live(
        60,
        values.duration(1),
        'How long a program may run before it is killed with all that it started; in seconds, or as text such as "5m". '
        "What is posted must be answered within this time, and within 10 s.",
    )
    retries: int = live(
        3, values.whole_number(0, 10), "How often what failed is tried again, after 2 s, 8 s, 32 s and so on."
    )
    concurrency: int = live(2, values.whole_number(1, 8), "How many events it is told of at the same time.")

    def check(self) -> None:
        if bool(self.program) == bool(self.url):
            raise ValueError("needs a program or a url, and not both")
