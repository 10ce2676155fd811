"""Calls of Python's own functions with values that are only known at run time."""

from __future__ import annotations

import abc
import builtins
import functools
import math
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import torch
from torch._subclasses.fake_tensor import FakeTensor

from . import lists, objects, user
from .branches import select
from .errors import Unsupported
from .expressions import is_run_time, plain
from .iteration import Range, Rows, Unroll, Wrapped
from .scalar import Scalar, is_number, tensor_of, to_bool, to_float, to_int

if TYPE_CHECKING:
    from .interpreter import Interpreter

Handler = Callable[..., Any]
HANDLERS: dict[Any, Handler] = {}


def find(function: Any) -> Handler | None:
    """What stands for a builtin, or None: called with the interpreter first."""
    try:
        return HANDLERS.get(function)
    except TypeError:  # not hashable
        return None


def handles(*functions: Any) -> Callable[[Handler], Handler]:
    """Registers what stands for `functions`."""

    def register(handler: Handler) -> Handler:
        for function in functions:
            HANDLERS[function] = handler
        return handler

    return register


@handles(builtins.range)
def _range(interpreter: Interpreter, *bounds: Any) -> Any:
    return Range(*bounds) if any(map(is_run_time, bounds)) else range(*bounds)


@handles(torch.is_grad_enabled)
def _is_grad_enabled(interpreter: Interpreter) -> bool:
    return (
        torch.is_grad_enabled()
    )  # what stands there during a trace (frontend/grad_mode.py), under whatever name it is known


@handles(user.range)
def _forced_range(interpreter: Interpreter, *bounds: Any) -> Any:
    return Range(*bounds, forced=True)


@handles(user.unroll)
def _unroll(interpreter: Interpreter, items: Any) -> Any:
    return Unroll(items)


@handles(enumerate)
def _enumerate(interpreter: Interpreter, items: Any, start: int = 0) -> Any:
    return Wrapped("enumerate", (items,), start, interpreter.iterate)


@handles(zip)
def _zip(interpreter: Interpreter, *parts: Any, strict: bool = False) -> Any:
    if strict:
        lengths = {_size(p) for p in parts}
        if len(lengths) > 1 or None in lengths:
            return interpreter.context.created(zip(*(interpreter.iterate(p) for p in parts), strict=True))
    return Wrapped("zip", parts, 0, interpreter.iterate)


def _size(value: Any) -> Any:
    try:
        return len(value)
    except TypeError:
        return None


@handles(reversed)
def _reversed(interpreter: Interpreter, items: Any) -> Any:
    interpreter.context.outer.whole(items)
    if isinstance(items, (range, torch.Tensor, Range, Wrapped)) or lists.has_segment(items):
        return Wrapped("reversed", (items,), 0, interpreter.iterate)
    if (found := objects.special(interpreter, "__reversed__", items)) is not NotImplemented:
        return found
    interpreter.context.outer.whole(items)
    return interpreter.context.created(reversed(items))


@handles(len)
def _len(interpreter: Interpreter, value: Any) -> Any:
    if lists.has_segment(value):
        return lists.length(value)
    if (found := objects.special(interpreter, "__len__", value)) is not NotImplemented:
        return found
    interpreter.context.outer.length(value)
    return value.length if isinstance(value, Range) else len(value)


@handles(int)
def _int(interpreter: Interpreter, *args: Any) -> Any:
    if len(args) == 1 and (found := objects.special(interpreter, "__int__", args[0])) is not NotImplemented:
        return found
    return to_int(args[0]) if len(args) == 1 and is_run_time(args[0]) else int(*args)


@handles(float)
def _float(interpreter: Interpreter, *args: Any) -> Any:
    if len(args) == 1 and (found := objects.special(interpreter, "__float__", args[0])) is not NotImplemented:
        return found
    return to_float(args[0]) if len(args) == 1 and is_run_time(args[0]) else float(*args)


@handles(bool)
def _bool(interpreter: Interpreter, *args: Any) -> Any:
    for value in args:
        interpreter.context.outer.length(value)
    args = tuple(objects.truth(interpreter, a) for a in args)
    return to_bool(args[0]) if len(args) == 1 and is_run_time(args[0]) else bool(*map(plain, args))


@handles(torch.Tensor.item)
def _item(interpreter: Interpreter, tensor: torch.Tensor) -> Any:
    from .scalar import from_tensor

    return from_tensor(tensor)


@handles(isinstance)
def _isinstance(interpreter: Interpreter, value: Any, classes: Any) -> bool:
    interpreter.context.outer.object(value)
    if isinstance(value, Scalar):
        return issubclass(value.kind, classes)
    if isinstance(value, (Range, Unroll, Wrapped)):
        return isinstance(range(0) if isinstance(value, Range) else zip(), classes)
    for class_ in classes if isinstance(classes, tuple) else (classes,):
        metaclass = type(class_)
        if metaclass is type or not isinstance(class_, type):
            continue
        if objects.method_of(metaclass, "__instancecheck__") is not None:
            raise Unsupported(
                f"{metaclass.__name__} decides by code of its own what is a {class_.__name__}", effect=True
            )
        if issubclass(metaclass, abc.ABCMeta) and not isinstance(value, torch.Tensor):
            # What is registered with an abstract class is its own secret.
            asked = functools.partial(isinstance, value, class_)
            interpreter.context.outer.reads.call(asked, asked())
    return isinstance(value, classes)


@handles(type)
def _type(interpreter: Interpreter, *args: Any) -> Any:
    if len(args) == 1 and isinstance(args[0], Scalar):
        return args[0].kind
    interpreter.context.outer.object(args[0])
    found = type(*args)
    return torch.Tensor if len(args) == 1 and found is FakeTensor else found


def _extreme(name: str, function: Callable[..., Any]) -> Handler:
    def handler(interpreter: Interpreter, *args: Any, **kwargs: Any) -> Any:
        items = list(interpreter.iterate(args[0])) if len(args) == 1 else list(args)
        if not any(map(is_run_time, items)) or kwargs:
            if len(args) == 1:
                args = (items,)  # an iterator gives them once
            return interpreter._native(function, list(args), kwargs)
        found = items[0]
        for item in items[1:]:
            better = to_bool(item > found if name == "max" else item < found)
            if not isinstance(better, Scalar):
                found = item if better else found
            elif is_number(item) and is_number(found):
                found = _choose(better, item, found)
            else:
                found = select(interpreter.context, better, lambda i=item: i, lambda f=found: f, name)
        return found

    return handler


def _choose(condition: Scalar, a: Any, b: Any) -> Any:
    from .scalar import interval_of, kind_of

    if kind_of(a) is not kind_of(b):
        raise Unsupported(
            "max or min of an int and a float that are only known at run time", hint="use float() on both"
        )
    (p, q), (r, s) = interval_of(a), interval_of(b)
    return Scalar(kind_of(a), torch.where(condition.tensor, tensor_of(a), tensor_of(b)), (min(p, r), max(q, s)))


HANDLERS[max] = _extreme("max", max)
HANDLERS[min] = _extreme("min", min)


@handles(sum)
def _sum(interpreter: Interpreter, items: Any, start: Any = 0) -> Any:
    def plus(a: Any, b: Any) -> Any:
        found = objects.binary(interpreter, operator.add, a, b)
        return a + b if found is NotImplemented else found

    return functools.reduce(plus, interpreter.iterate(items), start)


def _quantifier(conjunction: bool) -> Handler:
    def handler(interpreter: Interpreter, items: Any) -> Any:
        found: Any = conjunction
        for item in interpreter.iterate(items):
            truth = to_bool(item) if is_run_time(item) else bool(item)
            if not isinstance(truth, Scalar):
                if truth is not conjunction:
                    return not conjunction
            elif isinstance(found, Scalar):
                found = found & truth if conjunction else found | truth
            else:
                found = truth
        return found

    return handler


HANDLERS[all] = _quantifier(True)
HANDLERS[any] = _quantifier(False)


@handles(list)
def _list(interpreter: Interpreter, *args: Any) -> Any:
    if args and lists.has_segment(args[0]):
        return interpreter.context.created(list(args[0]))
    return interpreter.context.created([*interpreter.iterate(args[0])] if args else [])


@handles(tuple)
def _tuple(interpreter: Interpreter, *args: Any) -> Any:
    return tuple(interpreter.iterate(args[0])) if args else ()


@handles(round)
def _round(interpreter: Interpreter, value: Any, digits: Any = None) -> Any:
    return round(value) if digits is None else round(value, digits)


def _effect(name: str) -> Handler:
    def handler(interpreter: Interpreter, *args: Any, **kwargs: Any) -> Any:
        raise Unsupported(
            f"{name}() has an effect outside the graph", hint="move it out of the compiled function", effect=True
        )

    return handler


for _name in ("input", "open", "exec", "eval", "breakpoint", "globals", "locals", "vars"):
    HANDLERS[getattr(builtins, _name)] = _effect(_name)


# Functions of `math` on run-time numbers: the op, and where the domain ends.
_MATH: dict[str, Callable[[torch.Tensor], torch.Tensor] | None] = {
    "sqrt": lambda x: x < 0, "exp": lambda x: x > 709.78, "log": lambda x: x <= 0, "log2": lambda x: x <= 0,
    "log10": lambda x: x <= 0, "log1p": lambda x: x <= -1, "expm1": lambda x: x > 709.78, "sin": torch.isinf,
    "cos": torch.isinf, "tan": torch.isinf, "asin": lambda x: x.abs() > 1, "acos": lambda x: x.abs() > 1, "atan": None,
    "sinh": lambda x: x.abs() > 710.47, "cosh": lambda x: x.abs() > 710.47, "tanh": None, "erf": None,
}  # fmt: skip


def _math(name: str, outside: Callable[[torch.Tensor], torch.Tensor] | None) -> Handler:
    def handler(interpreter: Interpreter, *args: Any) -> Any:
        if len(args) != 1 or not is_run_time(args[0]):
            return getattr(math, name)(*args)
        x = to_float(args[0]).tensor
        if outside is not None:
            interpreter.context.give_up(outside(x), f"math.{name} outside its domain")
        return Scalar(float, getattr(torch, name)(x))

    return handler


for _name, _outside in _MATH.items():
    HANDLERS[getattr(math, _name)] = _math(_name, _outside)


@handles(math.fabs)
def _fabs(interpreter: Interpreter, value: Any) -> Any:
    return abs(to_float(value)) if is_run_time(value) else math.fabs(value)


@handles(math.isnan)
def _isnan(interpreter: Interpreter, value: Any) -> Any:
    return Scalar(bool, torch.isnan(to_float(value).tensor)) if is_run_time(value) else math.isnan(value)


@handles(math.pow)
def _pow(interpreter: Interpreter, base: Any, exponent: Any) -> Any:
    return (
        to_float(base) ** to_float(exponent) if is_run_time(base) or is_run_time(exponent) else math.pow(base, exponent)
    )


@handles(torch.unbind)
def _unbind(interpreter: Interpreter, tensor: torch.Tensor, dim: int = 0) -> Any:
    return Rows.of(tensor, dim)


def _joined(cat: bool) -> Handler:
    function = torch.cat if cat else torch.stack

    def handler(interpreter: Interpreter, tensors: Any, dim: Any = 0, **kwargs: Any) -> Any:
        if not lists.has_segment(tensors):
            return function(tensors, dim, **kwargs)
        whole = lists.parts_stacked(list(tensors))
        if whole is None or kwargs:
            return function(lists.expanded(tensors), dim, **kwargs)
        if not cat:
            return whole.movedim(0, dim).contiguous() if dim != 0 else whole.clone()
        if whole.dim() == 1:
            raise RuntimeError("zero-dimensional tensor (at position 0) cannot be concatenated")
        dim = dim + whole.dim() - 1 if dim < 0 else dim
        return whole.movedim(0, dim).flatten(dim, dim + 1)

    return handler


HANDLERS[torch.stack] = _joined(False)
for _function in (torch.cat, torch.concat, torch.concatenate):
    HANDLERS[_function] = _joined(True)


@handles(torch.tensor, torch.as_tensor)
def _tensor(interpreter: Interpreter, data: Any, *args: Any, **kwargs: Any) -> Any:
    if lists.has_segment(data):
        whole = lists.parts_stacked(list(data))
        if whole is not None:
            data = whole
            return whole.to(
                kwargs.get("dtype") or (torch.get_default_dtype() if whole.dtype == torch.float64 else whole.dtype)
            )
        data = lists.expanded(data)
    if isinstance(data, Scalar):
        dtype = kwargs.pop("dtype", None) or (torch.get_default_dtype() if data.kind is float else data.tensor.dtype)
        if args or any(v for v in kwargs.values()):
            raise Unsupported("torch.tensor of a run-time number with other options than dtype")
        return data.tensor.to(dtype, copy=True)
    if type(data) in (list, tuple) and any(map(is_run_time, data)):
        items = [_tensor(interpreter, v, **kwargs) if not isinstance(v, torch.Tensor) else v for v in data]
        return torch.stack(items)
    return torch.tensor(data, *args, **kwargs)
