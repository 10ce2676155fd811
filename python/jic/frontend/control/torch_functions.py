"""Functions of torch's that the interpreter treats in ways of their own."""

from __future__ import annotations

import types
from typing import Any

import torch

from .. import locations

# Functions of torch's that are interpreted, because they change Python's attributes.
INTERPRETED = frozenset({torch.nn.Module.train, torch.nn.Module.eval})
# Modules of torch's whose methods look at their own entries only.
CONTAINERS = (
    torch.nn.ModuleList,
    torch.nn.ModuleDict,
    torch.nn.ParameterList,
    torch.nn.ParameterDict,
    torch.nn.Sequential,
)
MODULE_CALLS = frozenset({torch.nn.Module.__call__, torch.nn.Module._call_impl})


def is_shadowed(function: types.FunctionType) -> bool:
    """Whether a function of torch's has lost its name to one of the user's: torch's overrides look it up by name."""
    other = function.__globals__.get(function.__name__)
    return (
        str(function.__module__).startswith("torch.")
        and isinstance(other, types.FunctionType)
        and other is not function
        and locations.is_users(other.__code__.co_filename)
    )


def decorated(function: types.FunctionType) -> dict[str, Any] | None:
    """What a context manager of torch's that is used as a decorator made `function` of."""
    code = function.__code__
    if code.co_name != "decorate_context" or {*code.co_freevars} != {"ctx_factory", "func"}:
        return None
    return {n: c.cell_contents for n, c in zip(code.co_freevars, function.__closure__ or (), strict=True)}
