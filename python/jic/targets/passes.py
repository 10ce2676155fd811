"""The targets' lowerings as passes, for pipelines and `jic-opt`. What they need is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import PassError
from jic.passes.base import Pass
from jic.passes.registry import register


@register
@dataclass(frozen=True)
class LowerToCpu(Pass):
    """Lower kernels to functions for the CPU, and `@main` to launches on planned memory.

        func.func @main(%x: tensor<64xf32>) …        func.func @k0_exp(%in: memref<64xf32>, %out: memref<64xf32>,
          %0 = jic.fused(%x) {pointwise} …       →                    %begin: index, %end: index, %scratch: memref<64xi8>)
          return %0                                    scf.for … vector.load … vector.store
                                                     func.func @main(%in: memref<64xf32>, %out: memref<64xf32>, …)
                                                       jic.launch(%in, %out) {kernel = @k0_exp, …}

    `vector-bits` is the register width to generate for; 0 takes the host's.
    """

    name = "jic-lower-to-cpu"
    vector_bits: int = 0

    def apply(self, module: ir.Operation) -> None:
        from dataclasses import replace

        from .cpu.compile import main_of
        from .cpu.kernel import KernelModule
        from .cpu.lower import lower
        from .cpu.machine import host
        from .program.launches import main_of_launches

        if self.vector_bits not in (0, 128, 256, 512):
            raise PassError(f"vector-bits is {self.vector_bits}, expected 0, 128, 256 or 512")
        machine = replace(host(), vector_bits=self.vector_bits) if self.vector_bits else host()
        kernels = KernelModule(module.context)
        block = module.regions[0].blocks[0]
        with module.context, ir.Location.unknown():
            main = main_of(block)
            main_of_launches(lower(main, kernels, machine), main, kernels.module)
            old = [op.operation for op in block.operations]
            for op in kernels.module.body.operations:
                block.append(op.operation.clone())
            for op in reversed(old):
                op.erase()
