"""Computes for all iterations at once what a loop's body computes for one.

A value that differs from iteration to iteration becomes one tensor with one more dim, the iterations; where this dim
stands differs from value to value, so that no tensor is transposed without need (`x[:, i]` for all `i` is `x` itself). A
value that is the same in all iterations stays as it is.

`Batcher.emit(op)` builds the batched form of one op of the body at the insertion point. What cannot be batched, or would need
too much memory, has no batched form, and neither has anything computed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Protocol

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import element, shape
from ._loop import all_static, attributes, clone, is_movable, reads, size_in_bytes


@dataclass(frozen=True)
class Batched:
    """The values of all iterations: `value` has the dim `at` more than one iteration's value."""

    value: ir.Value
    at: int


Form = Batched | ir.Value
Rule = Callable[["Batcher", ir.Operation, "list[Form]"], "Batched | None"]
RegionRule = Callable[["Batcher", ir.Operation], "list[Form] | None"]


class Space(Protocol):
    """The iterations that are computed at once."""

    extent: int

    def value(self, value: ir.Value) -> Form | None:
        """`value`, an argument of the body, for all iterations, if that is known."""
        ...

    def rows(self, source: ir.Value, op: ir.Operation) -> Batched | None:
        """The slices that the `jic.dynamic_slice` `op` takes from `source`, which is the same in all iterations."""
        ...


class Batcher:
    """The batched forms of the values of a loop's body.

    Args:
        space: the iterations.
        invariant: true for values that are defined outside of the loop.
        limit: the most bytes that one batched value may take.
        safe: batch only what can be computed for iterations that do not happen.
        rules, region_rules: the batched forms of ops, and of ops with regions, by name without `jic.`.
    """

    def __init__(
        self,
        space: Space,
        invariant: Callable[[ir.Value], bool],
        limit: int,
        safe: bool,
        rules: dict[str, Rule],
        region_rules: dict[str, RegionRule],
    ) -> None:
        self.space, self.invariant, self.limit, self.safe = space, invariant, limit, safe
        self.rules, self.region_rules = rules, region_rules
        self.extent = space.extent
        self.forms: dict[ir.Value, Form | None] = {}

    def form(self, value: ir.Value) -> Form | None:
        """The batched form of `value`; None if it has none, or none yet."""
        if value in self.forms:
            return self.forms[value]
        if self.invariant(value):
            return value
        if isinstance(value, ir.BlockArgument):
            self.forms[value] = self.space.value(value)
            return self.forms[value]
        return None

    def emit(self, op: ir.Operation) -> bool:
        """Build the batched form of `op`; true if all its results have one now."""
        if all(r in self.forms for r in op.results):
            return all(self.forms[r] is not None for r in op.results)
        with op.location:
            found = self._emit(op)
        for i, result in enumerate(op.results):
            self.forms[result] = None if found is None else found[i]
        return found is not None

    def _emit(self, op: ir.Operation) -> list[Form] | None:
        if not is_movable(op) or not all_static(op) or (self.safe and _may_fail(op)):
            return None
        if op.name == "jic.dynamic_slice":
            source = self.form(op.operands[0])
            if isinstance(source, ir.Value):
                rows = self.space.rows(source, op)
                if rows is not None:
                    return [rows] if self.fits(op.results[0]) else None
        forms = {v: self.form(v) for v in reads(op)}
        if any(f is None for f in forms.values()):
            return None
        if not any(isinstance(f, Batched) for f in forms.values()):
            replaced = {v: f for v, f in forms.items() if isinstance(f, ir.Value)}
            return list(clone(op, replaced).results)
        if not all(map(self.fits, op.results)):
            return None
        name = op.name.removeprefix("jic.")
        if name in self.region_rules:
            return self.region_rules[name](self, op)
        rule = self.rules.get(name)
        found = None if rule is None else rule(self, op, [f for v in op.operands if (f := forms[v]) is not None])
        return None if found is None else [found]

    def fits(self, value: ir.Value) -> bool:
        return size_in_bytes(value) * self.extent <= self.limit

    # -- what rules use --------------------------------------------------------------------------------------------------

    def move(self, form: Batched, at: int) -> ir.Value:
        """The tensor of `form` with the iterations at dim `at`."""
        if form.at == at:
            return form.value
        sizes = shape(form.value)
        order = [d for d in range(len(sizes)) if d != form.at]
        order.insert(at, form.at)
        low, high = sorted((form.at, at))
        crossed = [s for d, s in enumerate(sizes) if low <= d <= high and d != form.at]
        if prod(crossed) == 1:
            return build.reshape(form.value, [sizes[d] for d in order])
        return build.transpose(form.value, order)

    def spread(self, form: Form, at: int) -> ir.Value:
        """The tensor of `form` with the iterations at dim `at`, repeated if it is the same in all."""
        if isinstance(form, Batched):
            return self.move(form, at)
        sizes = shape(form)
        dims = [d + (d >= at) for d in range(len(sizes))]
        return build.broadcast(form, inserted(sizes, at, self.extent), dims)

    def result(self, op: ir.Operation, operands: Sequence[ir.Value], at: int, **changed: ir.Attribute) -> Batched:
        """`op` on batched operands, with the iterations at dim `at` of its result and other values for some attributes."""
        old = op.results[0]
        type_ = build.tensor_type(inserted(shape(old), at, self.extent), element(old))
        name = op.name.removeprefix("jic.")
        return Batched(build.op(name, operands, [type_], {**attributes(op), **changed}).result, at)


def inserted(sizes: Sequence[int], at: int, extent: int) -> list[int]:
    return [*sizes[:at], extent, *sizes[at:]]


def first_batched(forms: Sequence[Form]) -> Batched:
    return next(f for f in forms if isinstance(f, Batched))


def _may_fail(op: ir.Operation) -> bool:
    """True if `op` may fail on values that the program never gives it."""
    if op.name in ("jic.index_select", "jic.gather") or op.regions:
        return True
    return op.name in ("jic.div", "jic.rem", "jic.mod") and isinstance(element(op.results[0]), ir.IntegerType)
