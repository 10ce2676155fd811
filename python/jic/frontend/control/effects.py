"""What a call does besides its result: it changes what outlives it, or prints. Captured, and repeated after each run."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import torch

from .context import Context
from .errors import Unsupported
from .journal import UNDEFINED, Place
from .region import storage_of
from .templates import Built, Template, Templates, holds_trace
from .values import Maybe, same_constant, tensors_of

Step = Callable[[tuple[Any, ...], Built], Any]
_TENSOR = object()  # what a place held before: a tensor, which is an input where it is used
# Kinds of places that are stored as they are at the end of the call.
_FINAL = frozenset({"attr", "cell", "global"})


@dataclass(frozen=True, eq=False)
class Effects:
    """Called with `(result, *values)` after a run: repeats the call's effects with the run's values; returns the result.

    Attributes:
        steps: the effects, in the program's order.
        result: makes the result where it shares objects with what is stored.
        before: what the effects depend on: places and containers, and what these held before the call.
    """

    steps: tuple[Step, ...]
    result: Template | None = None
    before: tuple[tuple[Place, Any], ...] = ()
    constants: tuple[Any, ...] = field(default=(), repr=False)

    def __call__(self, found: tuple[Any, ...]) -> Any:
        values, built = found[1:], {}
        result = found[0] if self.result is None else self.result(values, built)
        for step in self.steps:
            step(values, built)
        return result

    def holds(self) -> bool:
        """Whether what the effects depend on is as it was when they were captured."""
        return all(_unchanged(place.read(), before) for place, before in self.before)

    def leaks(self) -> bool:
        """Whether something of the trace would be stored (after the trace was taken back)."""
        return any(map(holds_trace, self.constants))


def of(context: Context, result: Any) -> tuple[Effects | None, list[Any]]:
    """The effects of the trace that ends, and the tensors and run-time numbers that they need.

    Raises:
        Unsupported: an effect that cannot be repeated after each call.
    """
    templates = Templates(context)
    steps: list[tuple[int, Step]] = []
    first: dict[Place, int] = {}
    for number, (place, _) in enumerate(context.journal.entries):
        first.setdefault(place, number)
    changed = context.journal.changes(0)
    for place in changed:
        if place.kind in _FINAL and not context.is_created(place.owner) and place.owner is not context.names:
            steps.append((first[place], _store(place, templates)))
    for operation in context.journal.operations:
        args = [templates.of(a, "a container that outlives the call") for a in operation.args]
        kwargs = {k: templates.of(v, "a container that outlives the call") for k, v in operation.kwargs.items()}
        steps.append((operation.at, _call(operation.function, args, kwargs)))
    if not steps:
        return None, []
    _check_identities(context, [v for v in templates.values if isinstance(v, torch.Tensor)], result)
    steps.sort(key=lambda step: step[0])
    shared = _template_of_result(result, templates)
    before = tuple(
        (place, _TENSOR if isinstance(value, torch.Tensor) else value)
        for place, value in changed.items()
        if place in context.journal.was_read and not context.is_created(place.owner)
    )
    return Effects(tuple(s for _, s in steps), shared, before, tuple(templates.constants)), templates.values


def _check_identities(context: Context, stored: list[torch.Tensor], result: Any) -> None:
    """Raises Unsupported where two tensors that are stored or returned are one in some cases only, out of a branch or loop."""
    kept = {storage_of(t) for t in (*stored, *tensors_of(result))}
    for tensor in stored:
        memory = storage_of(tensor)
        if context.identities.related(memory) & (kept - {memory}):
            raise Unsupported(
                "a tensor is stored that a loop or branch may have left as another one that is stored or returned",
                hint="clone() it where it is stored",
                effect=True,
            )


def _store(place: Place, templates: Templates) -> Step:
    value = place.read()
    if isinstance(value, Maybe):
        raise Unsupported(f"{place.text} is assigned in some cases only, and has no value in others", effect=True)
    if value is UNDEFINED:
        return lambda values, built: place.store(UNDEFINED)
    if isinstance(place.owner, torch.nn.Module):
        is_module = isinstance(value, (torch.nn.Module, torch.nn.Parameter))
        if place.key in place.owner._parameters or is_module and place.key not in vars(place.owner):
            raise Unsupported(f"a parameter or submodule {place.text} is assigned", effect=True)
    template = templates.of(value, place.text)
    return lambda values, built: place.store(template(values, built))


def _call(function: Callable[..., Any], args: list[Template], kwargs: dict[str, Template]) -> Step:
    return lambda values, built: function(
        *[a(values, built) for a in args], **{k: v(values, built) for k, v in kwargs.items()}
    )


def _template_of_result(result: Any, templates: Templates) -> Template | None:
    """How to make the result, if it holds an object that is stored too."""
    pending, seen = [result], set()
    while pending:
        value = pending.pop()
        if id(value) in templates.made:
            return templates.of(result, "the result")
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (list, tuple)):
            pending += value
        elif isinstance(value, dict):
            pending += value.values()
    return None


def _unchanged(now: Any, before: Any) -> bool:
    if same_constant(now, before):
        return True
    if before is _TENSOR:
        return isinstance(now, torch.Tensor)
    if isinstance(before, dict) and isinstance(now, dict):
        pairs = [(k, v) for k, v in before.items()], [(k, v) for k, v in now.items()]
        return len(pairs[0]) == len(pairs[1]) and all(
            _same(a[0], b[0]) and _same(a[1], b[1]) for a, b in zip(*pairs, strict=True)
        )
    if isinstance(before, set) and isinstance(now, set):
        return set(map(_identity, before)) == set(map(_identity, now))
    if isinstance(before, list) and isinstance(now, list):
        return len(before) == len(now) and all(map(_same, before, now))
    return False


def _same(a: Any, b: Any) -> bool:
    """Without asking objects of users' classes, which may have effects."""
    return a is b or same_constant(a, b)


def _identity(value: Any) -> Any:
    return (type(value), value) if isinstance(value, (int, float, str, bytes)) else id(value)
