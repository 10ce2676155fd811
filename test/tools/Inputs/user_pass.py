"""A user's module with passes: it counts ops, fails, raises, and breaks the IR."""

from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import PassError
from jic.passes.base import Pass, walk
from jic.passes.registry import register


@register
@dataclass(frozen=True)
class CountOps(Pass):
    """Print how many ops have a name that begins with the prefix."""

    name = "count-ops"
    prefix: str = "jic."

    def apply(self, module: ir.Operation) -> None:
        print(f"{self.prefix} {sum(op.name.startswith(self.prefix) for op in walk(module))}")


@register
@dataclass(frozen=True)
class Refuse(Pass):
    """Fail, as a pass should."""

    name = "refuse"

    def apply(self, module: ir.Operation) -> None:
        raise PassError("nothing here pleases me")


@register
@dataclass(frozen=True)
class Stumble(Pass):
    """Fail, as a pass should not."""

    name = "stumble"

    def apply(self, module: ir.Operation) -> None:
        raise KeyError("where is it")


@register
@dataclass(frozen=True)
class BreakShapes(Pass):
    """Leave invalid IR: every result of jic.exp loses its shape."""

    name = "break-shapes"

    def apply(self, module: ir.Operation) -> None:
        for op in walk(module):
            if op.name == "jic.exp":
                op.results[0].set_type(ir.RankedTensorType.get([], op.results[0].type.element_type))
