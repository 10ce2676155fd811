"""Collects what a trace reads of the state around the call, as guards."""

from __future__ import annotations

import collections
import os
import types
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from ..errors import CaptureError
from .guards import ABSENT, Fixed, Guard, Kind, by_value, contents, function_parts, items_of, keys_of, object_parts

_LIMIT = 1 << 17  # values that one trace may depend on
_CODE = (types.FunctionType, types.BuiltinFunctionType, types.ModuleType, type)
_TRACERS = (os.path.dirname(os.path.dirname(__file__)) + os.sep, os.path.dirname(torch.fx.__file__) + os.sep)
_KEYS = (int, float, bool, complex, str, bytes, type(None), type, torch.dtype, torch.device, types.FunctionType)


class StateMoved(CaptureError):
    """What was read while tracing has changed since: a cache was filled, or another thread is at work."""


class Reads:
    """The first value of everything that was read, by object."""

    def __init__(self) -> None:
        self._guards: dict[tuple[str, int], Guard] = {}  # a guard holds its object, so that ids stay unique
        self._count = 0
        self.data = 0  # values that are no code
        # Ids of dicts, and keys in them, that the trace wrote to: what was read there afterwards is its own.
        self.overwritten: set[tuple[int, Any]] = set()
        self.numbers: set[tuple[str, int, Any]] = set()  # places whose values are inputs
        self._fixed: dict[int, torch.Tensor] = {}

    def _guard(self, kind: Kind, container: Any, detail: Any = None) -> Guard:
        key = (kind, id(container))
        found = self._guards.get(key)
        if found is None:
            found = self._guards[key] = Guard(kind, container, detail, {})
        elif detail is not None and found.detail is None:
            found = self._guards[key] = Guard(kind, container, detail, found.values)
        return found

    def _note(self, guard: Guard, key: Any, value: Any) -> None:
        if key in guard.values:
            return
        self._count += 1
        if self._count > _LIMIT:
            raise CaptureError(
                f"the call reads more than {_LIMIT} Python values of the state around it", hint="keep data in tensors"
            )
        guard.values[key] = value
        self.data += value is not ABSENT and not isinstance(value, _CODE)

    # ---- dicts ----

    def item(self, container: dict[Any, Any], key: Any) -> None:
        """`container[key]` is read, or that there is none."""
        if not is_plain_key(key):
            raise CaptureError(
                f"an item of a dict is read under a {type(key).__name__}, which may compare as it likes",
                hint="use strings, numbers or tuples of them as keys",
            )
        guard = self._guard("dict", container)
        if guard.detail is not True:
            self._note(guard, key, dict.get(container, key, ABSENT))

    def seen_item(self, container: dict[Any, Any], key: Any) -> None:
        """`container[key]` may be read by code that is not interpreted."""
        self._no_number("dict", container, key)
        self.item(container, key)

    def _no_number(self, kind: Kind, container: Any, key: Any) -> None:
        if self.numbers and (kind, id(container), key) in self.numbers:
            raise CaptureError(f"the number {key!r}, which is to be an input, is read with all that is beside it")

    def items(self, container: dict[Any, Any]) -> None:
        """All of it is read: keys, their order, values."""
        guard = self._guard("dict", container)
        if guard.detail is True:
            return
        guard = self._guards["dict", id(container)] = Guard("dict", container, True, {})
        for key in keys_of(container):
            value = dict.__getitem__(container, key)
            if not is_plain_key(key):
                raise CaptureError(f"a dict is read that has a {type(key).__name__} as key")
            self._no_number("dict", container, key)
            self._note(guard, key, value)

    # ---- lists, sets, deques ----

    def element(self, container: Any, index: int) -> None:
        """`container[index]` of a list is read, or that it has none."""
        size = list.__len__(container)
        value = list.__getitem__(container, index) if -size <= index < size else ABSENT
        self._note(self._guard("sequence", container), index, value)

    def length(self, container: Any) -> None:
        self._guard("sequence", container, len(items_of(container)))

    def elements(self, container: Any) -> None:
        """All of it is read."""
        if not isinstance(container, list) and type(container) not in (set, collections.deque):
            raise CaptureError(f"a {type(container).__name__} is read, which may hold what it likes")
        items = items_of(container)
        guard = self._guard("sequence", container, len(items))
        for index, value in enumerate(items):
            self._no_number("sequence", container, index)
            self._note(guard, index, value)

    # ---- other objects ----

    def class_attribute(self, class_: type, name: str, value: Any) -> None:
        """A look-up of `name` along the bases of `class_` found `value`, or ABSENT."""
        self._note(self._guard("type", class_), name, value)

    def object(self, value: Any) -> None:
        """The class of `value`, and that its attributes are where they are."""
        self._guard("object", value, object_parts(value))

    def fix(self, tensor: torch.Tensor) -> None:
        """It matters which object `tensor` is: where it was read, no other one does."""
        self._fixed[id(tensor)] = tensor

    def function(self, function: types.FunctionType) -> None:
        self._guard("function", function, function_parts(function))

    def cell(self, cell: types.CellType) -> None:
        self._note(self._guard("cell", cell), None, contents(cell))

    def seen_cell(self, cell: types.CellType) -> None:
        """A cell may be read by code that is not interpreted."""
        self._no_number("cell", cell, None)
        self.cell(cell)

    def attribute(self, owner: Any, name: str, value: Any) -> None:
        """An attribute that is stored in neither a dict nor the class."""
        self._note(self._guard("attribute", owner), name, value)

    def call(self, function: Any, value: Any) -> None:
        """`function()` gave `value`, and tells of a state."""
        self._note(self._guard("call", function), None, value)

    # ---- the end of the trace ----

    def finish(self) -> list[Guard]:
        """The guards.

        Raises:
            StateMoved: some do not hold any more.
        """
        found = []
        for guard in self._guards.values():
            # Objects that the trace made itself need no guard.
            if any(isinstance(value, FakeTensor) for value in guard.values.values()):
                continue
            _as_outside_a_trace(guard)
            for key, value in guard.values.items():
                if id(value) in self._fixed:
                    guard.values[key] = Fixed(value)
            changed = guard.changed()
            if changed and guard.kind == "dict" and self._as_before(guard):
                changed = guard.changed()
            if changed:
                raise StateMoved(
                    f"{_text(guard, changed[0])} changes while the function is traced",
                    hint="do not change in another thread, or in code that jic does not see, what the function reads",
                )
            found.append(guard)
        return found

    def _as_before(self, guard: Guard) -> bool:
        """Put what the trace itself wrote as it was before; whether it wrote anything."""
        written = [k for k in guard.values if (id(guard.container), k) in self.overwritten]
        for key in written:
            if key in guard.container:
                guard.values[key] = guard.container[key]
            elif guard.detail is True:
                del guard.values[key]
            else:
                guard.values[key] = ABSENT
        return bool(written)


def is_plain_key(key: Any) -> bool:
    """Whether a look-up of `key` runs no code of the user's."""
    if isinstance(key, tuple):
        return type(key) is tuple and all(map(is_plain_key, key))
    return type(key) in _KEYS or type(key).__hash__ is object.__hash__ and type(key).__eq__ is object.__eq__


def tensors_of(guards: list[Guard]) -> Iterator[tuple[torch.Tensor, Guard, Any]]:
    """The tensors that the guards fetch, with where each is."""
    for guard in guards:
        for key, value in guard.values.items():
            if isinstance(value, torch.Tensor):
                yield value, guard, key


def check_of(guard: Guard, value: Any) -> tuple[str, Any]:
    """How the runtime compares, and with what."""
    if value is ABSENT:
        return "absent", None
    if isinstance(value, Fixed):
        return "is", value.tensor
    if isinstance(value, torch.Tensor):
        return "is" if guard.kind in ("attribute", "call") else "tensor", value
    return "equals" if by_value(value) else "is", value


def _as_outside_a_trace(guard: Guard) -> None:
    """A trace puts functions of its own and of torch.fx into torch's namespaces and `Module`; what is there otherwise counts."""
    for key, value in guard.values.items():
        function = value.__func__ if isinstance(value, (classmethod, staticmethod)) else value
        if isinstance(function, types.FunctionType) and function.__code__.co_filename.startswith(_TRACERS):
            guard.values[key] = guard.current(key)


def _text(guard: Guard, key: Any) -> str:
    if guard.kind in ("dict", "type", "attribute") and key is not None:
        return f"{key!r} of a {type(guard.container).__name__}"
    return f"a {type(guard.container).__name__} (at {key!r})"
