"""Objects of users' classes: their methods with special names are interpreted, as they may have effects."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import types
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import torch

from .. import locations
from . import purity
from .context import Context
from .errors import Unsupported
from .journal import UNDEFINED, Place
from .scalar import Scalar, tracing

if TYPE_CHECKING:
    from .interpreter import Interpreter

_PLAIN = (
    int,
    float,
    complex,
    bool,
    str,
    bytes,
    type(None),
    list,
    tuple,
    dict,
    set,
    frozenset,
    range,
    torch.Tensor,
    Scalar,
)
_PLAIN_TYPES = frozenset(_PLAIN) | {torch.nn.Parameter, type, types.FunctionType, types.ModuleType, torch.Size}
_OPERATORS = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "truediv", "floordiv": "floordiv", "mod": "mod", "pow": "pow",
    "matmul": "matmul", "lshift": "lshift", "rshift": "rshift", "and_": "and", "or_": "or", "xor": "xor",
}  # fmt: skip
_REFLECTED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}
_UNARY = {"neg": "__neg__", "pos": "__pos__", "invert": "__invert__"}


@functools.lru_cache(maxsize=1024)
def _is_library(module: str) -> bool:
    root = module.partition(".")[0]
    return root in ("builtins", "torch", "jic", "collections", "numpy")


def method(owner: Any, name: str) -> types.FunctionType | None:
    """The Python function of the user's that is the method `name` of the class of `owner`, or None."""
    class_ = type(owner)
    if class_ in _PLAIN_TYPES or _is_library(class_.__module__):
        return None
    if tracing.context is not None and name:
        tracing.context.outer.class_attribute(class_, name)
    return method_of(class_, name)


def method_of(class_: type, name: str) -> types.FunctionType | None:
    for base in class_.__mro__:
        if name in (fields := vars(base)):
            found = fields[name]
            found = found.__func__ if isinstance(found, (staticmethod, classmethod)) else found
            return found if isinstance(found, types.FunctionType) and _is_users(found) else None
    return None


def _is_users(function: types.FunctionType) -> bool:
    path = function.__code__.co_filename
    return locations.is_users(path) and not (path.startswith("<") and _is_generated(function))


def _is_generated(function: types.FunctionType) -> bool:
    """Whether dataclasses or namedtuple wrote it."""
    return "__dataclass_" in " ".join(function.__code__.co_names + function.__code__.co_freevars) or (
        function.__code__.co_filename.startswith("<") and function.__name__ in _GENERATED
    )


_GENERATED = frozenset(
    {"__init__", "__new__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__"}
)


# ---- making objects ----


def construct(interpreter: Interpreter, class_: type, args: list[Any], kwargs: dict[str, Any]) -> Any:
    """`class_(*args, **kwargs)`."""
    context = interpreter.context
    if class_ is torch.set_grad_enabled:
        made = context.created(class_(*args, **kwargs))
        context.switches[id(made)] = made  # unless a `with` takes it
        return made
    if (call := method_of(type(class_), "__call__")) is not None:
        return interpreter.call(call, [class_, *args], kwargs, None)
    for name in ("__new__", "__init__"):
        context.outer.class_attribute(class_, name)
    new, init = method_of(class_, "__new__"), method_of(class_, "__init__")
    generated = "__dataclass_fields__" in vars(class_) and init is None and _has_generated_init(class_)
    if new is None and init is None and not generated:
        if not _is_library(class_.__module__) and _is_plain_class(class_):
            return context.created(class_(*args, **kwargs))
        return context.created(interpreter._native(class_, args, kwargs))
    if new is not None:
        made = interpreter.call(new, [class_, *args], kwargs, None)
    elif class_.__new__ is object.__new__:
        made = object.__new__(class_)
    else:
        made = class_.__new__(class_, *args, **kwargs)
    if not isinstance(made, class_):
        return made
    if new is None or context.is_created(made) or type(made).__new__ is not object.__new__:
        context.created(made)
    if generated:
        _fill_dataclass(interpreter, made, class_, args, kwargs)
    else:
        interpreter.call(type(made).__init__, [made, *args], kwargs, None)
    return made


def _is_plain_class(class_: type) -> bool:
    """Whether no code of the user's runs when it is called."""
    return all(
        name not in vars(base)
        or not isinstance(vars(base)[name], types.FunctionType)
        or _is_generated(vars(base)[name])
        for base in class_.__mro__
        for name in ("__new__", "__init__")
    ) and type(class_).__module__ in ("builtins", "abc", "enum", "typing")


def _has_generated_init(class_: type) -> bool:
    init = vars(class_).get("__init__")
    return isinstance(init, types.FunctionType) and init.__code__.co_filename.startswith("<")


def _fill_dataclass(interpreter: Interpreter, made: Any, class_: type, args: list[Any], kwargs: dict[str, Any]) -> None:
    """What the `__init__` that `dataclasses` wrote does."""
    fields = class_.__dataclass_fields__  # type: ignore[attr-defined]
    bound = inspect.signature(class_.__init__).bind(made, *args, **kwargs)
    given = dict(list(bound.arguments.items())[1:])
    initial: list[Any] = []
    for field in fields.values():
        is_initial = field._field_type is dataclasses._FIELD_INITVAR  # type: ignore[attr-defined]
        if field._field_type is dataclasses._FIELD_CLASSVAR:  # type: ignore[attr-defined]
            continue
        if field.init and field.name in given:
            value = given[field.name]
        elif field.default is not dataclasses.MISSING:
            value = field.default
        elif field.default_factory is not dataclasses.MISSING:
            value = interpreter.call(field.default_factory, [], {}, None)
        else:
            continue
        if is_initial:
            initial.append(value)
        elif class_.__dataclass_params__.frozen:  # type: ignore[attr-defined]
            object.__setattr__(made, field.name, value)
        else:
            set_attribute(interpreter, made, field.name, value)
    if hasattr(class_, "__post_init__"):
        interpreter.call(class_.__post_init__, [made, *initial], {}, None)  # type: ignore[attr-defined]


# ---- operators ----


def binary(interpreter: Interpreter, function: Any, left: Any, right: Any) -> Any:
    """`left op right` if one of them has a method for it; NotImplemented if Python may do it."""
    if type(left) in _PLAIN_TYPES and type(right) in _PLAIN_TYPES:
        return NotImplemented
    name = function.__name__
    if name.startswith("i") and name[1:] in {v for v in _OPERATORS} | {"and", "or"}:
        plain = name[1:] + ("_" if name[1:] in ("and", "or") else "")
        if (found := method(left, f"__{name}__")) is not None:
            result = interpreter.call(found, [left, right], {}, None)
            if result is not NotImplemented:
                return result
        names = f"__{_OPERATORS[plain]}__", f"__r{_OPERATORS[plain]}__"
    elif name in _OPERATORS:
        names = f"__{_OPERATORS[name]}__", f"__r{_OPERATORS[name]}__"
    elif name in _REFLECTED:
        names = f"__{name}__", f"__{_REFLECTED[name]}__"
    else:
        return NotImplemented
    sides = [(left, right, names[0]), (right, left, names[1])]
    for owner, _, special_name in sides:
        interpreter.context.outer.class_attribute(type(owner), special_name)
    if type(left) is not type(right) and isinstance(right, type(left)):
        sides.reverse()
    if name == "ne" and method(left, "__ne__") is None and (found := method(left, "__eq__")) is not None:
        result = interpreter.call(found, [left, right], {}, None)
        if result is not NotImplemented:
            return ~result if isinstance(result, (torch.Tensor, Scalar)) else not result
    if all(method(owner, special) is None for owner, _, special in sides):
        return NotImplemented
    for owner, other, special in sides:
        if (found := method(owner, special)) is not None:
            result = interpreter.call(found, [owner, other], {}, None)
        else:
            builtin = getattr(type(owner), special, None)
            result = NotImplemented if builtin is None else builtin(owner, other)
        if result is not NotImplemented:
            return result
    if name in ("eq", "ne"):
        return (left is right) is (name == "eq")
    raise TypeError(f"unsupported operand type(s): '{type(left).__name__}' and '{type(right).__name__}'")


def unary(interpreter: Interpreter, function: Any, value: Any) -> Any:
    """`op value` by a method of its class; NotImplemented if it has none of its own."""
    found = method(value, _UNARY.get(function.__name__, ""))
    return NotImplemented if found is None else interpreter.call(found, [value], {}, None)


def special(interpreter: Interpreter, name: str, value: Any, *args: Any) -> Any:
    """The result of the user's method `name` of `value`; NotImplemented if it has none."""
    if type(value) in _PLAIN_TYPES:
        return NotImplemented
    interpreter.context.outer.class_attribute(type(value), name)
    found = method(value, name)
    return NotImplemented if found is None else interpreter.call(found, [value, *args], {}, None)


def truth(interpreter: Interpreter, value: Any) -> Any:
    """The truth of `value`."""
    found = special(interpreter, "__bool__", value)
    if found is NotImplemented:
        found = special(interpreter, "__len__", value) if not hasattr(type(value), "__bool__") else found
    return value if found is NotImplemented else found


def items(interpreter: Interpreter, value: Any) -> Iterator[Any] | None:
    """The items of an object with `__iter__`, `__next__` or `__getitem__` of its own; None if Python may iterate."""
    if (found := method(value, "__iter__")) is not None:
        iterator = interpreter.call(found, [value], {}, None)
        return interpreter.iterate(iterator) if iterator is not value else _advanced(interpreter, value)
    if method(value, "__next__") is not None:
        return _advanced(interpreter, value)
    if not hasattr(type(value), "__iter__") and (found := method(value, "__getitem__")) is not None:
        return _by_number(interpreter, value)
    return None


def _advanced(interpreter: Interpreter, value: Any) -> Iterator[Any]:
    while True:
        try:
            item = interpreter.call(type(value).__next__, [value], {}, None)
        except StopIteration:
            return
        yield item


def _by_number(interpreter: Interpreter, value: Any) -> Iterator[Any]:
    number = 0
    while True:
        try:
            item = interpreter.call(type(value).__getitem__, [value, number], {}, None)
        except IndexError:
            return
        yield item
        number += 1


# ---- attributes ----


def _is_users_function(function: Any) -> bool:
    return isinstance(function, types.FunctionType) and _is_users(function)


def set_attribute(interpreter: Interpreter, owner: Any, name: str, value: Any) -> None:
    """`owner.name = value`."""
    context = interpreter.context
    described = inspect.getattr_static(type(owner), name, None) if not isinstance(owner, type) else None
    if isinstance(described, property) and _is_users_function(described.fset):
        interpreter.call(described.fset, [owner, value], {}, None)
        return
    if isinstance(owner, torch.Tensor):
        raise Unsupported(f"the attribute {name} of a tensor is assigned", effect=True)
    if isinstance(described, property):
        if context.regions:
            raise Unsupported(f"{type(owner).__name__}.{name} is assigned in control flow")
        setattr(owner, name, value)
        return
    if (found := method(owner, "__setattr__")) is not None:
        interpreter.call(found, [owner, name, value], {}, None)
        return
    if described is not None and (set_ := method(described, "__set__")) is not None:
        interpreter.call(set_, [described, owner, value], {}, None)
        return
    if isinstance(owner, torch.nn.Module) and isinstance(value, (torch.nn.Module, torch.nn.Parameter)):
        if context.is_created(owner):
            setattr(owner, name, value)
            return
        raise Unsupported(f"a parameter or submodule of {type(owner).__name__} is assigned", effect=True)
    if isinstance(owner, type):
        plain = type(owner).__setattr__ is type.__setattr__
    else:
        plain = type(owner).__setattr__ in (
            object.__setattr__,
            torch.nn.Module.__setattr__,
            types.ModuleType.__setattr__,
        )
        plain = plain or isinstance(owner, BaseException)
    if not plain:
        if dataclasses.is_dataclass(owner) and type(owner).__dataclass_params__.frozen:  # type: ignore[union-attr]
            raise dataclasses.FrozenInstanceError(f"cannot assign to field {name!r}")
        raise Unsupported(f"{type(owner).__name__} has its own __setattr__", effect=True)
    interpreter.set_attribute(owner, name, value)


def is_plain(owner: Any, name: str) -> bool:
    """Whether `owner.name` is stored in the object itself, and to assign what is there already changes nothing."""
    setter = type(owner).__setattr__
    described = inspect.getattr_static(type(owner), name, None)
    return setter in (object.__setattr__, torch.nn.Module.__setattr__) and not hasattr(type(described), "__set__")


def delete_attribute(interpreter: Interpreter, owner: Any, name: str) -> None:
    """`del owner.name`."""
    if (found := method(owner, "__delattr__")) is not None:
        interpreter.call(found, [owner, name], {}, None)
        return
    place = writable(interpreter.context, owner, name)
    if place.read() is UNDEFINED:
        raise AttributeError(f"'{type(owner).__name__}' object has no attribute '{name}'")
    interpreter.context.journal.write(place, UNDEFINED)


def writable(context: Context, owner: Any, name: str) -> Place:
    """The place of an attribute that is about to be assigned.

    Raises:
        Unsupported: that cannot be taken back or repeated.
    """
    place = Place("attr", owner, name)
    if context.is_created(owner):
        return place
    context.check_effect(f"{place.text}, which outlives the call, is assigned", in_regions=True)
    if isinstance(owner, types.ModuleType):
        home = owner.__name__ if type(owner) is types.ModuleType else "torch"
    else:
        home = owner.__module__ if isinstance(owner, type) else ""
    if home and (_is_library(home) or purity.is_standard(home)):
        raise Unsupported(
            f"{home}'s attribute {name} is assigned", hint="do it outside the compiled function", effect=True
        )
    return place
