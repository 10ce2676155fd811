"""A snapshot of one block by numbers: nodes, values, users, and who depends on whom.

MLIR wrappers cost microseconds to make and dangle after `erase`; fusion asks thousands of questions about a block and
then rewrites it once. Sets of nodes are Python integers used as bit sets: a union over 1,000 nodes is one
machine-level `or`.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import cached_property

from torch_mlir import ir

from jic.dialects._check import DYNAMIC
from jic.passes.base import functions, walk

Shape = tuple[int, ...]

# Not Pure: they keep their order, and are never erased or moved into a kernel.
_ORDERED = ("aten_call", "bail", "loop", "while", "if")
_CONTROL_FLOW = ("jic.loop", "jic.while", "jic.if")


@dataclass(slots=True)
class Node:
    """One operation of the block. `name` lacks the prefix `jic.`; other dialects' ops keep theirs."""

    index: int
    op: ir.Operation
    name: str
    inputs: list[int]
    """Numbers of the operands' values."""
    outputs: list[int]
    captures: list[int] = field(default_factory=list)
    """Values that only the op's regions use."""
    overwrites: list[int] = field(default_factory=list)
    """Operands in whose memory the result may be written: best after all that reads them."""

    @property
    def pure(self) -> bool:
        """May be erased if nothing reads its results; a terminator may not."""
        return bool(self.outputs) and self.name not in _ORDERED and "." not in self.name


class Graph:
    """The operations of `block`, numbered in program order; values are numbered as they appear."""

    def __init__(self, block: ir.Block) -> None:
        self.block = block
        self.values: list[ir.Value] = []
        self.shapes: list[Shape | None] = []
        self.elements: list[ir.Type | None] = []
        self.producer: list[int] = []
        self.users: list[list[int]] = []
        self.nodes: list[Node] = []
        self._number: dict[ir.Value, int] = {}
        for argument in block.arguments:
            self._add(argument, -1)
        for index, view in enumerate(block.operations):
            self._append(index, view.operation)

    def _append(self, index: int, op: ir.Operation) -> None:
        name = op.name.removeprefix("jic.")
        inputs = [self._add(v, -1) for v in op.operands]
        captures = []
        if name != "fused" and len(op.regions):
            known = self._number
            captures = [known[v] for inner in walk(op) for v in inner.operands if v in known]
        overwrites = [inputs[i] for i in _updated(op)]
        node = Node(index, op, name, inputs, [self._add(v, index) for v in op.results], captures, overwrites)
        for value in {*inputs, *captures}:
            self.users[value].append(index)
        self.nodes.append(node)

    def _add(self, value: ir.Value, producer: int) -> int:
        number = self._number.get(value)
        if number is None:
            number = self._number[value] = len(self.values)
            type_ = value.type
            ranked = isinstance(type_, ir.RankedTensorType)
            self.values.append(value)
            self.shapes.append(tuple(type_.shape) if ranked else None)
            self.elements.append(type_.element_type if ranked else None)
            self.producer.append(producer)
            self.users.append([])
        return number

    def shape(self, index: int) -> Shape | None:
        """The shape of the node's first result."""
        outputs = self.nodes[index].outputs
        return self.shapes[outputs[0]] if outputs else None

    def node_users(self, index: int) -> list[int]:
        outputs = self.nodes[index].outputs
        if len(outputs) == 1:
            return self.users[outputs[0]]
        return sorted({u for v in outputs for u in self.users[v]})

    def producers(self, index: int) -> list[int]:
        """The nodes of this block that make the operands of node `index`, in operand order, -1 for an argument."""
        return [self.producer[v] for v in self.nodes[index].inputs]

    def ints(self, index: int, name: str) -> tuple[int, ...]:
        return tuple(self.nodes[index].op.attributes[name])

    def is_splat(self, index: int) -> bool:
        value = self.nodes[index].op.attributes["value"]
        return isinstance(value, ir.DenseElementsAttr) and value.is_splat

    @cached_property
    def dependencies(self) -> list[set[int]]:
        """For each node the nodes that must come before it."""
        before: list[set[int]] = []
        last_ordered = -1
        for node in self.nodes:
            found = {self.producer[v] for v in (*node.inputs, *node.captures)}
            if node.name in _ORDERED:
                found.add(last_ordered)
                last_ordered = node.index
            for value in node.overwrites:
                # Its earlier readers stay before it: one that came after would need a copy of the whole tensor.
                found |= {r for r in self._readers(self.base(value)) if r < node.index}
            found.discard(-1)
            before.append(found)
        return before

    def base(self, value: int) -> int:
        """The value that `value` is a reshape of, through all reshapes: they share memory."""
        while (producer := self.producer[value]) >= 0 and self.nodes[producer].name == "reshape":
            value = self.nodes[producer].inputs[0]
        return value

    def _readers(self, value: int) -> set[int]:
        """The nodes that read the memory of `value`, also through reshapes."""
        found = set(self.users[value])
        for user in self.users[value]:
            if self.nodes[user].name == "reshape":
                found |= self._readers(self.nodes[user].outputs[0])
        return found


def _updated(op: ir.Operation) -> list[int]:
    """The operands that `op`, an update or a kernel of updates, replaces a slice of."""
    if op.name == "jic.dynamic_update":
        return [0]
    if op.name != "jic.fused" or ir.StringAttr(op.attributes["kind"]).value != "update":
        return []
    block = op.regions[0].blocks[0]
    written = [o.operation.operands[0] for o in block.operations if o.operation.name == "jic.dynamic_update"]
    return [i for i, argument in enumerate(block.arguments) if argument in written]


class Closure:
    """Ancestors and descendants of every node, as bit sets, where each group counts as one node."""

    def __init__(self, graph: Graph) -> None:
        count = len(graph.nodes)
        self.above, self.below = [0] * count, [0] * count
        for i, before in enumerate(graph.dependencies):
            for p in before:
                self.above[i] |= self.above[p] | 1 << p
        for i in range(count - 1, -1, -1):
            for p in graph.dependencies[i]:
                self.below[p] |= self.below[i] | 1 << i

    def contract(self, members: int, above: int, below: int) -> None:
        """Make the set `members` one node: whatever depends on one of them depends on all."""
        above, below = above & ~members, below & ~members
        if not members & members - 1:
            return
        for i in bits(below):
            self.above[i] |= above | members
        for i in bits(above):
            self.below[i] |= below | members
        for i in bits(members):
            self.above[i], self.below[i] = above, below


def live_graph(block: ir.Block) -> Graph:
    """The snapshot of `block` after everything that nothing reads is erased."""
    graph = Graph(block)
    dead: set[int] = set()
    for node in reversed(graph.nodes):
        if node.pure and all(u in dead for u in graph.node_users(node.index)):
            dead.add(node.index)
            node.op.erase()
    return Graph(block) if dead else graph


def in_control_flow(block: ir.Block) -> bool:
    """True if `block` is a region of a loop or branch, or holds one."""
    return block.owner.operation.name in _CONTROL_FLOW or holds(block, _ORDERED[2:])


def drop_whole_updates(block: ir.Block) -> None:
    """An update of all of a tensor is what it stores."""
    for view in block.operations:
        op = view.operation
        if op.name == "jic.dynamic_update" and op.operands[1].type == op.results[0].type:
            op.results[0].replace_all_uses_with(op.operands[1])


def holds(block: ir.Block, names: Collection[str]) -> bool:
    """True if `block` holds an op of one of the `names` (without `jic.`)."""
    return any(view.operation.name.removeprefix("jic.") in names for view in block.operations)


def bits(set_: int) -> list[int]:
    """The members of a bit set, increasing."""
    return [i for i, digit in enumerate(bin(set_)[:1:-1]) if digit == "1"]


def source_line(location: ir.Location) -> str:
    """`file:line` of the first place in the user's source that `location` names, or nothing."""
    place = re.search(r'"([^"]+)":(\d+)', str(location))
    return f"{place[1]}:{place[2]}" if place else ""


def is_static(shape: Shape | None) -> bool:
    return shape is not None and DYNAMIC not in shape


def graph_blocks(module: ir.Operation) -> list[ir.Block]:
    """The blocks that hold graph ops: functions' bodies and the control flow's regions in them, inner ones first."""
    found: list[ir.Block] = []

    def visit(block: ir.Block) -> None:
        for view in block.operations:
            if view.operation.name in _CONTROL_FLOW:
                for region in view.operation.regions:
                    for inner in region.blocks:
                        visit(inner)
        found.append(block)

    for function in functions(module):
        for block in function.regions[0].blocks:
            visit(block)
    return found
