"""Cheap branches become data flow."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..fusion._ops import ELEMENTWISE, GENERATORS, VIEWS
from ..simplify._dynamic_views import same_place
from ..simplify._regions import body_ops, control_flow, inline_before, inside, replace, terminator
from ..simplify._rewrite import attribute, defining, erase_unused, is_pure, is_static, shape, used
from ._cost import elements, may_speculate

_MOVES = VIEWS | GENERATORS | {"reshape"}
_SIMPLE = ELEMENTWISE | _MOVES | {"dynamic_update"}


@dataclass(frozen=True)
class IfToSelect(Pass):
    """Compute both branches of a cheap `jic.if` and choose between the results, inner ones first.

        %0 = jic.if %c {                          %1 = jic.exp %x
          %1 = jic.exp %x                         %2 = jic.broadcast %c
          jic.yield %1                        →   %0 = jic.select %2, %1, %x
        } else {
          jic.yield %x
        }

    A branch that updates a tensor which the other one leaves alone, or updates too, becomes an update with what the
    tensor holds or the new value, so that only the slice is chosen and moved:

        jic.if %c { jic.dynamic_update %b, %x, %i } else { %b }
          →   jic.dynamic_update %b, (jic.select %c, %x, (jic.dynamic_slice %b, %i)), %i

    Branches with look-ups, integer divisions by unknown numbers, reductions, products, calls or loops stay branches.

    Options:
        max-ops: the most elementwise ops, updates and selects that this may leave.
        max-elements: the most elements that these may compute, together.
    """

    name = "jic-if-to-select"
    max_ops: int = 16
    max_elements: int = 16384

    def apply(self, module: ir.Operation) -> None:
        converted = False
        for op in control_flow(module, "if"):
            if self._is_cheap(op):
                _convert(op)
                converted = True
        if converted:
            erase_unused(module)

    def _is_cheap(self, op: ir.Operation) -> bool:
        computed: list[ir.Value] = []
        branches = [region.blocks[0] for region in op.regions]
        pairs = list(zip(*(terminator(block).operands for block in branches), strict=True))
        chains = [chain for on_true, on_false in pairs if (chain := _updates(on_true, on_false, op))]
        chained = [update for _, *sides in chains for side in sides for update in side]
        for inner in (inner for block in branches for inner in body_ops(block)):
            if inner.name.removeprefix("jic.") not in _SIMPLE or not may_speculate(inner):
                return False
            if not is_static(*inner.operands, *inner.results):
                return False
            if inner.name == "jic.dynamic_update":
                computed.append(inner.operands[1] if inner in chained and _only_chained(inner) else inner.results[0])
            elif inner.name.removeprefix("jic.") not in _MOVES:
                computed.append(inner.results[0])
        for on_true, on_false in pairs:
            if on_true != on_false and not _updates(on_true, on_false, op):
                computed.append(on_true)
        if not is_static(*computed):
            return False
        return len(computed) <= self.max_ops and sum(elements(v) for v in computed) <= self.max_elements


def _convert(op: ir.Operation) -> None:
    condition = op.operands[0]
    pairs = list(zip(*(terminator(region.blocks[0]).operands for region in op.regions), strict=True))
    chains = [_updates(on_true, on_false, op) for on_true, on_false in pairs]
    inlined = [inner for region in op.regions for inner in body_ops(region.blocks[0])]
    for region in op.regions:
        inline_before(op, region.blocks[0], [])
    with ir.InsertionPoint(op), op.location:
        results = [
            _updated(condition, on_true, chain) if chain else _choose(condition, on_true, on_false)
            for (on_true, on_false), chain in zip(pairs, chains, strict=True)
        ]
    replace(op, results)
    for inner in reversed(inlined):  # updates that were replaced
        if is_pure(inner) and not any(used(r) for r in inner.results):
            inner.erase()


def _choose(condition: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    if on_true == on_false:
        return on_true
    return build.select(build.broadcast(condition, shape(on_true), []), on_true, on_false)


Chain = tuple[ir.Value, list[ir.Operation], list[ir.Operation]]


def _updates(on_true: ir.Value, on_false: ir.Value, op: ir.Operation) -> Chain | None:
    """The tensor from outside `op` that both values are updates of, and the updates, first ones first; None if there is none."""
    sides = []
    for value in (on_true, on_false):
        updates: list[ir.Operation] = []
        while inside(value, op) and (update := defining(value, "dynamic_update")):
            updates.append(update)
            value = update.operands[0]
        sides.append((value, updates[::-1]))
    (base, first), (other, second) = sides
    return (base, first, second) if base == other and (first or second) else None


def _only_chained(update: ir.Operation) -> bool:
    """True if only further updates of the tensor and the branch's end use the result: then no copy is needed."""
    users = [use.owner.operation for use in update.results[0].uses]
    return len(users) == 1 and users[0].name in ("jic.dynamic_update", "jic.yield")


def _updated(condition: ir.Value, on_true: ir.Value, chain: Chain) -> ir.Value:
    """The updates of the branch that is taken, one after the other; those of the other branch store what is there."""
    current, first, second = chain
    same = first and second and first[0].operands[1].type == second[0].operands[1].type
    if same and len(first) == len(second) == 1 and same_place(first[0], 2, second[0], 2):
        update = _choose(condition, first[0].operands[1], second[0].operands[1])
        return build.dynamic_update(current, update, first[0].operands[2], attribute(first[0], "dim"))
    for updates, taken in ((first, True), (second, False)):
        for op in updates:
            _, update, index = op.operands
            dim = attribute(op, "dim")
            old = build.dynamic_slice(current, index, dim, shape(update)[dim])
            sides = (update, old) if taken else (old, update)
            current = build.dynamic_update(current, _choose(condition, *sides), index, dim)
    return current
