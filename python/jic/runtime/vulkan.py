"""Runs a program compiled for Vulkan: buffers, pipelines and one recorded command list, on host tensors."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch

from jic.errors import ArtifactError, DeviceError

from .vulkan_device import Buffer, CommandList, Device, Pipeline, device

__all__ = ["VulkanProgram", "available"]


def available() -> str | None:
    """None if there is a Vulkan device that jic can use, else why not."""
    try:
        device()
    except DeviceError as error:
        return error.message
    return None


class VulkanProgram:
    """A compiled program, ready to run.

    Args:
        manifest: what `jic.targets.vulkan.compile` says about the program: inputs, outputs, memory, steps.
        shaders: the SPIR-V module of each kernel, by the kernel's name.
        constants: the bytes of all constants.

    Raises:
        DeviceError: no usable device, or it cannot hold a buffer or lacks a capability that a kernel needs.
        ArtifactError: the manifest is not one for this runtime.
    """

    def __init__(self, manifest: Mapping[str, Any], shaders: Mapping[str, bytes], constants: bytes = b"") -> None:
        if manifest.get("target") != "vulkan" or manifest.get("format") != 1:
            raise ArtifactError(
                f"expected an artifact of format 1 for vulkan, got format {manifest.get('format')} "
                f"for {manifest.get('target')}"
            )
        self._device = device()
        self._lock = threading.Lock()
        self._inputs = [_Tensor(d) for d in manifest["inputs"]]
        self._outputs = [_Tensor(d) for d in manifest["outputs"]]
        held = _Resources(self._device)
        self._release = weakref.finalize(self, held.free)
        with self._device.lock:
            self._buffers = held.buffers = self._allocate(manifest, constants, held)
            held.commands = self._record(manifest["steps"], shaders, held)
        self._commands = held.commands

    def _allocate(
        self, manifest: Mapping[str, Any], constants: bytes, held: _Resources
    ) -> dict[tuple[str, int], Buffer]:
        def make(size: int) -> Buffer:
            held.all_buffers.append(self._device.buffer(size))
            return held.all_buffers[-1]

        buffers = {("input", i): make(t.bytes) for i, t in enumerate(self._inputs)}
        buffers |= {("output", i): make(t.bytes) for i, t in enumerate(self._outputs)}
        for i, (offset, size) in enumerate(manifest["constants"]):
            if offset + size > len(constants):
                raise ArtifactError(f"constant {i} ends at byte {offset + size}, the blob has {len(constants)}")
            buffer = buffers["constant", i] = make(size)
            ctypes.memmove(buffer.address, constants[offset : offset + size], size)
        if manifest["workspace"]:
            buffers["workspace", 0] = make(manifest["workspace"])
        return buffers

    def _record(
        self, steps: Sequence[Mapping[str, Any]], shaders: Mapping[str, bytes], held: _Resources
    ) -> CommandList:
        launches = [s for s in steps if s["op"] == "launch"]
        commands = self._device.commands(len(launches), sum(len(s["buffers"]) for s in launches))
        held.commands = commands
        for step in steps:
            if step["op"] == "launch":
                name = step["kernel"]
                if name not in shaders:
                    raise ArtifactError(f"the artifact has no code of kernel '{name}'")
                pipeline = self._device.pipeline(shaders[name], name, len(step["buffers"]))
                held.pipelines.append(pipeline)
                ranges = [self._range(slot, size) for slot, size in zip(step["buffers"], step["sizes"], strict=True)]
                commands.launch(pipeline, ranges, step["grid"])
            elif step["op"] == "copy":
                commands.copy(self._range(step["from"], step["size"]), self._range(step["to"], step["size"]))
            else:
                raise ArtifactError(f"a program for vulkan cannot hold a step '{step['op']}'")
        commands.end()
        return commands

    def _range(self, slot: Sequence[Any], size: int) -> tuple[Buffer, int, int]:
        kind, at = slot
        if kind == "workspace":
            return self._buffers["workspace", 0], at, size
        return self._buffers[kind, at], 0, size

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The outputs for `inputs`: contiguous or strided CPU tensors of the manifest's dtypes and shapes.

        Raises:
            ArtifactError: an input has another dtype, shape or device than the program was compiled for.
            DeviceError: the device failed.
        """
        if len(inputs) != len(self._inputs):
            raise ArtifactError(f"expected {len(self._inputs)} inputs, got {len(inputs)}")
        sources = [
            expected.contiguous(given, i) for i, (expected, given) in enumerate(zip(self._inputs, inputs, strict=True))
        ]
        outputs = [torch.empty(t.shape, dtype=t.dtype) for t in self._outputs]
        with self._lock:
            for i, source in enumerate(sources):
                ctypes.memmove(self._buffers["input", i].address, source.data_ptr(), self._inputs[i].bytes)
            self._commands.run()
            for i, output in enumerate(outputs):
                ctypes.memmove(output.data_ptr(), self._buffers["output", i].address, self._outputs[i].bytes)
        return outputs


class _Tensor:
    """What the manifest says of an input or output."""

    def __init__(self, described: Mapping[str, Any]) -> None:
        self.dtype: torch.dtype = getattr(torch, described["dtype"])
        self.shape = list(described["shape"])
        self.bytes = prod(self.shape) * self.dtype.itemsize

    def contiguous(self, given: torch.Tensor, index: int) -> torch.Tensor:
        if given.dtype != self.dtype or list(given.shape) != self.shape or given.device.type != "cpu":
            raise ArtifactError(
                f"input {index} is {given.dtype} {list(given.shape)} on {given.device}, "
                f"expected {self.dtype} {self.shape} on cpu"
            )
        return given.detach().contiguous()


class _Resources:
    """What a program holds on the device, apart from the program so that its finalizer can free it."""

    def __init__(self, owner: Device) -> None:
        self.device = owner
        self.all_buffers: list[Buffer] = []
        self.buffers: dict[tuple[str, int], Buffer] = {}
        self.pipelines: list[Pipeline] = []
        self.commands: CommandList | None = None

    def free(self) -> None:
        with self.device.lock:
            if self.commands is not None:
                self.commands.free()
            self.device.free_pipelines(self.pipelines)
            self.device.free(self.all_buffers)
