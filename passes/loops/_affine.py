"""Scalars that change by the same amount from one iteration to the next."""

from __future__ import annotations

import operator
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from ..simplify._rewrite import attribute, element, shape, splat
from ._loop import Loop

_COMPARE = {
    "eq": operator.eq, "ne": operator.ne, "lt": operator.lt, "le": operator.le, "gt": operator.gt, "ge": operator.ge,
}  # fmt: skip
_LIMIT = 2**62  # what is beyond might wrap around in i64


@dataclass(frozen=True)
class Affine:
    """`scale * i + offset` in iteration `i`."""

    scale: int
    offset: int

    def bounds(self, count: int) -> tuple[int, int]:
        """The least and the greatest value in iterations `0` to `count - 1`."""
        last = self.scale * (count - 1) + self.offset
        return min(self.offset, last), max(self.offset, last)


class Indices:
    """What is known of the integer scalars in the body of `loop`."""

    def __init__(self, loop: Loop) -> None:
        self.count = loop.trip_count
        self._known: dict[ir.Value, Affine | None] = {loop.index: Affine(1, 0)}
        for argument, init, next_ in zip(loop.carried, loop.inits, loop.yielded, strict=True):
            step = _step(argument, next_)
            start = splat(init) if step is not None else None
            if step is not None and start is not None:
                self._known[argument] = Affine(step, int(start))
            elif argument == next_ and (number := _constant(init)) is not None:
                self._known[argument] = Affine(0, number)

    def affine(self, value: ir.Value) -> Affine | None:
        """`value`, an i64 tensor of one element, as a function of the iteration."""
        if value not in self._known:
            self._known[value] = None
            found = self._compute(value) if _is_scalar(value) else None
            if found is not None and max(abs(found.scale), abs(found.offset)) < _LIMIT:
                self._known[value] = found
        return self._known[value]

    def _compute(self, value: ir.Value) -> Affine | None:
        number = splat(value)
        if number is not None:
            return Affine(0, int(number))
        if isinstance(value.owner, ir.Block):
            return None
        op = value.owner.operation
        name = op.name.removeprefix("jic.")
        if name == "select":
            return self._select(op)
        if name not in ("add", "sub", "mul", "neg", "reshape", "broadcast", "maximum", "minimum", "mod", "rem"):
            return None
        terms = [self.affine(v) for v in op.operands]
        if any(t is None for t in terms):
            return None
        x, y = terms[0], terms[-1]
        assert x is not None and y is not None
        if name in ("reshape", "broadcast"):
            return x
        if name == "neg":
            return Affine(-x.scale, -x.offset)
        if name == "add":
            return Affine(x.scale + y.scale, x.offset + y.offset)
        if name == "sub":
            return Affine(x.scale - y.scale, x.offset - y.offset)
        if name == "mul":
            if x.scale and y.scale:
                return None
            return Affine(x.scale * y.offset + y.scale * x.offset, x.offset * y.offset)
        if name in ("mod", "rem"):
            return x if self._always("ge", x, Affine(0, 0)) and self._always("lt", x, y) else None
        if self._always("ge", x, y):
            return x if name == "maximum" else y
        if self._always("le", x, y):
            return y if name == "maximum" else x
        return None

    def _select(self, op: ir.Operation) -> Affine | None:
        condition = op.operands[0].owner
        if isinstance(condition, ir.Block) or condition.operation.name != "jic.compare":
            return None
        compare = condition.operation
        x, y = (self.affine(v) for v in compare.operands)
        if x is None or y is None:
            return None
        predicate = attribute(compare, "predicate")
        if self._always(predicate, x, y):
            return self.affine(op.operands[1])
        if self._always(_OPPOSITE[predicate], x, y):
            return self.affine(op.operands[2])
        return None

    def _always(self, predicate: str, x: Affine, y: Affine) -> bool:
        """True if `x <predicate> y` holds in every iteration."""
        difference = Affine(x.scale - y.scale, x.offset - y.offset)
        if self.count is None:
            # The first iteration, and none after it can change the answer.
            grows = {"ge": 1, "gt": 1, "le": -1, "lt": -1}.get(predicate, 0)
            if difference.scale and difference.scale * grows <= 0:
                return False
            return _COMPARE[predicate](difference.offset, 0)
        low, high = difference.bounds(max(1, self.count))
        if predicate == "ne":
            return low > 0 or high < 0
        return _COMPARE[predicate](low, 0) and _COMPARE[predicate](high, 0)


_OPPOSITE = {"eq": "ne", "ne": "eq", "lt": "ge", "ge": "lt", "gt": "le", "le": "gt"}


def _is_scalar(value: ir.Value) -> bool:
    return prod(shape(value)) == 1 and str(element(value)) == "i64"


def _constant(value: ir.Value) -> int | None:
    number = splat(value) if _is_scalar(value) else None
    return None if number is None else int(number)


def _step(argument: ir.Value, next_: ir.Value) -> int | None:
    """By how much the carried scalar `argument` grows in each iteration, if that is a constant."""
    if not _is_scalar(argument) or isinstance(next_.owner, ir.Block):
        return None
    op = next_.owner.operation
    if op.name == "jic.add":
        x, y = op.operands
        if argument == x:
            return _constant(y)
        return _constant(x) if argument == y else None
    if op.name == "jic.sub" and op.operands[0] == argument:
        step = _constant(op.operands[1])
        return None if step is None else -step
    return None
