"""The body of a recurrence kernel as plain data: one `Region` for a step."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.errors import LoweringError

from ..region import Node, Region, named_attributes, node_of, source_line, value_of

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
        in_memory: nodes whose elements are read many times each, so that they must not be computed where they are read.
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
    in_memory: frozenset[int] = frozenset()

    @property
    def index(self) -> int:
        return self.arguments

    @property
    def carried(self) -> range:
        return range(self.arguments + 1, self.arguments + 1 + len(self.inits))

    def node(self, number: int) -> Node:
        return self.region.nodes[number]


def parse(fused: ir.Operation) -> Body:
    """Read a `jic.fused` of kind `recurrence`. Raises `LoweringError` for one that does not say what its rows are."""
    block = fused.regions[0].blocks[0]
    operations = [view.operation for view in block.operations]
    loops = [op for op in operations if op.name == "jic.loop"]
    outside = [op for op in operations if op.name not in ("jic.loop", "jic.yield")]
    if len(loops) != 1 or any(op.name not in _OUTSIDE for op in outside):
        raise LoweringError("a recurrence kernel must hold one jic.loop and views", location=source_line(fused))
    (loop,) = loops
    if "rows" not in fused.attributes:
        raise LoweringError(
            "a recurrence kernel does not say what its rows are",
            hint="jic-form-recurrence makes such kernels",
            location=source_line(fused),
        )
    inside = loop.regions[0].blocks[0]
    number: dict[ir.Value, int] = {}
    nodes: list[Node] = []

    def add(value: ir.Value, node: Node) -> None:
        number[value] = len(nodes)
        nodes.append(node)

    for argument in (*block.arguments, *inside.arguments):
        add(argument, node_of("argument", (), argument.type, {}, ""))
    arguments = len(block.arguments)
    dims = {n: d for n, d in enumerate((*_row_dims(fused), *_row_dims(loop))) if d >= 0}
    weights: dict[int, int] = {}
    in_memory: set[int] = set()
    body = [view.operation for view in inside.operations]
    for op in (*outside, *body[:-1]):
        attributes = {a.name: value_of(a.attr) for a in named_attributes(op)}
        operands = tuple(number[v] for v in op.operands)
        name = op.name.removeprefix("jic.")
        row_dim, weight = attributes.pop("row_dim", None), attributes.pop("weight", None)
        node = node_of(name, operands, op.results[0].type, attributes, source_line(op))
        if name == "matmul" and weight is None:
            in_memory.update(operands)
            first = len(nodes)
            nodes += sum_of_products(node, nodes, first)
            if row_dim is not None:
                dims |= dict.fromkeys(range(first, len(nodes)), row_dim)
            number[op.results[0]] = len(nodes) - 1
        else:
            if row_dim is not None:
                dims[len(nodes)] = row_dim
            if weight is not None:
                weights[len(nodes)] = weight
            add(op.results[0], node)
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
        ir.IntegerAttr(fused.attributes["rows"]).value,
        dims,
        weights,
        frozenset(in_memory),
    )


def _row_dims(op: ir.Operation) -> list[int]:
    """Of the arguments of a kernel's or a loop's body the dim along which rows lie, or -1."""
    return list(ir.DenseI64ArrayAttr(op.attributes["row_dims"]))


def sum_of_products(matmul: Node, nodes: list[Node], first: int) -> list[Node]:
    """A matmul of matrices that belong to a row each, as a reduction; the nodes are numbered from `first` on.

    There is nothing to reuse but within a row, so lanes simply run along the dim in which the right operand is contiguous, or
    the left one for a product with a vector.
    """
    batch = matmul.shape[:-2]
    m, n = matmul.shape[-2:]
    lhs, rhs = matmul.operands
    left, right = matmul.attributes["transpose_lhs"], matmul.attributes["transpose_rhs"]
    k = nodes[lhs].shape[-2 if left else -1]
    order = "mkn" if n > 1 and not right else "nkm" if n == 1 and left else "mnk"
    sizes = {"m": m, "n": n, "k": k}
    space = (*batch, *(sizes[c] for c in order))
    rank = len(batch)
    place = {c: rank + i for i, c in enumerate(order)}

    def spread(number: int, names: str) -> Node:
        dims = (*range(rank), *(place[c] for c in names))
        return Node("broadcast", (number,), space, matmul.element, {"dims": dims}, matmul.location)

    product = Node("mul", (first, first + 1), space, matmul.element, {}, matmul.location)
    kept = tuple(s for d, s in enumerate(space) if d != place["k"])
    total = Node("reduce", (first + 2,), kept, matmul.element, {"kind": "sum", "dims": (place["k"],)}, matmul.location)
    found = [spread(lhs, "km" if left else "mk"), spread(rhs, "nk" if right else "kn"), product, total]
    if order == "nkm":
        found.append(Node("reshape", (first + 3,), matmul.shape, matmul.element, {}, matmul.location))
    return found
