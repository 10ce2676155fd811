"""Loops whose body is traced once.

The body is traced for a step of which nothing is known but types. What a step changes outside itself is found by trying: a place
whose value differs after the body is carried in the next try. Ints that grow by a constant are no carried values but functions
of the step's number; lists that grow become preallocated tensors (`lists.py`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .context import Context
from .errors import Again, Unsupported
from .flow import Flow
from .journal import Place
from .loop_attempt import Attempt
from .loop_plan import Plan, Unstable
from .scalar import Scalar

__all__ = ["Loop", "Unstable"]
_TRIES = 64


@dataclass(eq=False)
class Loop:
    """One loop of the user's.

    Attributes:
        context: of the trace.
        body: traces one step, given its number (a Scalar), and says where control goes.
        trip_count: steps of a counted loop, an int or Scalar; None for a `while`.
        test: traces the condition of a `while`.
        what: the loop in words, for messages.
        targets: variables that the caller gives their values after the loop.
    """

    context: Context
    body: Callable[[Any], Flow]
    trip_count: int | Scalar | None = None
    test: Callable[[], Any] | None = None
    what: str = "a loop"
    targets: frozenset[Place] = frozenset()
    only_numbers: bool = False  # after `trace`: nothing but Python numbers went through

    def trace(self) -> Flow:
        """Trace the loop as one op.

        Raises:
            Unsupported: it cannot be one; nothing is changed then.
        """
        plan = Plan()
        for _ in range(_TRIES):
            attempt = Attempt(self, plan)
            try:
                return attempt.run()
            except Again:
                attempt.abandon()
                if not (attempt.region.written or attempt.learned):
                    raise  # an outer region's business
            except BaseException:
                attempt.abandon()
                raise
        raise Unsupported(f"what {self.what} carries from step to step never settles")
