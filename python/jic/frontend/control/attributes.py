"""Attributes of interpreted code: Python's look-up, with a note of everything that it depended on."""

from __future__ import annotations

import functools
import types
import weakref
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from .. import locations
from ..guards import ABSENT
from .errors import Unsupported
from .iteration import Range
from .lists import has_segment
from .scalar import Scalar

if TYPE_CHECKING:
    from .interpreter import Interpreter

_REGISTRIES = ("_parameters", "_buffers", "_modules")
_FUNCTION_PARTS = frozenset({"__code__", "__defaults__", "__kwdefaults__", "__closure__"})
_SETTINGS = (int, float, bool, str, type(None))
_MARKS = frozenset({"grad", "grad_fn", "requires_grad", "is_leaf", "retains_grad", "_backward_hooks", "__dict__"})
_STORED = (types.MemberDescriptorType, types.GetSetDescriptorType)


class Attributes:
    """The attributes that one trace's interpreter loads."""

    def __init__(self, interpreter: Interpreter) -> None:
        self.interpreter, self.outer = interpreter, interpreter.context.outer

    def load(self, owner: Any, name: str) -> Any:
        """`owner.name`.

        Raises:
            AttributeError, or what a property or `__getattr__` raises: as in Python.
        """
        if isinstance(owner, Scalar):
            return _of_number(owner, name)
        if isinstance(owner, Range) and name in ("start", "stop", "step"):
            return getattr(owner, name)
        if has_segment(owner):
            return getattr(self.interpreter.plain(owner) if type(owner) is tuple else owner, name)
        if isinstance(owner, torch.Tensor):
            return self._of_tensor(owner, name)
        if isinstance(owner, types.ModuleType):
            return self._of_namespace(owner, name)
        if isinstance(owner, type):
            return self._of_class(owner, name)
        if isinstance(owner, types.MethodType) and not hasattr(type(owner), name):
            return self.load(owner.__func__, name)
        if isinstance(owner, super):
            return self._of_super(owner, name)
        if isinstance(owner, weakref.ProxyTypes):
            raise Unsupported("a weak proxy is read, and what it stands for may be gone by the next call", effect=True)
        hook = self.outer.class_attribute(type(owner), "__getattribute__")
        try:
            if _is_users(hook):
                self.outer.object(owner)
                return self.interpreter.call(hook, [owner, name], {}, None)
            return self.stored(owner, name)
        except AttributeError:
            return self._missing(owner, name)

    def stored(self, owner: Any, name: str) -> Any:
        """`object.__getattribute__(owner, name)`."""
        class_ = type(owner)
        self.outer.object(owner)
        found = self.outer.class_attribute(class_, name)
        if name == "__class__":
            return class_
        if isinstance(found, property):
            return self._of_property(owner, name, found)
        if isinstance(found, _STORED):
            return self._in_slot(owner, name, found)
        setter = found is not ABSENT and self.outer.class_attribute(type(found), "__set__") is not ABSENT
        if setter:
            return self._described(owner, found)
        fields = _fields(owner)
        if fields is not None:
            value = self.outer.field(owner, fields, name)
            if value is not ABSENT:
                return value
        if isinstance(found, functools.cached_property):
            return self._cached(owner, name, found)
        if found is not ABSENT:
            return self._described(owner, found)
        if self.outer.class_attribute(class_, "__getattr__") is ABSENT:
            return getattr(
                owner, name
            )  # its message is Python's; or the class, written in C, has attributes of its own kind
        return object.__getattribute__(owner, name)

    def registered(self, module: torch.nn.Module, name: str) -> Any:
        """`torch.nn.Module.__getattr__(module, name)`: a parameter, buffer or submodule."""
        for registry in _REGISTRIES:
            entries = module.__dict__.get(registry)
            if entries is None:
                continue
            value = self.outer.field(module, entries, name)
            if value is not ABSENT:
                return value
        return torch.nn.Module.__getattr__(module, name)

    def has(self, owner: Any, name: str) -> bool:
        """`hasattr(owner, name)`."""
        try:
            self.load(owner, name)
        except AttributeError:
            return False
        return True

    # ---- where nothing is stored ----

    def _missing(self, owner: Any, name: str) -> Any:
        """`__getattr__`, if the class has one, in the handler of an AttributeError."""
        hook = self.outer.class_attribute(type(owner), "__getattr__")
        if hook is torch.nn.Module.__getattr__:
            return self.registered(owner, name)
        if hook is ABSENT:
            raise
        if _is_users(hook):
            return self.interpreter.call(hook, [owner, name], {}, None)
        if isinstance(owner, dict) and hook is dict.__getitem__:
            self.outer.item(owner, name)
            return hook(owner, name)
        self.outer.everything(owner)
        value = hook(owner, name)
        return self.outer.attribute(owner, name) if isinstance(value, _SETTINGS) else value

    # ---- by kind of owner ----

    def _of_tensor(self, tensor: torch.Tensor, name: str) -> Any:
        found = self.outer.class_attribute(torch.Tensor, name)
        if name == "__class__":
            self.outer.object(tensor)
        if found is ABSENT or name in _MARKS:
            if isinstance(tensor, FakeTensor):
                self._of_input(tensor, name)
            else:
                self.outer.object(tensor)
                if found is not ABSENT:
                    return self.outer.attribute(tensor, name)
                return self.outer.field_of(tensor, name)
        return self.interpreter.context.defined(getattr(tensor, name), name)

    def _of_input(self, tensor: torch.Tensor, name: str) -> None:
        """What autograd or somebody else has attached to a tensor that was given, or will, is no part of the signature."""
        context = self.interpreter.context
        real = context.real(tensor)
        if real is None or name in _MARKS and name != "grad":
            return
        if name != "grad" and not hasattr(real, name) and context.are_bare():
            context.bare = True  # a call whose arguments have attributes is another one
            return
        what = "is read" if name == "grad" or hasattr(real, name) else "is looked for, and others are there"
        raise Unsupported(f"the attribute {name} of an argument {what}", hint="pass it as an argument of its own")

    def _of_namespace(self, module: types.ModuleType, name: str) -> Any:
        self.outer.object(module)
        value = self.outer.field(module, module.__dict__, name)
        if value is not ABSENT:
            return value
        hook = self.outer.field(module, module.__dict__, "__getattr__")
        if _is_users(hook):
            return self.interpreter.call(hook, [name], {}, None)
        # As torch.backends, whose classes have properties.
        value = getattr(module, name)
        return self.outer.attribute(module, name) if isinstance(value, _SETTINGS) else value

    def _of_class(self, class_: type, name: str) -> Any:
        self.outer.class_attribute(class_, name)
        if type(class_) is not type:
            self.outer.class_attribute(type(class_), name)
        return getattr(class_, name)

    def _of_super(self, owner: Any, name: str) -> Any:
        """What a class after the method's own one has."""
        start: type = owner.__thisclass__
        order = list(owner.__self_class__.__mro__)
        for base in order[order.index(start) + 1 :]:
            self.outer.class_attribute(base, name)
            if name in base.__dict__:
                found = base.__dict__[name]
                if isinstance(found, property) and _is_users(found.fget):
                    return self.interpreter.call(found.fget, [owner.__self__], {}, None)
                break
        return getattr(owner, name)

    # ---- by kind of class attribute ----

    def _of_property(self, owner: Any, name: str, found: property) -> Any:
        if _is_users(found.fget):
            return self.interpreter.call(found.fget, [owner], {}, None)
        if not isinstance(owner, (tuple, types.FunctionType)) and self.outer.has(owner):
            self.outer.everything(owner)
        return found.__get__(owner, type(owner))

    def _in_slot(self, owner: Any, name: str, found: Any) -> Any:
        if isinstance(owner, types.FunctionType) and name in _FUNCTION_PARTS:
            self.outer.function(owner)
        elif name != "__dict__" and not type(owner).__module__.startswith(("builtins", "torch")):
            return self.outer.attribute(owner, name)
        return found.__get__(owner, type(owner))

    def _cached(self, owner: Any, name: str, found: functools.cached_property[Any]) -> Any:
        value = self.interpreter.call(found.func, [owner], {}, None)
        self.interpreter.set_attribute(owner, name, value)
        return value

    def _described(self, owner: Any, found: Any) -> Any:
        """A class attribute: bound to the owner, if it is a function or the like."""
        getter = self.outer.class_attribute(type(found), "__get__")
        if getter is ABSENT:
            return found
        if _is_users(getter):
            return self.interpreter.call(getter, [found, owner, type(owner)], {}, None)
        if isinstance(getter, types.FunctionType) and self.outer.has(owner):  # a descriptor of the standard library's
            self.outer.everything(owner)
        return getter(found, owner, type(owner))


def _of_number(number: Scalar, name: str) -> Any:
    if name in ("real", "numerator") and number.kind is not float:
        return number
    if name == "is_integer":
        return number.is_integer
    raise Unsupported(f"the attribute {name} of a Python {number.kind.__name__} that is only known at run time")


def _fields(owner: Any) -> dict[str, Any] | None:
    try:
        fields = object.__getattribute__(owner, "__dict__")
    except AttributeError:
        return None
    return fields if type(fields) is dict else None


def _is_users(function: Any) -> bool:
    return isinstance(function, types.FunctionType) and locations.is_users(function.__code__.co_filename)
