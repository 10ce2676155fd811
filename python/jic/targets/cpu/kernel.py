"""Kernel functions under construction, and what a template gives back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field

from torch_mlir import ir

from ..common import ops


@dataclass(frozen=True)
class Buffer:
    """A launch operand: the kernel's `argument` or `result` number `index`, a `temp` of the lowering, or the `status`."""

    kind: str
    index: int


@dataclass(frozen=True)
class Launch:
    """One call of a kernel function (see "Kernel ABI" in docs/architecture.md). The first `inputs` buffers are read.

    `cost` is the estimated time of all tasks on one core in ns, `scratch` bytes a thread.
    """

    kernel: str
    buffers: tuple[Buffer, ...]
    inputs: int
    tasks: int
    cost: int
    scratch: int = 0


@dataclass
class Lowered:
    """A lowered `jic.fused`: launches in order and the sizes in bytes of the temporaries between them.

    `status` tells that the last buffer of every launch is the i64[1] status buffer that index checks write to.
    `updates` are (result, argument) pairs: the result's buffer must hold the argument's elements before the first launch,
    be it that it is the argument's own memory; the launches write only a part of it.
    """

    launches: list[Launch] = field(default_factory=list)
    temps: list[int] = field(default_factory=list)
    status: bool = False
    updates: tuple[tuple[int, int], ...] = ()


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


def storage(element: str) -> ir.Type:
    """The type of an element in memory: bools and ui8 are bytes."""
    return ops.element_type("i8" if element in ("i1", "ui8") else element)


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
