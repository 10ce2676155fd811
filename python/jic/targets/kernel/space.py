"""Iteration spaces: which dims can be walked as one."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .index import Linear, Variable


@dataclass(frozen=True)
class Axis:
    """Adjacent dims walked by one loop; `variable`, the innermost of them, stands for it in linear offsets."""

    variable: Variable
    size: int


def merge(
    shape: Sequence[int],
    offsets: Iterable[Linear],
    positional: set[Variable],
    classes: Sequence[object] | None = None,
) -> list[Axis]:
    """Merge adjacent dims of `shape` over which every offset runs at one stride.

    Dims of size 1 disappear; dims of different `classes`, and `positional` ones (whose plain index is needed), are kept
    apart. At least one axis is left.
    """
    linear = list(offsets)
    axes: list[Axis] = []
    for d, size in enumerate(shape):
        if size == 1:
            continue
        last = axes[-1] if axes else None
        if (
            last is not None
            and last.variable not in positional
            and d not in positional
            and (classes is None or classes[last.variable] == classes[d])
            and all(p.coefficient(last.variable) == p.coefficient(d) * size for p in linear)
        ):
            axes[-1] = Axis(d, last.size * size)
        else:
            axes.append(Axis(d, size))
    return axes or [Axis(len(shape) - 1 if shape else 0, 1)]
