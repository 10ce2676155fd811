"""How much a compilation may take: a leaf that every room may import and ask at cheap points of its work.

    with limited(seconds=300):
        trace(…)
        …
        check("the passes")     # raises BudgetError after 300 s

The limit belongs to the thread. A limit inside another one ends no later than that.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterator

from .errors import BudgetError


class _Limit(threading.local):
    seconds: float = 0.0
    deadline: float | None = None


_limit = _Limit()


@contextlib.contextmanager
def limited(seconds: float) -> Iterator[None]:
    """Within it `check` raises once `seconds` have passed."""
    before = _limit.seconds, _limit.deadline
    deadline = time.monotonic() + seconds
    if _limit.deadline is None or deadline < _limit.deadline:
        _limit.seconds, _limit.deadline = seconds, deadline
    try:
        yield
    finally:
        _limit.seconds, _limit.deadline = before


def check(during: str, location: str = "") -> None:
    """Go on only within the time that is left.

    Raises:
        BudgetError: there is none; `during` and `location` (a line of the user's, `file:line`) say where it ran out.
    """
    if _limit.deadline is not None and time.monotonic() > _limit.deadline:
        raise BudgetError(
            f"compiling takes longer than {_limit.seconds:g} s (it was at {during})",
            hint="raise JitConfig.max_compile_seconds; the notes of jic.explain say which loops were unrolled, and why",
            location=location,
        )
