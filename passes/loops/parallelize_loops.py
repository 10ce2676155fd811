"""Loops whose iterations do not wait for each other become ops on tensors of all iterations."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from ..simplify._rewrite import attribute, erase_unused
from ._affine import Indices
from ._batch import Batched, Batcher, Form
from ._batch_rules import batcher
from ._carried import Buffer, Count, Delay, Fold, Kind, Other, Same, classify, release
from ._folds import delayed, folded_terms, last, reduced, scanned
from ._loop import Loop, clone, closure, invariant_in, is_movable, keep_carried, loops
from ._rows import number, written
from ._spaces import Iterations


@dataclass(frozen=True)
class ParallelizeLoops(Pass):
    """Turn what a loop computes independently in each iteration into ops on all iterations at once.

        %r:2 = jic.loop(%n, %buffer, %zero) {                %0 = jic.exp %x                   [T, N]
          ^bb0(%i, %b, %sum):                                %1 = jic.reduce %0 {sum, dims = [0]}
            %0 = jic.dynamic_slice %x, %i                    %2 = jic.add %zero, %1
            %1 = jic.exp %0                            →     return %0, %2
            %2 = jic.dynamic_update %b, %1, %i
            %3 = jic.add %sum, %1
            jic.yield %2, %3
        }
        return %r#0, %r#1

    The trip count is a constant. Each carried value is taken by itself; those that fit leave the loop, and it disappears
    with the last one:

    * a buffer whose rows are written at `a * i + b`, no row twice, and read only before they are written;
    * a sum, minimum, maximum, and, or, or a product of integers, of terms that each iteration computes by itself (a select
      may skip some): a reduction of all terms, or a scan if the loop also uses the values in between. So sums of floats
      are taken in another order, that of `jic.reduce`, whose partial sums lose less than one long chain;
    * the value of the iteration before (`previous = x[i]`), where it is not computed from itself.

    A loop stays as it is where a batched value would need more than `max-bytes`.
    """

    name = "jic-parallelize-loops"

    max_bytes: int = 1 << 28

    def apply(self, module: ir.Operation) -> None:
        for op in loops(module):
            if Loop(op).trip_count:
                _Parallelize(Loop(op), self.max_bytes).run()
        erase_unused(module)


class _Iterations(Iterations):
    """The iterations, with the values that the loop carries."""

    def __init__(self, owner: _Parallelize) -> None:
        super().__init__(owner.loop.index, owner.indices)
        self._owner = owner

    def value(self, value: ir.Value) -> Form | None:
        return super().value(value) or self._owner.before_each(value)


class _Parallelize:
    def __init__(self, loop: Loop, max_bytes: int) -> None:
        self.loop = loop
        self.indices = Indices(loop)
        self.kinds: list[Kind] = classify(loop, self.indices)
        self.carried, self.inits, self.yielded = loop.carried, loop.inits, loop.yielded
        self.body = loop.operations()
        self.batcher: Batcher = batcher(_Iterations(self), invariant_in(loop.op), max_bytes)
        self.serial = {a for a, kind in zip(self.carried, self.kinds, strict=True) if isinstance(kind, Other)}
        self._links: dict[ir.Value, int] = {}
        self._busy: set[int] = set()
        self._terms: dict[int, Batched | None] = {}
        for k, kind in enumerate(self.kinds):
            if isinstance(kind, Same):
                self.batcher.forms[self.carried[k]] = self.inits[k]
            elif isinstance(kind, Buffer):
                # Whatever reads a version of the buffer reads rows that are still those of the first.
                for version in (self.carried[k], *kind.links):
                    self.batcher.forms[version] = self.inits[k]
            elif isinstance(kind, Fold):
                self._links.update(dict.fromkeys(kind.links, k))

    def run(self) -> None:
        with ir.InsertionPoint(self.loop.op), self.loop.op.location:
            results = [self.result(k) for k in range(len(self.kinds))]
        for k, kind in enumerate(self.kinds):
            if isinstance(kind, Buffer) and results[k] is not None:
                release(kind, self.carried[k], self.inits[k])
        staying = self.staying(results)
        if len(staying) == len(self.kinds) and (staying or not self.is_pure()):
            return
        for k, value in enumerate(results):
            if k not in staying and value is not None:
                self.loop.op.results[k].replace_all_uses_with(value)
        if not staying and self.is_pure():
            self.loop.op.erase()
        else:
            keep_carried(self.loop, sorted(staying))

    def is_pure(self) -> bool:
        return all(map(is_movable, self.body))

    def staying(self, results: list[ir.Value | None]) -> set[int]:
        """The carried values that the loop must go on computing: those without a result, and what they need."""
        staying = {k for k, value in enumerate(results) if value is None}
        effects = [v for op in self.body if not is_movable(op) for v in [*op.operands, *op.results]]
        while True:
            roots = [*effects, *(self.yielded[k] for k in staying)]
            read = closure(self.body, roots)[1]
            grown = staying | {k for k, a in enumerate(self.carried) if a in read}
            if grown == staying:
                return staying
            staying = grown

    # -- values of all iterations ----------------------------------------------------------------------------------------

    def emit(self, *values: ir.Value) -> bool:
        """Build the batched forms of `values`, and of all that they need; true if they have one."""
        needed, leaves = closure(self.body, values)
        if self.serial & leaves:
            return False
        for i in needed:
            op = self.body[i]
            k = self._links.get(op.results[0]) if len(op.results) == 1 else None
            if k is not None:
                self.batcher.form(self.carried[k])  # builds the forms of the links as well
            else:
                self.batcher.emit(op)
        return all(self.batcher.form(v) is not None for v in values)

    def terms(self, k: int, fold: Fold) -> Batched | None:
        if k not in self._terms:
            values = [v for t in fold.terms for v in (t.value, t.condition) if v is not None]
            self._terms[k] = folded_terms(self.batcher, fold) if self.emit(*values) else None
        return self._terms[k]

    def before_each(self, value: ir.Value) -> Form | None:
        """The values of the argument `value` of the body in all iterations."""
        if value not in self.carried:
            return None
        k = self.carried.index(value)
        kind = self.kinds[k]
        if k in self._busy or not isinstance(kind, (Fold, Delay)):
            return None
        self._busy.add(k)
        after = self.after_each(k, kind)
        self._busy.remove(k)
        if after is None:
            return None
        if isinstance(kind, Fold):
            self.batcher.forms.update(dict.fromkeys(kind.links, after))
        return delayed(self.batcher, self.inits[k], after)

    def after_each(self, k: int, kind: Fold | Delay) -> Batched | None:
        if isinstance(kind, Fold):
            terms = self.terms(k, kind)
            return None if terms is None else scanned(self.batcher, kind, self.inits[k], terms)
        if not self.emit(self.yielded[k]):
            return None
        form = self.batcher.form(self.yielded[k])
        assert form is not None
        return form if isinstance(form, Batched) else Batched(self.batcher.spread(form, 0), 0)

    # -- results of the loop ---------------------------------------------------------------------------------------------

    def result(self, k: int) -> ir.Value | None:
        """The value of carried value `k` after the loop."""
        kind, init = self.kinds[k], self.inits[k]
        if isinstance(kind, Same):
            return init
        if isinstance(kind, Count):
            known = self.indices.affine(self.carried[k])
            assert known is not None
            return build.splat_like(init, known.scale * self.batcher.extent + known.offset)
        if isinstance(kind, Fold):
            if kind.partial and (after := self.partials(k, kind)) is not None:
                return last(self.batcher, after, init)
            terms = self.terms(k, kind)
            return None if terms is None else reduced(kind, init, terms)
        if isinstance(kind, Delay):
            return self.in_last(self.yielded[k]) or self.delay(k, kind)
        return self.buffer(kind, init) if isinstance(kind, Buffer) else None

    def partials(self, k: int, kind: Fold) -> Batched | None:
        self.batcher.form(self.carried[k])
        found = self.batcher.forms.get(kind.links[-1])
        return found if isinstance(found, Batched) else None

    def in_last(self, value: ir.Value) -> ir.Value | None:
        """`value` in the last iteration, if that can be computed without the ones before."""
        needed, leaves = closure(self.body, [value])
        replaced: dict[ir.Value, ir.Value] = {}
        for argument, kind, init in zip(self.carried, self.kinds, self.inits, strict=True):
            if argument not in leaves:
                continue
            known = self.indices.affine(argument)
            if isinstance(kind, Same):
                replaced[argument] = init
            elif isinstance(kind, Count) and known is not None:
                replaced[argument] = build.splat_like(init, known.scale * (self.batcher.extent - 1) + known.offset)
            else:
                return None
        if not all(is_movable(self.body[i]) for i in needed):
            return None
        replaced[self.loop.index] = number(self.batcher.extent - 1)
        for i in needed:
            replaced.update(zip(self.body[i].results, clone(self.body[i], replaced).results, strict=True))
        return replaced.get(value, value)

    def delay(self, k: int, kind: Delay) -> ir.Value | None:
        after = self.after_each(k, kind)
        return None if after is None else last(self.batcher, after, self.inits[k])

    def buffer(self, kind: Buffer, value: ir.Value) -> ir.Value | None:
        for link in kind.links:
            op = link.owner.operation
            known = self.indices.affine(op.operands[2])
            assert known is not None
            if not self.emit(op.operands[1]):
                return None
            form = self.batcher.form(op.operands[1])
            assert form is not None
            dim = attribute(op, "dim")
            value = written(value, self.batcher.spread(form, dim), known, dim)
        return value
