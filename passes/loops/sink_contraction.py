"""Products that only go into what a loop collects are computed for all iterations at once, behind the loop."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass, erase_dead
from ..simplify._rewrite import attribute, defining, element, erase_unused, shape
from ._affine import Indices
from ._batch import Batched, Batcher, inserted
from ._batch_rules import RULES, batcher
from ._carried import Buffer, Count, Fold, Kind, Same, classify, release
from ._folds import folded_terms, reduced
from ._loop import Loop, all_static, closure, invariant_in, is_movable, keep_carried, loops, size_in_bytes
from ._rows import written
from ._spaces import Iterations

CONTRACTIONS = ("jic.matmul", "jic.conv")


@dataclass(frozen=True)
class SinkContraction(Pass):
    """Compute behind a loop, for all iterations at once, products that no iteration needs.

        %r:2 = jic.loop(%n, %h0, %buffer) {            %r:2 = jic.loop(%n, %h0, %zeros) {
          ^bb0(%i, %h, %b):                              ^bb0(%i, %h, %s):
            %0 = jic.tanh %h                               %0 = jic.tanh %h
            %1 = jic.matmul %0, %w                         %1 = jic.dynamic_update %s, %0, %i
            %2 = jic.dynamic_update %b, %1, %i       →     jic.yield %0, %1
            jic.yield %0, %2                           }
        }                                              %p = jic.matmul %r#1, %w            [T, N]
        return %r#1                                    return %p

    The counterpart of jic-hoist-contraction: the output layer of a recurrent net. The product, and all that follows it, must only
    go into buffers that are written row by row, or into sums, maxima and the like (as in jic-parallelize-loops); what it
    needs of the iteration is stored instead. The trip count is a constant.

    Not moved: products of more than `rows` rows an iteration (they are efficient where they stand), and what would need more
    than `max-bytes` for a stored or a computed value.
    """

    name = "jic-sink-contraction"

    max_bytes: int = 1 << 28
    rows: int = 512

    def apply(self, module: ir.Operation) -> None:
        for op in loops(module):
            loop = Loop(op)
            if (loop.trip_count or 0) > 1 and any(o.name in CONTRACTIONS for o in loop.operations()):
                _Sink(loop, self).run()
        erase_unused(module)


class _Sink:
    def __init__(self, loop: Loop, options: SinkContraction) -> None:
        self.loop, self.options = loop, options
        self.indices = Indices(loop)
        self.kinds: list[Kind] = classify(loop, self.indices)
        self.body = loop.operations()
        self.collected = {k: _inputs(kind) for k, kind in enumerate(self.kinds) if _inputs(kind)}
        known = (Same, Count, Buffer)
        self.serial = {a for a, kind in zip(loop.carried, self.kinds, strict=True) if not isinstance(kind, known)}

    def run(self) -> None:
        sunk = self.sunk()
        values = {r for i in sunk for r in self.body[i].results}
        moved = [k for k, inputs in self.collected.items() if any(v in values for v in inputs)]
        stored = self.stored(sunk, [v for k in moved for v in self.collected[k]])
        count = self.indices.count
        assert count is not None
        if not moved or any(size_in_bytes(v) * count > self.options.max_bytes for v in stored):
            return
        old = len(self.kinds)
        inits = self.loop.inits
        dim = self.dim(moved)
        places = [min(dim, len(shape(v))) for v in stored]
        new = self.storing(stored, places, count)
        behind = _next(new.op)
        with ir.InsertionPoint(behind), new.op.location:
            b = batcher(Iterations(new.index, self.indices), invariant_in(new.op), self.options.max_bytes)
            self.prepare(b, new, inits, stored, places)
            results = {k: self.result(b, k, inits[k], sunk) for k in moved}
        done = [k for k in moved if results[k] is not None]
        for k in done:
            value = results[k]
            assert value is not None
            new.op.results[k].replace_all_uses_with(value)
            kind = self.kinds[k]
            if isinstance(kind, Buffer):
                release(kind, new.carried[k], inits[k])
        built = [o.operation for o in new.op.block.operations]
        erase_dead(built[built.index(new.op) + 1 : built.index(behind)])  # what was built in vain
        if done:
            keep_carried(new, [k for k in range(old + len(stored)) if k not in done])
        else:
            keep_carried(new, list(range(old)))

    def sunk(self) -> list[int]:
        """The ops to move, as positions: contractions that only collected values need, and all that needs them."""
        late: set[ir.Value] = set()
        links = {v for k in self.collected for v in self.kinds[k].links}  # type: ignore[union-attr]
        for op in reversed(self.body):
            if op.name.removeprefix("jic.") in RULES and all_static(op) and not any(r in links for r in op.results):
                users = [use.owner.operation for r in op.results for use in r.uses]
                if users and all(any(r in late or r in links for r in u.results) for u in users):
                    late.update(op.results)
        found: list[int] = []
        moved: set[ir.Value] = set()
        for i, op in enumerate(self.body):
            if any(r not in late for r in op.results) or not op.results:
                continue
            if any(v in moved for v in op.operands) or (op.name in CONTRACTIONS and self.pays(op)):
                found.append(i)
                moved.update(op.results)
        return found

    def pays(self, op: ir.Operation) -> bool:
        sizes = shape(op.results[0])
        rows = prod(sizes[:-1]) if op.name == "jic.matmul" else prod(sizes) // sizes[1]
        return rows <= self.options.rows and self.is_serial(op.results)

    def is_serial(self, values: Iterable[ir.Value]) -> bool:
        """True if `values` can only be computed iteration by iteration."""
        needed, leaves = closure(self.body, values)
        return bool(self.serial & leaves) or not all(is_movable(self.body[i]) for i in needed)

    def stored(self, sunk: list[int], wanted: list[ir.Value]) -> list[ir.Value]:
        """What the moved code reads of each iteration, and cannot compute."""
        values = {r for i in sunk for r in self.body[i].results}
        invariant = invariant_in(self.loop.op)
        read = dict.fromkeys([*(v for i in sunk for v in self.body[i].operands), *wanted])
        return [v for v in read if v not in values and not invariant(v) and self.is_serial([v])]

    def dim(self, moved: list[int]) -> int:
        """Where the iterations shall stand in what is stored: as in the buffer that the product goes into."""
        for k in moved:
            kind = self.kinds[k]
            if isinstance(kind, Buffer) and (update := defining(kind.links[0], "dynamic_update")):
                return attribute(update, "dim")
        return 0

    def storing(self, stored: list[ir.Value], places: list[int], count: int) -> Loop:
        """The loop, which also stores the values `stored` of each iteration, along the dim `places` of new buffers."""
        op, body = self.loop.op, self.loop.body
        with ir.InsertionPoint(op), op.location:
            sizes = [inserted(shape(v), at, count) for v, at in zip(stored, places, strict=True)]
            empty = [build.splat(s, element(v), 0) for v, s in zip(stored, sizes, strict=True)]
            inits = [*self.loop.inits, *empty]
            new = build.op("loop", [op.operands[0], *inits], [v.type for v in inits], regions=1)
        end = self.loop.terminator
        with ir.InsertionPoint(end), op.location:
            updates = []
            for value, buffer, at in zip(stored, empty, places, strict=True):
                argument = body.add_argument(buffer.type, op.location)
                row = build.reshape(value, inserted(shape(value), at, 1))
                updates.append(build.dynamic_update(argument, row, self.loop.index, at))
            build.yield_(*self.loop.yielded, *updates)
        end.erase()
        body.append_to(new.regions[0])
        for old, result in zip(op.results, new.results, strict=False):
            old.replace_all_uses_with(result)
        op.erase()
        return Loop(new)

    def prepare(self, b: Batcher, new: Loop, inits: list[ir.Value], stored: list[ir.Value], places: list[int]) -> None:
        for argument, kind, init in zip(new.carried, self.kinds, inits, strict=False):
            if isinstance(kind, Same):
                b.forms[argument] = init
            elif isinstance(kind, Buffer):
                b.forms.update(dict.fromkeys((argument, *kind.links), init))
        buffers = list(new.op.results)[len(inits) :]
        b.forms.update({v: Batched(buffer, at) for v, buffer, at in zip(stored, buffers, places, strict=True)})

    def result(self, b: Batcher, k: int, init: ir.Value, sunk: list[int]) -> ir.Value | None:
        """The collected value `k` after the loop."""
        kind = self.kinds[k]
        for value in self.collected[k]:
            if b.form(value) is None:
                self.emit(b, value)
        if any(b.form(v) is None for v in self.collected[k]):
            return None
        if isinstance(kind, Fold):
            terms = folded_terms(b, kind)
            return None if terms is None else reduced(kind, init, terms)
        assert isinstance(kind, Buffer)
        for link in kind.links:
            update = defining(link, "dynamic_update")
            assert update is not None
            form, position = b.form(update.operands[1]), self.indices.affine(update.operands[2])
            assert form is not None and position is not None
            dim = attribute(update, "dim")
            init = written(init, b.spread(form, dim), position, dim)
        return init

    def emit(self, b: Batcher, value: ir.Value) -> None:
        """Build the batched form of `value` from what is stored, and from what does not depend on the iterations before."""
        known = [v for v, form in b.forms.items() if form is not None]
        for i in _closure_up_to(self.body, value, set(known)):
            b.emit(self.body[i])


def _inputs(kind: Kind) -> list[ir.Value]:
    """What each iteration adds to a value that only collects."""
    if isinstance(kind, Fold):
        return [] if kind.partial else [v for t in kind.terms for v in (t.value, t.condition) if v is not None]
    if isinstance(kind, Buffer):
        return [op.operands[1] for v in kind.links if (op := defining(v, "dynamic_update"))]
    return []


def _closure_up_to(body: list[ir.Operation], root: ir.Value, known: set[ir.Value]) -> list[int]:
    """The positions of the ops that `root` is computed from, without those behind the values `known`."""
    wanted, found = {root} - known, []
    for i in reversed(range(len(body))):
        if any(r in wanted for r in body[i].results):
            found.append(i)
            wanted |= set(body[i].operands) - known
    return found[::-1]


def _next(op: ir.Operation) -> ir.Operation:
    operations = [o.operation for o in op.block.operations]
    return operations[operations.index(op) + 1]
