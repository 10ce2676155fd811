"""The containers that a function can reach other than through its arguments."""

from __future__ import annotations

import types
from collections.abc import Callable, Iterator
from typing import Any

import torch

from . import locations
from .guards import object_parts
from .reach import module_of

_MOST = 100_000  # objects that are looked at


def outside_containers(fn: Callable[..., Any]) -> dict[int, Any]:
    """Lists, tuples and dicts, by id, in globals, closures, defaults and attributes of `fn` and what it is bound to."""
    found: dict[int, Any] = {}
    seen: set[int] = set()
    pending: list[Any] = [fn]
    while pending and len(seen) < _MOST:
        value = pending.pop()
        if id(value) in seen:
            continue
        seen.add(id(value))
        if isinstance(value, (list, tuple, dict)):
            found[id(value)] = value
        pending.extend(_held(value))
    return found


def _held(value: Any) -> Iterator[Any]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple, set)):
        yield from value
    elif isinstance(value, types.MethodType):
        yield value.__self__
        yield value.__func__
    elif isinstance(value, types.FunctionType):
        if locations.is_users(value.__code__.co_filename):
            yield from value.__globals__.values()
            yield from (value.__defaults__ or (), value.__kwdefaults__ or {}, value.__dict__)
            for cell in value.__closure__ or ():
                try:
                    yield cell.cell_contents
                except ValueError:  # empty
                    continue
    elif isinstance(value, types.ModuleType):
        if locations.is_users(getattr(value, "__file__", None) or "<built in>"):
            yield from vars(value).values()
    elif isinstance(value, type):
        if module_of(value).partition(".")[0] not in ("torch", "builtins"):
            yield from vars(value).values()
    elif not isinstance(value, (torch.Tensor, str, bytes, int, float, complex)):
        yield from (object_parts(value)[1] or {}).values()
