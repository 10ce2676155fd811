"""Loads and stores on CUDA: aligned vectors in one instruction, others element by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from ..ir import ops
from ..kernel import elementwise
from ..kernel.elements import ELEMENT_BYTES
from ..kernel.index import Linear
from ..kernel.memory import Memory


@dataclass
class CudaMemory(Memory):
    """Buffers are aligned to 16 bytes; the lane variable's first value is a multiple of `width`."""

    def _aligned(self, position: Linear) -> bool:
        assert self.lane is not None
        others = [c for v, c in position.terms if v != self.lane]
        return self._lane_stride(position) == 1 and all(c % self.width == 0 for c in [*others, position.constant])

    def _lane_positions(self, position: Linear) -> list[ir.Value]:
        base, stride = self._uniform(position), self._lane_stride(position)
        return [ops.binary("arith.addi", base, ops.index(k * stride)) if k else base for k in range(self.width)]

    def _load_vector(self, buffer: ir.Value, position: Linear, guards: Sequence[ir.Value]) -> ir.Value:
        element = ir.MemRefType(buffer.type).element_type
        type_ = ops.vector_type(self.width, element)
        if not guards and self._aligned(position):
            return ops.op("vector.load", [buffer, self._uniform(position)], type_, _alignment(self.width, element))
        at = self._lane_positions(position)
        if guards:
            at = [self._clamped(p, buffer) for p in at]
        return ops.op("vector.from_elements", [ops.op("memref.load", [buffer, p], element) for p in at], type_)

    def store(self, number: int, position: Linear, value: ir.Value, element: str) -> None:
        if self.lane is None or not self._lane_stride(position):
            super().store(number, position, value, element)
            return
        buffer, value = self.buffers[number], self._stored(self.as_vector(value), element)
        if self._aligned(position):
            attributes = _alignment(self.width, ops.scalar_of(value.type))
            ops.op("vector.store", [value, buffer, self._uniform(position)], None, attributes)
            return
        for k, at in enumerate(self._lane_positions(position)):
            ops.op("memref.store", [ops.extract(value, k), buffer, at], None)

    @staticmethod
    def _stored(value: ir.Value, element: str) -> ir.Value:
        if element == "i1":
            return ops.op("arith.extui", [value], ops.like(value.type, ops.element_type("i8")))
        if elementwise.register_element(element) != element and element != "ui8":
            return ops.op("arith.truncf", [value], ops.like(value.type, ops.element_type(element)))
        return value


def _alignment(width: int, element: ir.Type) -> dict[str, ir.Attribute]:
    return {"alignment": ir.IntegerAttr.get(ops.element_type("i64"), width * ELEMENT_BYTES[str(element)])}
