"""What GPU targets have in common: templates, programs, and the table of code modules, one a kernel."""

from __future__ import annotations

import time
from abc import abstractmethod
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar

from torch_mlir import ir

from jic import budget

from ..program import manifest
from ..program.backend import Backend
from ..program.launches import main_of_launches, replace_by_launches
from ..program.lower import lower, main_of
from ..program.steps import HostProgram, Step
from ..target import Compiled, PassOptions, Target
from . import pipeline
from .kernel import GpuKernel, GpuKernels
from .machine import GpuMachine

TEMPLATES = {
    "pointwise": f"{__package__}.walk",
    "indexing": f"{__package__}.walk",
    "concat": f"{__package__}.walk",
    "update": f"{__package__}.walk",
    "scan": f"{__package__}.scan",
    "reduction": f"{__package__}.reduction",
}
_WORKSPACE_ALIGNMENT = 256  # the largest that a Vulkan device may ask of a buffer's offset
_CODE_ALIGNMENT = 64


@dataclass(frozen=True)
class GpuTarget(Target):
    """A GPU target: its `machine`, and how one kernel becomes code."""

    machine: ClassVar[GpuMachine]

    def pipeline(self, options: PassOptions) -> dict[str, str]:
        return pipeline.stages(options.fusion_strategy, options.max_fusion_size, options.enable_optimizations)

    @abstractmethod
    def code_of(self, kernel: GpuKernel) -> bytes:
        """The code of a kernel, whose module is consumed."""

    def manifest_entries(self) -> dict[str, Any]:
        """What the manifest says of this target beside what all have."""
        return {}

    def backend(self, kernels: GpuKernels) -> Backend:
        return Backend(self.name, TEMPLATES, kernels, self.machine, self._launch_fields, _WORKSPACE_ALIGNMENT)

    def _launch_fields(self, step: Step) -> dict[str, Any]:
        assert step.launch is not None
        return {
            "sizes": [slot.bytes for slot in step.slots],
            "grid": self.machine.grid(step.launch.tasks),
            "block": [step.launch.threads, 1, 1],
        }

    def lowered(self, module: ir.Module) -> tuple[GpuKernels, HostProgram]:
        """The kernels and the program of `@main`."""
        kernels = GpuKernels(module.context)
        with module.context, ir.Location.unknown():
            return kernels, lower(main_of(module.body), self.backend(kernels))

    def compile(self, module: ir.Module) -> Compiled:
        start = time.perf_counter()
        kernels, program = self.lowered(module)
        lowered = time.perf_counter()
        code, table = bytearray(), {}
        with module.context, ir.Location.unknown():
            for kernel in kernels.made:
                budget.check("compiling kernels")
                made = self.code_of(kernel)
                table[kernel.name] = [len(code), len(made)]
                code += made.ljust(-(-len(made) // _CODE_ALIGNMENT) * _CODE_ALIGNMENT, b"\0")
            entries = {"modules": table, **self.manifest_entries()}
            described, constants = manifest.build(program, main_of(module.body), self.backend(kernels), entries)
        seconds = {"lower": lowered - start, "codegen": time.perf_counter() - lowered}
        return Compiled(described, bytes(code), constants, seconds)

    def stage(self, module: ir.Module, name: str) -> str:
        kernels, program = self.lowered(module)
        with module.context, ir.Location.unknown():
            if name != self.name:
                return "\n".join(self.code_of(kernel).decode() for kernel in kernels.made)
            shown = ir.Module.create()
            for op in _functions(kernels):
                shown.body.append(op.operation.clone())
            main_of_launches(program, main_of(module.body), shown.body)
        return str(shown)

    def lower(self, module: ir.Operation) -> None:
        kernels = GpuKernels(module.context)
        replace_by_launches(module, self.backend(kernels), lambda: _functions(kernels))


def _functions(kernels: GpuKernels) -> Iterable[ir.OpView]:
    return [op for kernel in kernels.made for op in kernel.module.body.operations]
