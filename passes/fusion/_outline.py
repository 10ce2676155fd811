"""Writes finished groups into the block as `jic.fused` ops, in an order that defines before use."""

from __future__ import annotations

from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

from torch_mlir import ir

from jic.dialects import build

from ._graph import Graph, Shape
from ._group import TREE, WRITE, Group
from ._legality import fits, operand_shape, rebroadcast
from ._ops import ELEMENTWISE, INDEXING, in_memory

_ARGUMENT = -1


@dataclass(slots=True)
class _Line:
    """One operation of a body; its operands are numbers of earlier lines."""

    name: str
    operands: list[int]
    type: ir.Type
    attributes: dict[str, ir.Attribute]
    location: ir.Location
    argument: int = _ARGUMENT


class _Body:
    """Plans the body of one group: a list of lines, the outside values it reads, and what it yields."""

    def __init__(self, graph: Graph, group: Group) -> None:
        self.graph, self.group = graph, group
        self.lines: list[_Line] = []
        self.arguments: list[tuple[int, Shape]] = []
        self._known: dict[tuple[int, Shape], int] = {}
        self._argument_lines: dict[tuple[int, Shape], int] = {}
        self._members: dict[int, int] = {}
        for index in sorted(group.roles):
            if group.roles[index] != TREE:
                self._members[index] = self._member(index)

    def yields(self) -> list[tuple[int, int]]:
        """(value, line) for every value of the group that something outside reads."""
        found = []
        for index, line in self._members.items():
            if any(u not in self.group.roles for u in self.graph.node_users(index)):
                found.append((self.graph.nodes[index].outputs[0], line))
        return found

    def _member(self, index: int) -> int:
        graph, group = self.graph, self.group
        node = graph.nodes[index]
        space = group.space(group.roles[index])
        if node.name in ELEMENTWISE:
            return self._emit(index, [self._value(v, space) for v in node.inputs], space)
        if node.name == "reshape":
            return self._value(node.inputs[0], space)
        if node.name == "reduce":
            return self._emit(index, [self._value(node.inputs[0], group.full)], space)
        if node.name == "broadcast" and graph.producer[node.inputs[0]] in self._members:
            assert group.reduced is not None
            operand = self._value(node.inputs[0], group.reduced)
            return self._emit(index, [operand], space, {"dims": build.i64s(group.kept)})
        operands = []
        for position, value in enumerate(node.inputs):
            shape = graph.shapes[value]
            assert shape is not None
            from_memory = in_memory(node.name, position)
            operands.append(self._argument(value, shape) if from_memory else self._value(value, shape))
        own = graph.shape(index)
        assert own is not None
        return self._emit(index, operands, own if group.roles[index] == WRITE else space)

    def _value(self, value: int, shape: Shape) -> int:
        """The line that holds `value` in `shape`."""
        key = (value, shape)
        if key not in self._known:
            self._known[key] = self._compute(value, shape)
        return self._known[key]

    def _compute(self, value: int, shape: Shape) -> int:
        graph, group = self.graph, self.group
        index = graph.producer[value]
        if index in self._members:
            return self._members[index]
        inside = index in group.roles or index in group.clones
        if not inside or not fits(graph, index, shape):
            return self._argument(value, shape)
        node = graph.nodes[index]
        if node.name == "reshape":
            return self._value(node.inputs[0], shape)
        operands = []
        for position, operand in enumerate(node.inputs):
            wanted = operand_shape(graph, index, shape, position)
            from_memory = in_memory(node.name, position)
            operands.append(self._argument(operand, wanted) if from_memory else self._value(operand, wanted))
        own = graph.shape(index)
        assert own is not None
        if node.name == "broadcast" and own != shape:
            source = graph.shapes[node.inputs[0]]
            moved = rebroadcast(source, graph.ints(index, "dims"), own, shape)  # type: ignore[arg-type]
            assert moved is not None
            return self._emit(index, operands, shape, {"dims": build.i64s(moved[1])})
        if node.name == "constant" and own != shape:
            type_ = build.tensor_type(shape, graph.elements[value])  # type: ignore[arg-type]
            element = node.op.attributes["value"].get_splat_value()
            return self._emit(index, [], shape, {"value": ir.DenseElementsAttr.get_splat(type_, element)})
        if node.name in ELEMENTWISE or own == shape:
            return self._emit(index, operands, shape)
        line = self._emit(index, operands, own)
        self.lines.append(_Line("reshape", [line], self._type(index, shape), {}, node.op.location))
        return len(self.lines) - 1

    def _argument(self, value: int, shape: Shape) -> int:
        key = (value, shape)
        if key not in self._argument_lines:
            type_ = build.tensor_type(shape, self.graph.elements[value])  # type: ignore[arg-type]
            self.lines.append(_Line("", [], type_, {}, ir.Location.unknown(type_.context), len(self.arguments)))
            self.arguments.append(key)
            self._argument_lines[key] = len(self.lines) - 1
        return self._argument_lines[key]

    def _type(self, index: int, shape: Shape) -> ir.Type:
        element = self.graph.elements[self.graph.nodes[index].outputs[0]]
        return build.tensor_type(shape, element)  # type: ignore[arg-type]

    def _emit(
        self, index: int, operands: list[int], shape: Shape, changed: dict[str, ir.Attribute] | None = None
    ) -> int:
        node = self.graph.nodes[index]
        attributes = dict(node.op.attributes.items()) | (changed or {})
        self.lines.append(_Line(node.name, operands, self._type(index, shape), attributes, node.op.location))
        return len(self.lines) - 1


@dataclass
class Outliner:
    """Replaces the groups of one graph by `jic.fused` ops. The graph is of no use afterwards."""

    graph: Graph
    groups: list[Group]
    _placed: dict[int, tuple[ir.Value, Shape]] = field(default_factory=dict)
    _reshaped: dict[tuple[int, Shape], ir.Value] = field(default_factory=dict)

    def run(self) -> None:
        graph = self.graph
        if not self.groups:
            return
        group_of = {index: group for group in self.groups for index in group.roles}
        for group in self.groups:
            # What another group took after this one copied it is read from there: its operands may be in no buffer.
            group.clones = {c for c in group.clones if c not in group_of}
        terminator = graph.nodes[-1].op
        with ir.InsertionPoint(terminator):
            for unit in self._order(group_of):
                if isinstance(unit, Group):
                    self._outline(unit, group_of)
                elif unit != len(graph.nodes) - 1:
                    graph.nodes[unit].op.move_before(terminator)
        for node in reversed(graph.nodes):
            if node.index in group_of or (node.pure and not any(_has_uses(r) for r in node.op.results)):
                node.op.erase()

    def _order(self, group_of: dict[int, Group]) -> list[Group | int]:
        """Groups and lone nodes in a topological order that keeps to the program's where it can."""
        graph = self.graph
        unit_of = [max(group_of[i].roles) if i in group_of else i for i in range(len(graph.nodes))]
        after: dict[int, set[int]] = {u: set() for u in unit_of}
        missing = dict.fromkeys(unit_of, 0)
        for index, before in enumerate(graph.dependencies):
            unit = unit_of[index]
            for p in before:
                if unit_of[p] != unit and unit not in after[unit_of[p]]:
                    after[unit_of[p]].add(unit)
                    missing[unit] += 1
        last = len(graph.nodes) - 1
        ready = [u for u, count in missing.items() if not count and u != last]
        heapify(ready)
        order: list[Group | int] = []
        while ready:
            unit = heappop(ready)
            order.append(group_of.get(unit, unit))
            for other in after[unit]:
                missing[other] -= 1
                if not missing[other] and other != last:
                    heappush(ready, other)
        if len(order) + 1 != len(missing):
            raise AssertionError("the kernels depend on each other in a cycle")
        return order

    def _outline(self, group: Group, group_of: dict[int, Group]) -> None:
        graph = self.graph
        body = _Body(graph, group)
        yielded = body.yields()
        lines = _by_type(list(dict.fromkeys(line for _, line in yielded)), [line.type for line in body.lines])
        inputs = [self._input(value, shape) for value, shape in body.arguments]
        order = _by_type(list(range(len(inputs))), [v.type for v in inputs])
        position = {argument: i for i, argument in enumerate(order)}
        inputs = [inputs[argument] for argument in order]
        locations = list(dict.fromkeys(graph.nodes[i].op.location for i in sorted(group.roles)))
        location = locations[0] if len(locations) == 1 else ir.Location.fused(locations)
        with location:
            types = [body.lines[line].type for line in lines]
            fused = build.op("fused", inputs, types, {"kind": build.string(self._kind(group, body))}, regions=1)
            block = fused.regions[0].blocks.append(*[v.type for v in inputs], arg_locs=[location] * len(inputs))
            values: list[ir.Value] = []
            with ir.InsertionPoint(block):
                for line in body.lines:
                    if line.argument != _ARGUMENT:
                        values.append(block.arguments[position[line.argument]])
                        continue
                    with line.location:
                        operands = [values[o] for o in line.operands]
                        values.append(build.op(line.name, operands, [line.type], line.attributes).result)
                build.yield_(*[values[line] for line in lines])
        for value, line in yielded:
            result = fused.results[lines.index(line)]
            shape = tuple(result.type.shape)
            self._placed[value] = (result, shape)
            if any(u not in group_of for u in graph.users[value]):
                graph.values[value].replace_all_uses_with(self._in_shape(value, result, shape, graph.shapes[value]))

    def _kind(self, group: Group, body: _Body) -> str:
        if group.kind == "pointwise" and any(line.name in INDEXING for line in body.lines):
            return "indexing"
        return group.kind

    def _input(self, value: int, shape: Shape) -> ir.Value:
        """The outside value number `value` as `shape`, behind any chain of reshapes."""
        graph = self.graph
        while value not in self._placed:
            producer = graph.producer[value]
            if producer < 0 or graph.nodes[producer].name != "reshape":
                break
            value = graph.nodes[producer].inputs[0]
        source, own = self._placed.get(value) or (graph.values[value], graph.shapes[value])
        return self._in_shape(value, source, own, shape)

    def _in_shape(self, value: int, source: ir.Value, own: Shape | None, shape: Shape | None) -> ir.Value:
        if own == shape:
            return source
        key = (value, shape)
        if key not in self._reshaped:  # type: ignore[comparison-overlap]
            with self.graph.nodes[max(self.graph.producer[value], 0)].op.location:
                self._reshaped[key] = build.reshape(source, shape)  # type: ignore[index,arg-type]
        return self._reshaped[key]  # type: ignore[index]


def _by_type(numbers: list[int], types: list[ir.Type]) -> list[int]:
    """`numbers` with those of one type side by side, the type that comes first first: an op holds few runs of types."""
    runs: dict[ir.Type, list[int]] = {}
    for number in numbers:
        runs.setdefault(types[number], []).append(number)
    return [number for run in runs.values() for number in run]


def _has_uses(value: ir.Value) -> bool:
    return next(iter(value.uses), None) is not None


def outline(graph: Graph, groups: list[Group]) -> None:
    """Replace `groups` by `jic.fused` ops and erase what nothing reads any more."""
    Outliner(graph, groups).run()
