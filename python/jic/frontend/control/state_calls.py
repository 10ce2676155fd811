"""Calls and look-ups that read a state: of an object, of the environment, of torch."""

from __future__ import annotations

import os
import types
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from .errors import Unsupported
from .scalar import Scalar

if TYPE_CHECKING:
    from .interpreter import Interpreter

Handler = Callable[..., Any]
_UNSET = object()
# What these tell is another thing while a function is traced.
_OF_THE_TRACE = frozenset(
    {"is_grad_enabled", "is_tracing", "is_scripting", "is_compiling", "is_dynamo_compiling", "is_exporting"}
)
_SETTINGS = (int, float, bool, str, type(None), torch.dtype, torch.device)


def find(function: Any, args: list[Any]) -> Handler | None:
    """What stands for a call of `function`: called with the interpreter first, then with the call's own arguments."""
    if isinstance(function, types.FunctionType | types.BuiltinFunctionType):
        if not args and _tells_of_torch(function):
            return lambda interpreter, **kwargs: _setting(interpreter, function, kwargs)
        # A trace puts another function there.
        return _module_attribute if function is torch.nn.Module.__getattr__ else _HANDLERS.get(function)
    if isinstance(function, types.MethodType):
        if function.__self__ is os.environ:
            return lambda interpreter, *a, **k: _of_environment(interpreter, function, a, k)
        return None
    if isinstance(function, types.MethodWrapperType) and function.__name__ == "__getattribute__":
        return lambda interpreter, name: interpreter.attributes.stored(function.__self__, name)
    if isinstance(function, (weakref.ReferenceType, weakref.WeakMethod)):
        return _weak
    return None


def reads_item(interpreter: Interpreter, owner: Any, index: Any) -> Scalar | None:
    """`owner[index]` is about to be read. Gives the run-time number that stands for it, if one does."""
    if owner is os.environ:
        _environment(interpreter, index)
        return None
    if type(owner).__name__ == "ndarray" and interpreter.context.outer.has(owner):
        raise Unsupported(
            "an item of a NumPy array is read, which is not guarded", hint="make it a tensor", effect=True
        )
    return interpreter.context.outer.item(owner, index)


def _getattr(interpreter: Interpreter, owner: Any, name: str, default: Any = _UNSET) -> Any:
    if default is _UNSET:
        return interpreter.attribute(owner, name)
    try:
        return interpreter.attribute(owner, name)
    except AttributeError:
        return default


def _hasattr(interpreter: Interpreter, owner: Any, name: str) -> bool:
    return interpreter.attributes.has(owner, name)


def _callable(interpreter: Interpreter, value: Any) -> bool:
    interpreter.context.outer.object(value)
    return callable(value)


def _module_attribute(interpreter: Interpreter, module: torch.nn.Module, name: str) -> Any:
    return interpreter.attributes.registered(module, name)


def _getenv(interpreter: Interpreter, key: str, default: Any = None) -> Any:
    _environment(interpreter, key)
    return os.getenv(key, default)


def _weak(interpreter: Interpreter, *args: Any) -> Any:
    raise Unsupported(
        "a weak reference is read, and what it refers to may be gone by the next call",
        hint="keep a reference to the object",
        effect=True,
    )


_HANDLERS: dict[Any, Handler] = {
    getattr: _getattr,
    hasattr: _hasattr,
    callable: _callable,
    os.getenv: _getenv,
}


def _environment(interpreter: Interpreter, key: Any = None) -> None:
    """A variable of the process's environment is read, or all of them."""
    data = os.environ._data  # type: ignore[attr-defined]
    if isinstance(key, str):
        interpreter.context.outer.reads.item(data, os.environ.encodekey(key))  # type: ignore[attr-defined]
    else:
        interpreter.context.outer.reads.items(data)


def _of_environment(interpreter: Interpreter, method: types.MethodType, args: Any, kwargs: Any) -> Any:
    if method.__name__ in ("get", "__getitem__", "__contains__"):
        _environment(interpreter, args[0])
    elif method.__name__ in ("items", "keys", "values", "copy", "__iter__", "__len__"):
        _environment(interpreter)
    else:
        raise Unsupported(f"os.environ.{method.__name__}() has an effect outside the graph", effect=True)
    return method(*args, **kwargs)


def _tells_of_torch(function: Any) -> bool:
    name = function.__name__
    return (
        (name.startswith(("get_", "is_", "are_")) or name.endswith("_enabled"))
        and name not in _OF_THE_TRACE
        and str(getattr(function, "__module__", "")).partition(".")[0] == "torch"
    )


def _setting(interpreter: Interpreter, function: Any, kwargs: dict[str, Any]) -> Any:
    """`function()` tells of a setting of torch's."""
    value = function(**kwargs)
    if not kwargs and isinstance(value, _SETTINGS):
        interpreter.context.outer.reads.call(function, value)
    return value
