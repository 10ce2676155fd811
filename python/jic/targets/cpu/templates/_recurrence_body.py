"""The body of a recurrence kernel as plain data: one `Region` for a step."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import LoweringError
from jic.passes.loops._recurrence import find_rows

from ...common.region import Node, Region, _named, _node, source_line, value_of

_OUTSIDE = tuple(f"jic.{name}" for name in ("constant", "broadcast", "transpose", "slice", "reverse", "reshape"))


@dataclass(frozen=True)
class Body:
    """One step.

    Attributes:
        region: arguments are the kernel's arguments, then the step's number, then the carried values; outputs are the
            carried values' next ones. Constants and views outside the loop are among the nodes.
        arguments: the number of kernel arguments.
        trip: the node of the trip count, an argument or a constant.
        inits: the nodes of the first values of the carried values.
        results: for each result of the kernel the number of the carried value that it is.
        rows: the number of rows.
        dims: for each node that has one, the dim along which its rows lie.
        weights: for each matmul node that is needed the position (0 or 1) of the operand that is the same in all steps.
    """

    region: Region
    arguments: int
    trip: int
    inits: tuple[int, ...]
    results: tuple[int, ...]
    rows: int
    dims: dict[int, int]
    weights: dict[int, int]

    @property
    def index(self) -> int:
        return self.arguments

    @property
    def carried(self) -> range:
        return range(self.arguments + 1, self.arguments + 1 + len(self.inits))

    def node(self, number: int) -> Node:
        return self.region.nodes[number]


def parse(fused: ir.Operation) -> Body:
    """Read a `jic.fused` of kind `recurrence`. Raises `LoweringError` for one whose rows are not independent."""
    block = fused.regions[0].blocks[0]
    operations = [view.operation for view in block.operations]
    loops = [op for op in operations if op.name == "jic.loop"]
    outside = [op for op in operations if op.name not in ("jic.loop", "jic.yield")]
    if len(loops) != 1 or any(op.name not in _OUTSIDE for op in outside):
        raise LoweringError("a recurrence kernel must hold one jic.loop and views", location=source_line(fused))
    (loop,) = loops
    rows = find_rows(loop)
    if rows is None:
        raise LoweringError("the rows of a recurrence kernel depend on each other", location=source_line(loop))
    inside = loop.regions[0].blocks[0]
    number: dict[ir.Value, int] = {}
    nodes: list[Node] = []

    def add(value: ir.Value, node: Node) -> None:
        number[value] = len(nodes)
        nodes.append(node)

    for argument in (*block.arguments, *inside.arguments):
        add(argument, _node("argument", (), argument.type, {}, ""))
    arguments = len(block.arguments)
    body = [view.operation for view in inside.operations]
    for op in (*outside, *body[:-1]):
        attributes = {a.name: value_of(a.attr) for a in _named(op)}
        operands = tuple(number[v] for v in op.operands)
        name = op.name.removeprefix("jic.")
        add(op.results[0], _node(name, operands, op.results[0].type, attributes, source_line(op)))
    results = list(loop.results)
    yielded = [results.index(v) if v in results else -1 for v in operations[-1].operands]
    if -1 in yielded or len(set(yielded)) < len(yielded):
        raise LoweringError(
            "a recurrence kernel must yield results of its loop, each once", location=source_line(fused)
        )
    outputs = tuple(number[v] for v in body[-1].operands)
    return Body(
        Region("recurrence", tuple(nodes), arguments + 1 + len(results), outputs),
        arguments,
        number[loop.operands[0]],
        tuple(number[v] for v in list(loop.operands)[1:]),
        tuple(yielded),
        rows.size,
        {number[v]: d for v, d in rows.dims.items() if v in number},
        {number[v]: side for v, side in rows.weights.items()},
    )
