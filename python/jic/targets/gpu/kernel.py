"""One `gpu.func` under construction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch_mlir import ir

from ..ir import ops
from .target import GpuTarget


class KernelBuilder:
    """A module with one kernel function of 1-d blocks. Build inside `with builder.body():`.

    Args:
        buffers: (number of elements, element) of each argument.
        threads: threads in a block.
        shared: element types of the shared arrays, of `shared_elements` each.
    """

    def __init__(
        self,
        context: ir.Context,
        target: GpuTarget,
        name: str,
        buffers: Sequence[tuple[int, str]],
        threads: int,
        shared: Sequence[ir.Type] = (),
        shared_elements: int = 0,
    ) -> None:
        self.context, self.target, self.name, self.threads = context, target, name, threads
        arguments = ", ".join(
            f"%a{i}: {target.buffer_type(max(1, n), element)} {{llvm.noalias}}"
            for i, (n, element) in enumerate(buffers)
        )
        outside, inside = target.declare_shared([target.shared_type(shared_elements, t) for t in shared])
        attributes = target.function_attributes(threads)
        with context, ir.Location.unknown():
            self.module = ir.Module.parse(
                f"module attributes {{gpu.container_module}} {{ gpu.module @kernels {{\n"
                f"gpu.func @{name}({arguments}) {outside} kernel attributes {{{attributes}}} {{\n"
                f"{inside}\n gpu.return }} }} }}"
            )
        function = self.module.body.operations[0].regions[0].blocks[0].operations[0]
        self._block = function.regions[0].blocks[0]
        values = list(self._block.arguments)
        self.buffers = values[: len(buffers)]
        declared = [op.results[0] for op in self._block.operations if op.operation.name == "memref.alloc"]
        self.shared = values[len(buffers) :] + declared

    @contextmanager
    def body(self) -> Iterator[None]:
        end = list(self._block.operations)[-1]
        with self.context, ir.Location.unknown(), ir.InsertionPoint(end.operation):
            yield

    @staticmethod
    def _id(name: str) -> ir.Value:
        dimension = {"dimension": ir.Attribute.parse("#gpu<dim x>")}
        return ops.op(f"gpu.{name}", [], ops.index_type(), dimension)

    def thread(self) -> ir.Value:
        """This thread's number in its block."""
        return self._id("thread_id")

    def block(self) -> ir.Value:
        return self._id("block_id")

    @staticmethod
    def barrier() -> None:
        ops.op("gpu.barrier", [], None)


def divide(value: ir.Value, sizes: Sequence[int]) -> list[ir.Value]:
    """`value` as mixed-radix digits: its row-major position in a space of `sizes`. It must lie inside."""
    digits: list[ir.Value] = []
    for size in reversed(sizes[1:]):
        by = ops.index(size)
        digits.append(ops.binary("arith.remui", value, by))
        value = ops.binary("arith.divui", value, by)
    return [*([value] if sizes else []), *reversed(digits)]
