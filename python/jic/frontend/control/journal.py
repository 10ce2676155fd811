"""What interpreted code changes, so that it can be undone and compared.

A `Place` is a variable of a frame, a cell, a global, an attribute, an item of a dict, or all that a container holds. All
writes of interpreted code go through `Journal.write`. What the call does to containers that outlive it, and what it prints, is
noted as an `Operation`, which is repeated after each run.
"""

from __future__ import annotations

import collections
import contextlib
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


class _Undefined:
    """The value of a place that has none."""

    def __repr__(self) -> str:
        return "<undefined>"


UNDEFINED = _Undefined()


_COPIES: dict[str, Callable[[Any], Any]] = {
    "list": lambda v: list.__getitem__(v, slice(None)),
    "dict": lambda v: (
        collections.OrderedDict(dict.items(v)) if isinstance(v, collections.OrderedDict) else dict(dict.items(v))
    ),
    "set": set,
    "deque": list,
}


def _plain_dict(owner: Any) -> type[dict[Any, Any]]:
    """The class of Python's that `owner` is one of: classes of users' may have their own methods."""
    return collections.OrderedDict if isinstance(owner, collections.OrderedDict) else dict


def contents_kind(owner: Any) -> str | None:
    """The kind of the place that holds all of a container; None for other objects."""
    kinds = (("list", list), ("dict", dict), ("set", set), ("deque", collections.deque))
    return next((kind for kind, class_ in kinds if isinstance(owner, class_)), None)


@dataclass(frozen=True, eq=False)
class Place:
    """`kind` is var, cell, global (owner: the dict), attr, item, or list, dict, set or deque for all that such an object holds.

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
        if self.kind in ("item", "global"):
            return dict.get(self.owner, self.key, UNDEFINED)
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
                    _delete_attribute(self.owner, self.key)
            else:
                _set_attribute(self.owner, self.key, value)
        elif self.kind in ("item", "global"):
            if value is not UNDEFINED:
                _plain_dict(self.owner).__setitem__(self.owner, self.key, value)
            elif dict.__contains__(self.owner, self.key):
                _plain_dict(self.owner).__delitem__(self.owner, self.key)
        elif self.kind == "list":
            list.__setitem__(self.owner, slice(None), value)
        elif self.kind == "deque":
            collections.deque.clear(self.owner)
            collections.deque.extend(self.owner, value)
        elif self.kind == "set":
            set.clear(self.owner)
            set.update(self.owner, value)
        else:
            class_ = _plain_dict(self.owner)
            class_.clear(self.owner)
            for key, item in value.items():
                class_.__setitem__(self.owner, key, item)

    @property
    def text(self) -> str:
        """The place in the user's words."""
        if self.kind == "attr":
            named = isinstance(self.owner, (type, types.ModuleType, types.FunctionType))
            return f"{self.owner.__name__ if named else type(self.owner).__name__}.{self.key}"
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
    if isinstance(owner, type):
        type.__setattr__(owner, name, value)
    else:
        object.__setattr__(owner, name, value)


def _delete_attribute(owner: Any, name: str) -> None:
    if isinstance(owner, type):
        type.__delattr__(owner, name)
        return
    fields = getattr(owner, "__dict__", None) or {}
    for registry in ("_parameters", "_buffers", "_modules"):
        if name not in fields and name in fields.get(registry, ()):
            del fields[registry][name]
            return
    object.__delattr__(owner, name)


_NOWHERE = Place("nowhere", None)


@dataclass(frozen=True, eq=False)
class Operation:
    """A call that is repeated after each run: `function(*args, **kwargs)`, of what is there then.

    Attributes:
        at: the number of writes that come before it.
        snapshot: the arguments stand for what they are now, rather than at the end of the call.
    """

    at: int
    function: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    snapshot: bool = False


@dataclass
class Journal:
    """The writes so far, oldest first, as (place, the value before), and the operations among them."""

    entries: list[tuple[Place, Any]] = field(default_factory=list)
    operations: list[Operation] = field(default_factory=list)
    was_read: set[Place] = field(default_factory=set)  # containers that were read after they were changed
    overwritten: set[tuple[int, Any]] = field(default_factory=set)  # ids of dicts and their keys
    # Containers that may only be read (see containers.py), by id, and why.
    doubtful: dict[int, tuple[Any, Exception]] = field(default_factory=dict)
    _written: collections.Counter[Place] = field(default_factory=collections.Counter)

    def write(self, place: Place, value: Any) -> None:
        self.note(place)
        place.store(value)

    def note(self, place: Place) -> None:
        """`place` is about to be changed by somebody else."""
        if (found := self.doubtful.get(id(place.owner))) is not None:
            raise found[1]
        self.entries.append((place, place.read()))
        self._written[place] += 1
        if place.kind == "global":
            self.overwritten.add((id(place.owner), place.key))
        elif place.kind == "attr" and not isinstance(place.owner, type):
            fields = getattr(place.owner, "__dict__", None) or {}
            groups = (fields, *(fields.get(r) for r in ("_parameters", "_buffers", "_modules")))
            self.overwritten.update((id(group), place.key) for group in groups if group is not None)

    def is_written(self, place: Place) -> bool:
        """Whether there is a write of `place` that was not taken back."""
        return self._written[place] > 0

    def reads_changed(self, owner: Any) -> bool:
        """Whether the container `owner`, which is read, was changed: then what it held before counts, and that is noted."""
        kind = contents_kind(owner)
        if kind is None or not self.is_written(Place(kind, owner)):
            return False
        self.was_read.add(Place(kind, owner))
        return True

    def repeat(
        self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any], snapshot: bool
    ) -> None:
        """Note that `function(*args, **kwargs)` is to be called after each run, here in the order of things."""
        self.operations.append(Operation(len(self.entries), function, args, kwargs, snapshot))
        self.entries.append((_NOWHERE, None))  # so that a mark tells operations before it from those after it

    @property
    def mark(self) -> int:
        return len(self.entries)

    def undo(self, mark: int) -> None:
        """Take back every write since `mark`, and forget the operations."""
        while self.operations and self.operations[-1].at >= mark:
            self.operations.pop()
        while len(self.entries) > mark:
            place, before = self.entries.pop()
            if place is not _NOWHERE:
                self._written[place] -= 1
                place.store(before)

    def has_effects(self, mark: int, is_created: Callable[[Any], bool]) -> bool:
        """Whether anything since `mark` outlives the call."""
        repeated = bool(self.operations) and self.operations[-1].at >= mark
        return repeated or not all(is_created(place.owner) for place in self.changes(mark))

    def changes(self, mark: int) -> dict[Place, Any]:
        """The places written since `mark` with the value each had then, in order of their first write."""
        found: dict[Place, Any] = {}
        for place, before in self.entries[mark:]:
            if place is not _NOWHERE:
                found.setdefault(place, before)
        return found
