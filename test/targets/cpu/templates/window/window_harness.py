"""Builds one window kernel, compiles it for this machine and runs its launches, without the rest of jic."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from math import prod
from typing import Any

import llvmlite.binding as llvm
import torch
from torch_mlir import ir

from jic import dialects
from jic.dialects import build
from jic.targets.cpu.codegen import compile_kernels
from jic.targets.cpu.kernel import KernelModule
from jic.targets.cpu.machine import Machine, host
from jic.targets.cpu.templates.window import window
from jic.targets.kernel.buffers import Buffer
from jic.targets.kernel.region import Region, parse

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "bf16": torch.bfloat16,
    "f16": torch.float16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "ui8": torch.uint8,
    "i1": torch.bool,
}
Body = Callable[[list[ir.Value]], Sequence[ir.Value]]


def window_region(shapes: Sequence[Sequence[int]], element: str, body: Body) -> Region:
    """The region of a window kernel: `body(arguments)` builds it and returns its results."""
    with dialects.context(), ir.Location.unknown():
        types = [build.tensor_type(shape, ir.Type.parse(element)) for shape in shapes]
        # the body is built twice: first only for the types of its results
        first, module = ir.Module.create(), ir.Module.create()
        with ir.InsertionPoint(first.body):
            results = [v.type for v in body(_arguments(types))]
        with ir.InsertionPoint(module.body):
            fused = build.fused("window", _arguments(types), results, body)
        assert module.operation.verify()
        return parse(fused)


def _arguments(types: list[ir.RankedTensorType]) -> list[ir.Value]:
    return [build.op("iota", [], [t], {"dim": build.i64(0)}).result for t in types]


class Compiled:
    """A compiled window kernel. Buffers have poison behind them and scratch is filled with it."""

    def __init__(
        self, shapes: Sequence[Sequence[int]], element: str, body: Body, machine: Machine | None = None
    ) -> None:
        machine = machine or host()
        self.region = window_region(shapes, element, body)
        module = KernelModule(dialects.context())
        self.lowered = window.lower(self.region, "kernel", module, machine)
        self.launches: list[Any] = []
        if self.lowered.launches:
            self._load(compile_kernels(module, machine))
        self.temps = [_guarded(torch.zeros(size, dtype=torch.uint8)) for size in self.lowered.temporaries]

    def _load(self, code: bytes) -> None:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        target = llvm.Target.from_default_triple().create_target_machine()
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), target)
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(code))
        self._engine.finalize_object()
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
        for launch in self.lowered.launches:
            self.launches.append(prototype(self._engine.get_function_address(launch.kernel)))

    def results(self) -> list[torch.Tensor]:
        """New results, full of a number that no kernel leaves there."""
        nodes = [self.region.nodes[n] for n in self.region.outputs]
        return [_guarded(torch.full(n.shape, 77, dtype=DTYPES[n.element])) for n in nodes]

    def call(self, tensors: Sequence[torch.Tensor], results: Sequence[torch.Tensor], pieces: int = 1) -> None:
        """Run the launches, each in `pieces` ranges of tasks as that many threads would."""
        held = {"argument": tensors, "result": results, "temp": self.temps}

        def address(buffer: Buffer) -> int:
            return held[buffer.kind][buffer.index].data_ptr()

        for function, launch in zip(self.launches, self.lowered.launches, strict=True):
            pointers = (ctypes.c_void_p * len(launch.buffers))(*map(address, launch.buffers))
            for p in range(pieces):
                scratch = torch.full((launch.scratch + 128,), 255, dtype=torch.uint8)
                aligned = -(-scratch.data_ptr() // 64) * 64
                function(pointers, launch.tasks * p // pieces, launch.tasks * (p + 1) // pieces, aligned)
                end = aligned - scratch.data_ptr() + launch.scratch
                assert bool((scratch[end:] == 255).all()), "the kernel wrote past its scratch"

    def run(self, *tensors: torch.Tensor, pieces: int = 1) -> list[torch.Tensor]:
        """The results for `tensors`. A write past the end of a buffer raises."""
        inputs, results = [_guarded(t) for t in tensors], self.results()
        self.call(inputs, results, pieces)
        for tensor in (*inputs, *results):
            rest = tensor.as_strided((64,), (1,), tensor.numel())
            assert bool((rest.isnan() if rest.is_floating_point() else rest == rest[-1]).all())
        return results


def _guarded(tensor: torch.Tensor) -> torch.Tensor:
    """A copy of `tensor`, 64-byte aligned, with 64 elements of poison behind it in its storage."""
    fill = float("nan") if tensor.is_floating_point() else 1 if tensor.dtype == torch.bool else 99
    whole = torch.full((prod(tensor.shape) + 64,), fill, dtype=tensor.dtype)
    whole[: tensor.numel()] = tensor.reshape(-1)
    return whole[: tensor.numel()].view(tensor.shape)
