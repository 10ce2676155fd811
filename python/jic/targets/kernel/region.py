"""The body of a `jic.fused` op as plain data.

Templates look at a body many times over; MLIR wrappers cost microseconds each and dangle after a rewrite, so it is read
once. Nothing here outlives the lowering of its kernel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch_mlir import ir

from jic.errors import LoweringError


@dataclass(frozen=True)
class Node:
    """One value of the body: an argument (`op == "argument"`) or the result of `jic.<op>`.

    `element` is the element type's text ("f32", "bf16", "i64", "ui8", "i1"); `attributes` holds Python values: ints,
    floats, bools, strings, tuples of ints, and for constants `value` (a number, for a splat).
    """

    op: str
    operands: tuple[int, ...]
    shape: tuple[int, ...]
    element: str
    attributes: dict[str, Any]
    location: str = ""


@dataclass(frozen=True)
class Region:
    """Nodes in program order, arguments first; `outputs` are the yielded nodes."""

    kind: str
    nodes: tuple[Node, ...]
    arguments: int
    outputs: tuple[int, ...]

    @property
    def ops(self) -> list[str]:
        """Names of what the kernel computes, for reports."""
        return [n.op for n in self.nodes[self.arguments :]]

    def users(self) -> list[list[int]]:
        """For each node, the nodes that use it."""
        found: list[list[int]] = [[] for _ in self.nodes]
        for i, node in enumerate(self.nodes):
            for operand in node.operands:
                found[operand].append(i)
        return found

    def find(self, *ops: str) -> list[int]:
        """The nodes whose op is one of `ops`."""
        return [i for i, node in enumerate(self.nodes) if node.op in ops]

    def part(self, output: int) -> tuple[Region, tuple[int, ...]]:
        """What node `output` is computed from, as a region with this one output, and which arguments of this one it has."""
        needed, open_ = {output}, [output]
        while open_:
            new = set(self.nodes[open_.pop()].operands) - needed
            needed |= new
            open_ += new
        kept = sorted(needed)
        number = {old: new for new, old in enumerate(kept)}
        nodes = (replace(n, operands=tuple(number[o] for o in n.operands)) for n in map(self.nodes.__getitem__, kept))
        arguments = tuple(n for n in kept if n < self.arguments)
        return Region(self.kind, tuple(nodes), len(arguments), (number[output],)), arguments


def parse(fused: ir.Operation) -> Region:
    """Read a `jic.fused` operation. Raises `LoweringError` for what no kernel can hold (dynamic dims, dense constants)."""
    block = fused.regions[0].blocks[0]
    number: dict[ir.Value, int] = {}
    nodes: list[Node] = []
    for argument in block.arguments:
        number[argument] = len(nodes)
        nodes.append(node_of("argument", (), argument.type, {}, ""))
    for op in block.operations:
        operation = op.operation
        operands = tuple(number[v] for v in operation.operands)
        if operation.name == "jic.yield":
            kind = ir.StringAttr(fused.attributes["kind"]).value
            return Region(kind, tuple(nodes), len(block.arguments), operands)
        attributes = {a.name: value_of(a.attr) for a in named_attributes(operation)}
        for result in operation.results:
            number[result] = len(nodes)
        nodes.append(
            node_of(
                operation.name.removeprefix("jic."),
                operands,
                operation.results[0].type,
                attributes,
                source_line(operation),
            )
        )
    raise LoweringError("a kernel body has no jic.yield")


def named_attributes(operation: ir.Operation) -> list[ir.NamedAttribute]:
    attributes = operation.attributes
    return [attributes[i] for i in range(len(attributes))]


def node_of(op: str, operands: tuple[int, ...], type_: ir.Type, attributes: dict[str, Any], location: str) -> Node:
    tensor = ir.RankedTensorType(type_)
    if not tensor.has_static_shape:
        raise LoweringError(f"jic.{op} has the dynamic type {tensor}", location=location)
    return Node(op, operands, tuple(tensor.shape), str(tensor.element_type), attributes, location)


def value_of(attribute: ir.Attribute) -> Any:
    """The Python value of a builtin attribute, or its text."""
    if isinstance(attribute, ir.BoolAttr):
        return attribute.value
    if isinstance(attribute, (ir.IntegerAttr, ir.FloatAttr, ir.StringAttr)):
        return attribute.value
    if isinstance(attribute, ir.DenseI64ArrayAttr):
        return tuple(attribute)
    if isinstance(attribute, ir.DenseElementsAttr) and attribute.is_splat:
        return value_of(attribute.get_splat_value())
    if isinstance(attribute, ir.DenseElementsAttr):
        raise LoweringError("a kernel body holds a dense constant", hint="it must be an argument of the kernel")
    return str(attribute)


def source_line(operation: ir.Operation) -> str:
    """The user's `file:line` of an op, from the innermost file location; empty if unknown."""
    return _file_line(operation.location)


def _file_line(location: ir.Location) -> str:
    if isinstance(location, ir.FileLineColLoc):
        return f"{location.filename}:{location.start_line}"
    if isinstance(location, ir.NameLoc):
        return _file_line(location.child_loc)
    if isinstance(location, ir.CallSiteLoc):
        return _file_line(location.callee)
    if isinstance(location, ir.FusedLoc):
        for part in location.locations:
            if line := _file_line(part):
                return line
    return ""
