"""Functions that NVIDIA GPUs have an instruction for."""

from __future__ import annotations

import math

from torch_mlir import ir

from ..gpu.functions import LOG2E, LOG2E_LOW, GpuFunctions
from ..ir import ops
from ..kernel.functions import clamp


class CudaFunctions(GpuFunctions):
    """`GpuFunctions` with exponentials by `ex2.approx`, which is good to 2 units in the last place."""

    def exp(self, x: ir.Value) -> ir.Value:
        """`2^t (1 + r ln 2)` where `t + r` is `x log2(e)` and `r` what rounding it to `t` lost."""
        if not self._single(x):
            return super().exp(x)
        x = clamp(x, -105.0, 89.0)
        t = ops.binary("arith.mulf", x, ops.constant(x.type, LOG2E))
        r = ops.fma(x, ops.constant(x.type, LOG2E), ops.unary("arith.negf", t))
        r = ops.fma(x, ops.constant(x.type, LOG2E_LOW), r)
        scale = ops.fma(r, ops.constant(x.type, math.log(2.0)), ops.constant(x.type, 1.0))
        return ops.mulf(ops.unary("math.exp2", t), scale)

    def exp2(self, x: ir.Value) -> ir.Value:
        self._need_single("exp2", x)
        return ops.unary("math.exp2", x)
