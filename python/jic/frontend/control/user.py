"""How users choose between a compiled and an unrolled loop: `jic.range` and `jic.unroll`."""

from __future__ import annotations

import builtins
from collections.abc import Iterable
from typing import Any


def range(*bounds: int) -> Iterable[int]:
    """`range(...)` whose loop is compiled as one: in `jic.compile`d code a loop over it is never unrolled.

    What cannot be compiled as a loop is reported, and the call runs eagerly. Elsewhere it is Python's `range`.
    """
    return builtins.range(*bounds)


def unroll(items: Any) -> Any:
    """`items` as they are; in `jic.compile`d code a loop over `jic.unroll(items)` is taken step by step while tracing."""
    return items
