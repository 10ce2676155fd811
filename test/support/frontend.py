"""Runs a callable through trace, import and the reference interpreter, as the API would, and compares with eager."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch_mlir import ir

import jic.dialects
from jic.api.results import result_of
from jic.frontend import Traced, trace
from jic.frontend.importer import import_graph

from .interpret import interpret

TOLERANCE = {
    torch.float16: {"rtol": 2e-3, "atol": 2e-3},
    torch.bfloat16: {"rtol": 2e-2, "atol": 2e-2},
    torch.float32: {"rtol": 1e-4, "atol": 1e-5},
    torch.float64: {"rtol": 1e-7, "atol": 1e-7},
}


def run(traced: Traced, module: ir.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What the call returns; writes to the inputs that the traced function writes to."""
    leaves = pytree.tree_leaves((args, kwargs))
    inputs = [leaves[s.index] if s.kind == "argument" else s.tensor for s in traced.inputs]
    results = interpret(module, *[t.detach().contiguous() for t in inputs])
    for i, r in traced.mutations:
        inputs[i].copy_(results[r])
    return result_of(traced, results, [t.detach() if t.requires_grad else t for t in inputs], args, kwargs)


def check(fn: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[Traced, ir.Module]:
    """Compare with eager: results, their dtypes, and what was written to the arguments."""
    traced = trace(fn, args, kwargs)
    module = import_graph(traced, jic.dialects.context())
    assert module.operation.verify()
    ours, theirs = copy.deepcopy((args, kwargs)), copy.deepcopy((args, kwargs))
    with torch.no_grad():
        got = run(traced, module, *ours)
        expected = fn(*theirs[0], **theirs[1])
    dtypes = {t.dtype for t in pytree.tree_leaves(expected) if isinstance(t, torch.Tensor)}
    tolerance: dict[str, Any] = {"rtol": 0.0, "atol": 0.0}
    for dtype in dtypes:
        for key, value in TOLERANCE.get(dtype, {}).items():
            tolerance[key] = max(tolerance[key], value)
    ours_flat, theirs_flat = pytree.tree_flatten(got), pytree.tree_flatten(expected)
    assert ours_flat[1] == theirs_flat[1]
    for a, e in zip(ours_flat[0], theirs_flat[0], strict=True):
        if isinstance(e, torch.Tensor):
            torch.testing.assert_close(a, e, equal_nan=True, check_stride=False, **tolerance)
        else:
            assert a == e
    for a, e in zip(pytree.tree_leaves(ours), pytree.tree_leaves(theirs), strict=True):
        if isinstance(e, torch.Tensor):  # what was written to the arguments
            torch.testing.assert_close(a, e, equal_nan=True)
    return traced, module


def aten_calls(module: ir.Module) -> dict[str, str]:
    """The callee and the reason of each ATen call."""
    main = module.body.operations[0].operation
    calls = [op.operation for op in main.regions[0].blocks[0].operations if op.operation.name == "jic.aten_call"]
    return {ir.StringAttr(op.attributes["callee"]).value: ir.StringAttr(op.attributes["reason"]).value for op in calls}
