"""What torch's control-flow operators and recurrent modules are in plain Python, for the interpreter to interpret."""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from typing import Any

import torch
from torch._higher_order_ops.associative_scan import associative_scan as associative_scan_op
from torch._higher_order_ops.map import map as map_op
from torch._higher_order_ops.scan import scan as scan_op
from torch._higher_order_ops.while_loop import while_loop as while_loop_op
from torch.utils import _pytree as pytree

from . import recurrent, user


def cond(pred: Any, true_fn: Callable[..., Any], false_fn: Callable[..., Any], operands: Any = ()) -> Any:
    """`torch.cond`."""
    if pred:
        return true_fn(*operands)
    return false_fn(*operands)


def while_loop(cond_fn: Callable[..., Any], body_fn: Callable[..., Any], carried_inputs: Any) -> Any:
    """`torch.while_loop`."""
    carried = tuple(carried_inputs)
    while cond_fn(*carried):
        carried = tuple(body_fn(*carried))
    return carried


def scan(combine_fn: Callable[..., Any], init: Any, xs: Any, *, dim: int = 0, reverse: bool = False) -> Any:
    """`scan` of `torch._higher_order_ops`: the last carry, and the outputs of all steps stacked along dim 0."""
    flat, spec = pytree.tree_flatten(xs)
    rows = tuple([x.movedim(dim, 0) for x in flat])
    count = rows[0].shape[0]
    carry = init
    outputs = []
    for t in user.range(count):
        at = count - 1 - t if reverse else t
        carry, output = combine_fn(carry, pytree.tree_unflatten([row[at] for row in rows], spec))
        outputs.append(tuple(pytree.tree_leaves(output)))
    if reverse:
        order = tuple([torch.stack([o[k] for o in outputs]).flip(0) for k in range(len(pytree.tree_leaves(output)))])
    else:
        order = tuple([torch.stack([o[k] for o in outputs]) for k in range(len(pytree.tree_leaves(output)))])
    return carry, pytree.tree_unflatten(list(order), pytree.tree_structure(output))


def map_(f: Callable[..., Any], xs: Any, *args: Any) -> Any:
    """`map` of `torch._higher_order_ops`: `f` of every row, stacked."""
    flat, spec = pytree.tree_flatten(xs)
    rows = tuple(flat)
    outputs = []
    for t in user.range(rows[0].shape[0]):
        found = f(pytree.tree_unflatten([row[t] for row in rows], spec), *args)
        outputs.append(tuple(pytree.tree_leaves(found)))
    stacked = [torch.stack([o[k] for o in outputs]) for k in range(len(pytree.tree_leaves(found)))]
    return pytree.tree_unflatten(stacked, pytree.tree_structure(found))


def associative_scan(
    combine_fn: Callable[..., Any],
    xs: Any,
    dim: int,
    reverse: bool = False,
    combine_mode: str = "pointwise",
    **options: Any,
) -> Any:
    """`associative_scan` of `torch._higher_order_ops`, in order."""
    flat, spec = pytree.tree_flatten(xs)
    rows = tuple([x.movedim(dim, 0) for x in flat])
    count = rows[0].shape[0]
    carry = tuple([row[count - 1 if reverse else 0] for row in rows])
    outputs = [carry]
    for t in user.range(1, count):
        at = count - 1 - t if reverse else t
        item = pytree.tree_unflatten([row[at] for row in rows], spec)
        carry = tuple(pytree.tree_leaves(combine_fn(pytree.tree_unflatten(list(carry), spec), item)))
        outputs.append(carry)
    found = [torch.stack([o[k] for o in outputs]) for k in range(len(rows))]
    if reverse:
        found = [f.flip(0) for f in found]
    return pytree.tree_unflatten([f.movedim(0, dim) for f in found], spec)


_FUNCTIONS: dict[Any, types.FunctionType] = {
    torch.cond: cond,
    while_loop_op: while_loop,
    scan_op: scan,
    map_op: map_,
    associative_scan_op: associative_scan,
}  # type: ignore[dict-item]


def find(function: Any) -> Callable[..., Any] | None:
    """The plain Python of one of torch's control-flow operators, or what `torch.compile` made `function` of."""
    if isinstance(function, types.FunctionType) and "_torchdynamo_orig_callable" in function.__dict__:
        return function.__dict__["_torchdynamo_orig_callable"]
    dynamo = sys.modules.get("torch._dynamo.eval_frame")
    if dynamo is not None and isinstance(function, dynamo.OptimizedModule):
        return function._orig_mod
    try:
        return _FUNCTIONS.get(function)
    except TypeError:  # not hashable
        return None


def find_module(module: torch.nn.Module) -> types.FunctionType | None:
    """The plain Python of a recurrent module's `forward`, which takes the module first."""
    return recurrent.find(module)


@functools.cache
def _interpreted_files() -> frozenset[str]:
    return frozenset((__file__, recurrent.__file__))


def is_interpreted(function: types.FunctionType) -> bool:
    """Whether a function of jic's own is interpreted as users' functions are."""
    return function.__code__.co_filename in _interpreted_files()
