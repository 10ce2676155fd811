"""The Vulkan target: kernels through the `gpu` and `spirv` dialects to SPIR-V modules."""

from .compile import VulkanKernels, compile

__all__ = ["VulkanKernels", "compile"]
