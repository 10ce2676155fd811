"""The CUDA target: kernels through the `gpu` and `nvvm` dialects and LLVM to PTX text."""

from __future__ import annotations

from dataclasses import dataclass

from ..gpu.kernel import GpuKernel
from ..gpu.target import GpuTarget
from .machine import CudaMachine
from .ptx import check_architecture, to_llvm, to_ptx


@dataclass(frozen=True)
class CudaTarget(GpuTarget):
    """NVIDIA GPUs of `arch`. A module's code is PTX text, whose entry point has the kernel's name.

    Raises:
        ConfigError: `arch` is not known.
    """

    arch: str = "sm_90a"
    name = "cuda"
    stage_names = ("cuda", "ptx")
    machine = CudaMachine()

    def __post_init__(self) -> None:
        check_architecture(self.arch)

    def manifest_entries(self) -> dict[str, str]:
        return {"arch": self.arch}

    def code_of(self, kernel: GpuKernel) -> bytes:
        # 32-bit index arithmetic is several times cheaper; it reaches as far as the largest buffer has elements.
        text = to_llvm(kernel.module, index_bits=32 if kernel.largest < 2**31 else 64)
        return to_ptx(text, self.arch).encode()
