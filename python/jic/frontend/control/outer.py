"""Reads of objects that were there before the call: each is noted as something that the result depends on.

What interpreted code made itself, and what it has already overwritten, is no such object any more.
"""

from __future__ import annotations

import builtins
import collections
import functools
import gc
import types
from collections.abc import Callable
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from ..guards import ABSENT, looked_up
from ..reach import Reach, is_opaque
from ..reads import Reads
from .errors import Unsupported
from .journal import Journal, Place
from .scalar import Scalar

_DICT_METHODS = frozenset({"get", "__getitem__", "__contains__"})
_ONLY_CHANGES = frozenset({"append", "extend", "add", "clear", "update"})
_WHOLE = frozenset({"items", "values", "keys", "copy", "__iter__", "__len__", "__eq__", "__or__", "__reversed__"})
CONTAINERS = (list, dict, set, collections.deque)


class Outer:
    """One trace's reads of outer objects.

    Attributes:
        reads: what was noted.
        given: ids of the containers that hold the call's arguments, which the signature describes.
        numbers: the run-time numbers that stand for what is read in places (kind of guard, id of the object, key).
    """

    def __init__(self, journal: Journal, is_created: Callable[[Any], bool]) -> None:
        self.reads = Reads()
        self.given: dict[int, Any] = {}
        self.numbers: dict[tuple[str, int, Any], Scalar] = {}
        self._journal, self._is_created = journal, is_created

    def takes(self, arguments: Any) -> None:
        """The containers in `arguments` are the call's own."""
        if isinstance(arguments, (tuple, list, dict)):
            self.given[id(arguments)] = arguments
            for item in arguments.values() if isinstance(arguments, dict) else arguments:
                self.takes(item)

    def has(self, value: Any) -> bool:
        """Whether `value` was there before the call, apart from its arguments."""
        return id(value) not in self.given and not self._is_created(value)

    def _written(self, kind: str, owner: Any, key: Any = None) -> bool:
        return self._journal.is_written(Place(kind, owner, key))

    def _changed(self, owner: Any) -> bool:
        """Whether the container was changed; what it held before is then noted (frontend/control/effects.py)."""
        return self._journal.reads_changed(owner)

    # ---- variables ----

    def global_variable(self, namespace: dict[str, Any], name: str) -> Any:
        """The value of a global or builtin name, or ABSENT."""
        own = str(namespace.get("__name__", "")).partition(".")[0] == "jic"
        if not (own or self._written("global", namespace, name)):
            self.reads.item(namespace, name)
            if (number := self.numbers.get(("dict", id(namespace), name))) is not None:
                return number
        if name in namespace:
            return namespace[name]
        scope = namespace.get("__builtins__", builtins)
        scope = vars(scope) if isinstance(scope, types.ModuleType) else scope
        if not own and type(scope) is dict:
            self.reads.item(scope, name)
        return scope.get(name, ABSENT)

    def cell(self, cell: types.CellType) -> Scalar | None:
        """The contents of a cell are about to be read. Gives the run-time number that stands for them, if one does."""
        if not self.has(cell) or self._written("cell", cell):
            return None
        self.reads.cell(cell)
        return self.numbers.get(("cell", id(cell), None))

    # ---- containers ----

    def item(self, owner: Any, key: Any) -> Scalar | None:
        """`owner[key]` is about to be read. Gives the run-time number that stands for it, if one does."""
        if not isinstance(owner, (list, dict)) or not self.has(owner):
            self.whole(owner)
        elif isinstance(owner, dict):
            if not (self._changed(owner) or self._written("item", owner, key)):
                self.reads.item(owner, key)
                return self.numbers.get(("dict", id(owner), key)) if self.numbers else None
        elif not self._changed(owner):
            if isinstance(key, int):
                self.reads.element(owner, key)
                return self.numbers.get(("sequence", id(owner), key))
            self.reads.elements(owner)
        return None

    def whole(self, owner: Any) -> None:
        """All that a container holds is about to be read, but not what is inside its items."""
        if isinstance(owner, (types.MappingProxyType, *_VIEWS)):
            owner = _underlying(owner)
        if isinstance(owner, torch.nn.Module):
            self.entries(owner)
        if not isinstance(owner, CONTAINERS) or not self.has(owner):
            self.opaque(owner)
            return
        if isinstance(owner, dict):
            if not self._changed(owner):
                self.reads.items(owner)
        elif not self._changed(owner):
            self.reads.elements(owner)

    def entries(self, module: torch.nn.Module) -> None:
        """All parameters, buffers and submodules that `module` itself has are about to be read."""
        if self.has(module):
            for name in ("_parameters", "_buffers", "_modules"):
                self.reads.items(module.__dict__[name])

    def length(self, owner: Any) -> None:
        if type(owner) is list and self.has(owner):
            if not self._changed(owner):
                self.reads.length(owner)
        else:
            self.whole(owner)

    def method(self, owner: Any, name: str, args: list[Any]) -> None:
        """A method of a builtin container is about to be called."""
        if isinstance(owner, dict) and name in _DICT_METHODS and args:
            self.item(owner, args[0])
        elif (
            isinstance(owner, CONTAINERS) and name not in _ONLY_CHANGES and (name in _WHOLE or type(owner) is not dict)
        ):
            self.whole(owner)

    # ---- what code that is not interpreted can reach ----

    def argument(self, value: Any) -> None:
        """`value` is handed to code of Python's or torch's, which may read containers."""
        if isinstance(value, torch.nn.Module):
            self.entries(value)
        elif isinstance(value, (*_VIEWS, types.MappingProxyType)):
            self.argument(_underlying(value))
        elif isinstance(value, (tuple, *CONTAINERS)):
            Reach(self.reads, self.has, objects=False).visit(value)
        else:
            self.opaque(value)

    def everything(self, value: Any) -> None:
        """Code that is not interpreted may read all that it reaches from `value`."""
        Reach(self.reads, self.has).visit(value)

    # ---- objects ----

    def object(self, value: Any) -> None:
        """The class of `value` matters, and what its attributes are; of a tensor, which one it is."""
        if not self.has(value):
            return
        if isinstance(value, torch.Tensor):
            self.identity(value)
            self.reads.object(value)
        elif _is_open(type(value)) and not isinstance(value, type):
            self.reads.object(value)

    def identity(self, value: Any) -> None:
        """It matters which object `value` is."""
        if isinstance(value, torch.Tensor) and not isinstance(value, FakeTensor):
            self.reads.fix(value)

    def opaque(self, owner: Any) -> None:
        """Code of another class than the builtin ones is about to look into `owner`."""
        if isinstance(owner, (torch.Tensor, Scalar, str, bytes, tuple, int, float, type)) or not self.has(owner):
            return
        if is_opaque(owner):
            raise Unsupported(
                f"the contents of a {type(owner).__name__} are read, which are not guarded",
                hint="keep them in a tensor, or in a list",
                effect=True,
            )
        # As a range with a run-time length, or a number of torch's that has none yet.
        own = type(owner).__module__.startswith("jic.") or isinstance(
            owner, (torch.SymInt, torch.SymFloat, torch.SymBool)
        )
        if _is_open(type(owner)) and not own and not isinstance(owner, torch.nn.Module):
            self.everything(owner)

    def class_attribute(self, class_: type, name: str) -> Any:
        """What a look-up along the bases of `class_` finds, or ABSENT."""
        found = looked_up(class_, name)
        if _is_open(class_) and self.has(class_) and not self._written("attr", class_, name):
            self.reads.class_attribute(class_, name, found)
        return found

    def field(self, owner: Any, fields: dict[str, Any], name: str) -> Any:
        """`fields[name]` of the attributes `fields` that `owner` stores, or ABSENT."""
        if self.has(owner) and not self._written("attr", owner, name):
            self.reads.item(fields, name)
            if (number := self.numbers.get(("dict", id(fields), name))) is not None:
                return number
        return fields.get(name, ABSENT)

    def field_of(self, tensor: torch.Tensor, name: str) -> Any:
        """An attribute that was attached to a captured tensor."""
        value = self.field(tensor, tensor.__dict__, name)
        return getattr(tensor, name) if value is ABSENT else value

    def attribute(self, owner: Any, name: str) -> Any:
        """An attribute that is stored in neither a dict nor the class."""
        value = getattr(owner, name, ABSENT)  # a slot may be empty
        if self.has(owner) and not self._written("attr", owner, name):
            self.reads.attribute(owner, name, value)
        return getattr(owner, name) if value is ABSENT else value

    def partial(self, function: functools.partial[Any]) -> None:
        """The partial function is about to be called."""
        if self.has(function):
            for name in ("func", "args", "keywords"):
                self.reads.attribute(function, name, getattr(function, name))
            self.whole(function.keywords)

    def function(self, function: types.FunctionType) -> None:
        """The function is about to be called."""
        if self.has(function):
            self.reads.function(function)
            if function.__kwdefaults__:
                self.reads.items(function.__kwdefaults__)


_VIEWS = (type({}.keys()), type({}.values()), type({}.items()))


def _underlying(view: Any) -> Any:
    """The dict that a view or a proxy shows."""
    mapping = view if isinstance(view, types.MappingProxyType) else view.mapping
    return next((r for r in gc.get_referents(mapping) if isinstance(r, dict)), None)


def _is_open(class_: type) -> bool:
    """Whether attributes of the class can be assigned: not of classes written in C."""
    return bool(class_.__flags__ & (1 << 9)) and not class_.__flags__ & (1 << 8)
