"""The memory layout of 2-D convolutions and of what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Literal

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass, functions, walk
from ._rewrite import apply_rewrites, attribute, by_name, defining, ints, is_static, run_upstream, shape
from ._sink_views import ELEMENTWISE, sink_transposes
from .fold_views import fold_broadcast, fold_reshape, fold_transpose

TO_NHWC, TO_NCHW = [0, 2, 3, 1], [0, 3, 1, 2]


@dataclass(frozen=True)
class ConvLayout(Pass):
    """Choose the memory layout of 2-D convolutions and pools, and move the transposes this needs to the net's ends.

        %1 = jic.conv %x, %w {nchw}       %0 = jic.transpose %x [0, 2, 3, 1]
        %2 = jic.relu %1                  %1 = jic.conv %0, %w {nhwc}
        %3 = jic.conv %2, %v {nchw}   →   %2 = jic.relu %1
                                          %3 = jic.conv %2, %v {nhwc}
                                          %4 = jic.transpose %3 [0, 3, 1, 2]

    Each window op in the other layout gets a transpose before and after it. The ones after sink through elementwise ops
    (whose per-channel vectors are broadcast to the new layout), pools, concat, pad, slice, softmax and reduce until they meet
    the next one and cancel. A function without 2-D convolutions is left alone.

    `layout` is `nhwc`, `nchw`, or `auto`: `nhwc`, which the kernels prefer, for window ops that feed one another; one that
    stands alone keeps its layout, since no transpose around it would cancel.
    """

    name = "jic-conv-layout"
    layout: Literal["auto", "nchw", "nhwc"] = "auto"

    def apply(self, module: ir.Operation) -> None:
        if not any(
            op.name == "jic.conv" and len(shape(op.operands[0])) == 4 for f in functions(module) for op in walk(f)
        ):
            return
        target = "nhwc" if self.layout == "auto" else self.layout
        back = TO_NCHW if target == "nhwc" else TO_NHWC
        force = partial(_worthwhile, back)
        table = [
            ("conv pool", partial(_window, target, back, self.layout == "auto")),
            ("transpose", fold_transpose),
            ("reshape", fold_reshape),
            ("broadcast", fold_broadcast),
            ("concat", partial(_concat, back)),
            ("pad slice reduce softmax", partial(_along_dims, back)),
            (" ".join(ELEMENTWISE), lambda op: sink_transposes(op, force)),
        ]
        apply_rewrites(module, by_name(table))
        run_upstream(module, "cse")  # one transpose for all users of an entry


def _inverse(permutation: list[int]) -> list[int]:
    return sorted(range(len(permutation)), key=permutation.__getitem__)


# What may stand between two window ops without keeping their layouts apart.
_TRANSPARENT = frozenset(f"jic.{name}" for name in (*ELEMENTWISE, "transpose", "concat", "pad", "slice"))
_WINDOWS = ("jic.conv", "jic.pool")


def _linked(op: ir.Operation) -> bool:
    """Whether another window op makes an input of `op` or uses its result, seen through what keeps shapes of images."""
    seen: set[ir.Value] = set()
    work = [(op.operands[0], False), (op.results[0], True)]
    while work:
        value, forward = work.pop()
        if value in seen:
            continue
        seen.add(value)
        if not forward:
            owner = value.owner
            if isinstance(owner, ir.Block):
                continue
            if owner.operation.name in _WINDOWS:
                return True
            if owner.operation.name in _TRANSPARENT:
                work += [(v, False) for v in owner.operation.operands if len(shape(v)) == 4]
            continue
        for use in value.uses:
            user = use.owner.operation
            if user.name in _WINDOWS and use.operand_number == 0:
                return True
            if user.name in _TRANSPARENT:
                work.append((user.results[0], True))
    return False


def _window(target: str, back: list[int], linked_only: bool, op: ir.Operation) -> ir.Value | None:
    source = op.operands[0]
    if linked_only and not _linked(op):
        return None
    if attribute(op, "layout") == target or len(shape(source)) != 4 or not is_static(source, op.results[0]):
        return None
    source = build.transpose(source, _inverse(back))
    stride, padding, dilation = (ints(op, name) for name in ("stride", "padding", "dilation"))
    if op.name == "jic.conv":
        out = build.conv(source, op.operands[1], stride, padding, dilation, attribute(op, "groups"), target)
    else:
        out = build.pool(source, attribute(op, "kind"), ints(op, "window"), stride, padding, dilation, target)
    return build.transpose(out, back)


def _before(value: ir.Value, back: list[int]) -> ir.Value | None:
    """What `value` is `transpose(…, back)` of."""
    op = defining(value, "transpose")
    return op.operands[0] if op is not None and ints(op, "permutation") == back else None


def _worthwhile(back: list[int], op: ir.Operation, permutation: list[int]) -> bool:
    """Transpose the other operands too: a user of the result wants it in the target layout, so none is added."""
    if permutation != back:
        return False
    users = [use.owner.operation for use in op.results[0].uses]
    return any(
        u.name in ("jic.conv", "jic.pool") or (u.name == "jic.transpose" and ints(u, "permutation") == _inverse(back))
        for u in users
    )


def _concat(back: list[int], op: ir.Operation) -> ir.Value | None:
    found = [_before(v, back) for v in op.operands]
    if 2 * sum(v is not None for v in found) <= len(found) or not is_static(*op.operands):
        return None
    parts = [build.transpose(v, _inverse(back)) if b is None else b for v, b in zip(op.operands, found, strict=True)]
    return build.transpose(build.concat(parts, back[attribute(op, "dim")]), back)


def _along_dims(back: list[int], op: ir.Operation) -> ir.Value | None:
    """Ops on one operand whose attributes name dims."""
    source = _before(op.operands[0], back)
    if source is None or not is_static(source, op.results[0]):
        return None
    to = _inverse(back)

    def moved(values: list[int]) -> list[int]:
        return [values[d] for d in to]

    if op.name == "jic.pad":
        return build.transpose(
            build.pad(source, moved(ints(op, "low")), moved(ints(op, "high")), attribute(op, "value")), back
        )
    if op.name == "jic.slice":
        offsets, strides = moved(ints(op, "offsets")), moved(ints(op, "strides"))
        return build.transpose(build.slice_(source, offsets, moved(shape(op.results[0])), strides), back)
    if op.name == "jic.softmax":
        return build.transpose(build.softmax(source, back[attribute(op, "dim")], attribute(op, "log")), back)
    dims = [back[d] for d in ints(op, "dims")]
    kept = [back[d] for d in range(len(back)) if d not in ints(op, "dims")]
    reduced = build.reduce(source, attribute(op, "kind"), dims)
    return build.transpose(reduced, [sorted(kept).index(d) for d in kept])
