"""Which values of a program lie in the same buffer: what makes copies between loop iterations disappear.

Where control flow joins, a value would be copied: an initial value to the carried one, the next value to the carried one, a
branch's value to the result of `jic.if`, an updated buffer to the update's result. Each such copy is a pair that may share one
buffer if the two are never needed at the same time; pairs are tried innermost and biggest first (copy coalescing, as when
leaving SSA form).

    %out = jic.loop(%n, %zeros) {                          one buffer for %zeros, %o, %next and %out:
    ^bb0(%i, %o):                                     →    the update writes its slice in place, and nothing is copied
      %next = jic.fused(%o, %y, %i) {kind = "update"}
      jic.yield(%next)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from math import prod

from torch_mlir import ir

from jic.errors import LoweringError, UnsupportedError

from ..kernel.elements import ELEMENT_BYTES

# A body is emitted twice, with the buffers of what it carries exchanged, in this many innermost levels of loops, and while the
# steps it gives stay below this number; elsewhere the next values are copied.
_DOUBLED_LEVELS = 2
_DOUBLED_OPS = 1000


def extent(value: ir.Value) -> tuple[int, str]:
    """(elements, element type) of a tensor."""
    type_ = ir.RankedTensorType(value.type)
    if not type_.has_static_shape:
        raise LoweringError(f"a buffer has the dynamic type {type_}", hint="compile with static shapes")
    element = str(type_.element_type)
    if element not in ELEMENT_BYTES:
        raise UnsupportedError(f"a tensor of {element} has no lowering")
    return prod(type_.shape), element


def operations(block: ir.Block) -> list[ir.Operation]:
    return [op.operation for op in block.operations]


@dataclass
class OpNode:
    """An op, and the ops of its regions if it is control flow.

    For a loop: whether its body is emitted twice, and the number of its first value (those from outside are smaller).
    """

    op: ir.Operation
    name: str
    blocks: list[list[OpNode]] = field(default_factory=list)
    doubled: bool = False
    first: int = 0

    @property
    def operands(self) -> list[ir.Value]:
        return list(self.op.operands)

    @property
    def results(self) -> list[ir.Value]:
        return list(self.op.results)

    def arguments(self, block: int = 0) -> list[ir.Value]:
        return list(self.op.regions[block].blocks[0].arguments)


CONTROL_FLOW = ("jic.loop", "jic.while", "jic.if")


def read(block: ir.Block) -> list[OpNode]:
    """The ops of a block but the reshapes, which are names for their operands; see `Sharing.value`."""
    found = []
    for op in operations(block):
        node = OpNode(op, op.name)
        if node.name in CONTROL_FLOW:
            node.blocks = [read(region.blocks[0]) for region in op.regions]
        found.append(node)
    return found


def static_count(value: ir.Value) -> int | None:
    """The trip count of a loop, where it is a constant."""
    owner = value.owner
    while not isinstance(owner, ir.Block) and owner.operation.name == "jic.reshape":
        owner = owner.operation.operands[0].owner
    if isinstance(owner, ir.Block) or owner.operation.name != "jic.constant":
        return None
    elements = ir.DenseIntElementsAttr(owner.operation.attributes["value"])
    return int(elements[0])


def updates_of(op: ir.Operation) -> list[tuple[int, int]]:
    """(result, operand) pairs of an update kernel: the operand's rows are replaced in the result."""
    if ir.StringAttr(op.attributes["kind"]).value != "update":
        return []
    block = op.regions[0].blocks[0]
    arguments = {argument: k for k, argument in enumerate(block.arguments)}
    found = []
    for k, value in enumerate(operations(block)[-1].operands):
        owner = value.owner
        if not isinstance(owner, ir.Block) and owner.operation.name == "jic.dynamic_update":
            base = owner.operation.operands[0]
            if base in arguments:
                found.append((k, arguments[base]))
    return found


def kernels_in(node: OpNode) -> Iterator[OpNode]:
    """The kernels in an op's regions, however deep."""
    for inner in (inner for block in node.blocks for inner in block):
        if inner.name == "jic.fused":
            yield inner
        yield from kernels_in(inner)


@dataclass
class _Pair:
    """Two values that one buffer would serve; `depth` loops run the copy between them."""

    first: int
    second: int
    depth: int


class Sharing:
    """Buffers of the values of one function.

    Attributes:
        nodes: the function's body.
        output_of: for a buffer that is one of the function's outputs, which one.
    """

    def __init__(self, main: ir.Operation) -> None:
        block = main.regions[0].blocks[0]
        self.nodes = read(block)
        self.output_of: dict[int, int] = {}
        self._numbers: dict[ir.Value, int] = {}
        self._values: list[ir.Value | None] = []
        self._same: list[int] = []
        self._bytes: list[int] = []
        self._fixed: set[int] = set()
        self._pairs: list[_Pair] = []
        for argument in block.arguments:
            self._fixed.add(self._new(argument))
        self._number(self.nodes, 0)
        returned = self.nodes[-1].operands
        outputs = [self._add(None, self._bytes[self.value(v)]) for v in returned]
        self._pairs += [_Pair(self.value(v), o, -1) for v, o in zip(returned, outputs, strict=True)]
        self._conflicts = [0] * len(self._same)
        self._defined(outputs, 0)
        self._live(self.nodes, 0)
        self._leader = self._coalesce(outputs)

    # ---- what the lowering asks ----

    def value(self, value: ir.Value) -> int:
        """The number of a value; reshapes, and what a loop hands on unchanged, have their source's."""
        number = self._numbers[value]
        while self._same[number] != number:
            number = self._same[number]
        return number

    def buffer(self, value: ir.Value) -> int:
        """The number of the buffer that a value lies in."""
        return self._leader[self.value(value)]

    def own(self, value: ir.Value) -> bool:
        """Whether it is a value of its own, not another name for one."""
        return self._values[self.value(value)] == value

    def from_outside(self, value: ir.Value, loop: OpNode) -> bool:
        """Whether a value is made before a loop, so that it is the same in all iterations."""
        return self.value(value) < loop.first

    def exchanges(self, node: OpNode) -> list[tuple[int, int]]:
        """The buffers that a loop exchanges from one run of its body to the next: of a carried value and of its next value."""
        if not node.doubled:
            return []
        carried = node.arguments()[node.name == "jic.loop" :]
        pairs = [(a, v) for a, v in zip(carried, node.blocks[-1][-1].operands, strict=True) if self.own(a)]
        taken: set[int] = set()
        found = []
        for argument, following in sorted(pairs, key=lambda p: -self._bytes[self.value(p[0])]):
            a, b = self.buffer(argument), self.buffer(following)
            number = self.value(following)
            if a != b and number >= node.first and number not in self._fixed and not taken & {a, b}:
                taken |= {a, b}
                found.append((a, b))
        return found

    # ---- numbers ----

    def _add(self, value: ir.Value | None, size: int) -> int:
        self._values.append(value)
        self._same.append(len(self._same))
        self._bytes.append(size)
        return len(self._same) - 1

    def _new(self, value: ir.Value) -> int:
        elements, element = extent(value)
        self._numbers[value] = self._add(value, elements * ELEMENT_BYTES[element])
        return self._numbers[value]

    def _number(self, nodes: list[OpNode], depth: int) -> tuple[int, int]:
        """Number all values and note the pairs; returns (ops, levels of loops) of the block."""
        ops, levels = 0, 0
        for node in nodes:
            inner, below = 1, 0
            if node.name == "jic.reshape":
                self._numbers[node.results[0]] = self.value(node.operands[0])
            elif node.name in ("jic.loop", "jic.while"):
                inner, below = self._number_loop(node, depth)
            elif node.name == "jic.if":
                for block in node.blocks:
                    more, deep = self._number(block, depth)
                    inner, below = inner + more, max(below, deep)
                self._number_if(node, depth)
            else:
                for value in node.results:
                    number = self._new(value)
                    if node.name in ("jic.constant", "jic.aten_call"):
                        self._fixed.add(number)
                if node.name == "jic.fused":
                    for result, operand in updates_of(node.op):
                        pair = self.value(node.operands[operand]), self.value(node.results[result])
                        self._pairs.append(_Pair(*pair, depth))
            ops, levels = ops + inner, max(levels, below)
        return ops, levels

    def _number_if(self, node: OpNode, depth: int) -> None:
        then, otherwise = (block[-1].operands for block in node.blocks)
        for result, a, b in zip(node.results, then, otherwise, strict=True):
            first, second = self.value(a), self.value(b)
            if first == second:
                self._numbers[result] = first
                continue
            number = self._new(result)
            self._pairs += [_Pair(v, number, depth) for v in (first, second)]

    def _number_loop(self, node: OpNode, depth: int) -> tuple[int, int]:
        node.first = len(self._same)
        counted = node.name == "jic.loop"
        carried = node.arguments()[counted:]
        inits = [self.value(v) for v in node.operands[counted:]]
        for argument in node.arguments():
            number = self._new(argument)
            if argument not in carried:
                self._fixed.add(number)  # the counter counts where it is
        ops, levels = self._number(node.blocks[0], depth + 1)
        if not counted:
            for argument, value in zip(node.arguments(1), node.blocks[0][-1].operands[1:], strict=True):
                self._numbers[argument] = self.value(value)
            more, below = self._number(node.blocks[1], depth + 1)
            ops, levels = ops + more, max(levels, below)
        levels += 1
        node.doubled = levels <= _DOUBLED_LEVELS and ops <= _DOUBLED_OPS
        following = node.blocks[-1][-1].operands
        for argument, init, value in zip(carried, inits, following, strict=True):
            number = self.value(argument)
            if self.value(value) in (number, init):  # never another value
                self._same[number] = init
                continue
            self._pairs.append(_Pair(self.value(value), number, depth + 1))
            self._pairs.append(_Pair(init, number, depth))
        last = node.blocks[0][-1].operands[1:]
        if counted:
            count = static_count(node.operands[0])
            odd = node.doubled and count is not None and count > 0 and count % 2 == 1
            last = [v if odd and self.own(a) else a for a, v in zip(carried, following, strict=True)]
        for result, value in zip(node.results, last, strict=True):
            number = self.value(value)
            if number < node.first:
                self._numbers[result] = number
            else:
                self._pairs.append(_Pair(number, self._new(result), depth))
        return (ops * 2 if node.doubled else ops), levels

    # ---- what is needed at the same time ----

    def _defined(self, numbers: Iterable[int], live: int) -> None:
        """`numbers` come into being at once, where `live` are needed later."""
        numbers = list(numbers)
        mask = live
        for number in numbers:
            mask |= 1 << number
        for number in numbers:
            self._conflicts[number] |= mask & ~(1 << number)

    def _mask(self, values: Iterable[ir.Value]) -> int:
        mask = 0
        for value in values:
            mask |= 1 << self.value(value)
        return mask

    def _owned(self, values: Iterable[ir.Value]) -> list[int]:
        return [self.value(v) for v in values if self.own(v)]

    def _results(self, node: OpNode, live: int) -> int:
        """Note the conflicts of a control flow op's results; returns what else is live."""
        results = self._owned(node.results)
        self._defined(results, live)
        for number in results:
            live &= ~(1 << number)
        return live

    def _live(self, nodes: list[OpNode], live: int) -> int:
        """Walk a block backwards from `live` after it, noting conflicts; returns what is live before it."""
        for node in reversed(nodes):
            if node.name == "jic.reshape":
                continue
            if node.name in ("jic.loop", "jic.while"):
                live = self._live_loop(node, live)
            elif node.name == "jic.if":
                rest = self._results(node, live)
                live = self._live(node.blocks[0], rest) | self._live(node.blocks[1], rest) | self._mask(node.operands)
            else:
                live = self._live_op(node, live)
        return live

    def _live_op(self, node: OpNode, live: int) -> int:
        operands = [self.value(v) for v in node.operands]
        results = [self.value(r) for r in node.results]
        reads = self._mask(node.operands)
        self._defined(results, live)
        for number in results:  # a kernel's results are not in the memory of what it reads …
            self._conflicts[number] |= reads
        if node.name == "jic.fused":
            taken: set[int] = set()
            for result, operand in updates_of(node.op):  # … but where it replaces a slice
                base = operands[operand]
                if operands.count(base) == 1 and base not in taken and not live >> base & 1:
                    self._conflicts[results[result]] &= ~(1 << base)
                    taken.add(base)
        return live & ~self._mask(node.results) | reads

    def _live_loop(self, node: OpNode, live: int) -> int:
        rest = self._results(node, live) | self._captured(node)
        inside = rest
        if node.name == "jic.loop":  # the trip count and the iteration number are needed at the end of the body
            inside |= self._mask(node.operands[:1]) | self._mask(node.arguments()[:1])
        kept = inside
        for block in reversed(node.blocks):
            inside = self._live(block, inside) | kept
        arguments = self._owned(node.arguments())
        self._defined(arguments, inside)
        for number in arguments:
            inside &= ~(1 << number)
        return inside | self._mask(node.operands)

    def _captured(self, node: OpNode) -> int:
        """The values from outside a loop that its regions use: they are needed until it ends."""
        used, made = 0, 0

        def visit(node: OpNode) -> None:
            nonlocal used, made
            for k, block in enumerate(node.blocks):
                for number in self._owned(node.arguments(k)):
                    made |= 1 << number
                for inner in block:
                    if inner.name != "jic.reshape":
                        used |= self._mask(inner.operands)
                        for number in self._owned(inner.results):
                            made |= 1 << number
                        visit(inner)

        visit(node)
        return used & ~made

    # ---- sharing ----

    def _coalesce(self, outputs: list[int]) -> list[int]:
        """For each value, the one that its buffer is named after."""
        count = len(self._same)
        leader = list(range(count))
        members = [1 << n for n in range(count)]
        conflicts = list(self._conflicts)
        self.output_of = {number: k for k, number in enumerate(outputs)}

        def find(number: int) -> int:
            while self._same[number] != number:
                number = self._same[number]
            while leader[number] != number:
                number = leader[number]
            return number

        for pair in sorted(self._pairs, key=lambda p: (-p.depth, -self._bytes[p.first])):
            a, b = find(pair.first), find(pair.second)
            if a == b or a in self._fixed or b in self._fixed or self._bytes[a] != self._bytes[b]:
                continue
            if a in self.output_of and b in self.output_of or conflicts[a] & members[b] or conflicts[b] & members[a]:
                continue
            leader[b] = a
            members[a] |= members[b]
            conflicts[a] |= conflicts[b]
            if b in self.output_of:
                self.output_of[a] = self.output_of.pop(b)
        return [find(n) for n in range(count)]
