"""A program of kernels to SPIR-V modules."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from ..gpu.program import lower
from .spirv import to_spirv
from .target import VulkanTarget


@dataclass(frozen=True)
class VulkanKernels:
    """A compiled program, in the parts that `jic.runtime.vulkan.VulkanProgram` takes.

    Attributes:
        manifest: inputs, outputs, memory and steps (see docs/architecture.md).
        shaders: the SPIR-V module of each kernel, by name; its entry point has the same name.
        constants: the bytes of all constants.
    """

    manifest: dict[str, Any]
    shaders: dict[str, bytes]
    constants: bytes


def compile(module: ir.Module) -> VulkanKernels:
    """Compile a module of `@main` and kernels; needs no Vulkan driver. The module stays as it is.

    Raises:
        UnsupportedError: the program holds what has no Vulkan implementation (an `aten_call`, a kind of kernel, …).
        CodegenError: MLIR could not lower a kernel to SPIR-V.
    """
    program = lower(module, VulkanTarget())
    shaders = {}
    for launch in program.launches:
        with module.context, ir.Location.unknown():
            shaders[launch.name] = to_spirv(launch.module)
    return VulkanKernels({**program.manifest, "target": "vulkan"}, shaders, program.constants)
