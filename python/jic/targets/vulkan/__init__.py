"""The Vulkan target."""
