"""Python numbers that are only known at run time.

A `Scalar` stands for an int, float or bool of Python's. It is a 0-d tensor of the graph (i64, f64, bool) with Python's
arithmetic: ints do not wrap (a result that may leave 64 bits gives up the call, see `Context.give_up`), `//` and `%`
round to minus infinity, `/` gives floats. Ints know an interval that they lie in, as far as that follows from loop bounds.
"""

from __future__ import annotations

import math
import operator
import threading
from collections.abc import Callable
from typing import Any

import torch

from .errors import Unsupported

_DTYPES = {int: torch.int64, float: torch.float64, bool: torch.bool}
_INF = float("inf")
LIMIT = 1 << 62  # ints that pass through regions are no greater
_LEAST = -(1 << 63)
_SMALL = 1 << 20  # adding this step by step takes centuries to reach the limit
Interval = tuple[float, float]
UNKNOWN: Interval = (-_INF, _INF)


class _Tracing(threading.local):
    context: Any = None


tracing = _Tracing()


class Scalar:
    """A run-time number.

    Attributes:
        kind: `int`, `float` or `bool`.
        tensor: its 0-d tensor, of dtype int64, float64 or bool.
        interval: bounds, both included; for ints only.
        base, shift: an int that is `base + shift` for another Scalar `base` knows that, so that differences of them are numbers.
    """

    @property
    def context(self) -> Any:
        """The Context of the trace that runs in this thread."""
        return tracing.context

    def __init__(
        self, kind: type, tensor: torch.Tensor, interval: Interval = UNKNOWN, base: Scalar | None = None, shift: int = 0
    ) -> None:
        self.kind, self.tensor, self.interval = kind, tensor, interval
        self.base: Scalar = self if base is None else base
        self.shift = shift

    # ---- leaving the graph is not possible ----

    def _escape(self, what: str) -> Any:
        raise Unsupported(
            f"{what} of a Python {self.kind.__name__} that is only known at run time",
            hint="keep it in arithmetic, comparisons, conditions and tensor indices, or loop with jic.unroll(...)",
        )

    def __bool__(self) -> bool:
        return self._escape("the truth value")

    def __index__(self) -> int:
        return self._escape("the value")

    def __int__(self) -> int:
        return self._escape("the value")

    def __float__(self) -> float:
        return self._escape("the value")

    def __hash__(self) -> int:
        return self._escape("the hash")

    def __str__(self) -> str:
        return self._escape("the text")

    def __format__(self, spec: str) -> str:
        return self._escape("the text")

    def __repr__(self) -> str:
        return f"<{self.kind.__name__} known at run time>"

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        # Where the recorder is active it has replaced Scalars before torch looks for this method.
        return NotImplemented

    # ---- arithmetic ----

    def __add__(self, other: Any) -> Any:
        return _add(self, other)

    def __radd__(self, other: Any) -> Any:
        return _add(other, self)

    def __sub__(self, other: Any) -> Any:
        return _sub(self, other)

    def __rsub__(self, other: Any) -> Any:
        return _sub(other, self)

    def __mul__(self, other: Any) -> Any:
        return _mul(self, other)

    def __rmul__(self, other: Any) -> Any:
        return _mul(other, self)

    def __truediv__(self, other: Any) -> Any:
        return _true_divide(self, other)

    def __rtruediv__(self, other: Any) -> Any:
        return _true_divide(other, self)

    def __floordiv__(self, other: Any) -> Any:
        return _floor_divide(self, other)

    def __rfloordiv__(self, other: Any) -> Any:
        return _floor_divide(other, self)

    def __mod__(self, other: Any) -> Any:
        return _modulo(self, other)

    def __rmod__(self, other: Any) -> Any:
        return _modulo(other, self)

    def __divmod__(self, other: Any) -> Any:
        return _floor_divide(self, other), _modulo(self, other)

    def __pow__(self, other: Any) -> Any:
        return _power(self, other)

    def __rpow__(self, other: Any) -> Any:
        return _power(other, self)

    def __neg__(self) -> Any:
        return _sub(0, self) if self.kind is not float else Scalar(float, -self.tensor)

    def __pos__(self) -> Any:
        return self if self.kind is not bool else number_as(self, int)

    def __abs__(self) -> Any:
        x = +self
        low, high = x.interval
        if x.kind is int and low < -LIMIT:
            x.context.give_up(x.tensor == _LEAST, "an int leaves 64 bits")
        return Scalar(
            x.kind, x.tensor.abs(), (0 if low <= 0 <= high else min(abs(low), abs(high)), max(abs(low), abs(high)))
        )

    def __invert__(self) -> Any:
        return -1 - self if self.kind is not float else NotImplemented

    def __and__(self, other: Any) -> Any:
        return _bitwise("and", operator.and_, self, other)

    def __or__(self, other: Any) -> Any:
        return _bitwise("or", operator.or_, self, other)

    def __xor__(self, other: Any) -> Any:
        return _bitwise("xor", operator.xor, self, other)

    __rand__, __ror__, __rxor__ = __and__, __or__, __xor__

    def __lshift__(self, other: Any) -> Any:
        return _shift(self, other, _mul)

    def __rlshift__(self, other: Any) -> Any:
        return _shift(other, self, _mul)

    def __rshift__(self, other: Any) -> Any:
        return _shift(self, other, _floor_divide)

    def __rrshift__(self, other: Any) -> Any:
        return _shift(other, self, _floor_divide)

    # ---- comparison ----

    def __eq__(self, other: Any) -> Any:
        return _compare(operator.eq, self, other)

    def __ne__(self, other: Any) -> Any:
        return _compare(operator.ne, self, other)

    def __lt__(self, other: Any) -> Any:
        return _compare(operator.lt, self, other)

    def __le__(self, other: Any) -> Any:
        return _compare(operator.le, self, other)

    def __gt__(self, other: Any) -> Any:
        return _compare(operator.gt, self, other)

    def __ge__(self, other: Any) -> Any:
        return _compare(operator.ge, self, other)

    # ---- methods of Python's numbers ----

    def __round__(self, digits: int | None = None) -> Any:
        if digits is not None:
            return self._escape("rounding to digits")
        return to_int(Scalar(float, self.tensor.round())) if self.kind is float else +self

    def __trunc__(self) -> Any:
        return to_int(self)

    def __floor__(self) -> Any:
        return to_int(Scalar(float, self.tensor.floor())) if self.kind is float else +self

    def __ceil__(self) -> Any:
        return to_int(Scalar(float, self.tensor.ceil())) if self.kind is float else +self

    def is_integer(self) -> Any:
        return Scalar(bool, self.tensor == self.tensor.floor()) if self.kind is float else True


def is_number(value: Any) -> bool:
    return type(value) in (int, float, bool) or isinstance(value, Scalar)


def kind_of(value: Any) -> type:
    return value.kind if isinstance(value, Scalar) else type(value)


def interval_of(value: Any) -> Interval:
    if isinstance(value, Scalar):
        return (0, 1) if value.kind is bool else value.interval
    return (int(value), int(value)) if isinstance(value, (int, bool)) else UNKNOWN


def constant(value: int | float | bool) -> torch.Tensor:
    """A number as a 0-d tensor of its Scalar's dtype."""
    if type(value) is int and not -(1 << 63) <= value < 1 << 63:
        raise Unsupported(f"the int {value} does not fit 64 bits")
    return torch.full((), value, dtype=_DTYPES[type(value)])


def tensor_of(value: Any, kind: type | None = None) -> torch.Tensor:
    """A number or Scalar as a 0-d tensor, of `kind`'s dtype if given."""
    kind = kind or kind_of(value)
    if isinstance(value, Scalar):
        dtype = _DTYPES[kind]
        return value.tensor if value.tensor.dtype == dtype else value.tensor.to(dtype)
    return constant(kind(value))


def number_as(value: Any, kind: type) -> Any:
    """A number as another kind, without a check of its range."""
    if kind_of(value) is kind:
        return value
    if not isinstance(value, Scalar):
        return kind(value)
    return Scalar(kind, value.tensor.to(_DTYPES[kind]), interval_of(value) if kind is int else UNKNOWN)


def from_tensor(tensor: torch.Tensor) -> Scalar:
    """What `tensor.item()` gives: a number, which has no gradient."""
    if tensor.numel() != 1:
        raise RuntimeError(f"a Tensor with {tensor.numel()} elements cannot be converted to Scalar")
    kind = float if tensor.dtype.is_floating_point else bool if tensor.dtype == torch.bool else int
    if tensor.is_complex():
        raise Unsupported("a complex number that is only known at run time")
    return Scalar(kind, tensor.detach().reshape(()).to(_DTYPES[kind]))


def check_limit(value: Scalar) -> None:
    """Give up the call if an int that a loop carries is beyond the limit."""
    low, high = value.interval
    if value.kind is int and (low < -LIMIT or high > LIMIT):
        value.context.give_up((value.tensor > LIMIT) | (value.tensor < -LIMIT), "an int near 64 bits")


def to_int(value: Any) -> Any:
    """`int(value)`: rounds to zero; infinities and NaN give up the call, and so does what 64 bits do not hold."""
    if isinstance(value, torch.Tensor):
        value = from_tensor(value)
    if not isinstance(value, Scalar) or value.kind is not float:
        return number_as(value, int)
    value.context.give_up(~(value.tensor.abs() < float(1 << 63)), "int() of a float out of range")
    return Scalar(int, value.tensor.to(torch.int64))


def to_float(value: Any) -> Any:
    return number_as(from_tensor(value) if isinstance(value, torch.Tensor) else value, float)


def to_bool(value: Any) -> Any:
    """`bool(value)` of a number or of a tensor with one element: a bool, or a Scalar."""
    if isinstance(value, torch.Tensor):
        if value.numel() != 1:
            raise RuntimeError(
                "Boolean value of Tensor with "
                + ("no values" if value.numel() == 0 else "more than one value")
                + " is ambiguous"
            )
        value = value.reshape(())
        return Scalar(bool, value if value.dtype == torch.bool else value != 0)
    if isinstance(value, Scalar):
        low, high = value.interval
        if value.kind is int and (low > 0 or high < 0):
            return True
        return value if value.kind is bool else Scalar(bool, value.tensor != 0)
    return bool(value)


def _operands(a: Any, b: Any) -> type | None:
    """The kind that `a` and `b` are computed in (int for bools); None if one is not a number."""
    if not (is_number(a) and is_number(b)):
        return None
    return float if float in (kind_of(a), kind_of(b)) else int


def _context(a: Any, b: Any) -> Any:
    return a.context if isinstance(a, Scalar) else b.context


def _checked(a: Any, b: Any, function: Callable[[Any, Any], Any], result: torch.Tensor, interval: Interval) -> Scalar:
    """An int result; if it may leave 64 bits, the same in f64 tells when it does."""
    if not (interval[0] >= -LIMIT and interval[1] <= LIMIT):
        wide = function(tensor_of(a, float), tensor_of(b, float)).abs()
        _context(a, b).give_up(wide > float(LIMIT), "an int leaves 64 bits")
        interval = (max(interval[0], -LIMIT), min(interval[1], LIMIT))
    return Scalar(int, result, interval)


def _argument(value: Any, kind: type) -> Any:
    """For a tensor op: a Python number, or a 0-d tensor."""
    return tensor_of(value, kind) if isinstance(value, Scalar) else kind(value)


def _add(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    if kind is float:
        return Scalar(float, torch.add(tensor_of(a, float), _argument(b, float)))
    for number, other in ((a, b), (b, a)):
        if not isinstance(number, Scalar) and other.kind is int:
            return _shifted(other, int(number))
    (p, q), (r, s) = interval_of(a), interval_of(b)
    return _checked(a, b, torch.add, tensor_of(a, int) + tensor_of(b, int), (p + r, q + s))


def _shifted(x: Scalar, by: int) -> Scalar:
    """`x + by`, which remembers what it is made of."""
    if by == 0:
        return x
    low, high = x.interval
    if abs(by) <= _SMALL and low >= -LIMIT and high <= LIMIT:
        return Scalar(int, x.tensor + by, (max(low + by, -LIMIT), min(high + by, LIMIT)), x.base, x.shift + by)
    found = _checked(x, by, torch.add, x.tensor + by, (low + by, high + by))
    found.base, found.shift = x.base, x.shift + by
    return found


def _sub(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    if kind is float:
        return Scalar(float, torch.sub(tensor_of(a, float), _argument(b, float)))
    if not isinstance(b, Scalar) and a.kind is int:
        return _shifted(a, -int(b))
    if isinstance(a, Scalar) and isinstance(b, Scalar) and a.base is b.base:
        return a.shift - b.shift
    (p, q), (r, s) = interval_of(a), interval_of(b)
    return _checked(a, b, torch.sub, tensor_of(a, int) - tensor_of(b, int), (p - s, q - r))


def _mul(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    if kind is float:
        return Scalar(float, torch.mul(tensor_of(a, float), _argument(b, float)))
    for number, other in ((a, b), (b, a)):
        if not isinstance(number, Scalar) and int(number) in (0, 1):
            return number_as(other, int) if number else 0
    corners = [_product(x, y) for x in interval_of(a) for y in interval_of(b)]
    return _checked(a, b, torch.mul, tensor_of(a, int) * tensor_of(b, int), (min(corners), max(corners)))


def _product(x: float, y: float) -> float:
    return 0 if 0 in (x, y) else x * y


def _true_divide(a: Any, b: Any) -> Any:
    if _operands(a, b) is None:
        return NotImplemented
    _no_zero(a, b)
    return Scalar(float, torch.div(tensor_of(a, float), _argument(b, float)))


def _no_zero(a: Any, b: Any) -> None:
    if not isinstance(b, Scalar):
        if b == 0:
            raise ZeroDivisionError("division by zero")
        return
    low, high = interval_of(b)
    if low <= 0 <= high:
        b.context.give_up(b.tensor == 0, "a division by zero")


def _floor_divide(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    _no_zero(a, b)
    if kind is float:
        _context(a, b)  # Python rounds the quotient of the exact remainder: as float floor_divide of torch
        return Scalar(float, torch.floor_divide(tensor_of(a, float), tensor_of(b, float)))
    (p, q), (r, s) = interval_of(a), interval_of(b)
    if p < -LIMIT and r <= -1 <= s:
        _context(a, b).give_up((tensor_of(a, int) == _LEAST) & (tensor_of(b, int) == -1), "an int leaves 64 bits")
    quotient = torch.div(tensor_of(a, int), _divisor(b), rounding_mode="floor")
    if r > 0 and p > -_INF and q < _INF:
        bounds = [math.floor(x / y) if y < _INF else (0 if x >= 0 else -1) for x in (p, q) for y in (r, s)]
        return Scalar(int, quotient, (min(bounds), max(bounds)))
    return Scalar(int, quotient, (-LIMIT * 2, LIMIT * 2))


def _divisor(value: Any) -> torch.Tensor:
    """An int to divide by: 1 where it is 0 and the call is given up, since the division itself must not fail."""
    divisor = tensor_of(value, int)
    low, high = interval_of(value)
    return torch.where(divisor == 0, 1, divisor) if low <= 0 <= high else divisor


def _modulo(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    _no_zero(a, b)
    if kind is float:
        return Scalar(float, torch.remainder(tensor_of(a, float), tensor_of(b, float)))
    low, high = interval_of(b)
    interval: Interval = (min(0, low + 1), max(0, high - 1))
    return Scalar(int, torch.remainder(tensor_of(a, int), _divisor(b)), interval)


def _power(a: Any, b: Any) -> Any:
    kind = _operands(a, b)
    if kind is None:
        return NotImplemented
    if kind is float or not isinstance(b, Scalar) and b < 0:
        if isinstance(a, Scalar) or a <= 0:
            base = tensor_of(a, float)
            exponent = tensor_of(b, float)
            wrong = (base < 0) & (exponent != exponent.floor()) | (base == 0) & (exponent < 0)
            _context(a, b).give_up(wrong, "a power that is complex or divides by zero")
        return Scalar(float, torch.pow(tensor_of(a, float), _argument(b, float)))
    low, high = interval_of(b)
    if low < 0:
        b.context.give_up(b.tensor < 0, "a negative power of an int, which is a float")
    if not isinstance(b, Scalar) and b == 2:
        return _mul(a, a)
    wide = torch.pow(tensor_of(a, float), tensor_of(b, float)).abs()
    _context(a, b).give_up(~(wide <= float(LIMIT)), "an int leaves 64 bits")
    return Scalar(int, torch.pow(tensor_of(a, int), tensor_of(b, int)), (-LIMIT, LIMIT))


def _shift(a: Any, b: Any, function: Callable[[Any, Any], Any]) -> Any:
    """`a << b` and `a >> b` of ints: a product with, and a quotient by, a power of 2."""
    if _operands(a, b) is not int:
        return NotImplemented
    if not isinstance(b, Scalar):
        if b < 0:
            raise ValueError("negative shift count")
        if function is _floor_divide and b > 62:
            return _floor_divide(_floor_divide(a, 1 << 62), 4)  # no bits are left
        return function(a, 1 << int(b))
    return function(a, _power(2, b))


def _bitwise(name: str, function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if isinstance(b, torch.Tensor):
        return NotImplemented
    if not is_number(b) or float in (kind_of(a), kind_of(b)):
        return NotImplemented
    if kind_of(a) is bool and kind_of(b) is bool:
        return Scalar(bool, getattr(torch, f"logical_{name}")(tensor_of(a), tensor_of(b)))
    (p, q), (r, s) = interval_of(a), interval_of(b)
    interval: Interval = (0, max(q, s) * 2) if p >= 0 and r >= 0 else (-2 * LIMIT, 2 * LIMIT)
    return Scalar(int, function(tensor_of(a, int), tensor_of(b, int)), interval)


def _compare(function: Callable[[Any, Any], Any], a: Any, b: Any) -> Any:
    if isinstance(b, torch.Tensor):
        return NotImplemented
    if not is_number(b):
        if function is operator.eq:
            return False
        return True if function is operator.ne else NotImplemented
    kind = _operands(a, b)
    if kind is int:
        if isinstance(a, Scalar) and isinstance(b, Scalar) and a.base is b.base:
            return function(a.shift, b.shift)
        known = _decided(function, interval_of(a), interval_of(b))
        if known is not None:
            return known
        return Scalar(bool, function(tensor_of(a, int), _argument(b, int)))
    mixed = int in (kind_of(a), kind_of(b)) and any(
        max(map(abs, interval_of(x))) > 1 << 53 for x in (a, b) if kind_of(x) is int
    )
    if mixed:  # Python compares an int and a float exactly
        whole = a if kind_of(a) is int else b
        _context(a, b).give_up(tensor_of(whole, int).abs() > 1 << 53, "an int beyond 2**53 compared with a float")
    return Scalar(bool, function(tensor_of(a, float), _argument(b, float)))


def _decided(function: Callable[[Any, Any], Any], a: Interval, b: Interval) -> bool | None:
    """The comparison's result where the intervals alone tell it."""
    (p, q), (r, s) = a, b
    if q < r or p > s:
        return bool(function(-1 if q < r else 1, 0))
    if function is operator.le and q <= r or function is operator.ge and p >= s:
        return True
    if function is operator.lt and p >= s or function is operator.gt and q <= r:
        return False
    return None
