"""The regions of a captured graph as a tree: what the flat markers bracket."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ...errors import CaptureError
from .markers import CLOSING, OPENING, PARTING, ops
from .random_calls import draws_random_numbers


@dataclass
class Construct:
    """A loop, while or if: its markers, and the nodes between them.

    Attributes:
        begin, part, end: the markers; a loop has no `part`.
        bodies: the nodes of each region, and in their places the constructs within. A loop has one region, a `while`
            the condition and the body, an `if` the two branches.
    """

    begin: Node
    bodies: list[list[Node | Construct]] = field(default_factory=lambda: [[]])
    part: Node | None = None
    end: Node | None = None

    @property
    def kind(self) -> str:
        """`loop`, `while` or `if`."""
        kinds: dict[Any, str] = {ops.loop_begin.default: "loop", ops.while_begin.default: "while"}
        return kinds.get(self.begin.target, "if")

    def nodes(self) -> Iterator[Node]:
        """All nodes in their order, markers too."""
        yield self.begin
        yield from flat(self.bodies[0])
        if self.part is not None:
            yield self.part
            yield from flat(self.bodies[1])
        assert self.end is not None
        yield self.end


def flat(items: Iterable[Node | Construct]) -> Iterator[Node]:
    """All nodes of `items` in their order."""
    for item in items:
        if isinstance(item, Construct):
            yield from item.nodes()
        else:
            yield item


def constructs(items: Iterable[Node | Construct]) -> Iterator[Construct]:
    """All constructs in `items`, also those within others."""
    for item in items:
        if isinstance(item, Construct):
            yield item
            for body in item.bodies:
                yield from constructs(body)


def parse(graph: GraphModule) -> list[Node | Construct]:
    """The nodes outside all regions, and in their places the constructs.

    Raises:
        CaptureError: markers that do not nest.
    """
    top: list[Node | Construct] = []
    current, open_ = top, list[Construct]()
    for node in graph.graph.nodes:
        if node.target in OPENING:
            open_.append(Construct(node))
            current = open_[-1].bodies[0]
        elif node.target in PARTING or node.target in CLOSING:
            if not open_ or not _fits(open_[-1], node):
                raise CaptureError(f"{node.target} closes no region", location=node.meta.get("location", ""))
            construct = open_[-1]
            if node.target in PARTING:
                construct.part = node
                construct.bodies.append([])
                current = construct.bodies[1]
                continue
            construct.end = node
            open_.pop()
            current = open_[-1].bodies[-1] if open_ else top
            current.append(construct)
        else:
            current.append(node)
    if open_:
        raise CaptureError("a region stays open", location=open_[-1].begin.meta.get("location", ""))
    return top


def _fits(construct: Construct, node: Node) -> bool:
    parted = construct.part is not None
    expected = {
        "loop": ops.loop_end,
        "while": ops.while_end if parted else ops.while_cond,
        "if": ops.if_end if parted else ops.if_else,
    }
    return node.target is expected[construct.kind].default


def is_own(node: Node) -> bool:
    """True for an op of markers.py, which torch by itself cannot run."""
    return isinstance(node.target, torch._ops.OpOverload) and node.target.namespace == "jic"


def has_own(graph: GraphModule) -> bool:
    """True if the graph has control flow, or what comes with it."""
    return any(is_own(node) for node in graph.graph.nodes)


def has_effect(node: Node) -> bool:
    """True for a node that stays although nothing uses its value: it draws random numbers, or gives up the call."""
    return node.target is ops.bail.default or draws_random_numbers(node)


def trip_count(loop: Construct) -> int | None:
    """The trip count of a loop, if it does not depend on inputs or on other loops."""
    with torch.no_grad():
        value = _constant(loop.begin.args[0])
    return None if value is None else max(0, int(value))


def _constant(argument: Any) -> Any:
    """The value of a node that depends on no input; None for another."""
    if not isinstance(argument, Node):
        return argument
    if argument.op == "get_attr":
        return getattr(argument.graph.owning_module, str(argument.target))
    if argument.op != "call_function" or not isinstance(argument.target, torch._ops.OpOverload):
        return None
    if argument.target.namespace == "jic" or torch.Tag.nondeterministic_seeded in argument.target.tags:
        return None
    values = {n: _constant(n) for n in argument.all_input_nodes}
    if any(v is None for v in values.values()):
        return None
    args, kwargs = torch.fx.map_arg((argument.args, argument.kwargs), values.__getitem__)
    return argument.target(*args, **kwargs)
