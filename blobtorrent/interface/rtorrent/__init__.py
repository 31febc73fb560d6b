"""The interface of rTorrent: its command language and its XML-RPC and JSON-RPC dialects, answered by this engine.

`language` knows texts, `commands` knows names, the transports know bytes. Nothing of it is imported unless it is on.
"""
