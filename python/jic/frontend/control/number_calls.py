"""Where torch treats a Python number otherwise than a 0-d tensor of its value."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from .context import Context
from .errors import Unsupported
from .scalar import Scalar, constant

_OPERATORS = (
    "add",
    "sub",
    "mul",
    "truediv",
    "floordiv",
    "mod",
    "pow",
    "and",
    "or",
    "xor",
    "lshift",
    "rshift",
    "matmul",
)
_NAMES = (
    "add sub subtract mul multiply div divide true_divide floor_divide remainder fmod bitwise_and bitwise_or bitwise_xor "
    "eq ne lt le gt ge less less_equal greater greater_equal not_equal rsub maximum minimum fmax fmin atan2 hypot lerp "
    "addcmul addcdiv item"
)
# A number beyond the dtype wraps or overflows there; elsewhere torch raises.
_CONVERTS = frozenset(
    {f"__{prefix}{name}__" for name in _OPERATORS for prefix in ("", "r", "i")}
    | {f"{name}{suffix}" for name in _NAMES.split() for suffix in ("", "_")}
    | {"__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__", "__getitem__"}
) - {"__pow__", "__ipow__"}
_DIVIDES = frozenset(
    {"__floordiv__", "__ifloordiv__", "__mod__", "__imod__", "floor_divide", "floor_divide_", "remainder", "remainder_"}
    | {"fmod", "fmod_", "div", "div_", "divide", "divide_"}
)
_POWERS = frozenset({"__pow__", "__ipow__", "pow", "pow_"})
_REFLECTED = frozenset({"__rpow__", "__rfloordiv__", "__rmod__"})
_SUMS = frozenset({"add", "add_", "sub", "sub_", "subtract", "subtract_"})
_TRUE_DIVISIONS = frozenset({"__truediv__", "__itruediv__", "__rtruediv__", "true_divide", "true_divide_"})
_PRODUCTS = frozenset({"addcmul", "addcmul_", "addcdiv", "addcdiv_"})
_CLAMPS = frozenset({"clamp", "clamp_", "clip", "clip_"})
_SELECTS = frozenset({"where", "masked_fill", "masked_fill_", "clamp_min", "clamp_max", "clamp_min_", "clamp_max_"})


def prepared(
    context: Context, function: Any, args: Any, kwargs: dict[str, Any], swapped: Callable[[Any], Any]
) -> tuple[Any, dict[str, Any]]:
    """The arguments of a call, in another form where torch takes factors and bounds as numbers only; and what makes such a call
    raise for some numbers gives up the compiled call for those."""
    name = getattr(function, "__name__", "")
    _give_up_where_it_raises(context, name, args, kwargs)
    factor = kwargs.get("alpha" if name in _SUMS else "value" if name in _PRODUCTS else "")
    if isinstance(factor, Scalar) and len(args) > 1:
        scaled = _scaled(context, swapped(args[0]), swapped(args[1]), factor)
        kept = {k: v for k, v in kwargs.items() if k not in ("alpha", "value")}
        return (args[0], scaled, *args[2:]), kept
    if name in _CLAMPS:
        return tuple(map(_as_scalar, args)), {k: _as_scalar(v) for k, v in kwargs.items()}
    if name == "pow" or name in _REFLECTED:
        return _with_narrow_left(name, args), kwargs
    divides = (
        name in _TRUE_DIVISIONS or name in ("div", "div_", "divide", "divide_") and not kwargs.get("rounding_mode")
    )
    if divides:  # whatever the ints' dtypes, it is floats that are divided
        return tuple(a.tensor.to(torch.get_default_dtype()) if _is_whole(a, args) else a for a in args), kwargs
    return args, kwargs


def check_takes(function: Any) -> None:
    """Of numbers that could as well be constants those that torch takes as numbers only are that.

    Raises:
        Unsupported: `function` may do something else with a 0-d tensor.
    """
    name = getattr(function, "__name__", "")
    if name not in _CONVERTS | _POWERS | _CLAMPS | _SELECTS:
        raise Unsupported(f"{name or function} takes a number that is only known at run time")


def _with_narrow_left(name: str, args: Any) -> Any:
    """A number on the left of these is as narrow as the floats on the right."""
    left, right = (args[1], args[0]) if name in _REFLECTED else (args[0], args[1] if len(args) > 1 else None)
    if not isinstance(left, Scalar) or not isinstance(right, torch.Tensor) or not right.dtype.is_floating_point:
        return args
    narrow = left.tensor.to(right.dtype)
    return (right, narrow) if name in _REFLECTED else (narrow, right)


def _is_whole(value: Any, args: Any) -> bool:
    """Whether `value` is an int among ints."""
    tensors = [a for a in args if isinstance(a, torch.Tensor)]
    return isinstance(value, Scalar) and value.kind is int and not any(t.dtype.is_floating_point for t in tensors)


def _scaled(context: Context, target: Any, other: Any, factor: Scalar) -> Any:
    """`factor * other`, which is then added to `target`."""
    same = isinstance(target, torch.Tensor) and isinstance(other, torch.Tensor) and target.dtype == other.dtype
    if not same or other.dtype in (torch.bool, torch.float16, torch.bfloat16):
        raise Unsupported("a factor that is only known at run time, of a tensor that is converted")
    if factor.kind is float and not other.dtype.is_floating_point:
        raise Unsupported("a factor that is a float, of ints")
    if other.dtype != torch.float64:
        _give_up_beyond(context, factor, other.dtype)
    return other * factor.tensor.to(other.dtype)


def _as_scalar(value: Any) -> Any:
    return Scalar(type(value), constant(value)) if type(value) in (int, float) else value


def _give_up_where_it_raises(context: Context, name: str, args: Any, kwargs: dict[str, Any]) -> None:
    tensors = [a for a in (*args, *kwargs.values()) if isinstance(a, torch.Tensor)]
    numbers = [a for a in (*args, *kwargs.values()) if isinstance(a, Scalar) and a.kind is not bool]
    whole = bool(tensors) and not any(t.dtype.is_floating_point for t in tensors)
    last = args[-1] if args else None
    if whole and isinstance(last, Scalar) and last.kind is int:
        if name in _DIVIDES and (not name.startswith("div") or kwargs.get("rounding_mode")):
            context.give_up(last == 0, "a division by zero")
        if name in _POWERS:
            context.give_up(last < 0, "a negative power of ints")
    if name in _CONVERTS or not numbers:
        return
    dtype = _dtype(tensors, kwargs)
    if dtype is None and kwargs.get("dtype") is None and numbers[0].kind is float:
        dtype = torch.get_default_dtype()
    for number in numbers if dtype is not None else ():
        _give_up_beyond(context, number, dtype)


def _dtype(tensors: list[torch.Tensor], kwargs: dict[str, Any]) -> torch.dtype | None:
    found = kwargs.get("dtype")
    for tensor in tensors if found is None else ():
        if tensor.dtype != torch.bool:
            found = tensor.dtype if found is None else torch.promote_types(found, tensor.dtype)
    return None if found == torch.bool else found


def _give_up_beyond(context: Context, number: Scalar, dtype: torch.dtype) -> None:
    limits = torch.finfo(dtype) if dtype.is_floating_point else torch.iinfo(dtype)
    low, high = number.interval
    if (
        dtype == torch.float64
        or number.kind is int
        and (dtype == torch.int64 or limits.min <= low and high <= limits.max)
    ):
        return
    most = limits.max if dtype != torch.int64 else (1 << 63) - 1024  # the greatest float among them
    outside = (number.tensor < limits.min) | (number.tensor > most)
    if number.kind is float:
        finite = torch.isfinite(number.tensor)
        outside = outside & finite if dtype.is_floating_point else outside | ~finite
    context.give_up(Scalar(bool, outside), f"a number beyond {dtype}")
