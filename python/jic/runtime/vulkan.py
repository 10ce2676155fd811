"""Runs a program compiled for Vulkan on host tensors: buffers, pipelines, and a schedule of its steps."""

from __future__ import annotations

import ctypes
import threading
import weakref
from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

import torch

from jic.errors import ArtifactError, DeviceError

from .artifact import Artifact
from .vulkan_device import Buffer, Device, Pipeline, device
from .vulkan_steps import Memory, Schedule

__all__ = ["VulkanProgram", "available"]


def available() -> str | None:
    """None if there is a Vulkan device that jic can use, else why not."""
    try:
        device()
    except DeviceError as error:
        return error.message
    return None


class VulkanProgram:
    """An artifact for Vulkan, loaded.

    Threads may use one program at the same time; their runs take turns.

    Raises:
        DeviceError: no usable device, or it cannot hold a buffer or lacks a capability that a kernel needs.
        ArtifactError: malformed, or for another target.
    """

    def __init__(self, artifact: Artifact) -> None:
        manifest = artifact.manifest
        if manifest.get("target") != "vulkan":
            raise ArtifactError(f"an artifact for {manifest.get('target')!r}, expected 'vulkan'")
        self._device = device()
        self._lock = threading.Lock()
        self._inputs = [_Tensor(d) for d in manifest["inputs"]]
        self._outputs = [_Tensor(d) for d in manifest["outputs"]]
        self._steps: list[dict[str, Any]] = manifest["steps"]
        self._held = held = _Resources(self._device)
        self._release = weakref.finalize(self, held.free)
        with self._device.lock:
            self._buffers = self._allocate(artifact, held)
            self._memory = Memory(self._buffers)
            self._pipelines = self._compile(artifact, held)
            self._schedule = self._scheduled(apart=False)
        self._timed: Schedule | None = None
        self._timing = False

    def _allocate(self, artifact: Artifact, held: _Resources) -> dict[tuple[str, int], Buffer]:
        manifest, constants = artifact.manifest, artifact.constants

        def make(size: int) -> Buffer:
            held.buffers.append(self._device.buffer(size))
            return held.buffers[-1]

        buffers = {("input", i): make(t.bytes) for i, t in enumerate(self._inputs)}
        buffers |= {("output", i): make(t.bytes) for i, t in enumerate(self._outputs)}
        for i, (offset, size) in enumerate(manifest["constants"]):
            if offset + size > len(constants):
                raise ArtifactError(f"constant {i} ends at byte {offset + size}, the blob has {len(constants)}")
            buffer = buffers["constant", i] = make(size)
            ctypes.memmove(buffer.address, constants[offset : offset + size], size)
        if manifest["workspace"]:
            buffers["workspace", 0] = make(manifest["workspace"])
        results = (r for s in self._steps if s["op"] == "aten" for r in s["results"])
        return buffers | {("value", r["value"]): make(_Tensor(r).bytes) for r in results}

    def _compile(self, artifact: Artifact, held: _Resources) -> dict[str, Pipeline]:
        modules = artifact.manifest["modules"]
        pipelines: dict[str, Pipeline] = {}
        for step in self._steps:
            if step["op"] != "launch" or step["kernel"] in pipelines:
                continue
            name = step["kernel"]
            if name not in modules:
                raise ArtifactError(f"the artifact has no code of kernel '{name}'")
            offset, size = modules[name]
            code = artifact.code[offset : offset + size]
            pipelines[name] = self._device.pipeline(code, name, len(step["buffers"]))
            held.pipelines.append(pipelines[name])
        return pipelines

    def _scheduled(self, apart: bool) -> Schedule:
        schedule = Schedule(self._steps, self._memory, self._device, self._pipelines, apart)
        self._held.schedules.append(schedule)
        return schedule

    def set_timing(self, on: bool) -> None:
        """Measure each step of later runs, or stop; measured runs wait for the device after each step."""
        self._timing = on
        if on and self._timed is None:
            with self._device.lock:
                self._timed = self._scheduled(apart=True)

    def stats(self) -> list[dict[str, Any]]:
        """One entry a step, as `Program.stats` gives them."""
        rows = []
        for number, step in enumerate(self._steps):
            times = self._timed.times.get(number, []) if self._timed is not None else []
            rows.append(
                {
                    "op": step["op"],
                    "name": step.get("name") or step.get("callee") or step.get("message", ""),
                    "location": step.get("location", ""),
                    "runs": len(times),
                    "mean_us": sum(times) / len(times) * 1e6 if times else 0.0,
                    "min_us": min(times, default=0.0) * 1e6,
                }
            )
        return rows

    def run(self, inputs: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """The outputs for `inputs`: contiguous or strided CPU tensors of the manifest's dtypes and shapes.

        Raises:
            ArtifactError: an input has another dtype, shape or device than the program was compiled for.
            Bailout: the program gave up.
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
            if self._timing and self._timed is not None:
                self._timed.run_timed()
            else:
                self._schedule.run()
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
        self.buffers: list[Buffer] = []
        self.pipelines: list[Pipeline] = []
        self.schedules: list[Schedule] = []

    def free(self) -> None:
        with self.device.lock:
            for schedule in self.schedules:
                schedule.free()
            self.device.free_pipelines(self.pipelines)
            self.device.free(self.buffers)
