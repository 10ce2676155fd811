"""What each kind of `jic.reduce` carries along: identity, one step, and how two partial results become one.

One rule for all targets. A NaN is more than anything else, for max and for min. Of several zeros, and of equal values, the
first stays; for `argmax` and `argmin` that is the one at the smallest position. "No position yet" is one that no element
has, greater than all others: so the first element wins over it even if its value is the identity's.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..ir import ops
from .elementwise import is_float, register_element
from .region import Node, Region

NO_POSITION = 1 << 62
_INTEGER = {"sum": "arith.addi", "prod": "arith.muli", "any": "arith.ori", "all": "arith.andi"}


@dataclass(frozen=True)
class Reducer:
    """A reduction of values of `element`; a partial result is a list of registers, of scalars or of vectors."""

    kind: str
    element: str

    @staticmethod
    def of(region: Region, reduce: int) -> Reducer:
        node: Node = region.nodes[reduce]
        return Reducer(node.attributes["kind"], region.nodes[node.operands[0]].element)

    @property
    def positional(self) -> bool:
        """True if a partial result holds a position beside the value (argmax, argmin)."""
        return self.kind.startswith("arg")

    @property
    def parts(self) -> int:
        """Registers of a partial result."""
        return 2 if self.positional else 1

    @property
    def unsigned(self) -> bool:
        return self.element in ("ui8", "i1")

    def types(self) -> list[ir.Type]:
        value = ops.element_type(register_element(self.element))
        return [value, ops.element_type("i64")] if self.positional else [value]

    def identity(self, width: int = 0) -> list[ir.Value]:
        """The partial result of nothing: scalars, or vectors of `width` lanes."""
        types = [ops.vector_type(width, t) if width else t for t in self.types()]
        values = [ops.constant(types[0], self.identity_value())]
        return [*values, ops.constant(types[1], NO_POSITION)] if self.positional else values

    def identity_value(self) -> float | int:
        kind = self.kind.removeprefix("arg")
        if kind in ("sum", "any"):
            return 0
        if kind in ("prod", "all"):
            return 1
        if is_float(self.element):
            return -math.inf if kind == "max" else math.inf
        bits = 1 if self.element == "i1" else int(self.element.lstrip("ui"))
        if self.unsigned:
            return 0 if kind == "max" else (1 << bits) - 1
        return -(1 << (bits - 1)) if kind == "max" else (1 << (bits - 1)) - 1

    def lift(self, value: ir.Value, position: ir.Value | None) -> list[ir.Value]:
        """The partial result of one element."""
        if not self.positional:
            return [value]
        assert position is not None
        return [value, position]

    def combine(self, a: list[ir.Value], b: list[ir.Value]) -> list[ir.Value]:
        """Two partial results as one; `a` is of earlier elements, where that can be said."""
        return self._better(a, b) if self.positional else [self._join(a[0], b[0])]

    def result(self, partial: list[ir.Value]) -> ir.Value:
        return partial[-1]

    def _join(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if is_float(self.element):
            match self.kind:
                case "sum":
                    return ops.addf(a, b)
                case "prod":
                    return ops.mulf(a, b)
                case "max" | "min":
                    return ops.extreme(self.kind == "max", a, b)
        elif self.kind in _INTEGER:
            return ops.binary(_INTEGER[self.kind], a, b)
        elif self.kind in ("max", "min"):
            return ops.binary(f"arith.{self.kind}{'u' if self.unsigned else 's'}i", a, b)
        raise UnsupportedError(f"a reduction '{self.kind}' of {self.element}")

    def _better(self, a: list[ir.Value], b: list[ir.Value]) -> list[ir.Value]:
        """The better value, the earlier position among equals; a NaN is better than anything else."""
        greater = self.kind == "argmax"
        (x, i), (y, j) = a, b
        if is_float(self.element):
            better = ops.cmpf("ogt" if greater else "olt", y, x)
            equal = ops.cmpf("oeq", y, x)
            x_nan, y_nan = ops.cmpf("uno", x, x), ops.cmpf("uno", y, y)
            only_y = ops.binary("arith.andi", y_nan, ops.binary("arith.xori", x_nan, ops.constant(x_nan.type, 1)))
            better = ops.binary("arith.ori", better, only_y)
            equal = ops.binary("arith.ori", equal, ops.binary("arith.andi", x_nan, y_nan))
        else:
            better = ops.cmpi(f"{'u' if self.unsigned else 's'}{'gt' if greater else 'lt'}", y, x)
            equal = ops.cmpi("eq", y, x)
        earlier = ops.cmpi("slt", j, i)
        taken = ops.binary("arith.ori", better, ops.binary("arith.andi", equal, earlier))
        return [ops.select(taken, y, x), ops.select(taken, j, i)]
