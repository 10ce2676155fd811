"""The leaves of a captured call's result: computed tensors, inputs, views of inputs, constants."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
from torch.fx import GraphModule, Node

from ..errors import CaptureError
from .traced import OutputSource


def classify_outputs(graph: GraphModule, leaves: Sequence[Any], numbers: set[int]) -> list[OutputSource]:
    """Say what each of the result's `leaves` is, and leave only computed tensors as the graph's results.

    `numbers` are the positions of leaves that are run-time numbers.
    """
    placeholders = [n for n in graph.graph.nodes if n.op == "placeholder"]
    storages = {
        _storage(n.meta["val"]): i for i, n in reversed(list(enumerate(placeholders))) if n.meta.get("val") is not None
    }
    output = graph.graph.output_node()
    nodes = iter(output.args[0])  # type: ignore[arg-type]
    sources: list[OutputSource] = []
    results: list[Node] = []
    for leaf in leaves:
        if not isinstance(leaf, torch.Tensor):
            sources.append(OutputSource("constant", value=leaf))
            continue
        node = next(nodes)
        number = len(sources) in numbers
        if node in placeholders:
            sources.append(OutputSource("input", placeholders.index(node), number=number))
        else:
            sources.append(replace(_computed_output(node, placeholders, storages, results), number=number))
    output.args = (tuple(results),)
    return sources


def share_memory(graph: GraphModule) -> bool:
    """Whether some of the graph's results are, in eager, views of one tensor."""
    results: Sequence[Node] = graph.graph.output_node().args[0]  # type: ignore[assignment]
    return len({_storage(n.meta["val"]) for n in results}) < len(results)


def _computed_output(
    node: Node, placeholders: list[Node], storages: dict[int, int], results: list[Node]
) -> OutputSource:
    value = node.meta["val"]
    if _storage(value) in storages:
        index = storages[_storage(value)]
        base = placeholders[index].meta["val"]
        if value.dtype != base.dtype:
            raise CaptureError(
                f"a result is a view of an input ({base.dtype}) as {value.dtype}",
                hint="return a copy (.clone())",
                location=node.meta["location"],
            )
        if _same_geometry(value, base) and node.target in _RETURN_SELF:
            return OutputSource("input", index)
        offset = value.storage_offset() - base.storage_offset()
        return OutputSource("view", index, tuple(value.shape), tuple(value.stride()), offset)
    if node not in results:
        results.append(node)
    return OutputSource("result", results.index(node), tuple(value.shape), tuple(value.stride()))


# Ops that return their argument itself when they have nothing to do.
_RETURN_SELF = frozenset(
    {
        torch.ops.aten.contiguous.default,
        torch.ops.aten.to.dtype,
        torch.ops.aten.to.device,
        torch.ops.aten.to.dtype_layout,
        torch.ops.aten.to.other,
        torch.ops.aten.expand_as.default,
        torch.ops.aten.dropout.default,
    }
)


def _same_geometry(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and a.stride() == b.stride() and a.storage_offset() == b.storage_offset()


def _storage(tensor: torch.Tensor) -> int:
    return tensor.untyped_storage()._cdata
