"""The CUDA target: kernels through the `gpu` and `nvvm` dialects and LLVM to PTX text."""

from .compile import CudaKernel, CudaKernels, compile

__all__ = ["CudaKernel", "CudaKernels", "compile"]
