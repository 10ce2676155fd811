"""One template a kernel kind: `lower(region, name, kernels, machine) -> Lowered`.

The body of kind `recurrence` nests, so its template gets the op instead of a region.
"""

from __future__ import annotations

import importlib

from torch_mlir import ir

from jic.errors import LoweringError

from ...kernel.region import Region
from ...program.launch import Lowered
from ..kernel import KernelModule
from ..machine import Machine

_MODULES = {
    "pointwise": "walk.pointwise",
    "indexing": "walk.pointwise",
    "concat": "walk.concat",
    "update": "walk.update",
    "reduction": "reduction.reduction",
    "scan": "reduction.scan",
    "contraction": "gemm.contraction",
    "window": "window.window",
}


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower `region` by the template of its kind."""
    if region.kind not in _MODULES:
        raise LoweringError(f"no template for kernels of kind {region.kind}", hint=f"kinds are {', '.join(_MODULES)}")
    module = importlib.import_module(f"{__name__}.{_MODULES[region.kind]}")
    return module.lower(region, name, kernels, machine)


def lower_recurrence(op: ir.Operation, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower a `jic.fused` of kind `recurrence`."""
    return importlib.import_module(f"{__name__}.recurrence.recurrence").lower(op, name, kernels, machine)
