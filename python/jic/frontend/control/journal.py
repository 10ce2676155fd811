"""What interpreted code changes, so that it can be undone and compared.

A `Place` is a variable of a frame, a cell, an attribute, an item of a dict, or the contents of a list, dict or set. All
writes of interpreted code go through `Journal.write`.
"""

from __future__ import annotations

import collections
import contextlib
from dataclasses import dataclass, field
from typing import Any


class _Undefined:
    """The value of a place that has none."""

    def __repr__(self) -> str:
        return "<undefined>"


UNDEFINED = _Undefined()


_COPIES = {"list": list, "dict": dict, "set": set}


@dataclass(frozen=True, eq=False)
class Place:
    """`kind` is var, cell, attr, item, or list, dict or set for all that such an object holds.

    Two places are the same if kind, owner (by identity) and key are equal.
    """

    kind: str
    owner: Any
    key: Any = None

    def __hash__(self) -> int:
        return hash((self.kind, id(self.owner), self.key))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, Place)
            and self.kind == other.kind
            and self.owner is other.owner
            and type(self.key) is type(other.key)
            and self.key == other.key
        )

    def read(self) -> Any:
        if self.kind == "var":
            return self.owner.variables.get(self.key, UNDEFINED)
        if self.kind == "cell":
            try:
                return self.owner.cell_contents
            except ValueError:
                return UNDEFINED
        if self.kind == "attr":
            try:
                return _instance_attribute(self.owner, self.key)
            except AttributeError:
                return UNDEFINED
        if self.kind == "item":
            return self.owner.get(self.key, UNDEFINED)
        return _COPIES[self.kind](self.owner)

    def store(self, value: Any) -> None:
        if self.kind == "var":
            if value is UNDEFINED:
                self.owner.variables.pop(self.key, None)
            else:
                self.owner.variables[self.key] = value
        elif self.kind == "cell":
            if value is UNDEFINED:
                with contextlib.suppress(ValueError):
                    del self.owner.cell_contents
            else:
                self.owner.cell_contents = value
        elif self.kind == "attr":
            if value is UNDEFINED:
                if self.read() is not UNDEFINED:
                    delattr(self.owner, self.key)
            else:
                _set_attribute(self.owner, self.key, value)
        elif self.kind == "item":
            if value is UNDEFINED:
                self.owner.pop(self.key, None)
            else:
                self.owner[self.key] = value
        elif self.kind == "list":
            self.owner[:] = value
        else:
            self.owner.clear()
            self.owner.update(value)

    @property
    def text(self) -> str:
        """The place in the user's words."""
        if self.kind == "attr":
            return f"{type(self.owner).__name__}.{self.key}"
        if self.kind == "item":
            return f"the item {self.key!r}"
        return f"a {self.kind}" if self.kind in _COPIES else str(self.key)


def _instance_attribute(owner: Any, name: str) -> Any:
    """The attribute as it is stored: parameters, buffers and submodules of a module are in registries."""
    fields = getattr(owner, "__dict__", None)
    if fields is not None and name in fields:
        return fields[name]
    for registry in ("_parameters", "_buffers", "_modules"):
        if fields is not None and name in fields.get(registry, ()):
            return fields[registry][name]
    if fields is not None:
        raise AttributeError(name)
    return getattr(owner, name)


def _set_attribute(owner: Any, name: str, value: Any) -> None:
    fields = getattr(owner, "__dict__", None) or {}
    for registry in ("_parameters", "_buffers", "_modules"):
        if name in fields.get(registry, ()):
            fields[registry][name] = value
            return
    object.__setattr__(owner, name, value)


@dataclass
class Journal:
    """The writes so far, oldest first, as (place, the value before)."""

    entries: list[tuple[Place, Any]] = field(default_factory=list)
    _written: collections.Counter[Place] = field(default_factory=collections.Counter)

    def write(self, place: Place, value: Any) -> None:
        self.note(place)
        place.store(value)

    def note(self, place: Place) -> None:
        """`place` is about to be changed by somebody else."""
        self.entries.append((place, place.read()))
        self._written[place] += 1

    def is_written(self, place: Place) -> bool:
        """Whether there is a write of `place` that was not taken back."""
        return self._written[place] > 0

    @property
    def mark(self) -> int:
        return len(self.entries)

    def undo(self, mark: int) -> None:
        """Take back every write since `mark`."""
        while len(self.entries) > mark:
            place, before = self.entries.pop()
            self._written[place] -= 1
            place.store(before)

    def changes(self, mark: int) -> dict[Place, Any]:
        """The places written since `mark` with the value each had then, in order of their first write."""
        found: dict[Place, Any] = {}
        for place, before in self.entries[mark:]:
            found.setdefault(place, before)
        return found
