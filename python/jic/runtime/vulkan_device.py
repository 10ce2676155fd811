"""A Vulkan device for compute: memory, shaders, pipelines, command buffers. Needs Vulkan 1.2.

Buffers live in memory that the host can see, which is all of it on the devices this is meant for (integrated GPUs and
Mesa's lavapipe); device-local memory is preferred among that.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Iterable, Sequence
from ctypes import byref, c_float, c_uint32, c_uint64, c_void_p
from dataclasses import dataclass
from typing import Any

from jic.errors import DeviceError

from . import vulkan_api as vk

_VERSION_1_2 = (1 << 22) | (2 << 12)
_TIMEOUT_NS = 600 * 10**9

# SPIR-V capability number -> (its name, the device feature it needs).
_CAPABILITIES = {
    9: ("Float16", "shaderFloat16"),
    10: ("Float64", "shaderFloat64"),
    11: ("Int64", "shaderInt64"),
    22: ("Int16", "shaderInt16"),
    39: ("Int8", "shaderInt8"),
    4433: ("StorageBuffer16BitAccess", "storageBuffer16BitAccess"),
    4434: ("StorageUniform16", "uniformAndStorageBuffer16BitAccess"),
    4448: ("StorageBuffer8BitAccess", "storageBuffer8BitAccess"),
    4449: ("UniformAndStorageBuffer8BitAccess", "uniformAndStorageBuffer8BitAccess"),
}
_CORE_FEATURES = {
    "shaderFloat64": vk.SHADER_FLOAT64,
    "shaderInt64": vk.SHADER_INT64,
    "shaderInt16": vk.SHADER_INT16,
}


@dataclass(frozen=True)
class Buffer:
    """A storage buffer with its memory, mapped at `address` for as long as it lives."""

    handle: int
    memory: int
    address: int
    size: int


@dataclass(frozen=True)
class Pipeline:
    """A compute pipeline and the layouts it was made with; `bindings` storage buffers in set 0."""

    handle: int
    layout: int
    set_layout: int
    module: int
    bindings: int


def capabilities(spirv: bytes) -> list[int]:
    """The numbers of the capabilities that a SPIR-V module declares.

    Raises:
        DeviceError: `spirv` is not a SPIR-V module.
    """
    if len(spirv) < 20 or len(spirv) % 4 or spirv[:4] != b"\x03\x02\x23\x07":
        raise DeviceError(
            f"expected a little-endian SPIR-V module, got {len(spirv)} bytes that start {spirv[:4].hex()}"
        )
    words = struct.unpack(f"<{len(spirv) // 4}I", spirv)
    found, i = [], 5
    while i < len(words) and words[i] & 0xFFFF == 17:  # OpCapability: the first instructions of a module
        found.append(words[i + 1])
        i += words[i] >> 16
    return found


class Device:
    """The first Vulkan device with a compute queue. Not safe to use from two threads at once: hold `lock`.

    Raises:
        DeviceError: no driver, no device with a compute queue, or a driver older than Vulkan 1.2.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.api = vk.load()
        self._instance = self._create_instance()
        self._physical, self.queue_family, self.name = self._choose()
        properties = vk.PhysicalDeviceProperties()
        self.api.vkGetPhysicalDeviceProperties(self._physical, byref(properties))
        self.max_buffer_bytes = properties.limits.maxStorageBufferRange
        memory = vk.PhysicalDeviceMemoryProperties()
        self.api.vkGetPhysicalDeviceMemoryProperties(self._physical, byref(memory))
        self._memory_flags = [memory.memoryTypes[i].propertyFlags for i in range(memory.memoryTypeCount)]
        self._handle, self.features = self._create_device()
        queue = c_void_p()
        self.api.vkGetDeviceQueue(self._handle, self.queue_family, 0, byref(queue))
        self._queue = queue.value
        self._pipeline_cache = self._create("vkCreatePipelineCache", vk.PipelineCacheCreateInfo())

    def _create_instance(self) -> int:
        application = vk.ApplicationInfo(pApplicationName=b"jic", apiVersion=_VERSION_1_2)
        info = vk.InstanceCreateInfo(pApplicationInfo=vk.pointer(application))
        instance = c_void_p()
        result = self.api.vkCreateInstance(byref(info), None, byref(instance))
        if result:
            raise DeviceError(
                f"no Vulkan instance could be made ({vk.RESULTS.get(result, result)})",
                hint="install a Vulkan driver (Debian: mesa-vulkan-drivers)",
            )
        assert instance.value is not None
        return instance.value

    def _choose(self) -> tuple[int, int, str]:
        """The first device of Vulkan 1.2 or later with a compute queue: handle, queue family, name."""
        count = c_uint32()
        vk.check(self.api.vkEnumeratePhysicalDevices(self._instance, byref(count), None), "vkEnumeratePhysicalDevices")
        devices = (c_void_p * count.value)()
        vk.check(
            self.api.vkEnumeratePhysicalDevices(self._instance, byref(count), devices), "vkEnumeratePhysicalDevices"
        )
        seen = []
        for device in devices:
            properties = vk.PhysicalDeviceProperties()
            self.api.vkGetPhysicalDeviceProperties(device, byref(properties))
            name, version = properties.deviceName.decode(), properties.apiVersion
            seen.append(f"{name} (Vulkan {version >> 22}.{(version >> 12) & 0x3FF})")
            family = self._compute_family(device)
            if version >= _VERSION_1_2 and family is not None:
                return device, family, name
        raise DeviceError(
            f"no Vulkan 1.2 device with a compute queue, found {', '.join(seen) or 'no device at all'}",
            hint="install a Vulkan driver (Debian: mesa-vulkan-drivers has a software device)",
        )

    def _compute_family(self, device: int) -> int | None:
        count = c_uint32()
        self.api.vkGetPhysicalDeviceQueueFamilyProperties(device, byref(count), None)
        families = (vk.QueueFamilyProperties * count.value)()
        self.api.vkGetPhysicalDeviceQueueFamilyProperties(device, byref(count), families)
        return next((i for i, f in enumerate(families) if f.queueFlags & vk.QUEUE_COMPUTE), None)

    def _create_device(self) -> tuple[int, frozenset[str]]:
        """The logical device, with those features enabled that kernels may need and the hardware has."""
        float16 = vk.FeaturesFloat16Int8()
        bits8 = vk.Features8BitStorage(pNext=vk.pointer(float16))
        bits16 = vk.Features16BitStorage(pNext=vk.pointer(bits8))
        found = vk.PhysicalDeviceFeatures2(pNext=vk.pointer(bits16))
        self.api.vkGetPhysicalDeviceFeatures2(self._physical, byref(found))
        # Only these of the core features: some of the others (robustBufferAccess) cost time when they are on.
        enabled = vk.PhysicalDeviceFeatures2(pNext=vk.pointer(bits16))
        names = set()
        for name, i in _CORE_FEATURES.items():
            enabled.features[i] = found.features[i]
            if found.features[i]:
                names.add(name)
        for structure in (bits16, bits8, float16):
            names |= {field[0] for field in structure._fields_[2:] if getattr(structure, field[0])}
        priority = (c_float * 1)(1.0)
        queue = vk.DeviceQueueCreateInfo(
            queueFamilyIndex=self.queue_family,
            queueCount=1,
            pQueuePriorities=ctypes.cast(priority, ctypes.POINTER(c_float)),
        )
        info = vk.DeviceCreateInfo(
            pNext=vk.pointer(enabled), queueCreateInfoCount=1, pQueueCreateInfos=vk.pointer(queue)
        )
        device = c_void_p()
        vk.check(self.api.vkCreateDevice(self._physical, byref(info), None, byref(device)), "vkCreateDevice")
        assert device.value is not None
        return device.value, frozenset(names)

    def _create(self, function: str, info: ctypes.Structure) -> int:
        handle = c_uint64()
        vk.check(getattr(self.api, function)(self._handle, byref(info), None, byref(handle)), function)
        return handle.value

    def buffer(self, size: int) -> Buffer:
        """A storage buffer of at least `size` bytes, zeroed by no one.

        Raises:
            DeviceError: there is no memory for it.
        """
        size = max(size, 4)
        usage = vk.BUFFER_USAGE_STORAGE_BUFFER | vk.BUFFER_USAGE_TRANSFER_SRC | vk.BUFFER_USAGE_TRANSFER_DST
        handle = self._create("vkCreateBuffer", vk.BufferCreateInfo(size=size, usage=usage))
        memory = 0
        try:
            needs = vk.MemoryRequirements()
            self.api.vkGetBufferMemoryRequirements(self._handle, handle, byref(needs))
            kind = self._memory_type(needs.memoryTypeBits)
            memory = self._create(
                "vkAllocateMemory", vk.MemoryAllocateInfo(allocationSize=needs.size, memoryTypeIndex=kind)
            )
            vk.check(self.api.vkBindBufferMemory(self._handle, handle, memory, 0), "vkBindBufferMemory")
            address = c_void_p()
            vk.check(self.api.vkMapMemory(self._handle, memory, 0, needs.size, 0, byref(address)), "vkMapMemory")
        except DeviceError:
            self.api.vkDestroyBuffer(self._handle, handle, None)
            self.api.vkFreeMemory(self._handle, memory, None)
            raise
        assert address.value is not None
        return Buffer(handle, memory, address.value, size)

    def _memory_type(self, allowed: int) -> int:
        needed = vk.MEMORY_HOST_VISIBLE | vk.MEMORY_HOST_COHERENT
        kinds = [i for i, f in enumerate(self._memory_flags) if allowed >> i & 1 and f & needed == needed]
        if not kinds:
            raise DeviceError(f"{self.name} has no memory that both the host and a kernel can use")
        wanted = vk.MEMORY_DEVICE_LOCAL | vk.MEMORY_HOST_CACHED
        return max(kinds, key=lambda i: (self._memory_flags[i] & wanted).bit_count())

    def free(self, buffers: Iterable[Buffer]) -> None:
        for buffer in buffers:
            self.api.vkDestroyBuffer(self._handle, buffer.handle, None)
            self.api.vkFreeMemory(self._handle, buffer.memory, None)

    def pipeline(self, spirv: bytes, entry: str, bindings: int) -> Pipeline:
        """A compute pipeline of the entry point `entry`, whose storage buffers are set 0, bindings 0 to `bindings - 1`.

        Raises:
            DeviceError: the device lacks a capability that the module declares, or the driver refuses it.
        """
        for number in capabilities(spirv):
            name, feature = _CAPABILITIES.get(number, ("", ""))
            if name and feature not in self.features:
                raise DeviceError(
                    f"kernel '{entry}' needs the SPIR-V capability {name}, which {self.name} does not have"
                )
        code = ctypes.create_string_buffer(spirv, len(spirv))
        module = self._create(
            "vkCreateShaderModule", vk.ShaderModuleCreateInfo(codeSize=len(spirv), pCode=vk.pointer(code))
        )
        slots = (vk.DescriptorSetLayoutBinding * max(bindings, 1))()
        for i, slot in enumerate(slots):
            slot.binding, slot.descriptorType, slot.descriptorCount = i, vk.DESCRIPTOR_TYPE_STORAGE_BUFFER, 1
            slot.stageFlags = vk.SHADER_STAGE_COMPUTE
        set_layout = self._create(
            "vkCreateDescriptorSetLayout",
            vk.DescriptorSetLayoutCreateInfo(bindingCount=bindings, pBindings=vk.pointer(slots)),
        )
        sets = (c_uint64 * 1)(set_layout)
        layout = self._create(
            "vkCreatePipelineLayout", vk.PipelineLayoutCreateInfo(setLayoutCount=1, pSetLayouts=vk.pointer(sets))
        )
        stage = vk.PipelineShaderStageCreateInfo(stage=vk.SHADER_STAGE_COMPUTE, module=module, pName=entry.encode())
        info = vk.ComputePipelineCreateInfo(stage=stage, layout=layout, basePipelineIndex=-1)
        handle = c_uint64()
        result = self.api.vkCreateComputePipelines(
            self._handle, self._pipeline_cache, 1, byref(info), None, byref(handle)
        )
        made = Pipeline(handle.value, layout, set_layout, module, bindings)
        if result:
            self.free_pipelines([made])
        vk.check(result, f"vkCreateComputePipelines of kernel '{entry}'")
        return made

    def free_pipelines(self, pipelines: Iterable[Pipeline]) -> None:
        for p in pipelines:
            self.api.vkDestroyPipeline(self._handle, p.handle, None)
            self.api.vkDestroyPipelineLayout(self._handle, p.layout, None)
            self.api.vkDestroyDescriptorSetLayout(self._handle, p.set_layout, None)
            self.api.vkDestroyShaderModule(self._handle, p.module, None)

    def commands(self, launches: int, bindings: int) -> CommandList:
        """An empty command list with room for `launches` launches of `bindings` buffers in all."""
        return CommandList(self, launches, bindings)


class CommandList:
    """Launches and copies, recorded once and run many times, each after the one before it has finished."""

    def __init__(self, device: Device, launches: int, bindings: int) -> None:
        self._device, self._api, handle = device, device.api, device._handle
        self._pool = device._create(
            "vkCreateCommandPool", vk.CommandPoolCreateInfo(queueFamilyIndex=device.queue_family)
        )
        self._fence = device._create("vkCreateFence", vk.FenceCreateInfo())
        size = vk.DescriptorPoolSize(type=vk.DESCRIPTOR_TYPE_STORAGE_BUFFER, descriptorCount=max(bindings, 1))
        self._descriptors = device._create(
            "vkCreateDescriptorPool",
            vk.DescriptorPoolCreateInfo(maxSets=max(launches, 1), poolSizeCount=1, pPoolSizes=vk.pointer(size)),
        )
        buffer = c_void_p()
        info = vk.CommandBufferAllocateInfo(commandPool=self._pool, commandBufferCount=1)
        vk.check(self._api.vkAllocateCommandBuffers(handle, byref(info), byref(buffer)), "vkAllocateCommandBuffers")
        self._buffer = buffer.value
        vk.check(
            self._api.vkBeginCommandBuffer(self._buffer, byref(vk.CommandBufferBeginInfo())), "vkBeginCommandBuffer"
        )
        self._barrier(vk.PIPELINE_STAGE_HOST, vk.ACCESS_HOST_WRITE)

    def _barrier(self, from_stage: int, written: int) -> None:
        """What was written before is seen by every later launch, copy, and by the host."""
        to_stage = vk.PIPELINE_STAGE_COMPUTE | vk.PIPELINE_STAGE_TRANSFER | vk.PIPELINE_STAGE_HOST
        seen_by = vk.ACCESS_SHADER_READ | vk.ACCESS_SHADER_WRITE | vk.ACCESS_HOST_READ
        seen_by |= vk.ACCESS_TRANSFER_READ | vk.ACCESS_TRANSFER_WRITE
        barrier = vk.MemoryBarrier(srcAccessMask=written, dstAccessMask=seen_by)
        self._api.vkCmdPipelineBarrier(self._buffer, from_stage, to_stage, 0, 1, byref(barrier), 0, None, 0, None)

    def launch(self, pipeline: Pipeline, buffers: Sequence[tuple[Buffer, int, int]], grid: Sequence[int]) -> None:
        """Record one launch of `grid` workgroups; a buffer is given with the offset and size in bytes of its range.

        Raises:
            DeviceError: a range is larger than the device can bind.
        """
        layouts = (c_uint64 * 1)(pipeline.set_layout)
        info = vk.DescriptorSetAllocateInfo(
            descriptorPool=self._descriptors, descriptorSetCount=1, pSetLayouts=vk.pointer(layouts)
        )
        sets = (c_uint64 * 1)()
        vk.check(
            self._api.vkAllocateDescriptorSets(self._device._handle, byref(info), sets), "vkAllocateDescriptorSets"
        )
        n = len(buffers)
        ranges, writes = (vk.DescriptorBufferInfo * n)(), (vk.WriteDescriptorSet * n)()
        for i, (buffer, offset, size) in enumerate(buffers):
            if size > self._device.max_buffer_bytes:
                raise DeviceError(
                    f"a tensor of {size} bytes is larger than the {self._device.max_buffer_bytes} that one kernel can "
                    f"bind on {self._device.name}",
                    hint="compile for another target or split the work",
                )
            ranges[i] = vk.DescriptorBufferInfo(buffer=buffer.handle, offset=offset, range=max(size, 4))
            writes[i] = vk.WriteDescriptorSet(
                dstSet=sets[0],
                dstBinding=i,
                descriptorCount=1,
                descriptorType=vk.DESCRIPTOR_TYPE_STORAGE_BUFFER,
                pBufferInfo=vk.pointer(ranges[i]),
            )
        self._api.vkUpdateDescriptorSets(self._device._handle, n, writes, 0, None)
        self._api.vkCmdBindPipeline(self._buffer, vk.PIPELINE_BIND_POINT_COMPUTE, pipeline.handle)
        self._api.vkCmdBindDescriptorSets(
            self._buffer, vk.PIPELINE_BIND_POINT_COMPUTE, pipeline.layout, 0, 1, sets, 0, None
        )
        self._api.vkCmdDispatch(self._buffer, *grid)
        self._barrier(vk.PIPELINE_STAGE_COMPUTE, vk.ACCESS_SHADER_WRITE)

    def copy(self, source: tuple[Buffer, int, int], destination: tuple[Buffer, int, int]) -> None:
        """Record a copy of the source's range to the start of the destination's."""
        size = source[2]
        if size:
            region = vk.BufferCopy(srcOffset=source[1], dstOffset=destination[1], size=size)
            self._api.vkCmdCopyBuffer(self._buffer, source[0].handle, destination[0].handle, 1, byref(region))
            self._barrier(vk.PIPELINE_STAGE_TRANSFER, vk.ACCESS_TRANSFER_WRITE)

    def end(self) -> None:
        vk.check(self._api.vkEndCommandBuffer(self._buffer), "vkEndCommandBuffer")

    def run(self) -> None:
        """Run the recorded commands and wait for them."""
        buffers = (c_void_p * 1)(self._buffer)
        info = vk.SubmitInfo(commandBufferCount=1, pCommandBuffers=vk.pointer(buffers))
        fences = (c_uint64 * 1)(self._fence)
        with self._device.lock:
            vk.check(self._api.vkQueueSubmit(self._device._queue, 1, byref(info), self._fence), "vkQueueSubmit")
        device = self._device._handle
        vk.check(self._api.vkWaitForFences(device, 1, fences, 1, _TIMEOUT_NS), "vkWaitForFences")
        vk.check(self._api.vkResetFences(device, 1, fences), "vkResetFences")

    def free(self) -> None:
        device: Any = self._device._handle
        self._api.vkDestroyCommandPool(device, self._pool, None)
        self._api.vkDestroyDescriptorPool(device, self._descriptors, None)
        self._api.vkDestroyFence(device, self._fence, None)


_shared: tuple[int, Device] | None = None
_shared_lock = threading.Lock()


def device() -> Device:
    """The process's Vulkan device, opened on first use.

    Raises:
        DeviceError: there is none that jic can use.
    """
    global _shared
    with _shared_lock:
        if _shared is None or _shared[0] != os.getpid():  # a forked process cannot use its parent's device
            _shared = (os.getpid(), Device())
        return _shared[1]
