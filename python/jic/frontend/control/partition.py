"""A joint graph of results and gradients in two: a forward that saves what a backward needs, and that backward.

    joint(x, g):                        forward(x):                 backward(x, g, b):
      a = mm(x, x)                        a = mm(x, x)                c = exp(b)
      b = sum(a)                          b = sum(a)                  d = mul(g, c)
      c = exp(b)                    ->    c = exp(b)                  return d
      d = mul(g, c)                       return c, b
      return d, c

What depends on a gradient is the backward's. Of the rest, what it reads is saved, but for values that views and
elementwise ops make from inputs and from other saved values: those it computes again, which costs less than memory.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Graph, GraphModule, Node

from .fission import VIEWS
from .markers import ops
from .prune import erase_dead
from .regions import Construct, parse


@dataclass(frozen=True)
class Parts:
    """The two graphs.

    Attributes:
        forward: inputs -> the call's results, then `saved` values.
        backward: inputs, gradients, saved values -> gradients of inputs.
        saved: the number of saved values.
    """

    forward: GraphModule
    backward: GraphModule
    saved: int


def partition(joint: GraphModule, inputs: int, gradients: int) -> Parts:
    """Take `joint` apart, whose first `inputs` placeholders are the call's and whose first `gradients` results are gradients."""
    items = parse(joint)
    placeholders = [n for n in joint.graph.nodes if n.op == "placeholder"]
    results: Sequence[Any] = joint.graph.output_node().args[0]  # type: ignore[assignment]
    late = set(placeholders[inputs:])
    early: list[Node] = []
    for item in items:
        nodes = [item] if isinstance(item, Node) else list(item.nodes())
        if any(used in late for node in nodes for used in node.all_input_nodes):
            late.update(nodes)
        elif nodes[0].op in ("call_function", "get_attr"):
            early += nodes
    wanted = [used for node in late for used in node.all_input_nodes if used not in late] + list(results[:gradients])
    inside = {node for item in items if isinstance(item, Construct) for node in item.nodes()}
    saved = sorted(_sources([n for n in wanted if n not in late], inside), key=_positions(joint).__getitem__)
    forward = _build(joint, placeholders[:inputs], [], early, [*results[gradients:], *saved])
    again = [n for n in joint.graph.nodes if n.op in ("call_function", "get_attr") and n.target is not ops.bail.default]
    backward = _build(joint, placeholders, saved, again, results[:gradients])
    return Parts(forward, backward, len(saved))


def _positions(graph: GraphModule) -> dict[Node, int]:
    return {node: i for i, node in enumerate(graph.graph.nodes)}


def _sources(wanted: list[Node], inside: set[Node]) -> set[Node]:
    """The values to save, from which `wanted` can be computed again."""
    saved: set[Node] = set()
    seen: set[Node] = set()
    pending = list(wanted)
    while pending:
        node = pending.pop()
        if node in seen or node.op in ("placeholder", "get_attr"):
            continue
        seen.add(node)
        if node not in inside and _is_cheap(node, inside):
            pending += node.all_input_nodes
        else:
            saved.add(node)
    return saved


def _is_cheap(node: Node, inside: set[Node]) -> bool:
    """A view, an elementwise op, or a tensor of equal elements."""
    if node.target is operator.getitem:
        source: Any = node.args[0]
        return source not in inside and _is_cheap(source, inside)
    if node.target in VIEWS:
        return True
    if not isinstance(node.target, torch._ops.OpOverload) or node.target.namespace != "aten":
        return False
    return torch.Tag.pointwise in node.target.tags or (not node.all_input_nodes and not _is_random(node.target))


def _is_random(target: torch._ops.OpOverload) -> bool:
    return torch.Tag.nondeterministic_seeded in target.tags


def _build(
    joint: GraphModule, placeholders: list[Node], saved: list[Node], body: Sequence[Node], results: Sequence[Any]
) -> GraphModule:
    """A graph of `placeholders` and one for each of `saved`, with what of `body` its `results` need."""
    graph, copies = Graph(), dict[Node, Node]()
    for node in placeholders:
        copies[node] = graph.node_copy(node)
    for i, node in enumerate(saved):
        copies[node] = made = graph.placeholder(f"saved{i}")
        made.meta = dict(node.meta)
    for node in body:
        if node not in copies:
            copies[node] = graph.node_copy(node, copies.__getitem__)
    output = graph.output(tuple(copies[r] for r in results))
    output.meta = dict(joint.graph.output_node().meta)
    module = GraphModule(joint, graph)
    erase_dead(module)
    return module
