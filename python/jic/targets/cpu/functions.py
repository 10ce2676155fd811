"""Transcendental functions on the CPU: the shared polynomials, with the machine's own instructions where they help."""

from __future__ import annotations

from torch_mlir import ir

from ..ir import ops
from ..kernel.functions import Functions
from .machine import Machine


class CpuFunctions(Functions):
    """The shared definitions; on AVX-512 `2**n` is one `vscalef`, which also overflows and underflows as it should."""

    def __init__(self, machine: Machine) -> None:
        self.scalef = machine.vector_bits == 512 and "+avx512f" in machine.features

    def scale_by_power(self, y: ir.Value, n: ir.Value) -> ir.Value:
        type_ = y.type
        bits = type_.element_type.width if isinstance(type_, ir.VectorType) else 0
        if not self.scalef or bits * (type_.shape[0] if bits else 0) != 512:
            return super().scale_by_power(y, n)
        lanes = 512 // bits
        mask = ops.constant(ir.IntegerType.get_signless(lanes), -1 if lanes > 8 else 255)
        current_rounding = ops.constant(ops.element_type("i32"), 4)
        suffix = "ps" if bits == 32 else "pd"
        return ops.op(
            "llvm.call_intrinsic",
            [y, n, y, mask, current_rounding],
            type_,
            {
                "intrin": ir.StringAttr.get(f"llvm.x86.avx512.mask.scalef.{suffix}.512"),
                "operandSegmentSizes": ir.DenseI32ArrayAttr.get([5, 0]),
                "op_bundle_sizes": ir.DenseI32ArrayAttr.get([]),
            },
        )
