"""The targets' lowerings as passes, for pipelines and `jic-opt`. What they need is imported when they run."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import PassError
from jic.passes.base import Pass
from jic.passes.registry import register

from . import lookup


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

        from .cpu.machine import host

        if self.vector_bits not in (0, 128, 256, 512):
            raise PassError(f"vector-bits is {self.vector_bits}, expected 0, 128, 256 or 512")
        machine = replace(host(), vector_bits=self.vector_bits) if self.vector_bits else host()
        lookup("cpu", machine=machine).lower(module)


@register
@dataclass(frozen=True)
class LowerToCuda(Pass):
    """Lower kernels to functions for NVIDIA GPUs, and `@main` to launches on planned memory.

    func.func @main(%x: tensor<64xf32>) …        gpu.module @k0_exp {
      %0 = jic.fused(%x) {pointwise} …       →     gpu.func @k0_exp(%in: memref<64xf32, …>, %out: memref<64xf32, …>) kernel
      return %0                                  }
                                                 func.func @main(%in: memref<64xf32>, %out: memref<64xf32>, …)
                                                   jic.launch(%in, %out) {kernel = @k0_exp, …}
    """

    name = "jic-lower-to-cuda"

    def apply(self, module: ir.Operation) -> None:
        lookup("cuda").lower(module)


@register
@dataclass(frozen=True)
class LowerToVulkan(Pass):
    """Lower kernels to functions for Vulkan devices, and `@main` to launches on planned memory, as `jic-lower-to-cuda` does.

    Buffers are of the storage class StorageBuffer, bf16 is stored as i16.
    """

    name = "jic-lower-to-vulkan"

    def apply(self, module: ir.Operation) -> None:
        lookup("vulkan").lower(module)
