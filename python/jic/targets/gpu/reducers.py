"""What each kind of `jic.reduce` carries along: identity, one step, and how two partial results become one."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import UnsupportedError

from ..ir import ops
from ..kernel.elementwise import is_float, register_element
from ..kernel.region import Node


@dataclass(frozen=True)
class Reducer:
    """A reduction of values of `element`; a partial result is a list of registers."""

    kind: str
    element: str

    @staticmethod
    def of(reduce: Node, operand: Node) -> Reducer:
        return Reducer(reduce.attributes["kind"], operand.element)

    @property
    def positional(self) -> bool:
        """True if a partial result holds a position beside the value (argmax, argmin)."""
        return self.kind.startswith("arg")

    def types(self) -> list[ir.Type]:
        value = ops.element_type(register_element(self.element))
        return [value, ops.element_type("i64")] if self.positional else [value]

    def identity(self, width: int = 1) -> list[ir.Value]:
        types = [t if width == 1 else ops.vector_type(width, t) for t in self.types()]
        values = [ops.constant(types[0], self._identity_value())]
        if self.positional:
            # No element has this position, so that the first element met always wins over the identity.
            values.append(ops.constant(types[1], (1 << 62)))
        return values

    def _identity_value(self) -> float | int:
        kind, element = self.kind.removeprefix("arg"), self.element
        if kind in ("sum", "any"):
            return 0
        if kind in ("prod", "all"):
            return 1
        if is_float(element):
            return -math.inf if kind == "max" else math.inf
        bits = int(element.lstrip("ui"))
        if element in ("ui8", "i1"):
            return 0 if kind == "max" else (1 << bits) - 1
        return -(1 << (bits - 1)) if kind == "max" else (1 << (bits - 1)) - 1

    def lift(self, value: ir.Value, position: ir.Value | None) -> list[ir.Value]:
        """The partial result of one element."""
        if not self.positional:
            return [value]
        assert position is not None
        return [value, position]

    def combine(self, a: list[ir.Value], b: list[ir.Value]) -> list[ir.Value]:
        if self.positional:
            return self._combine_positions(a, b)
        return [self._operation()(a[0], b[0])]

    def _operation(self) -> Callable[[ir.Value, ir.Value], ir.Value]:
        floating = is_float(self.element)
        if self.kind == "sum" and floating:
            return ops.addf
        if self.kind == "prod" and floating:
            return ops.mulf
        if self.kind in ("max", "min"):
            unsigned = "u" if self.element in ("ui8", "i1") else "s"
            name = f"arith.{self.kind}imumf" if floating else f"arith.{self.kind}{unsigned}i"
        else:
            table = {"sum": "arith.addi", "prod": "arith.muli", "any": "arith.ori", "all": "arith.andi"}
            if self.kind not in table or floating:
                raise UnsupportedError(f"a reduction '{self.kind}' of {self.element}")
            name = table[self.kind]
        return lambda a, b: ops.binary(name, a, b)

    def _combine_positions(self, a: list[ir.Value], b: list[ir.Value]) -> list[ir.Value]:
        """The better value, the earlier position among equals; a NaN is better than anything else."""
        greater = self.kind == "argmax"
        (x, i), (y, j) = a, b
        earlier = ops.cmpi("slt", j, i)
        if is_float(self.element):
            better = ops.cmpf("ogt" if greater else "olt", y, x)
            equal = ops.cmpf("oeq", y, x)
            x_nan, y_nan = ops.cmpf("uno", x, x), ops.cmpf("uno", y, y)
            one = ops.constant(x_nan.type, 1)
            only_y = ops.binary("arith.andi", y_nan, ops.binary("arith.xori", x_nan, one))
            better = ops.binary("arith.ori", better, only_y)
            equal = ops.binary("arith.ori", equal, ops.binary("arith.andi", x_nan, y_nan))
        else:
            sign = "u" if self.element in ("ui8", "i1") else "s"
            better = ops.cmpi(f"{sign}{'gt' if greater else 'lt'}", y, x)
            equal = ops.cmpi("eq", y, x)
        taken = ops.binary("arith.ori", better, ops.binary("arith.andi", equal, earlier))
        return [ops.select(taken, y, x), ops.select(taken, j, i)]

    def across_lanes(self, partial: list[ir.Value]) -> list[ir.Value]:
        """A partial result of vectors as one of scalars."""
        vector = partial[0].type
        if not isinstance(vector, ir.VectorType):
            return partial
        lanes = [[extract(v, lane) for v in partial] for lane in range(vector.shape[0])]
        while len(lanes) > 1:
            lanes = [self.combine(lanes[k], lanes[k + 1]) for k in range(0, len(lanes), 2)]
        return lanes[0]

    def result(self, partial: list[ir.Value]) -> ir.Value:
        return partial[-1]


def extract(vector: ir.Value, lane: int) -> ir.Value:
    position = {"static_position": ir.DenseI64ArrayAttr.get([lane])}
    return ops.op("vector.extract", [vector], ops.scalar_of(vector.type), position)
