"""NVIDIA GPUs as the GPU templates see them: 128-bit loads, warps of 32 threads that shuffle, shared memory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from ..gpu.ids import barrier
from ..gpu.machine import Combine, GpuMachine
from ..ir import ops
from ..kernel.functions import Functions
from ..kernel.index import Variable
from .functions import CudaFunctions
from .memory import CudaMemory

WARP = 32
_SHARED = "#gpu.address_space<workgroup>"


@dataclass(frozen=True)
class CudaMachine(GpuMachine):
    functions: Functions = field(default_factory=CudaFunctions)
    max_blocks: int = 2**31 - 1
    vector_bytes: int = 16
    warp: int = WARP
    threads: int = 256
    max_iterations: int = 0

    def buffer_type(self, elements: int, element: str) -> str:
        stored = {"i1": "i8", "ui8": "i8"}.get(element, element)
        return f"memref<{elements}x{stored}, #gpu.address_space<global>>"

    def shared_type(self, elements: int, element: ir.Type) -> str:
        return f"memref<{elements}x{element}, {_SHARED}>"

    def declare_shared(self, types: Sequence[str]) -> tuple[str, str]:
        arrays = ", ".join(f"%shared{i}: {t}" for i, t in enumerate(types))
        return (f"workgroup({arrays})" if types else ""), ""

    def function_attributes(self, threads: int) -> str:
        return f"known_block_size = array<i32: {threads}, 1, 1>"

    def memory(
        self, buffers: Sequence[ir.Value], variables: dict[Variable, ir.Value], lane: Variable | None, width: int
    ) -> CudaMemory:
        return CudaMemory(buffers, variables, lane, width)

    def shared_elements(self, group: int) -> int:
        return group // WARP if group > WARP else 0

    def reduce_group(
        self,
        shared: Sequence[ir.Value],
        thread: ir.Value,
        group: int,
        values: list[list[ir.Value]],
        combine: list[Combine],
    ) -> list[list[ir.Value]]:
        """Butterfly shuffles in each warp; then each thread combines what the warps left in shared memory."""
        values = [_reduce_warp(v, min(group, WARP), c) for v, c in zip(values, combine, strict=True)]
        if group <= WARP:
            return values
        warp, lane = (
            ops.binary("arith.divui", thread, ops.index(WARP)),
            ops.binary("arith.remui", thread, ops.index(WARP)),
        )
        flat = [v for partial in values for v in partial]
        with ops.if_then(ops.cmpi("eq", lane, ops.index(0))):
            for array, value in zip(shared, flat, strict=False):
                ops.op("memref.store", [_widened(value, array), array, warp], None)
        barrier()
        found: list[list[ir.Value]] = []
        used = 0
        for partial, join in zip(values, combine, strict=True):
            arrays = shared[used : used + len(partial)]
            used += len(partial)
            warps = [
                [
                    _narrowed(ops.op("memref.load", [a, ops.index(w)], _element(a)), v)
                    for a, v in zip(arrays, partial, strict=True)
                ]
                for w in range(group // WARP)
            ]
            total = warps[0]
            for other in warps[1:]:
                total = join(total, other)
            found.append(total)
        return found


def _reduce_warp(values: list[ir.Value], threads: int, combine: Combine) -> list[ir.Value]:
    distance = threads // 2
    while distance:
        values = combine(values, [_shuffled(v, distance) for v in values])
        distance //= 2
    return values


def _shuffled(value: ir.Value, distance: int) -> ir.Value:
    """`value` of the thread whose number differs in the bit `distance`; wide registers travel in 32-bit pieces."""
    i32, i64 = ops.element_type("i32"), ops.element_type("i64")
    type_ = value.type
    if isinstance(type_, ir.F32Type):
        return _shuffle32(value, distance)
    if isinstance(type_, ir.F64Type):
        return ops.bitcast(_shuffled(ops.bitcast(value, i64), distance), type_)
    width = ir.IntegerType(type_).width
    if width == 32:
        return _shuffle32(value, distance)
    if width < 32:
        return ops.op("arith.trunci", [_shuffle32(ops.op("arith.extui", [value], i32), distance)], type_)
    by = ops.constant(i64, 32)
    high = _shuffle32(ops.op("arith.trunci", [ops.binary("arith.shrui", value, by)], i32), distance)
    low = _shuffle32(ops.op("arith.trunci", [value], i32), distance)
    high = ops.binary("arith.shli", ops.op("arith.extui", [high], i64), by)
    return ops.binary("arith.ori", high, ops.op("arith.extui", [low], i64))


def _shuffle32(value: ir.Value, distance: int) -> ir.Value:
    i32 = ops.element_type("i32")
    operands = [value, ops.constant(i32, distance), ops.constant(i32, WARP)]
    mode = {"mode": ir.Attribute.parse("#gpu<shuffle_mode xor>")}
    created = ir.Operation.create(
        "gpu.shuffle", results=[value.type, ops.element_type("i1")], operands=operands, attributes=mode
    )
    return created.results[0]


def _element(array: ir.Value) -> ir.Type:
    return ir.MemRefType(array.type).element_type


def _widened(value: ir.Value, array: ir.Value) -> ir.Value:
    element = _element(array)
    return value if value.type == element else ops.op("arith.extui", [value], element)


def _narrowed(stored: ir.Value, like: ir.Value) -> ir.Value:
    return stored if stored.type == like.type else ops.op("arith.trunci", [stored], like.type)
