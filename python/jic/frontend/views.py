"""Views as functions of their base: how to read one again after a write, and how to write one back into its base."""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch.fx import Node

from .control.markers import ops as jic
from .layouts import repeats_elements
from .provenance import RETURN_SELF

aten = torch.ops.aten
Call = tuple[torch._ops.OpOverload, tuple[Any, ...]]


@dataclass(frozen=True)
class View:
    """How a view comes from `base`.

    Attributes:
        base: the node it is a view of.
        read: `op(base, *arguments)` is the view; None if it is the base itself.
        scatter: `op(base, value, *arguments)` is the base with `value` in place of the view.
        inverse: `op(value, *arguments)` is that, for a `whole` view; without one `value` itself is.
        whole: the view shows each element of its base once.
    """

    base: Node
    read: Call | None
    scatter: Call | None = None
    inverse: Call | None = None
    whole: bool = False

    @property
    def writable(self) -> bool:
        return self.scatter is not None or self.whole


def view_of(node: Node) -> View | None:
    """`node` as a view of its first argument, if it is one that shares memory with it."""
    if node.op != "call_function":
        return None
    if node.target is operator.getitem:
        return _part(node)
    maker = _VIEWS.get(node.target) or (_same if node.target in RETURN_SELF else None)
    if maker is None or not isinstance(node.args[0], Node):
        return None
    if node.target is not jic.dynamic_slice.default and not shares_memory(node, node.args[0]):
        return None  # `reshape` and the like copy where they must
    return maker(node, node.args[0], *_arguments(node)[1:])


def storage(node: Node) -> int:
    return node.meta["val"].untyped_storage()._cdata


def shares_memory(node: Node, base: Node) -> bool:
    values = (node.meta.get("val"), base.meta.get("val"))
    return all(isinstance(v, torch.Tensor) for v in values) and storage(node) == storage(base)


def _arguments(node: Node) -> list[Any]:
    """All arguments of the schema, in its order."""
    found = list(node.args)
    for argument in node.target._schema.arguments[len(found) :]:  # type: ignore[union-attr]
        found.append(node.kwargs.get(argument.name, argument.default_value))
    return found


def _part(node: Node) -> View | None:
    """An item of `unbind`, `split` and the like."""
    whole, index = node.args
    if not isinstance(whole, Node) or whole.target not in LISTS or not shares_memory(node, whole.args[0]):  # type: ignore
        return None
    base: Node = whole.args[0]  # type: ignore[assignment]
    dim = _arguments(whole)[LISTS[whole.target]]  # type: ignore[index]
    if whole.target is aten.unbind.int:
        return _select(node, base, dim, index)
    start = sum(part.shape[dim] for part in whole.meta["val"][:index])
    return _narrow(node, base, dim, start, node.meta["val"].shape[dim])


def _select(node: Node, base: Node, dim: int, index: int) -> View:
    return View(base, (aten.select.int, (dim, index)), (aten.select_scatter.default, (dim, index)))


def _slice(node: Node, base: Node, *arguments: Any) -> View:
    return View(base, (aten.slice.Tensor, arguments), (aten.slice_scatter.default, arguments))


def _narrow(node: Node, base: Node, dim: int, start: int, length: int) -> View:
    start = start + base.meta["val"].shape[dim] if start < 0 else start
    return _slice(node, base, dim, start, start + length, 1)


def _dynamic_slice(node: Node, base: Node, index: Node, dim: int, size: int) -> View:
    return View(base, (jic.dynamic_slice.default, (index, dim, size)), (jic.dynamic_update.default, (index, dim)))


def _diagonal(node: Node, base: Node, *arguments: Any) -> View:
    return View(base, (aten.diagonal.default, arguments), (aten.diagonal_scatter.default, arguments))


def _reshape(node: Node, base: Node, *unused: Any) -> View:
    to = list(node.meta["val"].shape), list(base.meta["val"].shape)
    return View(base, (aten.reshape.default, (to[0],)), inverse=(aten.reshape.default, (to[1],)), whole=True)


def _permute(node: Node, base: Node, dims: list[int]) -> View:
    dims = [d % len(dims) for d in dims]
    back = [dims.index(d) for d in range(len(dims))]
    return View(base, (aten.permute.default, (dims,)), inverse=(aten.permute.default, (back,)), whole=True)


def _transpose(node: Node, base: Node, *arguments: Any) -> View:
    op = node.target
    return View(base, (op, arguments), inverse=(op, arguments), whole=True)  # type: ignore[arg-type]


def _same(node: Node, base: Node, *unused: Any) -> View | None:
    return View(base, None, whole=True) if node.meta["val"].shape == base.meta["val"].shape else None


def _expand(node: Node, base: Node, *unused: Any) -> View:
    shape = node.meta["val"].shape
    return View(base, (aten.expand.default, (list(shape),)), whole=shape == base.meta["val"].shape)


def _as_strided(node: Node, base: Node, size: list[int], stride: list[int], offset: int) -> View:
    arguments = (size, stride, offset)  # of a row-major base: see strided.py
    scatter = None if repeats_elements(size, stride) else (aten.as_strided_scatter.default, arguments)
    return View(base, (aten.as_strided.default, arguments), scatter)


LISTS = {  # where the dim is among the arguments
    aten.unbind.int: 1,
    aten.split.Tensor: 2,
    aten.split_with_sizes.default: 2,
    aten.split.sizes: 2,
    aten.chunk.default: 2,
    aten.unsafe_split.Tensor: 2,
    aten.unsafe_split_with_sizes.default: 2,
    aten.unsafe_chunk.default: 2,
    aten.tensor_split.sections: 2,
}
_VIEWS: dict[Any, Callable[..., View | None]] = {
    aten.select.int: _select,
    aten.slice.Tensor: _slice,
    aten.narrow.default: _narrow,
    aten.diagonal.default: _diagonal,
    aten.permute.default: _permute,
    jic.dynamic_slice.default: _dynamic_slice,
    aten.as_strided.default: _as_strided,
    **dict.fromkeys((aten.transpose.int, aten.swapaxes.default, aten.swapdims.default, aten.t.default), _transpose),
    **dict.fromkeys((aten.numpy_T.default, aten.mT.default, aten.adjoint.default), _transpose),
    **dict.fromkeys(
        (aten.view.default, aten.reshape.default, aten._unsafe_view.default, aten.view_as.default), _reshape
    ),
    **dict.fromkeys(
        (aten.flatten.using_ints, aten.unflatten.int, aten.unsqueeze.default, aten.ravel.default), _reshape
    ),
    **dict.fromkeys((aten.squeeze.default, aten.squeeze.dim, aten.squeeze.dims, aten.reshape_as.default), _reshape),
    **dict.fromkeys((aten.detach.default, aten.alias.default, aten.contiguous.default, aten.dropout.default), _same),
    **dict.fromkeys((aten.to.dtype, aten.to.device, aten.to.dtype_layout, aten.to.other), _same),
    **dict.fromkeys((aten.expand.default, aten.expand_as.default, aten.broadcast_to.default), _expand),
}
