"""Loops that are taken step by step while tracing: how much they make of the trace, and why they are no loops in the graph."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

# Calls of torch from one loop of which the user should know: of one that might have been compiled as a loop, and of one over
# Python's own objects (a network's layers), which is more of the usual.
_MANY, _MANY_OBJECTS = 300, 2000


@dataclass
class Unrolled:
    """A loop at `location` (`file:line`), why it is unrolled, and the calls of torch that came from it so far."""

    location: str
    why: str
    many: int
    calls: int = 0


class Unrolling:
    """All loops that one trace unrolls.

    Args:
        calls: how many calls of torch there are so far.
    """

    def __init__(self, calls: Callable[[], int]) -> None:
        self._calls = calls
        self._loops: dict[str, Unrolled] = {}
        self._open: list[Unrolled] = []

    @contextlib.contextmanager
    def loop(self, location: str, why: str | None) -> Iterator[None]:
        """Within it a loop is unrolled; without `why` because it runs over Python's objects."""
        known = self._loops.get(location)
        if known is None:
            many = _MANY_OBJECTS if why is None else _MANY
            known = self._loops[location] = Unrolled(location, why or "it runs over Python objects", many)
        if known in self._open:  # a recursion, whose calls are counted already
            yield
            return
        start = self._calls()
        self._open.append(known)
        try:
            yield
        finally:
            self._open.pop()
            known.calls += self._calls() - start

    @property
    def outermost(self) -> Unrolled | None:
        """The outermost of the loops that are being unrolled."""
        return self._open[0] if self._open else None

    def long(self) -> list[Unrolled]:
        """The loops that make much of the trace."""
        return [loop for loop in self._loops.values() if loop.calls > loop.many]
