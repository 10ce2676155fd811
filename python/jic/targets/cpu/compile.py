"""A module at the kernels level to what an artifact holds."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any

from torch_mlir import ir

from jic.errors import LoweringError

from . import codegen, manifest
from .kernel import KernelModule
from .lower import lower
from .machine import Machine, host


@dataclass(frozen=True)
class CpuCode:
    """Manifest, object code and constants of an artifact; the kernels' MLIR text; seconds by stage."""

    manifest: dict[str, Any]
    code: bytes
    constants: bytes
    kernels: str
    seconds: dict[str, float]


def main_of(body: ir.Block) -> ir.Operation:
    """The `func.func @main` in a module's body. Raises `LoweringError` without one."""
    for op in body.operations:
        if op.operation.name == "func.func" and ir.StringAttr(op.attributes["sym_name"]).value == "main":
            return op.operation
    raise LoweringError("the module has no func.func @main")


def compile_module(module: ir.Module, machine: Machine | None = None, *, keep_text: bool = False) -> CpuCode:
    """Lower and compile `@main` of `module`, which is at the kernels level (see docs/architecture.md).

    Raises:
        LoweringError: an op that no template lowers.
        CodegenError: the generated code was refused.
    """
    machine = machine or host()
    kernels = KernelModule(module.context)
    start = time.perf_counter()
    with module.context, ir.Location.unknown():
        main = main_of(module.body)
        program = lower(main, kernels, machine)
        description, constants = manifest.build(program, main, machine)
    text = str(kernels.module) if keep_text else ""
    lowered = time.perf_counter()
    code = codegen.compile_kernels(kernels, machine) if kernels.kernels else b""
    done = time.perf_counter()
    return CpuCode(description, code, constants, text, {"lower": lowered - start, "codegen": done - lowered})
