"""Compares a compiled callable with eager bit for bit: values, dtypes, signs of zeros, Python types, and what is raised."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.utils import _pytree as pytree

import jic


def outcome(function: Callable[..., Any], args: tuple[Any, ...]) -> Any:
    """The result for copies of `args`, with the copies as it left them; the type of what it raises."""
    own = pytree.tree_map_only(torch.Tensor, torch.clone, args)
    with torch.no_grad():
        try:
            return function(*own), own
        except Exception as error:
            return type(error)


def leaves(value: Any) -> list[Any]:
    found = []
    for leaf in pytree.tree_leaves(value):
        if not isinstance(leaf, torch.Tensor):
            found.append((type(leaf), repr(leaf)))
            continue
        bits: Any = leaf.tolist()
        if leaf.is_floating_point():
            nan = torch.isnan(leaf)
            bits = [leaf.masked_fill(nan, 0).tolist(), torch.signbit(leaf.masked_fill(nan, 0)).tolist(), nan.tolist()]
        found.append((leaf.dtype, tuple(leaf.shape), repr(bits)))
    return found


def same_bits(function: Callable[..., Any], *args: Any, compiled: bool = True) -> None:
    """Two calls of the compiled `function` do what eager does; it must not have run eagerly if `compiled`."""
    expected = outcome(function, args)
    ours = jic.compile(function, config=jic.JitConfig(enable_caching=False))
    for _ in range(2):
        found = outcome(ours, args)
        assert leaves(found) == leaves(expected), (args, found, expected)
    if compiled and not isinstance(expected, type):
        assert not ours.entries[-1].eager, ours.entries[-1].fallbacks()
