"""Ops on constants become constants."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from math import prod

import numpy as np
from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from . import _evaluate as evaluate
from . import constants
from ._rewrite import apply_rewrites, by_name, defining, element, is_static, shape


@dataclass(frozen=True)
class ConstantFold(Pass):
    """Evaluate ops whose operands are constants.

        %0 = jic.constant dense<2.0>      %1 = jic.constant dense<3.0>
        %2 = jic.add %0, %1           →   %2 = jic.constant dense<5.0>

    Splats fold at any size. Other constants, `jic.iota` and broadcasts of them are evaluated while operands and result have at
    most `limit` elements; an iota or a broadcast that stays an operand is left alone, since kernels compute it for
    nothing. Arithmetic is exact in the element type, integers wrap, functions such as `exp` are rounded once from f64.
    What has no defined value (integer division by zero, …) is left to run time.
    """

    name = "jic-constant-fold"
    limit: int = 1024

    def apply(self, module: ir.Operation) -> None:
        fold = partial(_fold, self.limit)
        names = " ".join((*evaluate.ELEMENTWISE, *evaluate.VIEWS, "reduce"))
        apply_rewrites(module, by_name([(names, fold), ("broadcast", _fold_broadcast)]))


def _fold(limit: int, op: ir.Operation) -> ir.Value | None:
    result = op.results[0]
    if not is_static(result):
        return None
    name = op.name[4:]
    if not len(op.operands):
        return None
    operands = []
    for value in op.operands:
        array = _value(value, limit)
        if array is None:
            return None
        operands.append(array)
    try:
        if name in evaluate.ELEMENTWISE:
            out = evaluate.elementwise(op, operands)
            if out.size > 1 and prod(shape(result)) > limit:
                return None
        elif name in ("reshape", "transpose", "slice", "reverse") and operands[0].size == 1:
            out = operands[0].reshape([1] * len(shape(result)))
        else:
            sizes = [prod(shape(v)) for v in (*op.operands, result)]
            if max(sizes) > limit:
                return None
            full = [np.broadcast_to(a, shape(v)) for a, v in zip(operands, op.operands, strict=True)]
            out = evaluate.reduce(op, full[0]) if name == "reduce" else evaluate.view(op, full)
    except evaluate.Undefined:
        return None
    return constants.write(np.asarray(out), result)


def _fold_broadcast(op: ir.Operation) -> ir.Value | None:
    constant = defining(op.operands[0], "constant")
    if constant is None or not is_static(op.results[0]):
        return None
    dense = constant.attributes["value"]
    if not getattr(dense, "is_splat", False):
        return None
    out = op.results[0]
    return build.splat(shape(out), element(out), dense.get_splat_value().value)


def _value(value: ir.Value, limit: int) -> np.ndarray | None:
    """The constant that `value` is; a splat has one element. None if it is no constant or has more than `limit` elements."""
    op = defining(value, "constant", "iota", "broadcast")
    if op is None or not is_static(value):
        return None
    if op.name == "jic.constant":
        array = constants.read(op.attributes["value"])
        return array if array is not None and (array.size == 1 or array.size <= limit) else None
    if prod(shape(value)) > limit:
        return None
    if op.name == "jic.iota":
        return evaluate.iota(op)
    source = _value(op.operands[0], limit)
    return None if source is None else evaluate.broadcast(op, np.broadcast_to(source, shape(op.operands[0])))
