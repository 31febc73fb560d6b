"""python -m tests.security: run the tests of rows of the index, wherever they stand.

    python -m tests.security                               what rows there are, and how many tests each has
    python -m tests.security XSS "Delete with data"        these rows
    python -m tests.security all -x                        all of them; what begins with - is for pytest
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from tests.security.test_index import ROOT, ROWS


def main(words: Sequence[str]) -> int:
    options = [word for word in words if word.startswith("-")]
    wanted = [word for word in words if not word.startswith("-")]
    if not wanted:
        for row, named in ROWS.items():
            print(f"{len(named):3}  {row}")
        return 0
    by_name = {row.casefold(): row for row in ROWS}
    unknown = [word for word in wanted if word.casefold() not in by_name and word != "all"]
    if unknown:
        print(f"no such row: {', '.join(unknown)}", file=sys.stderr)
        return 2
    rows = list(ROWS) if "all" in wanted else [by_name[word.casefold()] for word in wanted]
    tests = dict.fromkeys(named for row in rows for named in ROWS[row])
    return int(pytest.main([f"--rootdir={ROOT}", *options, *(str(ROOT / named) for named in tests)]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
