"""The kernels of a program: each body is lowered once, however often it is called."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic import budget

from ..kernel.region import Node, Region, parse, source_line
from .backend import NESTED_KINDS, Backend
from .launch import Lowered
from .names import describe, ops_inside


@dataclass(frozen=True)
class Kernel:
    """A lowered body, with its name and its ops for reports."""

    lowered: Lowered
    name: str
    ops: list[str]
    location: str  # where the calls have none


class Kernels:
    """Lowers bodies by the templates of `backend`; equal bodies share one kernel."""

    def __init__(self, backend: Backend) -> None:
        self.backend = backend
        self._known: dict[str, Kernel] = {}

    def of(self, op: ir.Operation) -> Kernel:
        """The kernel of a `jic.fused`."""
        kind = ir.StringAttr(op.attributes["kind"]).value
        self.backend.check(kind, source_line(op))
        budget.check("lowering kernels")
        if kind in NESTED_KINDS:
            return self._made(str(op), kind, op, kind, ops_inside(op), "")
        region = parse(op)
        key = repr((kind, [(n.op, n.operands, n.shape, n.element, n.attributes) for n in region.nodes], region.outputs))
        location = next((n.location for n in region.nodes if n.location), "")
        return self._made(key, kind, region, describe(region.ops), region.ops, location)

    def copy(self, elements: int, element: str) -> Kernel:
        """The kernel that copies a buffer."""
        node = Node("argument", (), (elements,), element, {})
        region = Region("pointwise", (node,), 1, (0,))
        return self._made(f"copy {elements} {element}", "pointwise", region, "copy", [], "")

    def _made(
        self, key: str, kind: str, body: Region | ir.Operation, name: str, ops: list[str], location: str
    ) -> Kernel:
        if key not in self._known:
            lowered = self.backend.lower(kind, body, f"k{len(self._known)}_{name}")
            self._known[key] = Kernel(lowered, name, ops, location)
        return self._known[key]
