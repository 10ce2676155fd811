"""Strides: which tensors are dense, in which order their dims lie in memory, and whether two may share elements."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import torch

_EXACT = 1 << 12  # elements up to which sharing is found by listing them all


def contiguous(shape: Sequence[int]) -> tuple[int, ...]:
    """The row-major strides of `shape`."""
    strides, step = [], 1
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


def memory_order(size: Sequence[int], stride: Sequence[int]) -> list[int] | None:
    """The dims of a dense tensor in the order in which they lie in memory, outermost first; None if it is not dense.

    Dims of size 1, whose strides say nothing, keep their places as far as they can.
    """
    dims = list(range(len(size)))
    if prod(size) == 0 or len(dims) < 2:
        return dims if prod(size) < 2 or not dims or stride[0] == 1 else None
    moving = [d for d in dims if size[d] != 1]
    ordered = sorted(moving, key=lambda d: -stride[d])
    step = 1
    for d in reversed(ordered):
        if stride[d] != step:
            return None
        step *= size[d]
    places = iter(ordered)
    return [d if size[d] == 1 else next(places) for d in dims]


def dense_like(size: Sequence[int], stride: Sequence[int]) -> tuple[int, ...]:
    """The strides of a dense tensor whose dims lie in memory in the order of `stride`; expanded dims keep their places."""
    moving = [d for d in range(len(size)) if stride[d] and size[d] != 1]
    places = iter(sorted(moving, key=lambda d: -stride[d]))
    order = [next(places) if d in moving else d for d in range(len(size))]
    steps = contiguous([size[d] for d in order])
    return tuple(steps[order.index(d)] for d in range(len(size)))


def repeats_elements(size: Sequence[int], stride: Sequence[int]) -> bool:
    """Whether a tensor may show one element more than once (exact but for odd strides of large tensors)."""
    if prod(size) < 2:
        return False
    reach = 0
    for n, step in sorted(((n, s) for n, s in zip(size, stride, strict=True) if n > 1), key=lambda p: p[1]):
        if step <= reach:
            places = elements(size, stride, 0)
            return places is None or len(set(places)) < len(places)
        reach += (n - 1) * step
    return False


def elements(size: Sequence[int], stride: Sequence[int], offset: int) -> list[int] | None:
    """The places in memory of a small tensor's elements; None for a large one."""
    if prod(size) > _EXACT:
        return None
    places = [offset]
    for n, step in zip(size, stride, strict=True):
        places = [p + i * step for p in places for i in range(n)]
    return places


def may_share_elements(a: torch.Tensor, b: torch.Tensor) -> bool:
    """Whether two tensors on one memory have an element in common, as far as can be told."""
    if a.numel() == 0 or b.numel() == 0 or a.dtype != b.dtype:
        return a.numel() > 0 and b.numel() > 0
    shapes = [(tuple(t.shape), tuple(t.stride()), t.storage_offset()) for t in (a, b)]
    (low, high), (first, last) = (_range(*s) for s in shapes)
    if high < first or last < low:
        return False
    places = [elements(*s) for s in shapes]
    if places[0] is not None and places[1] is not None:
        return not set(places[0]).isdisjoint(places[1])
    boxes = [_box(*s, steps=_steps(shapes)) for s in shapes]
    if boxes[0] is None or boxes[1] is None:
        return True
    return all(p < q + n and q < p + m for (p, m), (q, n) in zip(boxes[0], boxes[1], strict=True))


def reads_what_it_writes(target: torch.Tensor, read: torch.Tensor) -> bool:
    """Whether a write to `target` changes other elements of `read`: they share some, and not each its own."""
    with torch._C.DisableTorchFunction():
        if target.untyped_storage()._cdata != read.untyped_storage()._cdata:
            return False
        same = (target.shape, target.stride(), target.storage_offset()) == (
            read.shape,
            read.stride(),
            read.storage_offset(),
        )
        return not same and may_share_elements(target, read)


def _range(size: Sequence[int], stride: Sequence[int], offset: int) -> tuple[int, int]:
    return offset, offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))


def _steps(shapes: Sequence[tuple[Sequence[int], Sequence[int], int]]) -> list[int]:
    """All strides of some tensors, greatest first, and 1."""
    found = {s for size, stride, _ in shapes for n, s in zip(size, stride, strict=True) if n > 1 and s > 0}
    return sorted(found | {1}, reverse=True)


def _box(size: Sequence[int], stride: Sequence[int], offset: int, steps: Sequence[int]) -> list[tuple[int, int]] | None:
    """Start and length along each of `steps`, of which each divides the one before it; None if it has no such form."""
    if any(a % b for a, b in zip(steps, steps[1:], strict=False)):
        return None
    lengths = {s: n for n, s in zip(size, stride, strict=True) if n > 1}
    if len(lengths) < sum(n > 1 for n in size):
        return None
    box = []
    for i, step in enumerate(steps):
        start, offset = divmod(offset, step)
        length = lengths.get(step, 1)
        if i and (start + length) * step > steps[i - 1]:
            return None  # it runs over into the next dim
        box.append((start, length))
    return box
