"""What a `for` loop that becomes one op may run over: numbers, tensors' rows, and pairs of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from . import lists
from .context import Context
from .errors import Unsupported
from .lists import Segment
from .scalar import Scalar, to_int


class Unrolled(BaseException):
    """A loop over numbers alone is better left to Python."""


class Range:
    """`range(start, stop, step)` with run-time numbers among them, or one that must be compiled (`jic.range`)."""

    def __init__(self, *bounds: Any, forced: bool = False) -> None:
        bounds = tuple(map(_bound, bounds))
        self.start, self.stop, self.step = (0, bounds[0], 1) if len(bounds) == 1 else (*bounds, 1)[:3]
        self.forced = forced
        if isinstance(self.step, Scalar):
            raise Unsupported("a range whose step is only known at run time")
        if self.step == 0:
            raise ValueError("range() arg 3 must not be zero")

    @property
    def length(self) -> Any:
        span = self.stop - self.start if self.step > 0 else self.start - self.stop
        step = abs(self.step)
        count = span if step == 1 else (span + (step - 1)) // step
        if not isinstance(count, Scalar):
            return max(0, count)
        low, high = count.interval
        return Scalar(int, count.tensor.clamp(min=0), (max(0, low), max(0, high)))

    def item(self, number: Any) -> Any:
        return self.start + number * self.step if self.step != 1 else number + self.start

    def __len__(self) -> int:
        count = self.length
        if isinstance(count, Scalar):
            raise Unsupported("the length of a range that is only known at run time")
        return count

    def __iter__(self) -> Iterator[int]:
        return (
            iter(range(len(self))) if self.start == 0 and self.step == 1 else (self.item(i) for i in range(len(self)))
        )


@dataclass(eq=False)
class Unroll:
    """`jic.unroll(items)`: a loop over it is taken step by step."""

    items: Any

    def __iter__(self) -> Iterator[Any]:
        return iter(self.items)


def _bound(value: Any) -> Any:
    """A bound of a range, as Python takes it."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1 or value.dtype.is_floating_point or value.dtype.is_complex:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return to_int(value)
    if isinstance(value, Scalar) and value.kind is float:
        raise TypeError("'float' object cannot be interpreted as an integer")
    return value


class Rows(tuple):
    """`tensor.unbind(dim)`, which a loop may run over as over the tensor."""

    whole: torch.Tensor

    @staticmethod
    def of(tensor: torch.Tensor, dim: int = 0) -> Rows:
        made = Rows(tensor.unbind(dim))
        made.whole = tensor.movedim(dim, 0)
        return made


@dataclass(eq=False)
class Wrapped:
    """`enumerate`, `zip` or `reversed` of things that a loop may run over; `kind` says which."""

    kind: str
    parts: tuple[Any, ...]
    start: Any = 0
    iterate: Callable[[Any], Iterator[Any]] = iter

    def __iter__(self) -> Iterator[Any]:
        parts = [self.iterate(p) for p in self.parts]
        if self.kind == "enumerate":
            return iter((self.start + i, v) for i, v in enumerate(parts[0]))
        if self.kind == "zip":
            return zip(*parts, strict=False)
        return reversed(list(parts[0]))


@dataclass(eq=False)
class Iterable:
    """Items by their number, which may be a Scalar; `forced` means that the loop must not be unrolled."""

    length: Any
    item: Callable[[Any], Any]
    forced: bool = False


def iterable_of(context: Context, source: Any) -> Iterable | None:
    """What to run a loop over `source` by, or None if Python must run it."""
    if isinstance(source, (range, Range)):
        values = Range(source.start, source.stop, source.step) if isinstance(source, range) else source
        return Iterable(values.length, values.item, values.forced)
    if isinstance(source, Rows):
        return Iterable(len(source), lambda number: context.row(source.whole, number))
    if isinstance(source, torch.Tensor):
        if source.dim() == 0:
            raise TypeError("iteration over a 0-d tensor")
        return Iterable(source.shape[0], lambda number: context.row(source, number))
    if isinstance(source, Segment) or lists.has_segment(source):
        stacked = lists.parts_stacked([source] if isinstance(source, Segment) else list(source))
        return None if stacked is None else _rows(context, stacked, source)
    if isinstance(source, Wrapped):
        return _wrapped(context, source)
    return None


def _rows(context: Context, stacked: torch.Tensor, source: Any) -> Iterable:
    first = next((s for s in source if isinstance(s, Segment)), None)
    kind = first.items[0].what if first is not None and first.items[0].kind == "number" else None

    def item(number: Any) -> Any:
        row = context.row(stacked, number)
        return row if kind is None else Scalar(kind, row)

    return Iterable(stacked.shape[0], item)


def _wrapped(context: Context, source: Wrapped) -> Iterable | None:
    parts = [iterable_of(context, p) for p in source.parts]
    if not parts or any(p is None for p in parts):
        return None
    known: list[Iterable] = [p for p in parts if p is not None]
    forced = any(p.forced for p in known)
    if source.kind == "enumerate":
        inner = known[0]
        return Iterable(inner.length, lambda number: (number + source.start, inner.item(number)), forced)
    if source.kind == "reversed":
        inner = known[0]
        return Iterable(inner.length, lambda number: inner.item(inner.length - 1 - number), forced)
    lengths = [p.length for p in known]
    shortest = lengths[0]
    for other in lengths[1:]:
        if isinstance(shortest, int) and isinstance(other, int):
            shortest = min(shortest, other)
        else:
            raise Unsupported("zip of things whose lengths are only known at run time")
    return Iterable(shortest, lambda number: tuple(p.item(number) for p in known), forced)
