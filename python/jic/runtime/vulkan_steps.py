"""A manifest's steps on a Vulkan device: runs of launches and copies as command lists, the rest by the host between them.

All memory is visible to both, so the host counts, branches, checks and calls ATen on the device's buffers.
"""

from __future__ import annotations

import ctypes
import time
from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import torch

from jic.errors import ArtifactError

from .aten import AtenCall
from .native_module import native
from .vulkan_device import Buffer, CommandList, Device, Pipeline

Step = Mapping[str, Any]
Action = Callable[[], int]  # returns the number of the step to go on with
_ON_DEVICE = ("launch", "copy")
_JUMPS = ("jump", "branch", "count")


class Memory:
    """The buffers of a program by their slots."""

    def __init__(self, buffers: Mapping[tuple[str, int], Buffer]) -> None:
        self.buffers = buffers

    def range(self, slot: Sequence[Any], size: int) -> tuple[Buffer, int, int]:
        """(buffer, offset, size)"""
        kind, at = slot
        buffer, offset = (self.buffers["workspace", 0], at) if kind == "workspace" else (self.buffers[kind, at], 0)
        if offset + size > max(buffer.size, 4):
            raise ArtifactError(f"{size} bytes at {kind} {at}, which has {buffer.size}")
        return buffer, offset, size

    def address(self, slot: Sequence[Any], size: int) -> int:
        buffer, offset, _ = self.range(slot, size)
        return buffer.address + offset

    def number(self, slot: Sequence[Any]) -> ctypes.c_int64:
        return ctypes.c_int64.from_address(self.address(slot, 8))

    def flag(self, slot: Sequence[Any]) -> ctypes.c_int8:
        return ctypes.c_int8.from_address(self.address(slot, 1))

    def tensor(self, slot: Sequence[Any], described: Mapping[str, Any]) -> torch.Tensor:
        """The tensor that lies in a slot, on its memory."""
        dtype, shape = getattr(torch, described["dtype"]), list(described["shape"])
        size = prod(shape) * dtype.itemsize
        if not size:
            return torch.empty(shape, dtype=dtype)
        held = (ctypes.c_uint8 * size).from_address(self.address(slot, size))
        return torch.frombuffer(held, dtype=dtype).view(shape)


class Schedule:
    """The steps of a program, ready to run.

    Args:
        pipelines: of each kernel, by name.
        apart: a command list for each step, so that each can be timed.
    """

    def __init__(
        self,
        steps: Sequence[Step],
        memory: Memory,
        device: Device,
        pipelines: Mapping[str, Pipeline],
        apart: bool = False,
    ) -> None:
        self.steps, self.memory, self.device, self.pipelines = steps, memory, device, pipelines
        self.lists: list[CommandList] = []
        self.times: dict[int, list[float]] = {}
        self._statuses = [s["buffer"] for s in steps if s["op"] == "check"]
        targets = {self._target(s) for s in steps if s["op"] in _JUMPS}
        self._actions: dict[int, Action] = {}  # by the number of the first step of each
        number = 0
        while number < len(steps):
            end = number + 1
            if steps[number]["op"] in _ON_DEVICE:
                while not apart and end < len(steps) and steps[end]["op"] in _ON_DEVICE and end not in targets:
                    end += 1
                self._actions[number] = self._recorded(steps[number:end], end)
            else:
                self._actions[number] = self._by_host(steps[number], end)
            number = end

    def run(self) -> None:
        """Run all steps.

        Raises:
            Bailout: the program gave up.
            DeviceError: the device failed.
        """
        for status in self._statuses:
            self.memory.number(status).value = 0
        at, end = 0, len(self.steps)
        while at < end:
            at = self._actions[at]()

    def run_timed(self) -> None:
        """`run`, adding the seconds of each step to `times`."""
        actions = self._actions
        try:
            self._actions = {number: self._timed(number, action) for number, action in actions.items()}
            self.run()
        finally:
            self._actions = actions

    def _timed(self, number: int, action: Action) -> Action:
        def run() -> int:
            start = time.perf_counter()
            following = action()
            self.times.setdefault(number, []).append(time.perf_counter() - start)
            return following

        return run

    def free(self) -> None:
        for commands in self.lists:
            commands.free()

    def _target(self, step: Step) -> int:
        to = int(step["to"])
        if not 0 <= to <= len(self.steps):
            raise ArtifactError(f"a jump to step {to} of {len(self.steps)}")
        return to

    def _recorded(self, steps: Sequence[Step], following: int) -> Action:
        launches = [s for s in steps if s["op"] == "launch"]
        commands = self.device.commands(len(launches), sum(len(s["buffers"]) for s in launches))
        self.lists.append(commands)
        for step in steps:
            if step["op"] == "launch":
                sizes = zip(step["buffers"], step["sizes"], strict=True)
                ranges = [self.memory.range(slot, size) for slot, size in sizes]
                commands.launch(self.pipelines[step["kernel"]], ranges, step["grid"])
            else:
                source, target = (self.memory.range(step[k], step["bytes"]) for k in ("from", "to"))
                commands.copy(source, target)
        commands.end()

        def run() -> int:
            commands.run()
            return following

        return run

    def _by_host(self, step: Step, following: int) -> Action:
        memory = self.memory
        match step["op"]:
            case "jump":
                to = self._target(step)
                return lambda: to
            case "branch":
                condition, to = memory.flag(step["condition"]), self._target(step)
                return lambda: following if condition.value else to
            case "set":
                counter, value = memory.number(step["slot"]), int(step["value"])

                def store() -> int:
                    counter.value = value
                    return following

                return store
            case "count":
                counter, limit, to = memory.number(step["slot"]), memory.number(step["limit"]), self._target(step)

                def count() -> int:
                    counter.value += 1
                    return to if counter.value < limit.value else following

                return count
            case "bail":
                condition = memory.flag(step["buffer"])
                return self._giving_up(condition, str(step["message"]), following)
            case "check":
                return self._giving_up(memory.number(step["buffer"]), str(step["message"]), following)
            case "aten":
                return self._aten(step, following)
            case other:
                raise ArtifactError(f"a program for vulkan cannot hold a step '{other}'")

    def _giving_up(self, condition: ctypes.c_int8 | ctypes.c_int64, message: str, following: int) -> Action:
        def run() -> int:
            if condition.value:
                raise native.Bailout(message)
            return following

        return run

    def _aten(self, step: Step, following: int) -> Action:
        call = AtenCall(step)
        operands = [self.memory.tensor(o["slot"], o) for o in step["operands"]]
        results = [self.memory.tensor(["value", r["value"]], r) for r in step["results"]]

        def run() -> int:
            for into, found in zip(results, call(operands), strict=True):
                into.copy_(found)
            return following

        return run
