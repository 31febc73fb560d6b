"""The REST interface: HTTP/1.1 and JSON over TCP and UNIX sockets."""
