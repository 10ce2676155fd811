"""Kernel functions for GPUs under construction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from torch_mlir import ir

from .machine import GpuMachine


class GpuKernel:
    """A module with one kernel function of 1-d blocks. Build inside `with kernel.body():`.

    Args:
        buffers: (number of elements, element) of each argument.
        threads: threads in a block.
        arrays: element types of the shared arrays, of `array_elements` each.
        aliased: the buffers that may be the same memory: a result that is updated in place, and the argument it is.

    Attributes:
        buffers, shared: the arguments and the shared arrays.
        largest: elements of the largest buffer.
    """

    def __init__(
        self,
        context: ir.Context,
        target: GpuMachine,
        name: str,
        buffers: Sequence[tuple[int, str]],
        threads: int,
        arrays: Sequence[ir.Type] = (),
        array_elements: int = 0,
        aliased: frozenset[int] = frozenset(),
    ) -> None:
        self.context, self.name, self.threads = context, name, threads
        self.largest = max((n for n, _ in buffers), default=0)
        arguments = ", ".join(
            f"%a{i}: {target.buffer_type(max(1, n), element)} {'' if i in aliased else '{llvm.noalias}'}"
            for i, (n, element) in enumerate(buffers)
        )
        outside, inside = target.declare_shared([target.shared_type(array_elements, t) for t in arrays])
        attributes = target.function_attributes(threads)
        with context, ir.Location.unknown():
            self.module = ir.Module.parse(
                f"module attributes {{gpu.container_module}} {{ gpu.module @{name} {{\n"
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


class GpuKernels:
    """The kernels of a program, each in a module of its own."""

    def __init__(self, context: ir.Context) -> None:
        self.context = context
        self.made: list[GpuKernel] = []

    def kernel(
        self,
        machine: GpuMachine,
        name: str,
        buffers: Sequence[tuple[int, str]],
        threads: int,
        arrays: Sequence[ir.Type] = (),
        array_elements: int = 0,
        aliased: frozenset[int] = frozenset(),
    ) -> GpuKernel:
        """A new kernel; see `GpuKernel`."""
        self.made.append(GpuKernel(self.context, machine, name, buffers, threads, arrays, array_elements, aliased))
        return self.made[-1]
