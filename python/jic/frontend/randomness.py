"""A traced function runs once: seeding generators, and Python's and NumPy's random numbers, would be lost or frozen."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
from collections.abc import Iterator
from typing import Any

import torch

from ..errors import CaptureError


class _Guarded:
    """torch's default generator, of which the tracing thread may neither read nor set the state."""

    def __init__(self, generator: torch.Generator) -> None:
        self._generator, self._thread = generator, threading.get_ident()

    def __getattr__(self, name: str) -> Any:
        if threading.get_ident() == self._thread:
            raise CaptureError(
                "the function seeds torch's random numbers, or saves or restores their state",
                hint="do that outside the compiled function",
            )
        return getattr(self._generator, name)


@contextlib.contextmanager
def guarded() -> Iterator[None]:
    """Within it a function is traced.

    Raises:
        CaptureError: the function sets torch's random state, or draws Python's or NumPy's random numbers. Their
            generators are left as they were.
    """
    numpy = sys.modules.get("numpy")
    generator = torch.random.default_generator
    before = random.getstate(), numpy.random.get_state() if numpy else None
    torch.random.default_generator = _Guarded(generator)  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.random.default_generator = generator
        drawn = random.getstate() != before[0]
        if drawn:
            random.setstate(before[0])
        if numpy is not None and not _same(before[1], numpy.random.get_state()):
            numpy.random.set_state(before[1])
            drawn = True
    if drawn:
        raise CaptureError(
            "the function draws random numbers from Python or NumPy, which a graph would hold as constants",
            hint="draw them from torch, or pass them as arguments",
        )


def _same(a: Any, b: Any) -> bool:
    """Of two states of NumPy's generator: name, keys, position, and a cached normal."""
    return a[0] == b[0] and a[2:] == b[2:] and bool((a[1] == b[1]).all())
