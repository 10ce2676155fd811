"""The batched form of each op: the same op with one more dim, the iterations.

A rule gets the batched forms of the op's operands, at least one of them `Batched`, and returns the result's, or None where
there is none. `at` is the dim of the iterations; dims of one iteration's tensor that stand behind it are one more.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..simplify._evaluate import ELEMENTWISE
from ..simplify._rewrite import attribute, ints, shape
from ._batch import Batched, Batcher, Form, Rule, Space, first_batched, inserted
from ._batch_contraction import conv, matmul
from ._batch_index import dynamic_slice, dynamic_update, gather, index_select
from ._batch_regions import REGION_RULES


def batcher(space: Space, invariant: Callable[[ir.Value], bool], limit: int, safe: bool = False) -> Batcher:
    """A `Batcher` with the rules for all ops."""
    return Batcher(space, invariant, limit, safe, RULES, REGION_RULES)


def _shifted(dims: Sequence[int], at: int) -> list[int]:
    """`dims` of one iteration's tensor as dims of the batched one."""
    return [d + (d >= at) for d in dims]


def _elementwise(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    at = first_batched(forms).at
    return b.result(op, [b.spread(f, at) for f in forms], at)


def _broadcast(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x, dims = first_batched(forms), ints(op, "dims")
    behind = dims[-1] + 1 if dims else 0
    at = dims[x.at] if x.at < len(dims) else behind
    return b.result(op, [x.value], at, dims=build.i64s(inserted(_shifted(dims, at), x.at, at)))


def _reshape(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x, before, after = first_batched(forms), shape(op.operands[0]), shape(op.results[0])
    behind = prod(before[x.at :])
    # The iterations stay where they are if as many elements stand behind them as before.
    places = [at for at in range(len(after) + 1) if prod(after[at:]) == behind]
    at = places[0] if places and prod(before) else 0
    source = x.value if places and prod(before) else b.move(x, 0)
    return Batched(build.reshape(source, inserted(after, at, b.extent)), at)


def _transpose(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x, permutation = first_batched(forms), ints(op, "permutation")
    return b.result(op, [x.value], x.at, permutation=build.i64s(inserted(_shifted(permutation, x.at), x.at, x.at)))


def _slice(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x = first_batched(forms)
    offsets, strides = inserted(ints(op, "offsets"), x.at, 0), inserted(ints(op, "strides"), x.at, 1)
    return b.result(op, [x.value], x.at, offsets=build.i64s(offsets), strides=build.i64s(strides))


def _reverse(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x = first_batched(forms)
    return b.result(op, [x.value], x.at, dims=build.i64s(_shifted(ints(op, "dims"), x.at)))


def _pad(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x = first_batched(forms)
    low, high = (build.i64s(inserted(ints(op, name), x.at, 0)) for name in ("low", "high"))
    return b.result(op, [x.value], x.at, low=low, high=high)


def _along_dim(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    """`concat`, `cumulative`, `softmax`: the attribute `dim` names a dim that operands and result have."""
    at = first_batched(forms).at
    (dim,) = _shifted([attribute(op, "dim")], at)
    return b.result(op, [b.spread(f, at) for f in forms], at, dim=build.i64(dim))


def _reduce(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    x, dims = first_batched(forms), ints(op, "dims")
    at = x.at - sum(d < x.at for d in dims)
    return b.result(op, [x.value], at, dims=build.i64s(_shifted(dims, x.at)))


def _layer_norm(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched | None:
    x, *affine = forms
    if not isinstance(x, Batched) or any(isinstance(f, Batched) for f in affine):
        return None
    outer = len(shape(op.operands[0])) - attribute(op, "rank")
    at = min(x.at, outer)
    return b.result(op, [b.move(x, at), *affine], at)  # type: ignore[list-item]


def _attention(b: Batcher, op: ir.Operation, forms: list[Form]) -> Batched:
    return b.result(op, [b.spread(f, 0) for f in forms], 0)


RULES: dict[str, Rule] = {
    **dict.fromkeys(ELEMENTWISE, _elementwise),
    "broadcast": _broadcast,
    "reshape": _reshape,
    "transpose": _transpose,
    "slice": _slice,
    "reverse": _reverse,
    "pad": _pad,
    **dict.fromkeys(("concat", "cumulative", "softmax"), _along_dim),
    "reduce": _reduce,
    "layer_norm": _layer_norm,
    "attention": _attention,
    "matmul": matmul,
    **dict.fromkeys(("conv", "pool", "batch_norm", "group_norm"), conv),
    "index_select": index_select,
    "gather": gather,
    "dynamic_slice": dynamic_slice,
    "dynamic_update": dynamic_update,
}
