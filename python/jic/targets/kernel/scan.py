"""A scan kernel: one `cumulative` over a dim, with pointwise work before and after. The positions outside the dim are lines."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.errors import LoweringError

from .cost import region_ns
from .evaluate import Evaluator
from .index import Index, identity, offset
from .reducer import Reducer
from .region import Region
from .space import Axis


@dataclass(frozen=True)
class Scan:
    """Node `node` accumulates along `dim` of `shape`, by `reducer`."""

    region: Region
    node: int
    shape: tuple[int, ...]
    dim: int
    reducer: Reducer

    @property
    def length(self) -> int:
        return self.shape[self.dim]

    @property
    def lines(self) -> list[Axis]:
        """The other dims."""
        return [Axis(d, size) for d, size in enumerate(self.shape) if d != self.dim]

    @property
    def index(self) -> Index:
        return identity(len(self.shape))

    @property
    def cost(self) -> int:
        return int(region_ns(self.region))

    def step(self, evaluator: Evaluator, running: list[ir.Value], vectors: bool = False) -> list[ir.Value]:
        """Emit one step: what has run so far, with the element at this point; and store the results there."""
        region, index = self.region, self.index
        value = evaluator.value(region.nodes[self.node].operands[0], index)
        value = evaluator.memory.as_vector(value) if vectors else value
        running = self.reducer.combine(running, self.reducer.lift(value, None))
        evaluator.bind(self.node, index, self.reducer.result(running))
        at = offset(self.shape, index)
        for k, output in enumerate(region.outputs):
            found = evaluator.value(output, index)
            evaluator.memory.store(region.arguments + k, at, found, region.nodes[output].element)
        return running

    def __str__(self) -> str:
        lines = prod(a.size for a in self.lines)
        return f"scan ({self.reducer.kind} of {self.reducer.element}) of {lines} lines of {self.length} along dim {self.dim}"


def read(region: Region) -> Scan:
    """The scan of a region. Raises `LoweringError` if there is not exactly one, or a result has another shape."""
    found = region.find("cumulative")
    if len(found) != 1:
        raise LoweringError(f"a scan kernel holds {len(found)} jic.cumulative, expected 1")
    node = region.nodes[found[0]]
    shapes = [region.nodes[n].shape for n in region.outputs]
    if any(shape != node.shape for shape in shapes):
        raise LoweringError(
            f"a scan kernel's results have shapes {shapes}, expected {node.shape}", location=node.location
        )
    return Scan(region, found[0], node.shape, node.attributes["dim"], Reducer(node.attributes["kind"], node.element))
