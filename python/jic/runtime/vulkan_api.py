"""The part of the Vulkan 1.1 C API that compute needs, as `ctypes` structures, constants and one loader.

Names and field order are those of `vulkan_core.h`. Non-dispatchable handles are 64-bit integers on every platform,
dispatchable ones (`VkInstance`, `VkDevice`, `VkQueue`, …) are pointers.
"""

from __future__ import annotations

import ctypes
import ctypes.util
from ctypes import POINTER, c_char_p, c_float, c_int32, c_size_t, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any

from jic.errors import DeviceError

BUFFER_USAGE_TRANSFER_SRC = 0x1
BUFFER_USAGE_TRANSFER_DST = 0x2
BUFFER_USAGE_STORAGE_BUFFER = 0x20
COMMAND_BUFFER_USAGE_NONE = 0
DESCRIPTOR_TYPE_STORAGE_BUFFER = 7
MEMORY_DEVICE_LOCAL, MEMORY_HOST_VISIBLE, MEMORY_HOST_COHERENT, MEMORY_HOST_CACHED = 0x1, 0x2, 0x4, 0x8
PIPELINE_BIND_POINT_COMPUTE = 1
PIPELINE_STAGE_COMPUTE, PIPELINE_STAGE_TRANSFER, PIPELINE_STAGE_HOST = 0x800, 0x1000, 0x4000
QUEUE_COMPUTE = 0x2
SHADER_STAGE_COMPUTE = 0x20
ACCESS_SHADER_READ, ACCESS_SHADER_WRITE = 0x20, 0x40
ACCESS_TRANSFER_READ, ACCESS_TRANSFER_WRITE = 0x800, 0x1000
ACCESS_HOST_READ, ACCESS_HOST_WRITE = 0x2000, 0x4000

RESULTS = {
    1: "VK_NOT_READY",
    2: "VK_TIMEOUT",
    -1: "VK_ERROR_OUT_OF_HOST_MEMORY",
    -2: "VK_ERROR_OUT_OF_DEVICE_MEMORY",
    -3: "VK_ERROR_INITIALIZATION_FAILED",
    -4: "VK_ERROR_DEVICE_LOST",
    -5: "VK_ERROR_MEMORY_MAP_FAILED",
    -6: "VK_ERROR_LAYER_NOT_PRESENT",
    -7: "VK_ERROR_EXTENSION_NOT_PRESENT",
    -8: "VK_ERROR_FEATURE_NOT_PRESENT",
    -9: "VK_ERROR_INCOMPATIBLE_DRIVER",
    -10: "VK_ERROR_TOO_MANY_OBJECTS",
}


def _structure(name: str, s_type: int | None, *fields: tuple[str, Any]) -> type[ctypes.Structure]:
    """A structure class; with `s_type` it begins with `sType` (set on construction) and `pNext`."""
    head = [] if s_type is None else [("sType", c_uint32), ("pNext", c_void_p)]

    def __init__(self: ctypes.Structure, **values: Any) -> None:
        ctypes.Structure.__init__(self, **({} if s_type is None else {"sType": s_type}), **values)

    return type(name, (ctypes.Structure,), {"_fields_": [*head, *fields], "__init__": __init__})


ApplicationInfo = _structure(
    "ApplicationInfo",
    0,
    ("pApplicationName", c_char_p),
    ("applicationVersion", c_uint32),
    ("pEngineName", c_char_p),
    ("engineVersion", c_uint32),
    ("apiVersion", c_uint32),
)
InstanceCreateInfo = _structure(
    "InstanceCreateInfo",
    1,
    ("flags", c_uint32),
    ("pApplicationInfo", c_void_p),
    ("enabledLayerCount", c_uint32),
    ("ppEnabledLayerNames", c_void_p),
    ("enabledExtensionCount", c_uint32),
    ("ppEnabledExtensionNames", c_void_p),
)
DeviceQueueCreateInfo = _structure(
    "DeviceQueueCreateInfo",
    2,
    ("flags", c_uint32),
    ("queueFamilyIndex", c_uint32),
    ("queueCount", c_uint32),
    ("pQueuePriorities", POINTER(c_float)),
)
DeviceCreateInfo = _structure(
    "DeviceCreateInfo",
    3,
    ("flags", c_uint32),
    ("queueCreateInfoCount", c_uint32),
    ("pQueueCreateInfos", c_void_p),
    ("enabledLayerCount", c_uint32),
    ("ppEnabledLayerNames", c_void_p),
    ("enabledExtensionCount", c_uint32),
    ("ppEnabledExtensionNames", c_void_p),
    ("pEnabledFeatures", c_void_p),
)
SubmitInfo = _structure(
    "SubmitInfo",
    4,
    ("waitSemaphoreCount", c_uint32),
    ("pWaitSemaphores", c_void_p),
    ("pWaitDstStageMask", c_void_p),
    ("commandBufferCount", c_uint32),
    ("pCommandBuffers", c_void_p),
    ("signalSemaphoreCount", c_uint32),
    ("pSignalSemaphores", c_void_p),
)
MemoryAllocateInfo = _structure("MemoryAllocateInfo", 5, ("allocationSize", c_uint64), ("memoryTypeIndex", c_uint32))
FenceCreateInfo = _structure("FenceCreateInfo", 8, ("flags", c_uint32))
BufferCreateInfo = _structure(
    "BufferCreateInfo",
    12,
    ("flags", c_uint32),
    ("size", c_uint64),
    ("usage", c_uint32),
    ("sharingMode", c_uint32),
    ("queueFamilyIndexCount", c_uint32),
    ("pQueueFamilyIndices", c_void_p),
)
ShaderModuleCreateInfo = _structure(
    "ShaderModuleCreateInfo", 16, ("flags", c_uint32), ("codeSize", c_size_t), ("pCode", c_void_p)
)
PipelineCacheCreateInfo = _structure(
    "PipelineCacheCreateInfo", 17, ("flags", c_uint32), ("initialDataSize", c_size_t), ("pInitialData", c_void_p)
)
PipelineShaderStageCreateInfo = _structure(
    "PipelineShaderStageCreateInfo",
    18,
    ("flags", c_uint32),
    ("stage", c_uint32),
    ("module", c_uint64),
    ("pName", c_char_p),
    ("pSpecializationInfo", c_void_p),
)
ComputePipelineCreateInfo = _structure(
    "ComputePipelineCreateInfo",
    29,
    ("flags", c_uint32),
    ("stage", PipelineShaderStageCreateInfo),
    ("layout", c_uint64),
    ("basePipelineHandle", c_uint64),
    ("basePipelineIndex", c_int32),
)
PipelineLayoutCreateInfo = _structure(
    "PipelineLayoutCreateInfo",
    30,
    ("flags", c_uint32),
    ("setLayoutCount", c_uint32),
    ("pSetLayouts", c_void_p),
    ("pushConstantRangeCount", c_uint32),
    ("pPushConstantRanges", c_void_p),
)
DescriptorSetLayoutBinding = _structure(
    "DescriptorSetLayoutBinding",
    None,
    ("binding", c_uint32),
    ("descriptorType", c_uint32),
    ("descriptorCount", c_uint32),
    ("stageFlags", c_uint32),
    ("pImmutableSamplers", c_void_p),
)
DescriptorSetLayoutCreateInfo = _structure(
    "DescriptorSetLayoutCreateInfo", 32, ("flags", c_uint32), ("bindingCount", c_uint32), ("pBindings", c_void_p)
)
DescriptorPoolSize = _structure("DescriptorPoolSize", None, ("type", c_uint32), ("descriptorCount", c_uint32))
DescriptorPoolCreateInfo = _structure(
    "DescriptorPoolCreateInfo",
    33,
    ("flags", c_uint32),
    ("maxSets", c_uint32),
    ("poolSizeCount", c_uint32),
    ("pPoolSizes", c_void_p),
)
DescriptorSetAllocateInfo = _structure(
    "DescriptorSetAllocateInfo",
    34,
    ("descriptorPool", c_uint64),
    ("descriptorSetCount", c_uint32),
    ("pSetLayouts", c_void_p),
)
DescriptorBufferInfo = _structure(
    "DescriptorBufferInfo", None, ("buffer", c_uint64), ("offset", c_uint64), ("range", c_uint64)
)
WriteDescriptorSet = _structure(
    "WriteDescriptorSet",
    35,
    ("dstSet", c_uint64),
    ("dstBinding", c_uint32),
    ("dstArrayElement", c_uint32),
    ("descriptorCount", c_uint32),
    ("descriptorType", c_uint32),
    ("pImageInfo", c_void_p),
    ("pBufferInfo", c_void_p),
    ("pTexelBufferView", c_void_p),
)
CommandPoolCreateInfo = _structure("CommandPoolCreateInfo", 39, ("flags", c_uint32), ("queueFamilyIndex", c_uint32))
CommandBufferAllocateInfo = _structure(
    "CommandBufferAllocateInfo",
    40,
    ("commandPool", c_uint64),
    ("level", c_uint32),
    ("commandBufferCount", c_uint32),
)
CommandBufferBeginInfo = _structure("CommandBufferBeginInfo", 42, ("flags", c_uint32), ("pInheritanceInfo", c_void_p))
MemoryBarrier = _structure("MemoryBarrier", 46, ("srcAccessMask", c_uint32), ("dstAccessMask", c_uint32))
BufferCopy = _structure("BufferCopy", None, ("srcOffset", c_uint64), ("dstOffset", c_uint64), ("size", c_uint64))
MemoryRequirements = _structure(
    "MemoryRequirements", None, ("size", c_uint64), ("alignment", c_uint64), ("memoryTypeBits", c_uint32)
)
MemoryType = _structure("MemoryType", None, ("propertyFlags", c_uint32), ("heapIndex", c_uint32))
MemoryHeap = _structure("MemoryHeap", None, ("size", c_uint64), ("flags", c_uint32))
PhysicalDeviceMemoryProperties = _structure(
    "PhysicalDeviceMemoryProperties",
    None,
    ("memoryTypeCount", c_uint32),
    ("memoryTypes", MemoryType * 32),
    ("memoryHeapCount", c_uint32),
    ("memoryHeaps", MemoryHeap * 16),
)
QueueFamilyProperties = _structure(
    "QueueFamilyProperties",
    None,
    ("queueFlags", c_uint32),
    ("queueCount", c_uint32),
    ("timestampValidBits", c_uint32),
    ("minImageTransferGranularity", c_uint32 * 3),
)


class LimitsHead(ctypes.Structure):
    """`VkPhysicalDeviceLimits` down to the last field that is read here; the rest is opaque."""

    _fields_ = [
        ("maxImageDimension1D", c_uint32),
        ("maxImageDimension2D", c_uint32),
        ("maxImageDimension3D", c_uint32),
        ("maxImageDimensionCube", c_uint32),
        ("maxImageArrayLayers", c_uint32),
        ("maxTexelBufferElements", c_uint32),
        ("maxUniformBufferRange", c_uint32),
        ("maxStorageBufferRange", c_uint32),
        ("maxPushConstantsSize", c_uint32),
        ("maxMemoryAllocationCount", c_uint32),
    ]


class PhysicalDeviceProperties(ctypes.Structure):
    """`VkPhysicalDeviceProperties`, with room for the limits that are not named."""

    _fields_ = [
        ("apiVersion", c_uint32),
        ("driverVersion", c_uint32),
        ("vendorID", c_uint32),
        ("deviceID", c_uint32),
        ("deviceType", c_uint32),
        ("deviceName", ctypes.c_char * 256),
        ("pipelineCacheUUID", c_uint8 * 16),
        ("padding", c_uint32),
        ("limits", LimitsHead),
        ("rest", c_uint8 * 1024),
    ]


# The features that kernels may need, as fields of the structures that `vkGetPhysicalDeviceFeatures2` fills in; the
# order is that of the C headers.
PhysicalDeviceFeatures2 = _structure("PhysicalDeviceFeatures2", 1000059000, ("features", c_uint32 * 55))
SHADER_FLOAT64, SHADER_INT64, SHADER_INT16 = 39, 40, 41  # positions in `features`
Features16BitStorage = _structure(
    "Features16BitStorage",
    1000083000,
    ("storageBuffer16BitAccess", c_uint32),
    ("uniformAndStorageBuffer16BitAccess", c_uint32),
    ("storagePushConstant16", c_uint32),
    ("storageInputOutput16", c_uint32),
)
Features8BitStorage = _structure(
    "Features8BitStorage",
    1000177000,
    ("storageBuffer8BitAccess", c_uint32),
    ("uniformAndStorageBuffer8BitAccess", c_uint32),
    ("storagePushConstant8", c_uint32),
)
FeaturesFloat16Int8 = _structure(
    "FeaturesFloat16Int8", 1000082000, ("shaderFloat16", c_uint32), ("shaderInt8", c_uint32)
)

# Argument types of every function that is called: a 64-bit handle passed without one would be cut to an int.
_SIGNATURES: dict[str, list[Any]] = {
    "vkCreateInstance": [c_void_p, c_void_p, c_void_p],
    "vkEnumeratePhysicalDevices": [c_void_p, c_void_p, c_void_p],
    "vkGetPhysicalDeviceProperties": [c_void_p, c_void_p],
    "vkGetPhysicalDeviceMemoryProperties": [c_void_p, c_void_p],
    "vkGetPhysicalDeviceQueueFamilyProperties": [c_void_p, c_void_p, c_void_p],
    "vkGetPhysicalDeviceFeatures2": [c_void_p, c_void_p],
    "vkCreateDevice": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkGetDeviceQueue": [c_void_p, c_uint32, c_uint32, c_void_p],
    "vkCreateBuffer": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyBuffer": [c_void_p, c_uint64, c_void_p],
    "vkGetBufferMemoryRequirements": [c_void_p, c_uint64, c_void_p],
    "vkAllocateMemory": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkFreeMemory": [c_void_p, c_uint64, c_void_p],
    "vkBindBufferMemory": [c_void_p, c_uint64, c_uint64, c_uint64],
    "vkMapMemory": [c_void_p, c_uint64, c_uint64, c_uint64, c_uint32, c_void_p],
    "vkCreateShaderModule": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyShaderModule": [c_void_p, c_uint64, c_void_p],
    "vkCreateDescriptorSetLayout": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyDescriptorSetLayout": [c_void_p, c_uint64, c_void_p],
    "vkCreatePipelineLayout": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyPipelineLayout": [c_void_p, c_uint64, c_void_p],
    "vkCreatePipelineCache": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkCreateComputePipelines": [c_void_p, c_uint64, c_uint32, c_void_p, c_void_p, c_void_p],
    "vkDestroyPipeline": [c_void_p, c_uint64, c_void_p],
    "vkCreateDescriptorPool": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyDescriptorPool": [c_void_p, c_uint64, c_void_p],
    "vkAllocateDescriptorSets": [c_void_p, c_void_p, c_void_p],
    "vkUpdateDescriptorSets": [c_void_p, c_uint32, c_void_p, c_uint32, c_void_p],
    "vkCreateCommandPool": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyCommandPool": [c_void_p, c_uint64, c_void_p],
    "vkAllocateCommandBuffers": [c_void_p, c_void_p, c_void_p],
    "vkBeginCommandBuffer": [c_void_p, c_void_p],
    "vkEndCommandBuffer": [c_void_p],
    "vkCmdBindPipeline": [c_void_p, c_uint32, c_uint64],
    "vkCmdBindDescriptorSets": [
        c_void_p,
        c_uint32,
        c_uint64,
        c_uint32,
        c_uint32,
        c_void_p,
        c_uint32,
        c_void_p,
    ],
    "vkCmdDispatch": [c_void_p, c_uint32, c_uint32, c_uint32],
    "vkCmdCopyBuffer": [c_void_p, c_uint64, c_uint64, c_uint32, c_void_p],
    "vkCmdPipelineBarrier": [
        c_void_p,
        c_uint32,
        c_uint32,
        c_uint32,
        c_uint32,
        c_void_p,
        c_uint32,
        c_void_p,
        c_uint32,
        c_void_p,
    ],
    "vkCreateFence": [c_void_p, c_void_p, c_void_p, c_void_p],
    "vkDestroyFence": [c_void_p, c_uint64, c_void_p],
    "vkResetFences": [c_void_p, c_uint32, c_void_p],
    "vkQueueSubmit": [c_void_p, c_uint32, c_void_p, c_uint64],
    "vkWaitForFences": [c_void_p, c_uint32, c_void_p, c_uint32, c_uint64],
}


def check(result: int, what: str) -> None:
    """Raise `DeviceError` unless `result` is `VK_SUCCESS`."""
    if result:
        raise DeviceError(f"{what} failed with {RESULTS.get(result, f'VkResult {result}')}")


def load() -> ctypes.CDLL:
    """The Vulkan loader, with the argument types of every function of this file.

    Raises:
        DeviceError: there is no Vulkan loader, or it is older than Vulkan 1.1.
    """
    names = ["libvulkan.so.1", "libvulkan.1.dylib", "vulkan-1.dll", ctypes.util.find_library("vulkan")]
    for name in filter(None, names):
        try:
            library = ctypes.CDLL(name)
            break
        except OSError:
            continue
    else:
        raise DeviceError(
            "the Vulkan loader was not found", hint="install a Vulkan driver (Debian: libvulkan1 mesa-vulkan-drivers)"
        )
    for name, arguments in _SIGNATURES.items():
        try:
            function = getattr(library, name)
        except AttributeError:
            raise DeviceError(f"the Vulkan loader has no {name}", hint="install Vulkan 1.1 or later") from None
        function.argtypes, function.restype = arguments, c_int32
    return library


def pointer(thing: Any) -> int:
    """The address of a structure or array, for a `void*` field. The caller keeps `thing` alive."""
    return ctypes.addressof(thing)
