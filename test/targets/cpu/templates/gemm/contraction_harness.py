"""Builds one contraction kernel, compiles it for this machine and runs it on torch tensors, without the rest of jic."""

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
from jic.targets.cpu.templates.gemm import contraction
from jic.targets.kernel.region import Region, parse
from jic.targets.program.launch import Launch

DTYPES = {
    "f32": torch.float32,
    "f64": torch.float64,
    "bf16": torch.bfloat16,
    "f16": torch.float16,
    "i64": torch.int64,
    "i32": torch.int32,
    "i16": torch.int16,
    "i8": torch.int8,
    "i1": torch.bool,
}
Body = Callable[..., Any]


def contraction_region(shapes: Sequence[Sequence[int]], element: str, body: Body) -> Region:
    """The region of a contraction kernel: `body(*arguments)` builds it and returns its results."""
    with dialects.context(), ir.Location.unknown():
        types = [build.tensor_type(shape, ir.Type.parse(element)) for shape in shapes]
        # the body is built twice: first only for the types of its results
        scratch, module = ir.Module.create(), ir.Module.create()
        with ir.InsertionPoint(scratch.body):
            results = [v.type for v in _results(body, _operands(types))]
        with ir.InsertionPoint(module.body):
            fused = build.fused("contraction", _operands(types), results, lambda arguments: _results(body, arguments))
        assert module.operation.verify()
        return parse(fused)


def _operands(types: list[ir.RankedTensorType]) -> list[ir.Value]:
    return [build.splat(t.shape, t.element_type, 0) for t in types]


def _results(body: Body, arguments: list[ir.Value]) -> list[ir.Value]:
    found = body(*arguments)
    return list(found) if isinstance(found, (list, tuple)) else [found]


class Compiled:
    """A compiled contraction kernel: `run(*tensors)` allocates the results, `call(tensors, results)` reuses them."""

    def __init__(
        self, shapes: Sequence[Sequence[int]], element: str, body: Body, machine: Machine | None = None
    ) -> None:
        machine = machine or host()
        self.region = contraction_region(shapes, element, body)
        module = KernelModule(dialects.context())
        self.lowered = contraction.lower(self.region, "kernel", module, machine)
        self.object = compile_kernels(module, machine)
        self.entry = self._load()
        size = max([64, *(launch.scratch for launch in self.lowered.launches)])
        self._scratch = torch.full((size + 64,), 255, dtype=torch.uint8)
        self.scratch = -(-self._scratch.data_ptr() // 64) * 64

    def _load(self) -> Any:
        self._engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _target_machine())
        self._engine.add_object_file(llvm.ObjectFileRef.from_data(self.object))
        self._engine.finalize_object()
        if not self.lowered.launches:
            return None
        prototype = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_int64, ctypes.c_int64, ctypes.c_void_p)
        return prototype(self._engine.get_function_address("kernel"))

    @property
    def launch(self) -> Launch:
        return self.lowered.launches[0]

    def call(self, tensors: Sequence[torch.Tensor], results: Sequence[torch.Tensor], pieces: int = 1) -> None:
        """Run all tasks, in `pieces` ranges as that many threads would."""
        if self.entry is None:
            return
        pointers = (ctypes.c_void_p * (len(tensors) + len(results)))(*(t.data_ptr() for t in (*tensors, *results)))
        tasks = self.launch.tasks
        for p in range(pieces):
            self.entry(pointers, tasks * p // pieces, tasks * (p + 1) // pieces, self.scratch)

    def run(self, *tensors: torch.Tensor, pieces: int = 1) -> list[torch.Tensor]:
        """Run on copies with poison behind them: a read past the end shows in the result, a write past it raises."""
        inputs = [_with_guard(t) for t in tensors]
        nodes = [self.region.nodes[n] for n in self.region.outputs]
        results = [_with_guard(torch.zeros(n.shape, dtype=DTYPES[n.element])) for n in nodes]
        self.call([t for t, _ in inputs], [t for t, _ in results], pieces)
        for tensor, whole in (*inputs, *results):
            rest = whole[tensor.numel() :]
            assert bool((rest.isnan() if rest.is_floating_point() else rest == rest[-1]).all())
        return [t for t, _ in results]


def _with_guard(tensor: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    fill = float("nan") if tensor.is_floating_point() else 1 if tensor.dtype == torch.bool else 77
    whole = torch.full((prod(tensor.shape) + 64,), fill, dtype=tensor.dtype)
    whole[: tensor.numel()] = tensor.reshape(-1)
    return whole[: tensor.numel()].view(tensor.shape), whole


def _target_machine() -> Any:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    return llvm.Target.from_default_triple().create_target_machine()
