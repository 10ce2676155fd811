"""How a captured call maps onto a dispatcher's variant: which argument is which input, what the result is made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch.utils import _pytree as pytree

from ..frontend import Guard as TraceGuard
from ..frontend import OutputSource, Traced
from ..runtime import Program, Variant
from ..runtime import dispatch as d


def variant_of(traced: Traced, args: tuple[Any, ...], kwargs: dict[str, Any], program: Program, tag: Any) -> Variant:
    """The variant that answers calls like this one by `program`.

    Raises:
        ValueError: an argument that no variant can match.
    """
    numbers, count = tensor_numbers(args, kwargs)
    captured: list[d.Captured] = []
    inputs: list[int] = []
    for source in traced.inputs:
        if source.kind == "argument":
            inputs.append(numbers[source.index])
            continue
        assert source.tensor is not None
        inputs.append(count + len(captured))
        spec = replace(d.TensorSpec.of(source.tensor), requires_grad=False)
        if source.container is not None:
            captured.append(d.Captured(spec, container=source.container, key=source.key))
        else:
            captured.append(d.Captured(spec, tensor=source.tensor))
    results = [_result(o, inputs) for o in traced.outputs]
    return Variant(
        arguments=tuple(_without_grad(d.spec_of(a)) for a in args),
        keywords={k: _without_grad(d.spec_of(v)) for k, v in kwargs.items()},
        guards=guards_of(traced.guards),
        captured=captured,
        program=program,
        inputs=inputs,
        result=structure(traced.out_spec, results),
        copies=[(result, inputs[target]) for target, result in traced.mutations],
        tag=tag,
    )


def _without_grad(spec: d.ArgumentSpec) -> d.ArgumentSpec:
    """`spec` with tensors that need no gradient: such a variant answers where grad mode is off or nothing needs one."""
    match spec:
        case d.TensorSpec():
            return replace(spec, requires_grad=False)
        case d.SequenceSpec():
            return replace(spec, items=tuple(_without_grad(i) for i in spec.items))
        case d.MappingSpec():
            return replace(spec, items=tuple((k, _without_grad(i)) for k, i in spec.items))
    return spec


def callable_variant(
    function: Callable[..., Any],
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    guards: list[TraceGuard],
    grad: Any,
    tag: Any,
) -> Variant:
    """The variant that answers calls like this one by a Python function.

    Raises:
        ValueError: an argument that no variant can match.
    """
    return Variant(
        arguments=tuple(d.spec_of(a) for a in args),
        keywords={k: d.spec_of(v) for k, v in kwargs.items()},
        guards=guards_of(guards),
        callable=function,
        grad=grad,
        tag=tag,
    )


def tensor_numbers(args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[dict[int, int], int]:
    """Leaf index → number among the tensors of a call, and their count."""
    leaves = pytree.tree_leaves((args, kwargs))
    numbers: dict[int, int] = {}
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, torch.Tensor):
            numbers[i] = len(numbers)
    return numbers, len(numbers)


def guards_of(guards: list[TraceGuard]) -> list[d.Guard]:
    """The trace's guards and those on the state of torch that every trace depends on."""
    found = [
        d.Guard("cell_is", g.container, None, g.expected)
        if g.key is None
        else d.Guard("item_is", g.container, g.key, g.expected)
        for g in guards
    ]
    found.append(d.Guard("call_is", torch._C._is_any_autocast_enabled, None, torch._C._is_any_autocast_enabled()))
    found.append(d.Guard("call_is", torch.get_default_dtype, None, torch.get_default_dtype()))
    return found


def _result(source: OutputSource, inputs: list[int]) -> d.ResultSpec:
    if source.kind == "result":
        return d.Output(source.index)
    if source.kind == "input":
        return d.WholeTensor(inputs[source.index])
    if source.kind == "view":
        return d.View(d.WholeTensor(inputs[source.index]), source.size, source.stride, source.offset)
    return d.Constant(source.value)


def structure(spec: pytree.TreeSpec, leaves: list[d.ResultSpec]) -> d.ResultSpec:
    """The result's structure over `leaves`."""
    remaining = iter(leaves)

    def visit(node: pytree.TreeSpec) -> d.ResultSpec:
        if node.is_leaf():
            return next(remaining)
        items = tuple(visit(child) for child in node.children())
        if node.type in (tuple, list):
            return d.SequenceResult(node.type, items)
        if node.type is dict:
            return d.MappingResult(tuple(zip(node.context, items, strict=True)))
        return d.Call(
            lambda *parts, node=node: pytree.SUPPORTED_NODES[node.type].unflatten_fn(parts, node.context), items
        )

    return visit(spec)
