"""Vulkan devices as the GPU templates see them: nothing assumed of subgroups, threads of a block meet at barriers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ..gpu.functions import GpuFunctions
from ..gpu.ids import barrier
from ..gpu.machine import Combine, GpuMachine
from ..ir import ops
from ..kernel.functions import Functions
from ..kernel.index import Variable
from .memory import VulkanMemory


@dataclass(frozen=True)
class VulkanMachine(GpuMachine):
    functions: Functions = field(default_factory=GpuFunctions)
    max_blocks: int = 65535  # what every device allows
    vector_bytes: int = 0
    warp: int = 0
    threads: int = 128  # what every device allows
    max_iterations: int = 60000  # of 65535 that lavapipe runs

    def buffer_type(self, elements: int, element: str) -> str:
        stored = {"i1": "i8", "ui8": "i8", "bf16": "i16"}.get(element, element)
        return f"memref<{elements}x{stored}, #spirv.storage_class<StorageBuffer>>"

    def shared_type(self, elements: int, element: ir.Type) -> str:
        return f"memref<{elements}x{element}, #spirv.storage_class<Workgroup>>"

    def declare_shared(self, types: Sequence[str]) -> tuple[str, str]:
        # An attribution (`workgroup(…)`) ends the process in the conversion to SPIR-V; an allocation does not.
        return "", "\n".join(f"%shared{i} = memref.alloc() : {t}" for i, t in enumerate(types))

    def function_attributes(self, threads: int) -> str:
        return (
            f"known_block_size = array<i32: {threads}, 1, 1>, "
            f"spirv.entry_point_abi = #spirv.entry_point_abi<workgroup_size = [{threads}, 1, 1]>"
        )

    def memory(
        self, buffers: Sequence[ir.Value], variables: dict[Variable, ir.Value], lane: Variable | None, width: int
    ) -> VulkanMemory:
        return VulkanMemory(buffers, variables, lane, width)

    def shared_elements(self, group: int) -> int:
        return group if group > 1 else 0

    def reduce_group(
        self,
        shared: Sequence[ir.Value],
        thread: ir.Value,
        group: int,
        values: list[list[ir.Value]],
        combine: list[Combine],
    ) -> list[list[ir.Value]]:
        """A tree in shared memory: half of the threads, a quarter, … add what the other half has left."""
        arrays: list[list[ir.Value]] = []
        for partial in values:
            arrays.append(list(shared[: len(partial)]))
            shared = shared[len(partial) :]
        for own, partial in zip(arrays, values, strict=True):
            _write(own, partial, thread)
        barrier()
        distance = group // 2
        while distance:
            with ops.if_then(ops.cmpi("ult", thread, ops.index(distance))):
                other = ops.binary("arith.addi", thread, ops.index(distance))
                for own, partial, join in zip(arrays, values, combine, strict=True):
                    _write(own, join(_read(own, partial, thread), _read(own, partial, other)), thread)
            barrier()
            distance //= 2
        return [_read(own, partial, ops.index(0)) for own, partial in zip(arrays, values, strict=True)]


def _write(arrays: Sequence[ir.Value], values: Sequence[ir.Value], at: ir.Value) -> None:
    for array, value in zip(arrays, values, strict=True):
        element = ir.MemRefType(array.type).element_type
        widened = value if value.type == element else ops.op("arith.extui", [value], element)
        ops.op("memref.store", [widened, array, at], None)


def _read(arrays: Sequence[ir.Value], like: Sequence[ir.Value], at: ir.Value) -> list[ir.Value]:
    found = []
    for array, value in zip(arrays, like, strict=True):
        element = ir.MemRefType(array.type).element_type
        stored = ops.op("memref.load", [array, at], element)
        found.append(stored if value.type == element else ops.op("arith.trunci", [stored], value.type))
    return found
