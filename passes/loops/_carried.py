"""What a loop does with each value that it carries from iteration to iteration."""

from __future__ import annotations

from dataclasses import dataclass

from torch_mlir import ir

from ..simplify._rewrite import attribute, defining, element, is_bool, shape
from ._affine import Indices
from ._loop import Loop, closure

# How far reads of a buffer that the loop also writes are followed, in rows.
MAX_ROWS = 100_000


@dataclass(frozen=True)
class Same:
    """Never changes."""


@dataclass(frozen=True)
class Count:
    """A scalar that is a known number in every iteration."""


@dataclass(frozen=True)
class Term:
    """A value that is folded into the carried one: subtracted if `negated`, and only where `condition` is `wanted`."""

    value: ir.Value
    negated: bool = False
    condition: ir.Value | None = None
    wanted: bool = True


@dataclass(frozen=True)
class Fold:
    """`carried = carried <kind> term <kind> term …`; `links` are the results of the ops that do this, the last is yielded.

    `partial` says that the loop also uses the values in between, those of each iteration.
    """

    kind: str
    terms: tuple[Term, ...]
    links: tuple[ir.Value, ...]
    partial: bool


@dataclass(frozen=True)
class Buffer:
    """Rows are written by the `jic.dynamic_update`s that give `links`, no row twice, and only rows not yet written are read."""

    links: tuple[ir.Value, ...]


@dataclass(frozen=True)
class Delay:
    """The value that the iteration before computed, from other things than this carried value."""


@dataclass(frozen=True)
class Other:
    """Computed from its own value before: the iterations come one after the other."""


Kind = Same | Count | Fold | Buffer | Delay | Other

_FOLDS = ("add", "sub", "mul", "maximum", "minimum", "and", "or")


def classify(loop: Loop, indices: Indices) -> list[Kind]:
    """The kind of each carried value of `loop`, whose trip count is known."""
    body = loop.operations()
    return [
        _kind(loop, indices, body, k, argument, next_)
        for k, (argument, next_) in enumerate(zip(loop.carried, loop.yielded, strict=True))
    ]


def _kind(loop: Loop, indices: Indices, body: list[ir.Operation], k: int, argument: ir.Value, next_: ir.Value) -> Kind:
    if argument == next_:
        return Same()
    if indices.affine(argument) is not None:
        return Count()
    found = _fold(loop, k, argument, next_) or _buffer(loop, indices, k, argument, next_)
    if found is not None:
        return found
    return Other() if argument in closure(body, [next_])[1] else Delay()


def _fold(loop: Loop, k: int, argument: ir.Value, next_: ir.Value) -> Fold | None:
    """Follow `next_` back to `argument` through ops of one kind."""
    name = ""
    terms, links, versions = [], [], []
    value = next_
    while value != argument:
        step = _step_back(value, argument)
        if step is None:
            return None
        kind, before, term, made = step
        if name not in ("", kind):
            return None
        name = kind
        terms.append(term)
        links += made
        versions += [*made, before]
        value = before
    if not name or not _is_foldable(name, element(argument)):
        return None
    if any(not _used_only_by(v, links, None) for v in versions if v not in (argument, next_)):
        return None
    partial = not (_used_only_by(argument, links, None) and _used_only_by(next_, [], (loop.terminator, k)))
    return Fold(name, tuple(reversed(terms)), tuple(reversed(links)), partial)


def _step_back(value: ir.Value, argument: ir.Value) -> tuple[str, ir.Value, Term, list[ir.Value]] | None:
    """The kind of the last fold of `value`, the value before it, its term, and the results of its ops."""
    select = defining(value, "select")
    if select is None:
        op = defining(value, *_FOLDS)
        for before in [] if op is None else op.operands:
            if _leads_to(before, argument) and (found := _link(value, before)):
                kind, term, negated = found
                return kind, before, Term(term, negated), [value]
        return None
    condition, on_true, on_false = select.operands
    for link, before, wanted in ((on_true, on_false, True), (on_false, on_true, False)):
        if found := _link(link, before):
            kind, term, negated = found
            return kind, before, Term(term, negated, condition, wanted), [value, link]
    return None


def _link(link: ir.Value, before: ir.Value) -> tuple[str, ir.Value, bool] | None:
    """The kind, the term and whether it is subtracted, if `link` is `before` with one term folded in."""
    op = defining(link, *_FOLDS)
    if op is None or op.operands[0] == op.operands[1]:
        return None
    x, y = op.operands
    if op.name == "jic.sub":
        return ("add", y, True) if x == before else None
    if before not in (x, y):
        return None
    return op.name.removeprefix("jic."), y if x == before else x, False


def _leads_to(value: ir.Value, argument: ir.Value) -> bool:
    """True if `value` is `argument` with terms folded in."""
    work, seen = [value], set()
    while work:
        v = work.pop()
        if v == argument:
            return True
        op = defining(v, *_FOLDS, "select")
        if op is not None and v not in seen:
            seen.add(v)
            work.extend(op.operands)
    return False


def _is_foldable(kind: str, type_: ir.Type) -> bool:
    if kind in ("and", "or"):
        return is_bool(type_)
    # Products of floats in another order may overflow where the loop's do not.
    return kind != "mul" or isinstance(type_, ir.IntegerType)


def _used_only_by(value: ir.Value, links: list[ir.Value], place: tuple[ir.Operation, int] | None) -> bool:
    """True if only the ops that define `links`, and the operand `place`, use `value`."""
    for use in value.uses:
        user = use.owner.operation
        if any(r in links for r in user.results):
            continue
        if place is None or user != place[0] or use.operand_number != place[1]:
            return False
    return True


def _buffer(loop: Loop, indices: Indices, k: int, argument: ir.Value, next_: ir.Value) -> Buffer | None:
    links: list[ir.Value] = []
    value = next_
    while value != argument:
        op = defining(value, "dynamic_update")
        if op is None or value in links:
            return None
        links.append(value)
        value = op.operands[0]
    links.reverse()
    if not links or not _used_only_by(next_, [], (loop.terminator, k)):
        return None
    assert indices.count
    windows = [_window(link.owner.operation, 2, indices, indices.count) for link in links]
    if any(w is None for w in windows):
        return None
    dims = {attribute(link.owner.operation, "dim") for link in links}
    reads: list[tuple[int, _Window]] = []
    for position, version in enumerate([argument, *links[:-1]]):
        for use in version.uses:
            user = use.owner.operation
            if any(r in links for r in user.results) and use.operand_number == 0:
                continue
            if user.name != "jic.dynamic_slice" or use.operand_number or attribute(user, "dim") not in dims:
                return None
            window = _window(user, 1, indices, indices.count)
            if window is None:
                return None
            reads.append((position, window))
    written = [w for w in windows if w is not None]
    if len(dims) != 1 or not _is_disjoint(written, reads, indices.count):
        return None
    return Buffer(tuple(links))


def release(kind: Buffer, argument: ir.Value, init: ir.Value) -> None:
    """Let the loop read from `init` what it reads from the carried buffer: rows that it has not written."""
    for version in (argument, *kind.links):
        for user in [use.owner.operation for use in version.uses]:
            if user.name == "jic.dynamic_slice":
                user.operands[0] = init


@dataclass(frozen=True)
class _Window:
    """Rows `scale * i + offset` to `… + size` in iteration `i`."""

    scale: int
    offset: int
    size: int

    def rows(self, i: int) -> range:
        start = self.scale * i + self.offset
        return range(start, start + self.size)


def _window(op: ir.Operation, index: int, indices: Indices, count: int) -> _Window | None:
    """The rows that a `dynamic_slice` or `dynamic_update` takes; None if they are not known or not inside."""
    known, dim = indices.affine(op.operands[index]), attribute(op, "dim")
    size = shape(op.results[0] if index == 1 else op.operands[1])[dim]
    if known is None or not known.scale or not size:
        return None
    low, high = known.bounds(count)
    if low < 0 or high + size > shape(op.operands[0])[dim]:
        return None
    return _Window(known.scale, known.offset, size)


def _is_disjoint(written: list[_Window], reads: list[tuple[int, _Window]], count: int) -> bool:
    """True if no row is written twice, and no row is read after it was written.

    A read at `position` comes after the writes before `position` in the same iteration.
    """
    if len(written) == 1 and all(w == written[0] and not position for position, w in reads):
        return abs(written[0].scale) >= written[0].size
    if count * sum(w.size for w in [*written, *(w for _, w in reads)]) > MAX_ROWS:
        return False
    done: set[int] = set()
    for i in range(count):
        for position, write in enumerate([*written, None]):
            if any(p == position and not done.isdisjoint(w.rows(i)) for p, w in reads):
                return False
            if write is not None:
                if not done.isdisjoint(write.rows(i)):
                    return False
                done.update(write.rows(i))
    return True
