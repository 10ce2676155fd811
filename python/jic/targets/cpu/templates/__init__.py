"""One template a kernel kind: `lower(region, name, kernels, machine) -> Lowered`.

The body of kind `recurrence` nests, so its template gets the op instead of a region.
"""

from __future__ import annotations

import importlib

from torch_mlir import ir

from jic.errors import LoweringError

from ...common.region import Region
from ..kernel import KernelModule, Lowered
from ..machine import Machine

_MODULES = {"indexing": "pointwise"}
_KINDS = ("pointwise", "indexing", "reduction", "contraction", "window", "concat", "scan", "update")


def lower(region: Region, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower `region` by the template of its kind."""
    if region.kind not in _KINDS:
        raise LoweringError(f"no template for kernels of kind {region.kind}", hint=f"kinds are {', '.join(_KINDS)}")
    module = importlib.import_module(f"{__name__}.{_MODULES.get(region.kind, region.kind)}")
    return module.lower(region, name, kernels, machine)


def lower_recurrence(op: ir.Operation, name: str, kernels: KernelModule, machine: Machine) -> Lowered:
    """Lower a `jic.fused` of kind `recurrence`."""
    return importlib.import_module(f"{__name__}.recurrence").lower(op, name, kernels, machine)
