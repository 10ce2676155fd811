"""An `if` on a run-time condition: both branches are traced, and what they change is merged."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .context import Context, Region, ops
from .errors import Again, Unsupported
from .flow import NEXT, Flow, joined
from .journal import UNDEFINED, Place
from .scalar import Scalar, interval_of
from .values import Mismatch, Poison, Spec, check_tensor_leaves, leaves, rebuild, same, tensors_of, unify

_TRIES = 32
Branch = Callable[[], Flow]
# Pseudo variables are read only where they are defined.
INTERNAL = "<"


def branch(context: Context, condition: Scalar, then: Branch, otherwise: Branch, what: str = "an if") -> Flow:
    """Trace `then` and `otherwise` as the branches of one `if`; returns where control goes after it.

    Raises:
        Unsupported: the branches leave values of different types, or change what cannot be merged.
    """
    written: list[torch.Tensor] = []
    for _ in range(_TRIES):
        attempt = _Attempt(context, condition, what, written)
        try:
            return attempt.trace(then, otherwise)
        except Again:
            found = attempt.region.written
            attempt.abandon()
            if not found:
                raise  # an outer region's business
            written += found
        except BaseException:
            attempt.abandon()
            raise
    raise Unsupported(f"{what} writes to ever more tensors")


class _Attempt:
    def __init__(self, context: Context, condition: Scalar, what: str, written: list[torch.Tensor]) -> None:
        self.context, self.condition, self.written = context, condition, list(written)
        self.region = Region(what, context.next_serial())
        self.mark, self.journal = context.mark(), context.journal.mark
        self.depth = len(context.regions)

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

        places = list(dict.fromkeys((*changed_1, *changed_2)))
        exits_1, exits_2 = (f.kinds <= {"return", "raise"} for f in (flow_1, flow_2))
        left: list[torch.Tensor | None] = list(tensors_1)
        right: list[torch.Tensor | None] = list(tensors_2)
        same_values: list[tuple[Place, Any]] = []
        moved_from = context.mark()
        merged: list[tuple[Place | None, Spec, Any, Any]] = []
        for place in places:
            before = place.read()
            a, b = changed_1.get(place, before), changed_2.get(place, before)
            if exits_1 and not exits_2 and place.kind == "var" and not _is_internal(place):
                a = UNDEFINED  # nothing reads it after this branch
            elif exits_2 and not exits_1 and place.kind == "var" and not _is_internal(place):
                b = UNDEFINED
            if a is b or same(a, b):
                same_values.append((place, a))
                continue
            try:
                spec = self._unify(place, a, b, guarded=not (exits_1 or exits_2 or _is_internal(place)))
            except Unsupported as error:
                if place.kind not in ("var", "cell") or _is_internal(place):
                    raise
                error.location = context.location()
                same_values.append((place, Poison(error)))  # most often nobody reads it again
                continue
            merged.append((place, spec, a, b))
        code_spec = unify(flow_1.code, flow_2.code)
        merged.append((None, code_spec, flow_1.code, flow_2.code))
        for _, spec, a, _ in merged:
            left.extend(leaves(spec, a))
        context.move(moved_from, middle)  # the tensors of the then branch's numbers belong there
        for _, spec, _, b in merged:
            right.extend(leaves(spec, b))
        results = self._close(middle, left, right)
        context.regions.pop()
        context.journal.undo(self.journal)
        values = iter(results)
        for tensor in self.written:
            context.write_back(tensor, next(values))
        for place, value in same_values:
            context.journal.write(place, value)
        code: Any = None
        for place, spec, a, b in merged:
            value = rebuild(spec, values)
            self._note_origins(value, a, b)
            if place is None:
                code = value
                continue
            if isinstance(value, Scalar) and value.kind is int and a is not UNDEFINED and b is not UNDEFINED:
                (p, q), (r, s) = interval_of(a), interval_of(b)
                value.interval = (min(p, r), max(q, s))
            context.journal.write(place, value)
        return joined(flow_1, flow_2, code)

    def _run(self, body: Branch) -> tuple[Flow, dict[Place, Any], list[torch.Tensor]]:
        """Trace a branch and take it back: where it goes, its values of what it changed, and of the tensors it writes to."""
        context = self.context
        copies = [context.swapped(t).clone() for t in self.written]
        for tensor, copy in zip(self.written, copies, strict=True):
            context.made(copy)
            self.region.versions[id(tensor)] = (tensor, copy)
        mark = context.journal.mark
        flow = body()
        changed = {place: place.read() for place in context.changes(mark, self.region)}
        context.journal.undo(mark)
        self.region.versions.clear()
        return flow, changed, copies

    def _note_origins(self, value: Any, a: Any, b: Any) -> None:
        """A result may be a tensor that was there before the branches."""
        sources = [t for t in (*tensors_of(a), *tensors_of(b)) if not self.context.made_in(t, self.region)]
        inside = [o for t in (*tensors_of(a), *tensors_of(b)) for o in self.context.origins(t)]
        if sources or inside:
            for result in tensors_of(value):
                self.context.may_be(result, [*sources, *inside])

    def _unify(self, place: Place, a: Any, b: Any, guarded: bool) -> Spec:
        if place.kind in ("list", "dict", "set") and a is not UNDEFINED and b is not UNDEFINED and len(a) != len(b):
            raise Unsupported(
                f"{place.text} grows in one branch of {self.region.what} whose condition is only known at run time",
                hint="append in both branches, or keep all values and a mask",
            )
        try:
            spec = unify(a, b, guarded)
        except Mismatch as error:
            raise Unsupported(
                f"the branches of {self.region.what} leave different values in {place.text}: {error}",
                hint="make both branches give tensors of one shape and dtype, or numbers of one type",
            ) from None
        check_tensor_leaves(spec)
        return spec

    def _close(
        self, middle: Any, left: list[torch.Tensor | None], right: list[torch.Tensor | None]
    ) -> list[torch.Tensor]:
        """The results of the `if`; puts the then branch's values into the marker that ends it."""
        context = self.context
        results = ops.if_end([context.swapped(t) for t in right], [context.swapped(t) for t in left])
        end = context.last_node(ops.if_end.default)
        middle.args = (list(end.args[1]),)
        return results


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
