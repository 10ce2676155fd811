"""Which results of a captured graph have a gradient."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.utils import _pytree as pytree

from .prune import handed_over
from .regions import constructs, parse


def differentiable_results(graph_module: GraphModule, needed: Sequence[bool]) -> list[bool]:
    """For each result if a gradient goes from it to one of the `needed` inputs, on a way of floating-point values."""
    sources: dict[tuple[Node, int], list[Any]] = {}
    for construct in constructs(parse(graph_module)):
        lists = handed_over(construct)
        for slot in range(len(lists[0][2])):
            values = [v[slot] for _, _, v in lists]
            for marker in (construct.begin, construct.part, construct.end):
                shift = int(construct.kind == "loop" and marker is construct.begin)
                if marker is not None:
                    sources[marker, slot + shift] = values
    placeholders = [n for n in graph_module.graph.nodes if n.op == "placeholder"]
    reached = {p for p, n in zip(placeholders, needed, strict=True) if n}
    before = -1
    while before < len(reached):  # loops hand values back to nodes that come earlier
        before = len(reached)
        for node in graph_module.graph.nodes:
            if node.op != "call_function" or _stops(node.target) or not _has_floats(node):
                continue
            used: Any = node.all_input_nodes
            if node.target is operator.getitem:
                used = sources.get((node.args[0], node.args[1]), used)
            if not reached.isdisjoint(used):
                reached.add(node)
    results: Any = graph_module.graph.output_node().args[0]
    return [r in reached for r in results]


def _stops(target: Any) -> bool:
    """True for `detach`, and for ops that only take shape and dtype from their operand."""
    if not isinstance(target, torch._ops.OpOverload):
        return False
    name = target._schema.name.removeprefix("aten::")
    return name == "detach" or name.startswith("new_") or name.endswith("_like")


def _has_floats(node: Node) -> bool:
    leaves = pytree.tree_leaves(node.meta.get("val"))
    return any(isinstance(v, torch.Tensor) and v.is_floating_point() for v in leaves)
