"""The command language of rTorrent: texts, command trees, and the one place that calls commands. Knows no engine."""
