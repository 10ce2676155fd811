"""Lists that a loop appends to: the appended items are rows of preallocated tensors.

In the user's list a `Segment` stands for all of them. Interpreted code reads through it; before other code sees the list, it is
expanded into the items.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree

from .errors import Unsupported
from .scalar import Scalar
from .values import Spec, leaf_specs, rebuild


@dataclass(eq=False)
class Segment:
    """`count` rounds of appended items; `buffers[j]` has the leaves of item j of all rounds, stacked along dim 0.

    While the loop runs, `count` is a Scalar: the rounds so far.
    """

    items: tuple[Spec, ...]
    buffers: tuple[tuple[torch.Tensor, ...], ...]
    count: int | Scalar
    slice_row: Callable[[torch.Tensor, Any], torch.Tensor]
    handed: Callable[[Spec, Any], Any]  # an item as code that reads it gets it
    on_read: Callable[[], None] | None = None

    @property
    def length(self) -> Any:
        return self.count * len(self.items)

    def item(self, number: Any) -> Any:
        """Item `number`, an int or a Scalar that lies in range."""
        if self.on_read is not None:
            self.on_read()
        kinds = len(self.items)
        if kinds != 1 and isinstance(number, Scalar):
            raise Unsupported(
                "an item of a list to which each step of a loop appends several", hint="use one list for each"
            )
        row = number if kinds == 1 else number // kinds
        which = 0 if kinds == 1 else number % kinds
        rows = [self.slice_row(b, row) for b in self.buffers[which]]
        return self.handed(self.items[which], rebuild(self.items[which], iter(rows)))

    def expand(self, kept: bool = False) -> list[Any]:
        """All items; with `kept` they stand for the segment from now on."""
        if self.on_read is not None:
            self.on_read()
        if isinstance(self.count, Scalar):
            raise Unsupported("a list that the loop still appends to is used as a whole")
        columns = [[b.unbind(0) for b in buffers] for buffers in self.buffers]
        handed = (lambda spec, item: item) if kept else self.handed
        return [
            handed(spec, rebuild(spec, iter([rows[i] for rows in columns[j]])))
            for i in range(self.count)
            for j, spec in enumerate(self.items)
        ]

    def stacked(self) -> torch.Tensor | None:
        """All items along a new dim 0, if they are tensors or numbers of one type."""
        if self.on_read is not None:
            self.on_read()
        if isinstance(self.count, Scalar) or any(
            s.kind not in ("tensor", "number") or s != self.items[0] for s in self.items
        ):
            return None
        rows = [buffers[0] for buffers in self.buffers]
        return rows[0] if len(rows) == 1 else torch.stack(rows, 1).flatten(0, 1)


def has_segment(value: Any) -> bool:
    return type(value) in (list, tuple) and any(isinstance(v, Segment) for v in value)


def parts_stacked(values: list[Any]) -> torch.Tensor | None:
    """The tensors of a list with segments along a new dim 0; None if they are not all tensors of one type."""
    parts: list[torch.Tensor] = []
    run: list[torch.Tensor] = []
    for value in [*values, None]:
        if isinstance(value, torch.Tensor):
            run.append(value)
            continue
        if run:
            parts.append(torch.stack(run))
            run = []
        if isinstance(value, Segment):
            stacked = value.stacked()
            if stacked is None:
                return None
            parts.append(stacked)
        elif value is not None:
            return None
    if len({(p.shape[1:], p.dtype) for p in parts}) != 1:
        return None
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def length(values: list[Any]) -> Any:
    total: Any = 0
    for value in values:
        total = total + (value.length if isinstance(value, Segment) else 1)
    return total


def expanded(values: list[Any] | tuple[Any, ...], apart: bool = False, kept: bool = False) -> list[Any]:
    """The items; those of segments are rows of one tensor, or with `apart` tensors of their own.

    With `kept` they take the place of `values`.
    """
    found: list[Any] = []
    for value in values:
        if isinstance(value, Segment):
            items = value.expand(kept)
            found.extend(pytree.tree_map_only(torch.Tensor, torch.clone, items) if apart else items)
        else:
            found.append(value)
    return found


def item(values: list[Any], index: int) -> Any:
    """`values[index]` for an int, through segments; the lists' lengths may be run-time numbers at the far end only."""
    order: Iterator[Any] = iter(values) if index >= 0 else reversed(values)
    left = index if index >= 0 else -1 - index
    for value in order:
        size = value.length if isinstance(value, Segment) else 1
        if not isinstance(value, Segment):
            if left == 0:
                return value
            left -= 1
        elif isinstance(size, Scalar):
            if index >= 0:
                return value.item(left)
            return value.item(size - 1 - left)
        elif left < size:
            return value.item(left if index >= 0 else size - 1 - left)
        else:
            left -= size
    raise IndexError("list index out of range")


def buffer_specs(spec: Spec) -> list[tuple[tuple[int, ...], torch.dtype]]:
    """Shape and dtype of the rows that hold a value of `spec`."""
    dtypes = {int: torch.int64, float: torch.float64, bool: torch.bool}
    return [s.what if s.kind == "tensor" else ((), dtypes[s.what]) for s in leaf_specs(spec)]
