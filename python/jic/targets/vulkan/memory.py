"""Loads and stores on Vulkan: single elements; bf16, which SPIR-V has not, as the upper half of an f32."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch_mlir import ir

from ..ir import ops
from ..kernel.index import Linear
from ..kernel.memory import Memory


@dataclass
class VulkanMemory(Memory):
    """Buffers of bf16 are arrays of i16."""

    def load(self, number: int, position: Linear, element: str, guards: Sequence[ir.Value] = ()) -> ir.Value:
        if element != "bf16":
            return super().load(number, position, element, guards)
        bits = super().load(number, position, "i16", guards)
        return widen_bf16(bits)

    def store(self, number: int, position: Linear, value: ir.Value, element: str) -> None:
        if element == "bf16":
            value, element = narrow_bf16(value), "i16"
        super().store(number, position, value, element)


def widen_bf16(bits: ir.Value) -> ir.Value:
    """The f32 of a bf16 in an i16."""
    i32 = ops.element_type("i32")
    high = ops.binary("arith.shli", ops.op("arith.extui", [bits], i32), ops.constant(i32, 16))
    return ops.bitcast(high, ops.element_type("f32"))


def narrow_bf16(value: ir.Value) -> ir.Value:
    """An f32 rounded to the nearest bf16 (even among equals), as i16; a NaN stays one."""
    i32 = ops.element_type("i32")
    bits = ops.bitcast(value, i32)
    sixteen, one = ops.constant(i32, 16), ops.constant(i32, 1)
    odd = ops.binary("arith.andi", ops.binary("arith.shrui", bits, sixteen), one)
    up = ops.binary("arith.addi", bits, ops.binary("arith.addi", odd, ops.constant(i32, 0x7FFF)))
    quiet = ops.binary("arith.ori", bits, ops.constant(i32, 0x400000))
    rounded = ops.select(ops.cmpf("uno", value, value), quiet, up)
    return ops.op("arith.trunci", [ops.binary("arith.shrui", rounded, sixteen)], ops.element_type("i16"))
