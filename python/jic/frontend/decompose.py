"""Decomposition of the ops that have no conversion, one by one, with PyTorch's own decompositions.

An op that PyTorch itself defines by other ops (a composite, or one with an entry in the core ATen table) is replaced by
them, again and again until each op has a conversion or cannot be taken apart.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import torch
from torch.fx import GraphModule, Node
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from . import fake_kernels
from .mutation import remove_mutations

_MAX_DEPTH = 8
# Their decompositions compute something else than the kernel does (random numbers, workspace shapes), lose precision, or
# take negative indices where the op raises.
_KEEP = (
    "aten._scaled_dot_product",
    "aten.native_dropout",
    "aten.rand",
    "aten.bernoulli",
    "aten.normal",
    "aten.uniform",
    "aten.index_add",
    "aten.index_copy",
    "aten.index_fill",
)


@fake_kernels.corrected()
def decompose(graph: GraphModule, is_converted: Callable[[str], bool]) -> None:
    """Rewrite `graph` in place; `is_converted` tells whether an op, as in "aten.add.Tensor", has a conversion."""
    pending = [(node, 0) for node in graph.graph.nodes]
    while pending:
        node, depth = pending.pop()
        if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
            continue
        if depth >= _MAX_DEPTH or is_converted(op_name(node.target)):
            continue
        body = _body(node)
        if body is not None:
            pending += [(new, depth + 1) for new in _inline(graph, node, body)]


def op_name(target: torch._ops.OpOverload) -> str:
    """`aten.add.Tensor`; without an overload's name where it is the default one."""
    schema = target._schema
    name = schema.name.replace("::", ".")
    return f"{name}.{schema.overload_name}" if schema.overload_name else name


@functools.cache
def _table() -> dict[Any, Callable[..., Any]]:
    return torch._decomp.core_aten_decompositions()


def _decomposition(target: torch._ops.OpOverload) -> Callable[..., Any] | None:
    if str(target).startswith(_KEEP) or torch.Tag.nondeterministic_seeded in target.tags:
        return None
    if target in _table():
        return _table()[target]
    if torch._C._dispatch_has_kernel_for_dispatch_key(target.name(), "CompositeImplicitAutograd"):
        return target.decompose
    return None


def _body(node: Node) -> GraphModule | None:
    """The decomposition of `node` as a graph of its tensor arguments; None if there is none or it fails."""
    function = _decomposition(node.target)  # type: ignore[arg-type]
    if function is None:
        return None
    leaves, spec = pytree.tree_flatten((node.args, node.kwargs))
    positions = [i for i, leaf in enumerate(leaves) if isinstance(leaf, Node)]

    def call(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for i, tensor in zip(positions, tensors, strict=True):
            filled[i] = tensor
        args, kwargs = pytree.tree_unflatten(filled, spec)
        result = function(*args, **kwargs)
        if result is NotImplemented:
            raise NotImplementedError
        return pytree.tree_leaves(result)

    examples = [leaves[i].meta["val"] for i in positions]
    try:
        with torch.no_grad():
            # Some of PyTorch's composites write to tensors of their own.
            body, mutations = remove_mutations(make_fx(call, tracing_mode="fake")(*examples))
    except Exception:  # no usable decomposition for these arguments: the op is called as it is
        return None
    return body if not mutations and _is_equivalent(body, node) else None


def _is_equivalent(body: GraphModule, node: Node) -> bool:
    """Has results like those of `node`, and only ops that may stand for it."""
    expected = pytree.tree_leaves(node.meta["val"])
    results = body.graph.output_node().args[0]
    found = [r.meta.get("val") if isinstance(r, Node) else None for r in results]  # type: ignore[union-attr]
    same = len(found) == len(expected) and all(
        f is e is None or (isinstance(f, torch.Tensor) and f.shape == e.shape and f.dtype == e.dtype)
        for f, e in zip(found, expected, strict=True)
    )
    return same and all(_is_usable(n, node) for n in body.graph.nodes)


def _is_usable(node: Node, original: Node) -> bool:
    """False for `original`'s op again, for complex numbers, and for run-time checks, which the op does itself."""
    if any(isinstance(v, torch.Tensor) and v.is_complex() for v in pytree.tree_leaves(node.meta.get("val"))):
        return False
    if not isinstance(node.target, torch._ops.OpOverload):
        return True
    return node.target is not original.target and bool(node.target._schema.returns)


def _inline(graph: GraphModule, node: Node, body: GraphModule) -> list[Node]:
    """Replace `node` by `body`; returns the new nodes."""
    tensors = [leaf for leaf in pytree.tree_leaves((node.args, node.kwargs)) if isinstance(leaf, Node)]
    placeholders = [n for n in body.graph.nodes if n.op == "placeholder"]
    values: dict[Node, Node] = dict(zip(placeholders, tensors, strict=True))
    new: list[Node] = []
    with graph.graph.inserting_before(node):
        for inner in body.graph.nodes:
            if inner.op in ("placeholder", "output"):
                continue
            if inner.op == "get_attr":
                name = f"_decomposed_{len(graph._buffers)}"
                graph.register_buffer(name, getattr(body, str(inner.target)), persistent=False)
                values[inner] = graph.graph.get_attr(name)
            else:
                values[inner] = graph.graph.node_copy(inner, values.__getitem__)
            values[inner].meta = {"val": inner.meta.get("val"), "location": node.meta.get("location", "")}
            new.append(values[inner])
    results = [r and values[r] for r in body.graph.output_node().args[0]]  # type: ignore[union-attr]
    if isinstance(node.meta["val"], (list, tuple)):
        for user in list(node.users):
            user.replace_all_uses_with(results[user.args[1]])  # type: ignore[index]
            graph.graph.erase_node(user)
    else:
        node.replace_all_uses_with(results[0])
    graph.graph.erase_node(node)
    return new
