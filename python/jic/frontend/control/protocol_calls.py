"""Calls of Python's own functions that run methods of objects, take from iterators, or change what they are given."""

from __future__ import annotations

import bisect
import heapq
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch

from . import objects, purity
from .builtin_calls import HANDLERS, Handler, handles
from .errors import Unsupported
from .expressions import plain
from .scalar import Scalar
from .values import is_dynamic

if TYPE_CHECKING:
    from .interpreter import Interpreter


@handles(set)
def _set(interpreter: Interpreter, *args: Any) -> Any:
    return interpreter.context.created({*interpreter.iterate(args[0])} if args else set())


@handles(next)
def _next(interpreter: Interpreter, iterator: Any, *default: Any) -> Any:
    try:
        found = objects.special(interpreter, "__next__", iterator)
    except StopIteration:
        if default:
            return default[0]
        raise
    if found is not NotImplemented:
        return found
    if purity.is_iterator(iterator):
        interpreter.takes(iterator)
    return next(iterator, *default)


@handles(iter)
def _iter(interpreter: Interpreter, value: Any, *sentinel: Any) -> Any:
    if sentinel:
        called = lambda: interpreter.call(value, [], {}, None)  # noqa: E731
        return interpreter.context.created(iter(called, *sentinel))
    if (found := objects.special(interpreter, "__iter__", value)) is not NotImplemented:
        return found
    if purity.is_iterator(value):
        return value
    return interpreter.iterate(value)


@handles(setattr)
def _setattr(interpreter: Interpreter, owner: Any, name: str, value: Any) -> None:
    objects.set_attribute(interpreter, owner, name, value)


@handles(delattr)
def _delattr(interpreter: Interpreter, owner: Any, name: str) -> None:
    objects.delete_attribute(interpreter, owner, name)


@handles(operator.setitem)
def _setitem(interpreter: Interpreter, owner: Any, index: Any, value: Any) -> None:
    if isinstance(owner, torch.Tensor):
        owner[index] = value
    else:
        interpreter.set_item(owner, index, value)


@handles(operator.delitem)
def _delitem(interpreter: Interpreter, owner: Any, index: Any) -> None:
    interpreter.delete_item(owner, index)


def _changes_its_first(function: Callable[..., Any]) -> Handler:
    def handler(interpreter: Interpreter, owner: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(owner, (torch.Tensor, Scalar, int, float, str, tuple)):
            return function(owner, *args, **kwargs)
        return interpreter.mutate(owner, function, [owner, *args], kwargs, reads=True)

    return handler


for _function in (
    *(heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop),
    *(bisect.insort, bisect.insort_left, bisect.insort_right),
    *(getattr(operator, f"i{_n}") for _n in ("add", "concat", "mul", "or", "and", "sub", "xor")),
):
    HANDLERS[_function] = _changes_its_first(_function)


def no_text(values: Any) -> None:
    """Raises `Unsupported` where text would be made of a value that is only known at run time."""
    if any(map(is_dynamic, values)):
        raise Unsupported(
            "text is made of a value that is only known at run time",
            hint="make it outside the compiled function, or of constants",
        )


def text_of(interpreter: Interpreter, value: Any) -> Any:
    """A value that stands for `value` where it becomes text."""
    value = plain(value)
    no_text([value])
    interpreter.context.outer.argument(value)
    if objects.method(value, "__format__") is None and objects.method(value, "__str__") is not None:
        return interpreter.call(type(value).__str__, [value], {}, None)
    if objects.method(value, "__str__") is None and objects.method(value, "__repr__") is not None:
        return interpreter.call(type(value).__repr__, [value], {}, None)
    return value


@handles(str)
def _str(interpreter: Interpreter, *args: Any) -> str:
    return str(*[text_of(interpreter, a) for a in args])


@handles(repr)
def _repr(interpreter: Interpreter, value: Any) -> str:
    no_text([value])
    interpreter.context.outer.argument(value)
    found = objects.special(interpreter, "__repr__", value)
    return repr(value) if found is NotImplemented else found


@handles(ascii)
def _ascii(interpreter: Interpreter, value: Any) -> str:
    return _repr(interpreter, value).encode("ascii", "backslashreplace").decode()


@handles(format)
def _format(interpreter: Interpreter, value: Any, spec: str = "") -> str:
    found = objects.special(interpreter, "__format__", value, spec)
    return format(text_of(interpreter, value), spec) if found is NotImplemented else found
