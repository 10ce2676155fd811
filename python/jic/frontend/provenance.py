"""Where the memory of a node's value comes from, in a graph that still holds its in-place ops and views."""

from __future__ import annotations

import operator
from typing import Any

import torch
from torch.fx import Node

from .control.markers import ops as jic

aten = torch.ops.aten

# Ops that return their argument itself when they have nothing to do.
RETURN_SELF = frozenset(
    {
        aten.contiguous.default,
        aten.to.dtype,
        aten.to.device,
        aten.to.dtype_layout,
        aten.to.other,
        aten.flatten.using_ints,
        aten.dropout.default,
        aten.feature_dropout.default,
        aten.alpha_dropout.default,
        aten.type_as.default,
        aten.positive.default,
        aten.resolve_conj.default,
        aten.resolve_neg.default,
    }
)


def same_geometry(a: torch.Tensor, b: torch.Tensor) -> bool:
    return a.shape == b.shape and a.stride() == b.stride() and a.storage_offset() == b.storage_offset()


def storage(node: Node) -> int | None:
    value = node.meta.get("val")
    return value.untyped_storage()._cdata if isinstance(value, torch.Tensor) else None


def is_in_place(node: Node) -> bool:
    """Whether the node's value is its first argument, which it wrote to."""
    target = node.target
    if not isinstance(target, torch._ops.OpOverload) or not target._schema.arguments:
        return False
    alias = target._schema.arguments[0].alias_info
    return alias is not None and alias.is_write and bool(node.args) and isinstance(node.args[0], Node)


def tensor_of(node: Node) -> Node:
    """The node that first was the tensor object that `node` is."""
    while True:
        before = _before(node)
        if before is None:
            return node
        node = before


def _before(node: Node) -> Node | None:
    if node.op != "call_function":
        return None
    if is_in_place(node) or _is_out(node):
        target = _is_out(node) or node.args[0]
        return target if same_geometry(node.meta["val"], target.meta["val"]) else None  # type: ignore[union-attr]
    if node.target in RETURN_SELF and isinstance(node.args[0], Node) and storage(node) == storage(node.args[0]):
        return node.args[0] if same_geometry(node.meta["val"], node.args[0].meta["val"]) else None
    return None


def _is_out(node: Node) -> Any:
    out = node.kwargs.get("out")
    return out if isinstance(out, Node) and storage(out) == storage(node) else None


def memory_of(node: Node) -> Node:
    """The node whose memory the value of `node` shows: it made it, or it is an input, or comes out of a region."""
    while True:
        node = tensor_of(node)
        base = _base(node)
        if base is None:
            return node
        node = base


def _base(node: Node) -> Node | None:
    """The node that `node` is a view of."""
    if node.op != "call_function" or node.meta.get("val") is None:
        return None
    if node.target is jic.dynamic_slice.default:
        return node.args[0]  # type: ignore[return-value]
    if node.target is operator.getitem:
        whole: Node = node.args[0]  # type: ignore[assignment]
        candidates = whole.all_input_nodes if whole.target not in _NO_VIEWS else []
    else:
        candidates = node.all_input_nodes
    own = storage(node)
    return next((c for c in candidates if storage(c) is not None and storage(c) == own), None)


_NO_VIEWS = frozenset(
    op.default for op in (jic.loop_begin, jic.loop_end, jic.while_begin, jic.while_cond, jic.while_end, jic.if_end)
)


def shows_computed_place(node: Node) -> bool:
    """Whether, on the way to its memory, `node` is a view at a place that is only known at run time."""
    while True:
        node = tensor_of(node)
        if node.target is jic.dynamic_slice.default:
            return True
        base = _base(node)
        if base is None:
            return False
        node = base


def is_detached(node: Node, base: Node) -> bool:
    """Whether `node`, which shows the memory of `base`, is cut off from the gradient of `base`."""
    while (node := tensor_of(node)) is not base:
        if node.target in (aten.detach.default, aten.detach_.default):
            return True
        following = _base(node)
        if following is None:
            return False
        node = following
    return False
