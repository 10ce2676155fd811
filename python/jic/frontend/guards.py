"""What a trace read of the state around the call: one `Guard` for each object that it looked at.

The runtime checks the same (runtime/state.py); here it is plain Python, for what happens while tracing and for tests.
"""

from __future__ import annotations

import collections
import types
from dataclasses import dataclass
from typing import Any, Literal

import torch

Kind = Literal["dict", "type", "sequence", "cell", "object", "function", "attribute", "call"]


@dataclass(frozen=True, eq=False)
class Fixed:
    """A tensor of which no other object can take the place."""

    tensor: torch.Tensor


class _Absent:
    """The value where there is none."""

    def __repr__(self) -> str:
        return "<absent>"


class _Fetched:
    """A tensor, whichever it was."""


ABSENT, FETCHED = _Absent(), _Fetched()
_SCALARS = (int, float, bool, complex, str, bytes, type(None), torch.device, range)


@dataclass(frozen=True, eq=False)
class Guard:
    """Holds while what was read of `container` is what it was.

    kind:
        `dict`: `container[key]`, for each `key` of `values`. With `detail` True these are all keys, in this order.
        `type`: what a look-up along a class's bases finds.
        `sequence`: items of a list by index, or those of a set or deque in order; `detail` is the length, or None.
        `cell`: its contents (key None). `object`: its class and its dict of attributes (or None) are those of `detail`.
        `function`: its code, defaults and keyword defaults are those of the tuple `detail`.
        `attribute`: `getattr(container, key)`. `call`: `container()` (key None).

    Numbers, strings and tuples of them compare by type and value, anything else by identity. A tensor is no condition: it
    is fetched from here at each call, but for `attribute`.
    """

    kind: Kind
    container: Any
    detail: Any
    values: dict[Any, Any]

    def current(self, key: Any) -> Any:
        """What is there now."""
        match self.kind:
            case "dict":
                return dict.get(self.container, key, ABSENT)
            case "type":
                return looked_up(self.container, key)
            case "sequence":
                items = items_of(self.container)
                return items[key] if -len(items) <= key < len(items) else ABSENT
            case "cell":
                return contents(self.container)
            case "attribute":
                return getattr(self.container, key, ABSENT)
        return self.container()

    def changed(self) -> list[Any]:
        """The keys at which something else is now; [None] if the object as a whole is another."""
        match self.kind:
            case "object":
                return [] if all(map(_is, object_parts(self.container), self.detail)) else [None]
            case "function":
                return [] if all(map(_is, function_parts(self.container), self.detail)) else [None]
            case "dict" if self.detail is True and keys_of(self.container) != list(self.values):
                return [None]
            case "sequence" if self.detail is not None and len(items_of(self.container)) != self.detail:
                return [None]
        fetched = self.kind not in ("attribute", "call")
        return [key for key, value in self.values.items() if not unchanged(value, self.current(key), fetched)]

    def holds(self) -> bool:
        return not self.changed()


def _is(a: Any, b: Any) -> bool:
    return a is b


def contents(cell: types.CellType) -> Any:
    try:
        return cell.cell_contents
    except ValueError:
        return ABSENT


def function_parts(function: types.FunctionType) -> tuple[Any, ...]:
    return function.__code__, function.__defaults__, function.__kwdefaults__


def object_parts(value: Any) -> tuple[type, dict[str, Any] | None]:
    """The class of an object, and the dict of its attributes, if it has one."""
    try:
        fields = object.__getattribute__(value, "__dict__")
    except AttributeError:
        fields = None
    return type(value), fields if type(fields) is dict else None


def items_of(sequence: Any) -> list[Any]:
    """What a list, set or deque holds, whatever a subclass makes of it."""
    return list(list.__iter__(sequence) if isinstance(sequence, list) else sequence)


def keys_of(mapping: dict[Any, Any]) -> list[Any]:
    """The keys that a dict holds, whatever a subclass makes of it."""
    return list(mapping if isinstance(mapping, collections.OrderedDict) else dict.__iter__(mapping))


def looked_up(class_: type, name: str) -> Any:
    """What Python finds for `name` along the bases of `class_`, as it is stored; or ABSENT."""
    for base in type.__dict__["__mro__"].__get__(class_):
        found = type.__dict__["__dict__"].__get__(base)
        if name in found:
            return found[name]
    return ABSENT


def by_value(value: Any) -> bool:
    """Whether `value` may be replaced by an equal one."""
    if isinstance(value, tuple):
        return type(value) in (tuple, torch.Size) and all(map(by_value, value))
    return type(value) in _SCALARS


def unchanged(before: Any, now: Any, fetched: bool = True) -> bool:
    """Whether `now` does in place of `before`; any tensor does for one that is `fetched`."""
    if isinstance(before, Fixed):
        return before.tensor is now
    if before is now:
        return True
    if before is FETCHED:
        return isinstance(now, torch.Tensor)
    if isinstance(before, torch.Tensor):
        return fetched and isinstance(now, torch.Tensor)
    if type(before) is not type(now) or not by_value(before):
        return False
    if isinstance(before, tuple):
        return len(before) == len(now) and all(map(unchanged, before, now))
    return repr(before) == repr(now) if isinstance(before, (float, complex)) else before == now
