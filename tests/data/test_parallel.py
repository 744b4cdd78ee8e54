"""Lines in several processes: in order, and without reading ahead."""

from __future__ import annotations

import itertools
import time

from attn_nmt.data.parallel import ordered_map


def _slow_negation() -> object:
    def negate(number: int) -> int:
        time.sleep(0.0001)
        return -number

    return negate


def test_items_are_read_no_faster_than_results_are_taken() -> None:
    """Endless input, which Pool.imap would read into memory."""
    read = itertools.count()
    found = ordered_map(_slow_negation, (next(read) for _ in itertools.repeat(0)), workers=2)
    assert list(itertools.islice(found, 3000)) == [-number for number in range(3000)]
    found.close()
    assert next(read) < 3000 + 2 * 4 * 1000 + 1000
