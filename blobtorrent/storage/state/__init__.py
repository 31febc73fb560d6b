"""What a daemon keeps between its runs: the state directory, its rows and torrent files; who checks and mends them."""
