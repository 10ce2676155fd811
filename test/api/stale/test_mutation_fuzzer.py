"""A minute of random edits of random programs: none gives what was true before the edit.

`JIC_MUTATION_SECONDS=600 pytest test/api/stale/test_mutation_fuzzer.py` takes longer and sees more.
"""

from __future__ import annotations

import os
from collections import deque

from mutation_fuzzer import fuzz

SECONDS = float(os.environ.get("JIC_MUTATION_SECONDS", "60"))
PROGRAMS = 3000 if "JIC_MUTATION_SECONDS" in os.environ else 150  # as many whatever the machine, if it is fast enough


def test_nothing_is_stale() -> None:
    counts = deque(fuzz(PROGRAMS, edits=5, seed=7, seconds=SECONDS, failures=3), maxlen=1).pop()
    assert not counts.differences, "\n".join(map(str, counts.differences))
    # What runs eagerly cannot be stale: without this the test could not fail.
    assert counts.share > 0.6, counts
