"""Accumulators of reductions in vector registers: masked steps, and the end over lanes."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from ....ir import ops
from ....kernel.elementwise import is_float, register_element
from ....kernel.reducer import Reducer
from ....kernel.region import Region

_VECTOR_KINDS = {"sum": "add", "prod": "mul", "any": "or", "all": "and"}


@dataclass(frozen=True)
class Accumulator:
    """What `reducer` carries along, in vectors of `width` lanes."""

    reducer: Reducer
    width: int

    @staticmethod
    def of(region: Region, reduce: int, width: int) -> Accumulator:
        return Accumulator(Reducer.of(region, reduce), width)

    @property
    def parts(self) -> int:
        return self.reducer.parts

    def initial(self) -> list[ir.Value]:
        return self.reducer.identity(self.width)

    def combine(
        self, state: list[ir.Value], value: ir.Value, position: ir.Value | None, mask: ir.Value | None
    ) -> list[ir.Value]:
        """`state` with the lanes of `value` (at `position`, for arg kinds) that `mask` lets in."""
        new = self.reducer.combine(state, self.reducer.lift(value, position))
        if mask is None:
            return new
        return [ops.select(mask, n, s) for n, s in zip(new, state, strict=True)]

    def column(self, state: list[ir.Value]) -> ir.Value:
        """The result where every lane is a column of its own."""
        return self.reducer.result(state)

    def finish(self, copies: list[list[ir.Value]]) -> ir.Value:
        """The scalar result of several accumulators."""
        state = copies[0]
        for other in copies[1:]:
            state = self.reducer.combine(state, other)
        kind, element = self.reducer.kind, self.reducer.element
        if self.reducer.positional:
            return self._finish_positions(state)
        scalar = ops.element_type(register_element(element))
        if kind in ("max", "min") and is_float(element):
            return self._finish_extreme(state[0], scalar)
        name = _VECTOR_KINDS.get(kind) or kind + ("ui" if self.reducer.unsigned else "si")
        attributes = {"kind": ir.Attribute.parse(f"#vector.kind<{name}>")}
        if is_float(element):
            attributes |= ops.fastmath("reassoc,nsz")
        return ops.op("vector.reduction", [state[0]], scalar, attributes)

    def _finish_extreme(self, lanes: ir.Value, scalar: ir.Type) -> ir.Value:
        """Join neighbours until one lane is left, so that of several zeros the one of the lowest lane stays."""
        count = self.width
        while count > 1:
            even, odd = (self._picked(lanes, range(start, count, 2)) for start in (0, 1))
            (lanes,), count = self.reducer.combine([even], [odd]), count // 2
        return ops.op("vector.extract", [lanes], scalar, {"static_position": ir.DenseI64ArrayAttr.get([0])})

    def _finish_positions(self, state: list[ir.Value]) -> ir.Value:
        """Halve the vectors by shuffles until one lane is left."""
        lanes = self.width
        while lanes > 1:
            half = lanes // 2
            low = [self._picked(s, range(half)) for s in state]
            high = [self._picked(s, range(half, lanes)) for s in state]
            state, lanes = self.reducer.combine(low, high), half
        position = {"static_position": ir.DenseI64ArrayAttr.get([0])}
        return ops.op("vector.extract", [state[1]], ops.element_type("i64"), position)

    @staticmethod
    def _picked(vector: ir.Value, lanes: range) -> ir.Value:
        type_ = ir.VectorType(vector.type)
        order = {"mask": ir.DenseI64ArrayAttr.get(list(lanes))}
        return ops.op("vector.shuffle", [vector, vector], ops.vector_type(len(lanes), type_.element_type), order)
