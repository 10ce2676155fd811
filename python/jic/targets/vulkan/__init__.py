"""The Vulkan target: kernels through the `gpu` and `spirv` dialects to SPIR-V modules."""
