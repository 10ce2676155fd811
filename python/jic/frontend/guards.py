"""What a trace read besides its arguments: where captured tensors live, and the Python values it depended on.

A guard is `container[key] is expected` (a dict) or `cell.cell_contents is expected`. Values compare by identity, which
is stricter than equality and cheap to check. Reached are the modules under the callable, and the globals, closure cells
and keyword defaults of the Python functions it names, followed through functions and modules outside torch and the
standard library. Not covered: elements of lists and dicts, attributes of imported modules, and attributes of classes.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from .locations import is_users

Container = dict[str, Any] | types.CellType

_SCALARS = (int, float, bool, str, bytes, type(None), tuple, torch.dtype, torch.device)
_MAX_ATTRIBUTES = 200  # of a plain object; larger ones are data rather than configuration


@dataclass(frozen=True, eq=False)
class Guard:
    """Holds while `container[key] is expected`; for a cell `key` is None and the cell's contents are compared."""

    container: Container
    key: str | None
    expected: Any
    name: str

    def holds(self) -> bool:
        if isinstance(self.container, dict):
            return self.container.get(self.key, _MISSING) is self.expected  # type: ignore[arg-type]
        return self.container.cell_contents is self.expected


_MISSING = object()


@dataclass(frozen=True, eq=False)
class Home:
    """Where a captured tensor lives: `container[key]`, or the contents of a cell (`key` None)."""

    name: str
    container: Container
    key: str | None


class Surroundings:
    """The guards of a callable and the homes of the tensors it can reach, by `id` of the tensor."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        self.guards: list[Guard] = []
        self.homes: dict[int, Home] = {}
        self.tensors: dict[int, torch.Tensor] = {}  # the tensors of `homes`
        self._seen: set[int] = set()
        self._keep: list[Any] = []  # visited objects stay alive, so that ids stay unique
        self._root(fn)

    def _root(self, fn: Any) -> None:
        if isinstance(fn, functools.partial):
            self._root(fn.func)
            for i, value in enumerate(fn.args):
                self._value(value, f"partial.args[{i}]")
            for key, value in fn.keywords.items():
                self._entry(fn.keywords, key, value, f"partial.{key}")
        elif isinstance(fn, types.MethodType):
            self._value(fn.__self__, "self")
            self._value(fn.__func__, fn.__func__.__name__)
        else:
            self._value(fn, "" if isinstance(fn, torch.nn.Module) else getattr(fn, "__name__", "fn"))

    def _first_visit(self, value: Any) -> bool:
        if id(value) in self._seen:
            return False
        self._seen.add(id(value))
        self._keep.append(value)
        return True

    def _entry(self, container: Container, key: str | None, value: Any, name: str) -> None:
        """One variable: note where a tensor lives, guard anything else that the trace may have specialised on."""
        if isinstance(value, torch.Tensor):
            self.homes.setdefault(id(value), Home(name, container, key))
            self.tensors.setdefault(id(value), value)
            return
        if isinstance(value, types.ModuleType):
            return
        self.guards.append(Guard(container, key, value, name))
        self._value(value, name)

    def _value(self, value: Any, name: str) -> None:
        if isinstance(value, torch.nn.Module):
            value = value.__dict__.get("_orig_mod", value)  # what a compiled module stands for
            if self._first_visit(value):
                self._module(value, name)
        elif isinstance(value, types.FunctionType):
            value = value.__dict__.get("_torchdynamo_orig_callable", value)  # what `torch.compile` made it of
            if self._first_visit(value):
                self._function(value, name)
        elif isinstance(value, types.MethodType):
            self._value(value.__self__, name)
            self._value(value.__func__, name)
        elif not isinstance(value, (*_SCALARS, type, torch.Tensor, list, dict, set)) and hasattr(value, "__dict__"):
            self._object(value, name)

    def _module(self, module: torch.nn.Module, name: str) -> None:
        prefix = f"{name}." if name else ""
        fields = module.__dict__
        for group in ("_parameters", "_buffers"):
            for key, tensor in fields[group].items():
                # A tensor is fetched and checked at each call; only an absent one needs a guard.
                self._entry(fields[group], key, tensor, prefix + key)
        for key, child in fields["_modules"].items():
            self._entry(fields["_modules"], key, child, prefix + key)
        for key, value in fields.items():
            if key == "training" or not key.startswith("_"):
                self._attribute(fields, key, value, prefix + key)
        for method in _user_functions(type(module)):
            self._value(method, method.__name__)

    def _attribute(self, fields: dict[str, Any], key: str, value: Any, name: str) -> None:
        if isinstance(value, (*_SCALARS, torch.Tensor, torch.nn.Module, types.FunctionType, types.MethodType)):
            self._entry(fields, key, value, name)
        elif not isinstance(value, (list, dict, set, type)):
            self.guards.append(Guard(fields, key, value, name))
            self._value(value, name)

    def _object(self, value: Any, name: str) -> None:
        """A plain object, such as a model's configuration: its scalar and tensor attributes."""
        fields = getattr(value, "__dict__", None)
        if type(fields) is not dict or len(fields) > _MAX_ATTRIBUTES or _is_library(type(value).__module__):
            return
        if not self._first_visit(value):
            return
        for key, attribute in fields.items():
            if isinstance(attribute, (*_SCALARS, torch.Tensor, torch.nn.Module)):
                self._entry(fields, key, attribute, f"{name}.{key}")
        for method in _user_functions(type(value)):
            self._value(method, method.__name__)

    def _function(self, function: types.FunctionType, name: str) -> None:
        if not is_users(function.__code__.co_filename):
            return
        variables = function.__globals__
        for key in sorted(_global_names(function.__code__)):
            if key in variables:
                value = variables[key]
                if isinstance(value, (*_SCALARS, torch.Tensor, torch.nn.Module, types.FunctionType)):
                    self._entry(variables, key, value, key)
                elif not isinstance(value, (type, types.ModuleType, types.BuiltinFunctionType)):
                    self._value(value, key)
        for key, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
            try:
                value = cell.cell_contents
            except ValueError:  # an empty cell
                continue
            self._entry(cell, None, value, key)
        for key, value in (function.__kwdefaults__ or {}).items():
            self._entry(function.__kwdefaults__, key, value, f"{name}.{key}")


def _global_names(code: types.CodeType) -> set[str]:
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= _global_names(constant)
    return names


@functools.lru_cache(maxsize=1024)
def _user_functions(class_: type) -> tuple[types.FunctionType, ...]:
    """The methods that `class_` and its bases outside torch define."""
    return tuple(
        value
        for base in class_.__mro__
        if not _is_library(base.__module__)
        for value in vars(base).values()
        if isinstance(value, types.FunctionType)
    )


@functools.lru_cache(maxsize=4096)
def _is_library(module: str) -> bool:
    root = module.partition(".")[0]
    return root in ("torch", "builtins", "jic") or root in sys.stdlib_module_names and root != "__main__"
