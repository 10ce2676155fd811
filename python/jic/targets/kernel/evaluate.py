"""Demand-driven emission of what a kernel body computes.

An `Evaluator` gives the value of a node at an index (linear in the iteration variables). It recurses into operands,
transforms indices through views, loads arguments through a `Memory`, and keeps what does not depend on the lane
variable scalar, so that per-row values and broadcasts cost one scalar instruction. How variables map onto loops,
threads and lanes is the template's and the target's business.
"""

from __future__ import annotations

from copy import copy
from dataclasses import dataclass, field, replace

from torch_mlir import ir

from jic.errors import LoweringError

from ..ir import ops
from . import elementwise
from .functions import Functions
from .index import Index, Linear, Variable, identity, moved_to_start, offset, start_limit, start_variable, view_operand
from .memory import Memory
from .region import Node, Region

VIEWS = ("broadcast", "transpose", "slice", "dynamic_slice", "reverse", "pad", "reshape")


@dataclass
class Evaluator:
    """Values of `region`'s nodes, emitted at the insertion point when first asked for.

    Attributes:
        memory: emits loads; holds the iteration variables, the lane variable and the mask of the current point.
        functions: the target's transcendental functions.
        bound: values given from outside (`bind`), such as accumulators and cached rows.
    """

    region: Region
    memory: Memory
    functions: Functions
    bound: dict[tuple[int, Index], ir.Value] = field(default_factory=dict)
    _cache: dict[tuple[int, Index, int], ir.Value] = field(default_factory=dict)
    _guards: list[ir.Value] = field(default_factory=list)
    _guard_key: int = 0

    def bind(self, node: int, index: Index, value: ir.Value) -> None:
        """Use `value` (in register type) for `node` at `index`."""
        self.bound[node, normal(self.region.nodes[node], index)] = value

    def output(self, number: int, index: Index) -> ir.Value:
        return self.value(self.region.outputs[number], index)

    def value(self, number: int, index: Index) -> ir.Value:
        """The value of node `number` at `index`: a scalar, or a vector if it varies over the lanes."""
        index = normal(self.region.nodes[number], index)
        if (number, index) in self.bound:
            return self.bound[number, index]
        key = (number, index, self._guard_key)
        if key not in self._cache:
            self._cache[key] = self._emit(self.region.nodes[number], number, index)
        return self._cache[key]

    def _emit(self, node: Node, number: int, index: Index) -> ir.Value:
        nodes = self.region.nodes
        source = argument_of(self.region, number)
        if source is not None:
            return self._load(source, offset(node.shape, index), node.element)
        if node.op == "constant":
            type_ = ops.element_type(elementwise.register_element(node.element))
            return ops.constant(type_, node.attributes["value"])
        if node.op == "iota":
            return self._iota(node, index)
        if node.op == "pad":
            return self._pad(node, index)
        if node.op == "dynamic_slice":
            self.start(number)
        if node.op in VIEWS:
            return self.value(node.operands[0], viewed(self.region, number, index))
        if node.op in ("index_select", "gather"):
            return self._indexed(node, index)
        values = [self.value(k, index) for k in node.operands]
        if node.op == "div" and self._is_row_total(node.operands[1]) and not isinstance(values[1].type, ir.VectorType):
            # One division a row instead of one an element; a normalised sum is off by at most one more rounding.
            values[1] = self.functions.reciprocal(values[1])
            node = replace(node, op="mul")
        if any(isinstance(v.type, ir.VectorType) for v in values):
            values = [self.memory.as_vector(v) for v in values]
        return elementwise.emit(node, values, [nodes[k].element for k in node.operands], self.functions)

    def start(self, number: int) -> None:
        """Give the memory the start of node `number`, a `dynamic_slice` or `dynamic_update`: clamped, and read once.

        It depends on arguments only, so it is computed where the kernel function begins.
        """
        variable = start_variable(self.region, number)
        if variable in self.memory.variables:
            return
        node = self.region.nodes[number]
        owner = self.memory.buffers[0].owner
        at = ir.InsertionPoint.at_block_begin(owner) if isinstance(owner, ir.Block) else ir.InsertionPoint.current
        memory = copy(self.memory)
        memory.variables, memory._vector_variables, memory.lane, memory.mask = {}, {}, None, None
        with at:
            found = Evaluator(self.region, memory, self.functions).value(node.operands[-1], ())
            limit = ops.constant(found.type, start_limit(self.region, node))
            found = ops.binary("arith.minsi", ops.binary("arith.maxsi", found, ops.constant(found.type, 0)), limit)
            self.memory.variables[variable] = ops.op("arith.index_cast", [found], ops.index_type())

    def _is_row_total(self, number: int) -> bool:
        """Whether a float node is a sum, seen through views."""
        node = self.region.nodes[number]
        while node.op in VIEWS:
            node = self.region.nodes[node.operands[0]]
        return node.op == "reduce" and node.attributes["kind"] == "sum" and elementwise.is_float(node.element)

    def _load(self, argument: int, position: Linear, element: str) -> ir.Value:
        return self.memory.load(argument, position, element, self._guards)

    def _iota(self, node: Node, index: Index) -> ir.Value:
        position = self.memory.integer(index[node.attributes["dim"]], ops.element_type("i64"))
        return elementwise.convert(position, "i64", node.element)

    def _pad(self, node: Node, index: Index) -> ir.Value:
        (operand,) = node.operands
        shape = self.region.nodes[operand].shape
        inner = view_operand(node, shape, index)
        guard: ir.Value | None = None
        for d, size in enumerate(shape):
            if node.attributes["low"][d] or size + node.attributes["low"][d] < node.shape[d]:
                # one unsigned comparison checks both ends
                position = self.memory.integer(inner[d], ops.element_type("i64"))
                inside = ops.cmpi("ult", position, ops.constant(position.type, size))
                guard = inside if guard is None else self._and(guard, inside)
        fill = ops.constant(
            ops.element_type(elementwise.register_element(node.element)), _number(node.attributes["value"])
        )
        if guard is None:
            return self.value(operand, inner)
        outer, self._guard_key = self._guard_key, len(self._cache) + 1 + self._guard_key
        self._guards.append(guard)
        value = self.value(operand, inner)
        self._guards.pop()
        self._guard_key = outer
        if any(isinstance(v.type, ir.VectorType) for v in (guard, value)):
            guard, value, fill = (self.memory.as_vector(v) for v in (guard, value, fill))
        return ops.select(guard, value, fill)

    def _and(self, a: ir.Value, b: ir.Value) -> ir.Value:
        if isinstance(a.type, ir.VectorType) or isinstance(b.type, ir.VectorType):
            a, b = self.memory.as_vector(a), self.memory.as_vector(b)
        return ops.binary("arith.andi", a, b)

    def _indexed(self, node: Node, index: Index) -> ir.Value:
        source, indices = node.operands
        dim = node.attributes["dim"]
        if node.op == "gather":
            found = self.value(indices, index)
            before, after = index[:dim], index[dim + 1 :]
        else:
            rank = len(self.region.nodes[indices].shape)
            found = self.value(indices, index[dim : dim + rank])
            before, after = index[:dim], index[dim + rank :]
        wide = elementwise.convert(found, self.region.nodes[indices].element, "i64")
        variable = self.memory.checked_index(wide, self.region.nodes[source].shape[dim])
        return self.value(source, (*before, Linear.of(variable), *after))


def normal(node: Node, index: Index) -> Index:
    """`index` with nothing in dims of size 1, so that one element has one index."""
    return tuple(Linear() if size == 1 else i for size, i in zip(node.shape, index, strict=True))


def viewed(region: Region, number: int, index: Index) -> Index:
    """The index into its first operand that element `index` of node `number`, one of `VIEWS`, comes from."""
    node = region.nodes[number]
    if node.op == "dynamic_slice":
        return moved_to_start(region, number, index)
    return view_operand(node, region.nodes[node.operands[0]].shape, index)


def argument_of(region: Region, number: int) -> int | None:
    """The argument that node `number` is, seen through reshapes only (its offset is row-major), or None."""
    while region.nodes[number].op == "reshape":
        (number,) = region.nodes[number].operands
    return number if number < region.arguments else None


def _number(value: object) -> float | int | bool:
    if not isinstance(value, (int, float)):
        raise LoweringError(f"a pad value must be a number, got {value!r}")
    return value


@dataclass
class Accesses:
    """What a body reads: the offset of every load, and the variables whose plain value is needed (iota, pad)."""

    loads: list[tuple[int, Linear]] = field(default_factory=list)
    positional: set[Variable] = field(default_factory=set)
    indexed: bool = False


def accesses(region: Region, roots: list[tuple[int, Index]], stop: frozenset[int] = frozenset()) -> Accesses:
    """Walk the body from `roots` as an `Evaluator` would, without emitting. Nodes in `stop` are not entered."""
    found = Accesses()
    seen: set[tuple[int, Index]] = set()
    fresh = iter(range(-1, -1_000_000, -1))

    def visit(number: int, index: Index) -> None:
        if (number, index) in seen:
            return
        seen.add((number, index))
        node = region.nodes[number]
        source = argument_of(region, number)
        if source is not None:
            found.loads.append((source, offset(node.shape, index)))
            return
        if number in stop:
            return
        if node.op == "iota":
            found.positional |= index[node.attributes["dim"]].variables
        elif node.op in ("index_select", "gather"):
            found.indexed = True
            operand, indices = node.operands
            dim = node.attributes["dim"]
            rank = 1 if node.op == "gather" else len(region.nodes[indices].shape)
            visit(indices, index if node.op == "gather" else index[dim : dim + rank])
            visit(operand, (*index[:dim], Linear.of(next(fresh)), *index[dim + rank :]))
        elif node.op in VIEWS:
            operand = node.operands[0]
            inner = viewed(region, number, index)
            if node.op == "dynamic_slice":
                visit(node.operands[1], ())
            if node.op == "pad":
                for d, size in enumerate(region.nodes[operand].shape):
                    if size != node.shape[d]:
                        found.positional |= inner[d].variables
            visit(operand, inner)
        else:
            for operand in node.operands:
                visit(operand, index)

    for number, index in roots:
        visit(number, index)
    return found


def whole(region: Region, number: int) -> Index:
    """The identity index of a node."""
    return identity(len(region.nodes[number].shape))
