"""The Vulkan target: kernels through the `gpu` and `spirv` dialects to SPIR-V modules."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from ..gpu.kernel import GpuKernel
from ..gpu.target import GpuTarget
from .machine import VulkanMachine
from .spirv import to_binary, to_spirv


@dataclass(frozen=True)
class VulkanTarget(GpuTarget):
    """Vulkan devices. A module's code is a SPIR-V binary, whose entry point has the kernel's name."""

    name = "vulkan"
    stage_names = ("vulkan", "spirv")
    machine = VulkanMachine()

    def code_of(self, kernel: GpuKernel) -> bytes:
        return to_binary(to_spirv(kernel.module))

    def stage(self, module: ir.Module, name: str) -> str:
        if name != "spirv":
            return super().stage(module, name)
        kernels, _ = self.lowered(module)
        with module.context, ir.Location.unknown():
            return "\n".join(str(to_spirv(kernel.module)) for kernel in kernels.made)
