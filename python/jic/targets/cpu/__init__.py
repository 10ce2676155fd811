"""The CPU target: kernels as loops over `vector` ops, lowered to LLVM and compiled to an object file."""
