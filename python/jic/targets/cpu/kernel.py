"""Kernel functions under construction."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from torch_mlir import ir

from ..ir import ops
from ..kernel.elements import storage


@dataclass(frozen=True)
class Kernel:
    """The arguments of a kernel function: flat buffers `memref<Nx…>`, the task range, scratch `memref<Sxi8>`."""

    buffers: list[ir.Value]
    begin: ir.Value
    end: ir.Value
    scratch: ir.Value

    def scratch_view(self, byte_offset: int, elements: int, element: str) -> ir.Value:
        """`elements` of `element` at `byte_offset` (64-byte aligned) of the thread's scratch."""
        type_ = ir.MemRefType.get([elements], ops.element_type(element))
        return ops.op("memref.view", [self.scratch, ops.index(byte_offset)], type_)


class KernelModule:
    """An MLIR module that collects kernel functions."""

    def __init__(self, context: ir.Context) -> None:
        self.context = context
        with context, ir.Location.unknown():
            self.module = ir.Module.create()
        self.kernels: dict[str, int] = {}

    @contextmanager
    def function(
        self, name: str, buffers: Sequence[tuple[int, str]], scratch: int = 0, shared: frozenset[int] = frozenset()
    ) -> Iterator[Kernel]:
        """Build kernel `name` inside the `with` body. `buffers` are (number of elements, element) in launch order.

        Buffers that are written overlap no others (the memory planner sees to it), so all are `noalias`, but the `shared`
        ones: a result that is updated in place, and the argument whose memory it has.
        """
        with self.context, ir.Location.unknown():
            memrefs = [ir.MemRefType.get([max(1, n)], storage(element)) for n, element in buffers]
            index = ops.index_type()
            types = [*memrefs, index, index, ir.MemRefType.get([max(64, scratch)], ops.element_type("i8"))]
            noalias = {"llvm.noalias": ir.UnitAttr.get()}
            attributes = {
                "sym_name": ir.StringAttr.get(name),
                "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, [])),
                "arg_attrs": ir.ArrayAttr.get(
                    [
                        ir.DictAttr.get(noalias if isinstance(t, ir.MemRefType) and i not in shared else {})
                        for i, t in enumerate(types)
                    ]
                ),
            }
            with ir.InsertionPoint(self.module.body):
                function = ir.Operation.create("func.func", attributes=attributes, regions=1)
            block = function.regions[0].blocks.append(*types)
            with ir.InsertionPoint(block):
                *arguments, begin, end, memory = block.arguments
                yield Kernel(list(arguments), begin, end, memory)
                ops.op("func.return", [], None)
        self.kernels[name] = len(buffers)
