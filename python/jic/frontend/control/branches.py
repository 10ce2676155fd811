"""An `if` on a run-time condition: both branches are traced, and what they change is merged."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch

from . import containers
from .context import Context, ops
from .errors import Again, Unsupported
from .flow import NEXT, Flow, joined
from .journal import UNDEFINED, Place
from .region import Known
from .scalar import Scalar, interval_of, is_number
from .values import (
    Maybe,
    Mismatch,
    Poison,
    Spec,
    check_tensor_leaves,
    conforms,
    leaves,
    rebuild,
    same,
    spec_of,
    tensors_of,
    unify,
)

_TRIES = 1024
Branch = Callable[[], Flow]
# Pseudo variables are read only where they are defined.
INTERNAL = "<"


@dataclass
class Unsettled:
    """Variables as code sees them that runs only while nothing has left, and why they are something else to other code.

    Attributes:
        undefined: those without a value before; with the condition (a Scalar) under which they have one.
        errors: those with a value of another type before.
        numbers: Python numbers, which stay that for such code; with what they are to other code.
    """

    undefined: dict[Place, Scalar] = field(default_factory=dict)
    errors: dict[Place, Unsupported] = field(default_factory=dict)
    numbers: dict[Place, Any] = field(default_factory=dict)

    def settle(self, context: Context) -> None:
        """Code follows that runs in any case."""
        for place, defined in self.undefined.items():
            value = place.read()
            if place not in self.errors and not isinstance(value, (Maybe, Poison)) and value is not UNDEFINED:
                context.journal.write(place, Maybe(value, defined))
        for place, number in self.numbers.items():
            if place not in self.errors:
                context.journal.write(place, number)
        for place, error in self.errors.items():
            context.journal.write(place, Poison(error))


def branch(
    context: Context,
    condition: Scalar,
    then: Branch,
    otherwise: Branch,
    what: str = "an if",
    unsettled: Unsettled | None = None,
) -> Flow:
    """Trace `then` and `otherwise` as the branches of one `if`; returns where control goes after it.

    With `unsettled`, `otherwise` does nothing, and what follows runs only if `then` did, until it is settled.

    Raises:
        Unsupported: the branches leave values of different types, or change what cannot be merged.
    """
    known: Known | None = None
    for _ in range(_TRIES):
        attempt = _Attempt(context, condition, what, known, unsettled)
        known = attempt.region.known
        try:
            return attempt.trace(then, otherwise)
        except Again:
            attempt.abandon()
            if not attempt.region.written:
                raise  # an outer region's business
        except BaseException:
            attempt.abandon()
            raise
    raise Unsupported(f"{what} writes to ever more tensors")


class _Attempt:
    def __init__(
        self, context: Context, condition: Scalar, what: str, known: Known | None, unsettled: Unsettled | None
    ) -> None:
        self.context, self.condition, self.unsettled = context, condition, unsettled
        self.region = context.open_region(what, known)
        self.written = list(self.region.known.written)
        self.mark, self.journal = context.mark(), context.journal.mark
        self.depth = len(context.regions)
        self.found = Unsettled()
        self.soles: set[int] = set()

    def abandon(self) -> None:
        context = self.context
        del context.regions[self.depth :]
        context.journal.undo(self.journal)
        context.erase(self.mark)

    def trace(self, then: Branch, otherwise: Branch) -> Flow:
        context, region = self.context, self.region
        ops.if_begin(self.condition.tensor)
        context.regions.append(region)
        flow_1, changed_1, tensors_1 = self._run(then)
        ops.if_else([])
        middle = context.mark()
        flow_2, changed_2, tensors_2 = self._run(otherwise)

        exits = tuple(f.kinds <= {"return", "raise"} for f in (flow_1, flow_2))
        left: list[torch.Tensor | None] = list(tensors_1)
        right: list[torch.Tensor | None] = list(tensors_2)
        moved_from = context.mark()
        joins: list[_Join] = []
        for place in dict.fromkeys((*changed_1, *changed_2)):
            before = place.read()
            other = self.unsettled.numbers.get(place, before) if self.unsettled is not None else before
            joins.append(self._join(place, changed_1.get(place, before), changed_2.get(place, other), exits))
        code = _Join(None, flow_1.code)
        keeps_flow = self.unsettled is not None and flow_1 is NEXT  # where `then` runs the code was 0 before too
        if not keeps_flow:
            code.pairs.append(_Pair(unify(flow_1.code, flow_2.code), flow_1.code, flow_2.code))
        joins.append(code)
        for pair in (pair for join in joins for pair in join.pairs):
            left.extend(leaves(pair.spec, pair.a))
        context.move(moved_from, middle)  # the tensors of the then branch's numbers belong there
        for pair in (pair for join in joins for pair in join.pairs):
            right.extend(leaves(pair.spec, pair.b))
        results = self._close(middle, self._as_left(left, tensors_1), self._as_left(right, tensors_2))
        context.regions.pop()
        context.journal.undo(self.journal)
        values = iter(results)
        for tensor in self.written:
            context.write_back(tensor, next(values))
        for join in joins:
            found = [self._rebuilt(pair, values) for pair in join.pairs]
            if join.place is not None:
                self._give(join, join.value(found))
            elif found:
                code.whole = found[0]
        if self.unsettled is not None:
            self.unsettled.undefined = self.found.undefined | self.unsettled.undefined
            self.unsettled.errors |= self.found.errors
            kept = {p: n for p, n in self.unsettled.numbers.items() if all(join.place != p for join in joins)}
            self.unsettled.numbers = kept | self.found.numbers
        return joined(flow_1, flow_2, flow_2.code if keeps_flow else code.whole)

    def _give(self, join: _Join, value: Any) -> None:
        """A place its value after the branches."""
        assert join.place is not None
        if join.running:
            self.found.numbers[join.place] = value
            value = join.whole
        self.context.journal.write(join.place, value)

    def _join(self, place: Place, a: Any, b: Any, exits: tuple[bool, ...]) -> _Join:
        """How the values `a` and `b` of a place become one."""
        users = place.kind in ("var", "cell") and not _is_internal(place)
        try:
            if users and place.kind == "var" and exits[0] != exits[1]:
                return self._join_going_on(place, a, b, exits[0])
            if a is b or same(a, b):
                return _Join(place, a)
            if users and self.unsettled is not None and not any(exits):
                return self._join_running(place, a, b)
            return self._join_items(place, a, b, guarded=users and not any(exits))
        except Unsupported as error:
            if not users:
                raise
            error.location = self.context.location()
            return _Join(place, Poison(error))  # most often nobody reads it again

    def _join_going_on(self, place: Place, a: Any, b: Any, first_leaves: bool) -> _Join:
        """A variable that nothing reads after one of the branches, which leaves the function."""
        kept, other = (b, a) if first_leaves else (a, b)
        if isinstance(kept, Poison) or kept is other or same(kept, other):
            return _Join(place, kept)
        spec = spec_of(kept, partial(self.context.predates, self.region))
        check_tensor_leaves(spec)
        filling = other if conforms(spec, other) else UNDEFINED  # a buffer that is there already costs nothing
        return _Join(place, kept, [_Pair(spec, *((filling, kept) if first_leaves else (kept, filling)), seen=(kept,))])

    def _join_running(self, place: Place, a: Any, b: Any) -> _Join:
        """A variable as code sees it that runs only if the first branch did."""
        if b is UNDEFINED and not isinstance(a, (Maybe, Poison)):
            self.found.undefined[place] = self.condition
        else:
            try:
                join = self._join_items(place, a, b, guarded=True)
                join.running = is_number(a) and not isinstance(a, Scalar)
                return join
            except Unsupported as error:
                if isinstance(a, (Maybe, Poison)) or a is UNDEFINED:
                    raise
                error.location = self.context.location()
                self.found.errors[place] = error
        spec = spec_of(a, partial(self.context.predates, self.region))
        check_tensor_leaves(spec)
        return _Join(place, a, [_Pair(spec, a, UNDEFINED)])

    def _join_items(self, place: Place, a: Any, b: Any, guarded: bool) -> _Join:
        if place.kind in ("list", "dict", "set") and a is not UNDEFINED and b is not UNDEFINED and len(a) != len(b):
            raise Unsupported(
                f"{place.text} grows in one branch of {self.region.what} whose condition is only known at run time",
                hint="append in both branches, or keep all values and a mask",
            )
        keys = _keys(place, a, b)
        if keys is None:
            return _Join(place, a, [_Pair(self._unify(place, a, b, guarded), a, b)])
        changed = [k for k in keys if a[k] is not b[k] and not same(a[k], b[k])]
        return _Join(place, a, [_Pair(self._unify(place, a[k], b[k], guarded), a[k], b[k]) for k in changed], changed)

    def _rebuilt(self, pair: _Pair, values: Iterator[torch.Tensor]) -> Any:
        value = rebuild(pair.spec, values)
        self._note_origins(value, pair)
        containers.judge(self.context, pair.spec, value, pair.seen, self.soles, self.region.what)
        if isinstance(value, Scalar) and value.kind is int:
            bounds = [interval_of(v) for v in pair.seen if v is not UNDEFINED]
            value.interval = (min(low for low, _ in bounds), max(high for _, high in bounds))
        return value

    def _run(self, body: Branch) -> tuple[Flow, dict[Place, Any], list[torch.Tensor]]:
        """Trace a branch and take it back: where it goes, its values of what it changed, and of the tensors it writes to."""
        context = self.context
        copies = [context.swapped(t).clone() for t in self.written]
        for tensor, copy in zip(self.written, copies, strict=True):
            context.made(copy)
            self.region.replace(tensor, copy)
        mark = context.journal.mark
        flow = body()
        changed = {place: place.read() for place in context.changes(mark, self.region)}
        self.soles |= containers.soles(
            context, (v for p, value in changed.items() for v in containers.held(p.kind, value))
        )
        context.journal.undo(mark)
        self.region.replace_nothing()
        return flow, changed, copies

    def _note_origins(self, value: Any, pair: _Pair) -> None:
        """A result may be a tensor that was there before the branches."""
        for result, *sources in zip(tensors_of(value), *(_tensors_like(value, v) for v in pair.seen), strict=False):
            self.context.may_be(result, [s for s in sources if s is not None], self.region)

    def _unify(self, place: Place, a: Any, b: Any, guarded: bool) -> Spec:
        try:
            spec = unify(a, b, guarded, partial(self.context.predates, self.region))
        except Mismatch as error:
            raise Unsupported(
                f"the branches of {self.region.what} leave different values in {place.text}: {error}",
                hint="make both branches give tensors of one shape and dtype, or numbers of one type",
            ) from None
        check_tensor_leaves(spec)
        if UNDEFINED in (a, b) and place.kind not in ("var", "cell"):
            raise Unsupported(f"{place.text} is there after one branch of {self.region.what} only")
        self._check_objects(spec, place)
        return spec

    def _check_objects(self, spec: Spec, place: Place) -> None:
        """What a branch does to an object that it makes is taken back with the branch."""
        if spec.kind == "constant" and self.context.is_created(spec.what, self.region.serial):
            raise Unsupported(
                f"one branch of {self.region.what} leaves a {type(spec.what).__name__} that it makes in {place.text}",
                hint="make it before, and set its attributes in the branches",
            )
        for item in spec.items:
            self._check_objects(item, place)

    def _as_left(self, values: list[torch.Tensor | None], written: list[torch.Tensor]) -> list[torch.Tensor | None]:
        """The tensors of a branch at its end: a value may be one that it wrote to."""
        for tensor, copy in zip(self.written, written, strict=True):
            self.region.replace(tensor, copy)
        found = [None if t is None else self.context.swapped(t) for t in values]
        self.region.replace_nothing()
        return found

    def _close(
        self, middle: Any, left: list[torch.Tensor | None], right: list[torch.Tensor | None]
    ) -> list[torch.Tensor]:
        """The results of the `if`; puts the then branch's values into the marker that ends it."""
        context = self.context
        results = ops.if_end(right, left)
        end = context.last_node(ops.if_end.default)
        middle.args = (list(end.args[1]),)
        return results


@dataclass(eq=False)
class _Pair:
    """What the branches leave of one value, and its spec. `seen`: what of it code may see after the branches."""

    spec: Spec
    a: Any
    b: Any
    seen: tuple[Any, ...] = ()

    def __post_init__(self) -> None:
        self.seen = self.seen or (self.a, self.b)


@dataclass(eq=False)
class _Join:
    """How what the branches leave in a place becomes one value: `whole`, with new items at `keys` or, without, all new.

    With `running` it stays `whole` for code that runs only if the first branch did.
    """

    place: Place | None
    whole: Any
    pairs: list[_Pair] = field(default_factory=list)
    keys: list[Any] | None = None
    running: bool = False

    def value(self, found: list[Any]) -> Any:
        if self.keys is None:
            return found[0] if found else self.whole
        made = self.whole.copy()
        for key, item in zip(self.keys, found, strict=True):
            made[key] = item
        return made


def _keys(place: Place, a: Any, b: Any) -> list[Any] | None:
    """The keys of a place's items that are merged one by one; None if they are not."""
    if place.kind == "list" and type(a) is list and type(b) is list:
        return list(range(len(a)))
    if place.kind == "dict" and type(a) is dict and type(b) is dict and list(a) == list(b):
        return list(a)
    return None


def _tensors_like(value: Any, part: Any) -> list[torch.Tensor | None]:
    """The tensors of `part`, or None for each of those of `value` where it has no such structure."""
    found: list[torch.Tensor | None] = list(tensors_of(part))
    wanted = sum(1 for _ in tensors_of(value))
    return found if len(found) == wanted else [None] * wanted


def _is_internal(place: Place) -> bool:
    return place.kind == "var" and str(place.key).startswith(INTERNAL)


def select(context: Context, condition: Any, then: Callable[[], Any], otherwise: Callable[[], Any], what: str) -> Any:
    """The value of `then()` or `otherwise()` by a run-time condition."""
    place = Place("var", context.names, "<value>")

    def storing(function: Callable[[], Any]) -> Branch:
        def run() -> Flow:
            context.journal.write(place, function())
            return NEXT

        return run

    before = place.read()
    branch(context, condition, storing(then), storing(otherwise), what)
    value = place.read()
    context.journal.write(place, before)
    return value
