"""A value that a loop folds something into in each iteration, for all iterations at once."""

from __future__ import annotations

from math import inf

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import element, is_bool, is_float, is_unsigned, shape
from ._batch import Batched, Batcher, inserted
from ._carried import Fold

_REDUCE = {"add": "sum", "mul": "prod", "maximum": "max", "minimum": "min", "and": "all", "or": "any"}


def folded_terms(b: Batcher, fold: Fold) -> Batched | None:
    """What each iteration folds in, as one batched value; None if a term has no batched form."""
    total: ir.Value | None = None
    for term in fold.terms:
        form = b.form(term.value)
        condition = None if term.condition is None else b.form(term.condition)
        if form is None or (term.condition is not None and condition is None):
            return None
        value = b.spread(form, 0)
        if condition is not None:
            # x - 0.0 and x + -0.0 are x, whatever the sign of x if it is zero.
            neutral = build.splat_like(value, _neutral(fold.kind, element(value), term.negated))
            sides = (value, neutral) if term.wanted else (neutral, value)
            value = build.select(b.spread(condition, 0), *sides)
        if term.negated:
            value = build.elementwise("neg", value)
        total = value if total is None else build.elementwise(fold.kind, total, value)
    return None if total is None or not b.fits(fold.links[-1]) else Batched(total, 0)


def reduced(fold: Fold, init: ir.Value, terms: Batched) -> ir.Value:
    """The value after the last iteration."""
    kind = _REDUCE[fold.kind]
    if is_bool(element(init)):
        kind = {"max": "any", "min": "all"}.get(kind, kind)
    return build.elementwise(fold.kind, init, build.reduce(terms.value, kind, [terms.at]))


def scanned(b: Batcher, fold: Fold, init: ir.Value, terms: Batched) -> Batched | None:
    """The values after each iteration."""
    if is_bool(element(init)):
        return None
    each = build.cumulative(terms.value, _REDUCE[fold.kind], terms.at)
    return Batched(build.elementwise(fold.kind, b.spread(init, terms.at), each), terms.at)


def delayed(b: Batcher, init: ir.Value, each: Batched) -> Batched:
    """The values before each iteration, from the one before the first and those after each."""
    dim = each.at
    sizes = inserted(shape(init), dim, b.extent)
    first = build.reshape(init, inserted(shape(init), dim, 1))
    if b.extent == 1:
        return Batched(first, dim)
    earlier = build.slice_(each.value, [0] * len(sizes), inserted(shape(init), dim, b.extent - 1), [1] * len(sizes))
    return Batched(build.concat([first, earlier], dim), dim)


def last(b: Batcher, each: Batched, like: ir.Value) -> ir.Value:
    """The value after the last iteration, from those after each."""
    sizes = shape(each.value)
    offsets = [b.extent - 1 if d == each.at else 0 for d in range(len(sizes))]
    row = build.slice_(each.value, offsets, inserted(shape(like), each.at, 1), [1] * len(sizes))
    return build.reshape(row, shape(like))


def _neutral(kind: str, type_: ir.Type, negated: bool) -> float | int | bool:
    """The term that changes nothing, bit for bit."""
    if kind in ("and", "or"):
        return kind == "and"
    if kind == "add":
        return -0.0 if is_float(type_) and not negated else 0
    if kind == "mul":
        return 1
    low = kind == "maximum"
    if is_float(type_):
        return -inf if low else inf
    assert isinstance(type_, ir.IntegerType)
    if is_bool(type_):
        return not low
    bits = type_.width
    if is_unsigned(type_):
        return 0 if low else 2**bits - 1
    return -(2 ** (bits - 1)) if low else 2 ** (bits - 1) - 1
