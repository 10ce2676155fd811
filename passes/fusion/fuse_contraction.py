"""Matrix products with what follows them, and cheap work on their operands."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.passes.base import Pass

from ._epilogue import fuse_around
from ._group import contraction_policy


@dataclass(frozen=True)
class FuseContraction(Pass):
    """Fuse a matmul with its epilogue (bias, activation, residual) and a cheap prologue on its operands.

    A reshape between the matmul and an elementwise op does not stop it: the elementwise op is computed in the matmul's
    shape.

        %0 = jic.matmul(%x, %w)            : 16x64
        %1 = jic.reshape(%0)               : 2x8x64   ->   jic.fused(%x, %w, %b) {kind = "contraction"} : 16x64
        %2 = jic.add(%1, jic.broadcast(%b))                jic.reshape                                  : 2x8x64

    Options:
        max-size: the most ops in one kernel, not counting views and constants.
        max-prologue: the most elementwise ops on the operands; each is computed again for every block that reads the
            operand.
    """

    name = "jic-fuse-contraction"
    max_size: int = 32
    max_prologue: int = 2

    def apply(self, module: ir.Operation) -> None:
        fuse_around(module, {"matmul": "contraction"}, contraction_policy(self.max_size, self.max_prologue))
