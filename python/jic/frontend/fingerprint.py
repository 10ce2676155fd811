"""A graph's fingerprint: equal for graphs that compile to the same artifact, free of addresses and source paths."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from torch.fx import GraphModule, Node


def fingerprint_of(graph: GraphModule, outputs: Sequence[Any], mutations: Sequence[tuple[int, int]]) -> str:
    """sha256 over nodes, arguments, the type of every value, and the structure of inputs and outputs."""
    numbers = {node: i for i, node in enumerate(graph.graph.nodes)}
    digest = hashlib.sha256(f"torch {torch.__version__}\n".encode())
    for node in graph.graph.nodes:
        arguments = _text(node.args, numbers), _text(node.kwargs, numbers)
        target = "" if node.op in ("placeholder", "get_attr") else str(node.target)
        line = f"{node.op} {target} {arguments} {_values(node)}"
        if node.op == "get_attr":
            line += _contents(getattr(graph, str(node.target)))
        digest.update(line.encode() + b"\n")
    digest.update(f"{list(outputs)} {list(mutations)}".encode())
    return digest.hexdigest()


def _values(node: Node) -> str:
    value = node.meta.get("val")
    strides = node.op == "placeholder"
    return " ".join(_type(v, strides) for v in (value if isinstance(value, (list, tuple)) else [value]))


def _type(value: Any, strides: bool) -> str:
    if not isinstance(value, torch.Tensor):
        return repr(value)
    layout = f" {tuple(value.stride())}" if strides else ""
    return f"{value.dtype}{list(value.shape)}{layout} {value.device}"


def _text(argument: Any, numbers: dict[Node, int]) -> str:
    if isinstance(argument, Node):
        return f"%{numbers[argument]}"
    if isinstance(argument, (list, tuple)):
        return "(" + ",".join(_text(a, numbers) for a in argument) + ")"
    if isinstance(argument, dict):
        return "{" + ",".join(f"{key}:{_text(a, numbers)}" for key, a in sorted(argument.items())) + "}"
    return f"{type(argument).__name__} {argument!r}"


def _contents(tensor: torch.Tensor) -> str:
    data = tensor.detach().contiguous().flatten().view(torch.uint8) if tensor.numel() else tensor
    return hashlib.sha256(bytes(data.tolist())).hexdigest()
