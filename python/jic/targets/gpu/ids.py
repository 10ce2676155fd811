"""Where a thread is, where threads meet, and positions from flat numbers."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from ..ir import ops


def _id(name: str, dim: str = "x") -> ir.Value:
    dimension = {"dimension": ir.Attribute.parse(f"#gpu<dim {dim}>")}
    return ops.op(f"gpu.{name}", [], ops.index_type(), dimension)


def thread_id() -> ir.Value:
    """This thread's number in its block."""
    return _id("thread_id")


def block_id() -> ir.Value:
    """This block's number."""
    return _id("block_id")


def block_number(blocks: int, most: int) -> ir.Value:
    """This block's number among `blocks`, of which a launch has at most `most` in a row; see `GpuMachine.grid`."""
    if blocks <= most:
        return block_id()
    return ops.binary("arith.addi", ops.binary("arith.muli", _id("block_id", "y"), ops.index(most)), block_id())


def barrier() -> None:
    """All threads of the block have come here before one goes on, and see what the others wrote to shared memory."""
    ops.op("gpu.barrier", [], None)


def divide(value: ir.Value, sizes: Sequence[int]) -> list[ir.Value]:
    """`value` as mixed-radix digits: its row-major position in a space of `sizes`. It must lie inside."""
    digits: list[ir.Value] = []
    for size in reversed(sizes[1:]):
        by = ops.index(size)
        digits.append(ops.binary("arith.remui", value, by))
        value = ops.binary("arith.divui", value, by)
    return [*([value] if sizes else []), *reversed(digits)]
