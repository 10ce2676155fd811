"""The CUDA target: kernels through the `gpu` and `nvvm` dialects and LLVM to PTX text."""
