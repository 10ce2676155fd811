"""Products that do not depend on earlier iterations are computed for all iterations at once, before the loop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import attribute, defining, erase_unused, shape
from ._affine import Indices
from ._batch import Batched, Batcher, Space
from ._batch_rules import batcher
from ._loop import Loop, closure, invariant_in, loops, reads, size_in_bytes
from ._spaces import Iterations, Rows
from ._split_concat import split_concat

CONTRACTIONS = ("jic.matmul", "jic.conv")


@dataclass(frozen=True)
class HoistContraction(Pass):
    """Compute a loop's products of slices and weights for all iterations at once, before the loop.

        %r = jic.loop(%n, %h0) {                  %0 = jic.matmul %x, %w              [T, N]
          ^bb0(%i, %h):                           %r = jic.loop(%n, %h0) {
            %0 = jic.dynamic_slice %x, %i           ^bb0(%i, %h):
            %1 = jic.matmul %0, %w                    %1 = jic.dynamic_slice %0, %i
            %2 = jic.matmul %h, %u                    %2 = jic.matmul %h, %u
            %3 = jic.add %1, %2                       %3 = jic.add %1, %2
            jic.yield %3                              jic.yield %3
        }                                   →     }

    One product of `T` times as many rows reads the weights once, and keeps the machine busy where a row or a few do not.
    Everything may stand between slice and product that jic-parallelize-loops can batch, and pure work on the product that
    needs nothing else from the loop and no more memory (a bias, an activation) goes along. A matmul whose left side is a
    concat is first split into a sum of two, if that sets a part free (`cat([x[t], h], 1) @ w`): the sum is then taken in
    another order.

    The loop's trip count is a constant, and the slices' positions are `a * i + b`; or it is not, and the slices take one
    row each, at one position `i + b` or `b - i`, from tensors with equally many rows; then all rows are computed.

    Not moved: results of more than `max-bytes`; and where an iteration's product has more than `rows` rows (it is efficient
    where it stands), results of more than `growth` times the bytes of what is sliced.
    """

    name = "jic-hoist-contraction"

    max_bytes: int = 1 << 30
    rows: int = 512
    growth: int = 4

    def apply(self, module: ir.Operation) -> None:
        # An inner loop's products move into the body of the loop around it, whose turn comes later.
        for op in loops(module):
            if any(o.name in CONTRACTIONS for o in Loop(op).operations()):
                split_concat(op)
                _Hoist(self, op).run()
        erase_unused(module)


class _Hoist:
    def __init__(self, options: HoistContraction, op: ir.Operation) -> None:
        self.options, self.loop = options, Loop(op)
        self.invariant = invariant_in(op)
        self.indices = Indices(self.loop)
        self.body = self.loop.operations()

    def run(self) -> None:
        count = self.indices.count
        if count is None:
            for space in self.row_spaces():
                self.hoist(space, self.each_row(space), safe=True)
        elif count > 1:
            self.hoist(Iterations(self.loop.index, self.indices), lambda op: self.loop.index)

    def row_spaces(self) -> list[Rows]:
        found: dict[tuple, Rows] = {}
        for op in self.body:
            if op.name != "jic.dynamic_slice" or not self.invariant(op.operands[0]):
                continue
            known, dim = self.indices.affine(op.operands[1]), attribute(op, "dim")
            extent = shape(op.operands[0])[dim]
            if known is not None and abs(known.scale) == 1 and shape(op.results[0])[dim] == 1 and extent > 1:
                found[extent, known] = Rows(extent, known, self.indices)
        return list(found.values())

    def each_row(self, space: Rows) -> Callable[[ir.Operation], ir.Value]:
        """For an op of the body: the scalar that holds the position of its row."""

        def position(op: ir.Operation) -> ir.Value:
            for i in closure(self.body, op.results)[0]:
                inner = self.body[i]
                if inner.name == "jic.dynamic_slice" and self.indices.affine(inner.operands[1]) == space.index:
                    return inner.operands[1]
            raise AssertionError("a batched value was computed from no slice")

        return position

    def hoist(self, space: Space, position: Callable[[ir.Operation], ir.Value], safe: bool = False) -> None:
        with ir.InsertionPoint(self.loop.op):
            batched = batcher(space, self.invariant, self.options.max_bytes, safe)
            for argument, init, next_ in zip(self.loop.carried, self.loop.inits, self.loop.yielded, strict=True):
                if argument == next_:
                    batched.forms[argument] = init
            moved = self.moved(batched)
        ops = [self.body[i] for i in moved if self.is_used_outside(self.body[i], moved)]
        for op, index in [(op, position(op)) for op in ops]:
            with ir.InsertionPoint(op), op.location:
                for result in op.results:
                    form = batched.forms[result]
                    assert isinstance(form, Batched)
                    row = build.dynamic_slice(form.value, index, form.at, 1)
                    result.replace_all_uses_with(build.reshape(row, shape(result)))

    def moved(self, batched: Batcher) -> list[int]:
        """The ops to move, as positions in the body: contractions, and what follows them. Their batched forms are built."""
        moved: list[int] = []
        values: set[ir.Value] = set()
        for i, op in enumerate(self.body):
            follows = [v for v in op.operands if v in values]
            if op.name in CONTRACTIONS:
                wanted = self.pays(op, batched)
            else:
                wanted = bool(follows) and sum(map(size_in_bytes, op.results)) <= sum(map(size_in_bytes, follows))
            if wanted and not op.regions and self.emit(op, batched):
                moved.append(i)
                values.update(op.results)
        return moved

    def emit(self, op: ir.Operation, batched: Batcher) -> bool:
        """Build the batched form of `op` and of all it needs; true if it differs from iteration to iteration."""
        needed, leaves = closure(self.body, reads(op))
        if any(v in self.loop.carried and batched.form(v) is None for v in leaves):
            return False
        for i in needed:  # some may have no batched form: the position of a slice needs none
            batched.emit(self.body[i])
        return batched.emit(op) and all(isinstance(batched.forms[r], Batched) for r in op.results)

    def pays(self, op: ir.Operation, batched: Batcher) -> bool:
        result = op.results[0]
        sizes = shape(result)
        rows = prod(sizes[:-1]) if op.name == "jic.matmul" else prod(sizes) // sizes[1]
        if rows <= self.options.rows:
            return True
        needed, _ = closure(self.body, op.operands)
        slices = [r for i in needed for r in self.body[i].results if defining(r, "dynamic_slice")]
        return size_in_bytes(result) <= self.options.growth * sum(map(size_in_bytes, slices))

    def is_used_outside(self, op: ir.Operation, moved: list[int]) -> bool:
        """True if anything but moved ops uses the results of `op`."""
        results = {r for i in moved for r in self.body[i].results}
        for result in op.results:
            for use in result.uses:
                user = use.owner.operation
                if not any(r in results for r in user.results):
                    return True
        return False
