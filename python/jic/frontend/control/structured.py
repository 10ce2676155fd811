"""Runs a captured graph with its control flow, eagerly: loops loop, and autograd goes through."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from .markers import ops
from .regions import Construct, flat, parse


class Bailout(Exception):
    """The graph gives up this call (its `bail`): run the user's function instead."""


def run(graph_module: GraphModule, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The results of the graph for `inputs`, one tensor a placeholder.

    Raises:
        Bailout: the graph holds a `bail` whose condition is true.
    """
    return Runner(graph_module).run(inputs)


class Runner:
    """Evaluates a graph node by node. A subclass may do something else for constructs and for the ops of markers.py."""

    def __init__(self, graph_module: GraphModule) -> None:
        self.graph_module = graph_module
        self.items = parse(graph_module)
        # Carried values are new tensors: where something writes in place they must be.
        self.writes = any(
            isinstance(n.target, torch._ops.OpOverload) and n.target._schema.is_mutable for n in flat(self.items)
        )

    def run(self, inputs: Sequence[Tensor]) -> tuple[Tensor, ...]:
        values: dict[Node, Any] = {}
        placeholders = [n for n in flat(self.items) if n.op == "placeholder"]
        values.update(zip(placeholders, inputs, strict=True))
        self.block(self.items, values)
        return tuple(values[n] for n in self.graph_module.graph.output_node().args[0])  # type: ignore[union-attr]

    def block(self, items: list[Node | Construct], values: dict[Node, Any]) -> None:
        """Evaluate `items`; `values` holds what they use and gets what they make."""
        for item in items:
            if isinstance(item, Construct):
                assert item.end is not None
                values[item.end] = {"loop": self.loop, "while": self.while_, "if": self.if_}[item.kind](item, values)
            elif item.op == "get_attr":
                values[item] = getattr(self.graph_module, str(item.target))
            elif item.op == "call_function":
                args, kwargs = look_up((item.args, item.kwargs), values)
                values[item] = self.call(item, args, kwargs)

    def call(self, node: Node, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        own = {
            ops.dynamic_slice.default: self.dynamic_slice,
            ops.dynamic_update.default: self.dynamic_update,
            ops.dynamic_update_.default: self.dynamic_update_,
            ops.bail.default: self.bail,
        }.get(node.target)
        return (own or node.target)(*args, **kwargs)  # type: ignore[operator]

    def loop(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        trip_count, inits = look_up(construct.begin.args, values)
        carried = self.new(inits)
        for i in range(int(trip_count)):
            values[construct.begin] = [torch.tensor(i), *carried]
            self.block(construct.bodies[0], values)
            carried = self.new(look_up(construct.end.args[0], values))  # type: ignore[union-attr]
        return carried

    def while_(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        values[construct.begin] = self.new(look_up(construct.begin.args[0], values))
        while True:
            self.block(construct.bodies[0], values)
            condition, forwarded = look_up(construct.part.args, values)  # type: ignore[union-attr]
            values[construct.part] = self.new(forwarded)  # type: ignore[index]
            if not condition:
                return values[construct.part]  # type: ignore[index]
            self.block(construct.bodies[1], values)
            values[construct.begin] = self.new(look_up(construct.end.args[0], values))  # type: ignore[union-attr]

    def if_(self, construct: Construct, values: dict[Node, Any]) -> list[Tensor]:
        holds = bool(look_up(construct.begin.args[0], values))
        self.block(construct.bodies[0 if holds else 1], values)
        return self.new(branch_values(construct, holds, values))

    def new(self, tensors: Sequence[Tensor]) -> list[Tensor]:
        return [t.clone() for t in tensors] if self.writes else list(tensors)

    def dynamic_slice(self, x: Tensor, index: Tensor, dim: int, size: int) -> Tensor:
        return x.narrow(dim, _start(x, index, dim, size), size)

    def dynamic_update(self, x: Tensor, update: Tensor, index: Tensor, dim: int) -> Tensor:
        size = update.shape[dim]
        start = _start(x, index, dim, size)
        return x.slice_scatter(update.to(x.dtype), dim, start, start + size)

    def dynamic_update_(self, x: Tensor, update: Tensor, index: Tensor, dim: int) -> Tensor:
        size = update.shape[dim]
        x.narrow(dim, _start(x, index, dim, size), size).copy_(update)
        return x

    def bail(self, condition: Tensor, message: str) -> None:
        if condition:
            raise Bailout(message)


def _start(x: Tensor, index: Tensor, dim: int, size: int) -> int:
    return max(0, min(int(index), x.shape[dim] - size))


def look_up(arguments: Any, values: dict[Node, Any]) -> Any:
    """`arguments` with each node replaced by its value."""
    return torch.fx.map_arg(arguments, values.__getitem__)


def branch_values(construct: Construct, then: bool, values: dict[Node, Any]) -> list[Tensor]:
    """What a branch of an `if` yields; zeros stand for values that only the other branch has."""
    assert construct.part is not None and construct.end is not None
    nodes: Any = (construct.part if then else construct.end).args[0]
    likes = pytree.tree_leaves(construct.end.meta["val"])
    return [
        torch.zeros(like.shape, dtype=like.dtype, device=like.device) if node is None else values[node]
        for node, like in zip(nodes, likes, strict=True)
    ]
