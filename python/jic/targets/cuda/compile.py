"""A program of kernels to PTX text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from ..gpu.program import lower
from .ptx import to_llvm, to_ptx
from .target import CudaTarget


@dataclass(frozen=True)
class CudaKernel:
    """One kernel.

    Attributes:
        name: the entry point in `ptx`.
        ptx: PTX text, a module of its own.
        grid, block: blocks of a launch and threads of a block.
        buffers: slots of the program (see docs/architecture.md), one for each pointer parameter, in order. Every
            buffer is contiguous, does not overlap with one that is written, and is aligned to 16 bytes.
        inputs: how many of them, the first ones, are only read.
    """

    name: str
    ptx: str
    grid: tuple[int, int, int]
    block: tuple[int, int, int]
    buffers: tuple[tuple[str, int], ...]
    inputs: int


@dataclass(frozen=True)
class CudaKernels:
    """A compiled program: `kernels` in launch order, the manifest with all steps, and the bytes of the constants."""

    arch: str
    kernels: tuple[CudaKernel, ...]
    manifest: dict[str, Any]
    constants: bytes

    @property
    def ptx(self) -> str:
        """The PTX of all kernels, one module after the other."""
        return "\n".join(k.ptx for k in self.kernels)


def compile(module: ir.Module, *, arch: str = "sm_90a") -> CudaKernels:
    """Compile a module of `@main` and kernels for `arch`; needs no GPU. The module stays as it is.

    Raises:
        ConfigError: `arch` is not known.
        UnsupportedError: the program holds what has no CUDA implementation (an `aten_call`, a kind of kernel, a dtype).
        CodegenError: LLVM refused the generated code.
    """
    program = lower(module, CudaTarget())
    steps = [s for s in program.manifest["steps"] if s["op"] == "launch"]
    kernels = []
    for launch, step in zip(program.launches, steps, strict=True):
        with module.context, ir.Location.unknown():
            # 32-bit index arithmetic is several times cheaper; it reaches as far as the largest buffer has elements.
            text = to_llvm(launch.module, index_bits=32 if max(launch.elements) < 2**31 else 64)
        buffers = tuple((kind, at) for kind, at in step["buffers"])
        kernels.append(CudaKernel(launch.name, to_ptx(text, arch), launch.grid, launch.block, buffers, launch.inputs))
    return CudaKernels(arch, tuple(kernels), {**program.manifest, "target": "cuda", "arch": arch}, program.constants)
