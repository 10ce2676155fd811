"""Accumulators of the reduction kinds: initial value, one step over vectors, and the end over lanes."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch_mlir import ir

from ....ir import ops
from ....kernel.elementwise import is_float, register_element
from ....kernel.region import Region


@dataclass(frozen=True)
class Accumulator:
    """A reduction of `kind` over values of `element`, kept in `parts` vectors of `width` lanes (two for arg kinds)."""

    kind: str
    element: str
    width: int

    @staticmethod
    def of(region: Region, reduce: int, width: int) -> Accumulator:
        node = region.nodes[reduce]
        return Accumulator(node.attributes["kind"], region.nodes[node.operands[0]].element, width)

    @property
    def arg(self) -> bool:
        return self.kind.startswith("arg")

    @property
    def parts(self) -> int:
        return 2 if self.arg else 1

    def _type(self) -> ir.Type:
        return ops.vector_type(self.width, ops.element_type(register_element(self.element)))

    def initial(self) -> list[ir.Value]:
        start = ops.constant(self._type(), self.identity())
        if not self.arg:
            return [start]
        # No index yet: the first candidate wins even if it equals the identity.
        return [start, ops.constant(ops.vector_type(self.width, ops.element_type("i64")), -1)]

    def identity(self) -> float | int:
        if self.kind in ("sum", "any"):
            return 0
        if self.kind in ("prod", "all"):
            return 1
        lowest = self.kind in ("max", "argmax")
        if is_float(self.element):
            return -math.inf if lowest else math.inf
        if self.element == "i1":
            return 0 if lowest else 1
        if self.element == "ui8":
            return 0 if lowest else 255
        bits = int(self.element[1:])
        return -(1 << (bits - 1)) if lowest else (1 << (bits - 1)) - 1

    def combine(
        self, state: list[ir.Value], value: ir.Value, position: ir.Value, mask: ir.Value | None
    ) -> list[ir.Value]:
        """`state` with the lanes of `value` (at `position`, for arg kinds) that `mask` lets in."""
        new = self._better(state, [value, position]) if self.arg else [self._join(state[0], value)]
        if mask is None:
            return new
        return [ops.select(mask, n, s) for n, s in zip(new, state, strict=True)]

    def _join(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if self.kind in ("sum", "prod"):
            if is_float(self.element):
                return (ops.addf if self.kind == "sum" else ops.mulf)(a, b)
            return ops.binary("arith.addi" if self.kind == "sum" else "arith.muli", a, b)
        if self.kind in ("any", "all"):
            return ops.binary("arith.ori" if self.kind == "any" else "arith.andi", a, b)
        if is_float(self.element):
            return ops.extreme(self.kind == "max", a, b)
        sign = "u" if self.element in ("ui8", "i1") else "s"
        return ops.binary(f"arith.{self.kind}{sign}i", a, b)

    def _better(self, old: list[ir.Value], new: list[ir.Value]) -> list[ir.Value]:
        """Candidate `new` replaces `old` if greater (less), NaN counting as most, or equal at a smaller index."""
        (a, i), (b, j) = old, new
        greater = self.kind == "argmax"
        if is_float(self.element):
            more = ops.cmpf("ogt" if greater else "olt", b, a)
            same = ops.cmpf("oeq", b, a)
            a_nan, b_nan = ops.cmpf("uno", a, a), ops.cmpf("uno", b, b)
            not_a_nan = ops.binary("arith.xori", a_nan, ops.constant(a_nan.type, 1))
            more = ops.binary("arith.ori", more, ops.binary("arith.andi", b_nan, not_a_nan))
            same = ops.binary("arith.ori", same, ops.binary("arith.andi", a_nan, b_nan))
        else:
            sign = "u" if self.element in ("ui8", "i1") else "s"
            more = ops.cmpi(sign + ("gt" if greater else "lt"), b, a)
            same = ops.cmpi("eq", b, a)
        empty = ops.cmpi("slt", i, ops.constant(i.type, 0))
        present = ops.cmpi("sge", j, ops.constant(j.type, 0))
        earlier = ops.binary("arith.andi", same, ops.cmpi("slt", j, i))
        takes = ops.binary("arith.ori", empty, ops.binary("arith.ori", more, earlier))
        takes = ops.binary("arith.andi", takes, present)
        return [ops.select(takes, b, a), ops.select(takes, j, i)]

    def column(self, state: list[ir.Value]) -> ir.Value:
        """The result where every lane is a column of its own."""
        return state[-1]

    def finish(self, copies: list[list[ir.Value]]) -> ir.Value:
        """The scalar result of several accumulators."""
        state = copies[0]
        for other in copies[1:]:
            state = self._better(state, other) if self.arg else [self._join(state[0], other[0])]
        if self.arg:
            return self._finish_arg(state)
        scalar = ops.element_type(register_element(self.element))
        if self.kind in ("max", "min") and is_float(self.element):
            return self._finish_extreme(state[0], scalar)
        attributes = {"kind": ir.Attribute.parse(f"#vector.kind<{self._vector_kind()}>")}
        if is_float(self.element):
            attributes |= ops.fastmath("reassoc,nsz")
        return ops.op("vector.reduction", [state[0]], scalar, attributes)

    def _finish_extreme(self, lanes: ir.Value, scalar: ir.Type) -> ir.Value:
        """Join neighbours until one lane is left, so that of several zeros the one of the lowest lane stays."""
        count = self.width
        while count > 1:
            even, odd = (self._picked(lanes, range(start, count, 2)) for start in (0, 1))
            lanes, count = self._join(even, odd), count // 2
        return ops.op("vector.extract", [lanes], scalar, {"static_position": ir.DenseI64ArrayAttr.get([0])})

    def _vector_kind(self) -> str:
        if self.kind in ("sum", "prod"):
            return {"sum": "add", "prod": "mul"}[self.kind]
        if self.kind in ("any", "all"):
            return {"any": "or", "all": "and"}[self.kind]
        return self.kind + ("ui" if self.element in ("ui8", "i1") else "si")

    def _finish_arg(self, state: list[ir.Value]) -> ir.Value:
        """Halve the vectors by shuffles until one lane is left."""
        lanes = self.width
        while lanes > 1:
            half = lanes // 2
            low = [self._picked(s, range(half)) for s in state]
            high = [self._picked(s, range(half, lanes)) for s in state]
            state, lanes = self._better(low, high), half
        position = {"static_position": ir.DenseI64ArrayAttr.get([0])}
        return ops.op("vector.extract", [state[1]], ops.element_type("i64"), position)

    @staticmethod
    def _picked(vector: ir.Value, lanes: range) -> ir.Value:
        type_ = ir.VectorType(vector.type)
        order = {"mask": ir.DenseI64ArrayAttr.get(list(lanes))}
        return ops.op("vector.shuffle", [vector, vector], ops.vector_type(len(lanes), type_.element_type), order)
