"""`python -m blobtorrent` is the command `blobtorrent`."""

import sys

from blobtorrent.cli.main import main

if __name__ == "__main__":
    sys.exit(main())
