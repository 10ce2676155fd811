"""Compares a compiled callable with eager: structure, dtypes, shapes, and values against float64."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

import jic

# Allowed error in units of the largest magnitude of the result: a few roundings of the dtype.
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-6, torch.float16: 4e-3, torch.bfloat16: 3e-2}


def in_float64(value: Any) -> Any:
    return value.double() if isinstance(value, torch.Tensor) and value.is_floating_point() else value


def assert_like(found: Any, expected: Any, reference: Any = None, factor: float = 1.0) -> None:
    """`found` has the structure, shapes and dtypes of `expected` (eager's), and the values of `reference` (in float64)."""
    reference = expected if reference is None else reference
    ours, spec = pytree.tree_flatten(found)
    eager, expected_spec = pytree.tree_flatten(expected)
    assert spec == expected_spec
    for a, e, r in zip(ours, eager, pytree.tree_leaves(reference), strict=True):
        if not isinstance(e, torch.Tensor):
            assert a == e
            continue
        assert a.dtype == e.dtype and a.shape == e.shape and a.device == e.device
        if not e.dtype.is_floating_point:
            assert torch.equal(a, e), (a, e)
            continue
        finite = r[torch.isfinite(r)].abs()
        scale = max(1.0, finite.max().item() if finite.numel() else 0.0)
        allowed = TOLERANCE[e.dtype] * scale * factor
        torch.testing.assert_close(a.double(), r.double(), rtol=0, atol=allowed, equal_nan=True)


def check(
    function: Callable[..., Any],
    *args: Any,
    strict: bool = True,
    factor: float = 1.0,
    exact: bool = False,
    **kwargs: Any,
) -> Any:
    """Compile `function`, call it twice, and compare both results with eager in float64. Returns the compiled callable."""
    compiled = jic.compile(function, strict=strict, config=jic.JitConfig(enable_caching=False))
    with torch.no_grad():
        expected = function(*args, **kwargs)
        reference = expected
        if not exact and not isinstance(function, torch.nn.Module):
            reference = function(*pytree.tree_map(in_float64, args), **pytree.tree_map(in_float64, kwargs))
        for _ in range(2):
            assert_like(compiled(*args, **kwargs), expected, reference, factor)
    return compiled
