"""The contract of a pass.

A pass is a frozen dataclass: `name` is what pipelines call it, its fields are its options (their types and defaults are the
command line's; a pass without options needs no decorator), and `apply` changes the module in place. The IR verifies before
and after `apply`; in between it need not. The first line of the class docstring is the summary that `jic-opt --list-passes`
prints; the rest shows IR before and after.

Wrappers of MLIR ops are not unique: after `erase` every other wrapper of that op dangles. Collect what to change, change it,
erase last, and keep no wrapper across a pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, ClassVar

from torch_mlir import ir


@dataclass(frozen=True)
class Pass(ABC):
    """Base of every jic pass."""

    name: ClassVar[str]

    @abstractmethod
    def apply(self, module: ir.Operation) -> None:
        """Rewrite `module` (a `builtin.module` operation) in place. Raise `jic.errors.PassError` to fail."""

    @classmethod
    def summary(cls) -> str:
        return (cls.__doc__ or "").strip().split("\n")[0]

    def options(self) -> dict[str, Any]:
        """The options in pipeline spelling (`max-size`), in order of declaration."""
        return {f.name.replace("_", "-"): getattr(self, f.name) for f in fields(self)}


def functions(module: ir.Operation) -> Iterator[ir.Operation]:
    """The `func.func` operations of `module` that have a body."""
    for op in module.regions[0].blocks[0].operations:
        if op.operation.name == "func.func" and len(op.operation.regions[0].blocks):
            yield op.operation


def walk(root: ir.Operation) -> list[ir.Operation]:
    """All operations inside `root`, in program order, an op before what its regions hold."""
    found: list[ir.Operation] = []
    for region in root.regions:
        for block in region.blocks:
            for op in block.operations:
                found.append(op.operation)
                found.extend(walk(op.operation))
    return found


def erase_dead(ops: list[ir.Operation]) -> None:
    """Erase those of `ops` (in program order) whose results have no uses, users first."""
    for op in reversed(ops):
        if all(not _has_uses(r) for r in op.results):
            op.erase()


def _has_uses(value: ir.Value) -> bool:
    return next(iter(value.uses), None) is not None
