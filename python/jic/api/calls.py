"""How a captured call maps onto a dispatcher's variant: which argument is which input, what the result is made of."""

from __future__ import annotations

import collections
import types
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ..frontend import Guard, Number, OutputSource, Traced
from ..frontend.control.effects import Effects
from ..frontend.layouts import contiguous
from ..frontend.reads import check_of
from ..frontend.structure import Structure
from ..runtime import Program, Variant
from ..runtime import dispatch as d


@dataclass(frozen=True)
class Request:
    """A call to compile: `fn(*args, **kwargs)`, where a method's `self` (`receiver`) is bound into `fn`.

    `numbers` are leaves of `(args, kwargs)`, by their places, that are inputs of the program.
    """

    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    receiver: tuple[Any, ...] = ()
    numbers: Mapping[int, Number] = field(default_factory=dict)

    @staticmethod
    def of(fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Request:
        """A first argument that is no tensor, number or container of them is taken for a method's `self`."""
        leaf = args and pytree.tree_leaves(args[0]) == [args[0]]
        if leaf and not isinstance(args[0], (torch.Tensor, int, float, complex, str, bytes, type(None), *_CONSTANTS)):
            return Request(types.MethodType(fn, args[0]), args[1:], kwargs, (args[0],))
        return Request(fn, args, kwargs)

    def arguments(self, **changes: bool) -> tuple[d.ArgumentSpec, ...]:
        """What the positional arguments of a call like this one must be; the specs of tensors with `changes`."""
        own = (_changed(d.spec_of(a), changes) for a in self._described()[0])
        return (*(d.Same(r) for r in self.receiver), *own)

    def keywords(self, **changes: bool) -> dict[str, d.ArgumentSpec]:
        return {k: _changed(d.spec_of(v), changes) for k, v in self._described()[1].items()}

    def _described(self) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Arguments and keyword arguments, with specs in the places of number inputs."""
        if not self.numbers:
            return self.args, self.kwargs
        leaves, spec = pytree.tree_flatten((self.args, self.kwargs))
        for place, number in self.numbers.items():
            leaves[place] = number_spec(number)
        return pytree.tree_unflatten(leaves, spec)

    def without_receiver(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """`function`, which takes no receiver, for calls that have one."""
        return (lambda _, *args, **kwargs: function(*args, **kwargs)) if self.receiver else function


_CONSTANTS = (torch.dtype, torch.device, torch.layout, torch.memory_format, slice, range)


def variant_of(traced: Traced, request: Request, program: Program, tag: Any) -> Variant:
    """The variant that answers calls like this one by `program`.

    Raises:
        ValueError: an argument that no variant can match.
    """
    numbers, count = tensor_numbers(request)
    captured_numbers = {(id(s.guard), s.key): s.number for s in traced.inputs if s.kind == "captured" and s.number}
    state, captured = state_of(traced.guards, needs_grad=False, numbers=captured_numbers)
    places = {c.source if isinstance(c.source, tuple) else id(c.source): i for i, c in enumerate(captured)}
    inputs: list[int] = []
    for source in traced.inputs:
        if source.kind == "argument":
            inputs.append(numbers[source.index])
            continue
        place: Any = (id(source.guard), source.key) if source.number is not None else id(source.tensor)
        if place not in places:  # it was found in no place that could be read again
            assert source.tensor is not None
            places[place] = len(captured)
            captured.append(_captured(source.tensor, needs_grad=False, fixed=True))
        inputs.append(count + places[place])
    captured += [_captured(t, needs_grad=False, fixed=True) for t in traced.fixed if id(t) not in places]
    identities = 1 + max((c.identity for o in traced.outputs for c in (o, *o.choices)), default=-1)
    results = _Results(traced, inputs, program)
    result = _structure(traced.structure, [results.of(o) for o in traced.outputs], identities)
    if traced.effects is not None:
        result = d.Call(traced.effects, (result,))
        state += effects_state(traced.effects)
    return Variant(
        # Such a variant answers where grad mode is off or nothing needs a gradient.
        arguments=request.arguments(requires_grad=False, bare=traced.bare),
        keywords=request.keywords(requires_grad=False, bare=traced.bare),
        state=state,
        captured=captured,
        program=program,
        inputs=inputs,
        result=result,
        geometry=traced.geometry,
        copies=[(result, inputs[target]) for target, result in traced.mutations],
        tag=tag,
        bail=request.without_receiver(request.fn),
    )


def _changed(spec: d.ArgumentSpec, changes: dict[str, bool]) -> d.ArgumentSpec:
    """`spec` with `changes` of its tensors' specs."""
    match spec:
        case d.TensorSpec():
            return replace(spec, **changes)
        case d.SequenceSpec():
            return spec._replace(items=tuple(_changed(i, changes) for i in spec.items))
        case d.MappingSpec():
            return spec._replace(items=tuple((k, _changed(i, changes)) for k, i in spec.items))
    return spec


def callable_variant(
    function: Callable[..., Any],
    request: Request,
    guards: list[Guard],
    grad: Any,
    tag: Any,
    effects: Effects | None = None,
    fixed: Sequence[torch.Tensor] = (),
    bare: bool = False,
) -> Variant:
    """The variant that answers calls like this one by a Python function.

    Raises:
        ValueError: an argument that no variant can match.
    """
    state, captured = state_of(guards, needs_grad=True)
    captured += [_captured(t, needs_grad=True, fixed=True) for t in fixed]
    if effects is not None:
        state += effects_state(effects)
    return Variant(
        arguments=request.arguments(bare=bare),
        keywords=request.keywords(bare=bare),
        state=state,
        captured=captured,
        callable=function,
        grad=grad,
        tag=tag,
    )


def number_spec(number: Number) -> d.NumberSpec:
    return d.NumberSpec(number.type, number.limit)


def tensor_numbers(request: Request) -> tuple[dict[int, int], int]:
    """Leaf index → number among the tensors (and number inputs) of a call, and their count."""
    leaves = pytree.tree_leaves((request.args, request.kwargs))
    numbers: dict[int, int] = {}
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, torch.Tensor) or i in request.numbers:
            numbers[i] = len(numbers)
    return numbers, len(numbers)


def state_of(
    guards: list[Guard], needs_grad: bool, numbers: Mapping[tuple[int, Any], Number] | None = None
) -> tuple[list[d.Group], list[d.Captured]]:
    """What must hold around a call, and the tensors that are read there; and the `numbers`, by `id` of the guard and key."""
    captured: list[d.Captured] = []
    found: dict[int, int] = {}

    def check(guard: Guard, key: Any, value: Any) -> d.Check:
        number = numbers.get((id(guard), key)) if numbers else None
        if number is not None:
            captured.append(d.Captured(number_spec(number), source=(id(guard), key)))
            return d.Check("tensor", key, len(captured) - 1)
        kind, value = check_of(guard, value)
        if kind != "tensor":
            return d.Check(kind, key, value)
        if id(value) not in found:
            found[id(value)] = len(captured)
            captured.append(_captured(value, needs_grad))
        return d.Check(kind, key, found[id(value)])

    settings = [*_SETTINGS, torch.get_default_device] if torch._C._len_torch_function_stack() else _SETTINGS
    groups = [d.Group("call", function, None, (d.Check("equals", None, function()),)) for function in settings]
    for guard in guards:
        checks = tuple(check(guard, key, value) for key, value in guard.values.items())
        groups.append(d.Group(guard.kind, guard.container, guard.detail, checks))
    return groups, captured


# What every trace depends on.
_SETTINGS = (torch._C._is_any_autocast_enabled, torch.get_default_dtype, torch._C._len_torch_function_stack)


def _captured(tensor: torch.Tensor, needs_grad: bool, fixed: bool = False) -> d.Captured:
    spec = d.TensorSpec.of(tensor)
    if not needs_grad:
        spec = replace(spec, requires_grad=False)
    return d.Captured(spec, tensor if fixed else None, source=tensor)


def effects_state(effects: Effects) -> list[d.Group]:
    """Holds while what the effects depend on is as it was."""
    return [d.Group("call", effects.holds, None, (d.Check("equals", None, True),))] if effects.before else []


class _Results:
    """How the leaves of a result are made of the program's outputs and of the call's tensors (`inputs`, by number)."""

    def __init__(self, traced: Traced, inputs: list[int], program: Program) -> None:
        self.traced, self.inputs, self.program = traced, inputs, program
        self.shown = {o.index for s in traced.outputs for o in (s, *s.choices) if o.kind == "alias"}

    def of(self, source: OutputSource) -> d.ResultSpec:
        if source.number:
            plain = self.of(replace(source, number=False))
            is_number = source.kind == "input" and self.traced.inputs[source.index].number is not None
            return plain if is_number else d.Number(plain)
        if source.identity >= 0:
            return d.Once(source.identity, self.of(replace(source, identity=-1)))
        if source.kind == "result":
            return self._new(source.index)
        if source.kind == "alias":
            return d.View(d.Output(source.index), source.size, source.stride, source.offset)
        if source.kind == "input":
            return d.WholeTensor(self.inputs[source.index])
        if source.kind == "view":
            return d.View(d.WholeTensor(self.inputs[source.index]), source.size, source.stride, source.offset)
        if source.kind == "choice":
            return d.Choice(source.index, tuple(map(self.of, source.choices)))
        return d.Constant(source.value)

    def _new(self, index: int) -> d.ResultSpec:
        """An output; an empty one is torch's own, which can be resized, as where it is `out=` of what follows."""
        dtype, shape = self.program.outputs[index]
        if 0 not in shape or index in self.shown:
            return d.Output(index)
        size, stride = self.traced.geometry.get(index, (shape, ()))
        return d.Empty(dtype, size, stride or contiguous(size))


def _structure(structure: Structure, leaves: list[d.ResultSpec], first: int) -> d.ResultSpec:
    """The result's structure over `leaves`; numbers from `first` on stand for containers that occur more than once."""
    if structure.kind == "leaf":
        return leaves[structure.index]
    if structure.kind == "argument":
        return d.Container(structure.index)
    if structure.kind == "object":
        return d.Constant(structure.value)
    if structure.kind == "again":
        return d.Once(first + structure.index, d.Constant(None))  # built where it first occurs
    spec = structure.spec
    assert spec is not None
    items = tuple(_structure(item, leaves, first) for item in structure.items)
    made: d.ResultSpec
    if spec.type in (tuple, list, torch.Size):
        made = d.SequenceResult(spec.type, items)
    elif spec.type in (dict, collections.OrderedDict):
        made = d.MappingResult(tuple(zip(spec.context, items, strict=True)), spec.type)
    else:
        made = d.Tree(spec, items)
    return made if structure.number < 0 else d.Once(first + structure.number, made)
