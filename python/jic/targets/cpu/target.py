"""The CPU as a target: a module at the kernels level to what an artifact holds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from torch_mlir import ir

from ..program import manifest
from ..program.backend import Backend
from ..program.launches import main_of_launches, replace_by_launches
from ..program.lower import lower, main_of
from ..program.steps import Step
from ..target import Compiled, PassOptions, Target
from . import codegen, pipeline
from .kernel import KernelModule
from .levels import machine_of
from .machine import Machine, host

_ROOM = f"{__package__}.templates"
TEMPLATES = {
    "pointwise": f"{_ROOM}.walk.walk",
    "indexing": f"{_ROOM}.walk.walk",
    "concat": f"{_ROOM}.walk.walk",
    "update": f"{_ROOM}.walk.walk",
    "reduction": f"{_ROOM}.reduction.reduction",
    "scan": f"{_ROOM}.reduction.scan",
    "contraction": f"{_ROOM}.gemm.contraction",
    "window": f"{_ROOM}.window.window",
    "recurrence": f"{_ROOM}.recurrence.recurrence",
}
# From this size on a copy is a kernel, which threads can share.
_COPY_KERNEL_BYTES = 1 << 16


@dataclass(frozen=True)
class CpuTarget(Target):
    """The CPU `machine`, which is this one's unless another, or a `level` (see levels.py), is given."""

    machine: Machine = field(default_factory=host)
    level: str = "host"
    name = "cpu"
    stage_names = ("cpu", "llvm")

    def __post_init__(self) -> None:
        if self.level != "host":
            object.__setattr__(self, "machine", machine_of(self.level))

    def pipeline(self, options: PassOptions) -> dict[str, str]:
        return pipeline.stages(options.fusion_strategy, options.max_fusion_size, options.enable_optimizations)

    def _backend(self, kernels: KernelModule) -> Backend:
        return Backend(
            self.name, TEMPLATES, kernels, self.machine, _launch_fields, copy_kernel_bytes=_COPY_KERNEL_BYTES
        )

    def compile(self, module: ir.Module) -> Compiled:
        kernels = KernelModule(module.context)
        backend = self._backend(kernels)
        start = time.perf_counter()
        with module.context, ir.Location.unknown():
            main = main_of(module.body)
            program = lower(main, backend)
            features = {"features": f"{self.machine.name} {self.machine.features}"}
            description, constants = manifest.build(program, main, backend, features)
        lowered = time.perf_counter()
        code = codegen.compile_kernels(kernels, self.machine) if kernels.kernels else b""
        seconds = {"lower": lowered - start, "codegen": time.perf_counter() - lowered}
        return Compiled(description, code, constants, seconds)

    def stage(self, module: ir.Module, name: str) -> str:
        kernels = KernelModule(module.context)
        with module.context, ir.Location.unknown():
            main = main_of(module.body)
            program = lower(main, self._backend(kernels))
            if name == "llvm":
                return codegen.lower_to_llvm(kernels)
            main_of_launches(program, main, kernels.module.body)
        return str(kernels.module)

    def lower(self, module: ir.Operation) -> None:
        kernels = KernelModule(module.context)
        replace_by_launches(module, self._backend(kernels), lambda: list(kernels.module.body.operations))


def _launch_fields(step: Step) -> dict[str, int]:
    assert step.launch is not None
    return {"tasks": step.launch.tasks}
