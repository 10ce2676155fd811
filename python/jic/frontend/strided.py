"""`as_strided` and its kin read the memory of eager's tensor, whose strides a compiled buffer does not have.

Each of them is put on the tensor that made the memory, with its dims in the order in which they lie there: that one is
row-major, and is all there is of the memory.

    %r = permute(%x, …)                                  channels-last %x of shape [2, 3, 4, 4]
    %a = as_strided(%r, …)          ->                   %p = permute(%x, [0, 2, 3, 1])
                                                         %a = as_strided(%p, …)
"""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import GraphModule, Node

from ..errors import CaptureError
from .layouts import memory_order
from .provenance import memory_of

aten = torch.ops.aten
_OFFSETS = {  # where size, stride and storage offset are among the arguments
    aten.as_strided.default: 1,
    aten.as_strided_copy.default: 1,
    aten.as_strided_scatter.default: 2,
}
# Besides elementwise ops, those whose results have on fake tensors the strides that they have in eager.
_KNOWN = frozenset(
    {
        aten.clone.default, aten.contiguous.default, aten.empty.memory_format, aten.zeros.default, aten.ones.default,
        aten.full.default, aten.arange.default, aten.arange.start, aten.arange.start_step, aten.rand.default,
        aten.randn.default, aten.new_zeros.default, aten.new_ones.default, aten.new_full.default, aten.new_empty.default,
        aten.zeros_like.default, aten.ones_like.default, aten.full_like.default, aten.empty_like.default,
        aten.matmul.default, aten.mm.default, aten.addmm.default, aten.bmm.default, aten.linear.default,
        aten.cat.default, aten.stack.default, aten.lift_fresh.default, aten.lift_fresh_copy.default, aten.to.dtype,
        aten.empty_strided.default,
    }
)  # fmt: skip


def use_real_strides(graph: GraphModule) -> None:
    """Put each op that reads strides on a row-major tensor that is the whole memory (`graph` is changed).

    Raises:
        CaptureError: it is not known what that memory holds.
    """
    for node in list(graph.graph.nodes):
        if node.target in _OFFSETS:
            _rebase(node, _OFFSETS[node.target])


def _rebase(node: Node, first: int) -> None:
    view: Node = node.args[0]  # type: ignore[assignment]
    memory = memory_of(view)
    base, value = memory.meta["val"], view.meta["val"]
    size, stride = (_argument(node, i) for i in (first, first + 1))
    offset = _argument(node, first + 2)
    offset = (value.storage_offset() if offset is None else offset) - base.storage_offset()
    order = memory_order(base.shape, base.stride())
    last = offset + sum((n - 1) * s for n, s in zip(size, stride, strict=True))
    inside = 0 in size or (offset >= 0 and last < base.numel())
    whole_view = view is memory or node.target is not aten.as_strided_scatter.default
    if order is None or not inside or base.dtype != value.dtype or not whole_view or not _is_known(memory):
        raise CaptureError(
            f"{node.target} reads memory through strides, of a tensor whose memory is not known",
            hint="use views that name dims, or clone() the tensor first",
            location=node.meta.get("location", ""),
        )
    if order != sorted(order):
        if node.target is aten.as_strided_scatter.default:
            raise CaptureError(
                f"{node.target} of a tensor that is not row-major", location=node.meta.get("location", "")
            )
        with node.graph.inserting_before(node), base.fake_mode:
            row_major = node.graph.call_function(aten.permute.default, (memory, order))
            row_major.meta = {"val": base.permute(order), "location": node.meta.get("location", "")}
        memory = row_major
    node.args = (memory, *node.args[1:first], list(size), list(stride), offset)
    node.kwargs = {}


def _argument(node: Node, index: int) -> Any:
    arguments = node.target._schema.arguments  # type: ignore[union-attr]
    return node.args[index] if index < len(node.args) else node.kwargs.get(arguments[index].name)


def _is_known(memory: Node) -> bool:
    """Whether eager's tensor has the strides that the trace saw."""
    if memory.op in ("placeholder", "get_attr") or memory.target in _KNOWN:
        return True
    target = memory.target
    return isinstance(target, torch._ops.OpOverload) and torch.Tag.pointwise in target.tags
