"""Values that pass through regions: what of them is a tensor of the graph, and how to put them together again.

A `Spec` describes a Python value whose leaves are tensors (by dtype and shape), run-time numbers (by kind) or constants. `unify`
finds the spec that two values share, `leaves` takes a value of that spec apart, `rebuild` makes one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from .errors import Unsupported
from .journal import UNDEFINED
from .scalar import UNKNOWN, Interval, Scalar, constant, is_number, kind_of, number_as, tensor_of


@dataclass(eq=False)
class Maybe:
    """The value of a variable that may be undefined: `value` where the bool `defined` (a Scalar or bool) holds."""

    value: Any
    defined: Any


@dataclass(eq=False)
class Poison:
    """The value of a variable that nobody may read: `error` says why."""

    error: Unsupported


@dataclass(frozen=True)
class Spec:
    """`kind` is tensor, number, constant, tuple, list, dict, object or maybe.

    `what` is (shape, dtype) of a tensor, the kind of a number, the constant itself, or the type and keys of a
    container, whose `items` are the specs of its items.
    """

    kind: str
    what: Any = None
    items: tuple[Spec, ...] = ()

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Spec) or self.kind != other.kind or len(self.items) != len(other.items):
            return False
        same = same_constant(self.what, other.what) if self.kind == "constant" else self.what == other.what
        return same and all(a == b for a, b in zip(self.items, other.items, strict=True))

    @property
    def dynamic(self) -> bool:
        """Whether anything of the value is known at run time only."""
        return self.kind in ("tensor", "number", "maybe") or any(i.dynamic for i in self.items)


WasThere = Callable[[Any], bool]


def _never(container: Any) -> bool:
    return False


class Mismatch(Exception):
    """Two values have no spec in common; the message says what differs."""


def same_constant(a: Any, b: Any) -> bool:
    if a is b:
        return True
    if type(a) is not type(b):
        return False
    if isinstance(a, float):
        return a == b and str(a) == str(b) or a != a and b != b
    simple = (int, str, bytes, bool, complex, torch.dtype, torch.device, torch.Size, slice, range)
    return isinstance(a, simple) and a == b


def children(value: Any) -> tuple[str, Any, list[Any]] | None:
    """Kind, type and keys, and items of a container; None for a leaf."""
    if isinstance(value, tuple):
        return "tuple", type(value), list(value)
    if type(value) is list:
        return "list", list, list(value)
    if type(value) is dict:
        return "dict", tuple(value), list(value.values())
    if dataclasses.is_dataclass(value) and not isinstance(value, type) and hasattr(value, "__dict__"):
        fields = vars(value)
        return "object", (type(value), tuple(fields)), list(fields.values())
    if isinstance(value, Maybe):
        return "maybe", None, [value.value, value.defined]
    return None


def is_mutable(value: Any) -> bool:
    """Whether `value` is a container with an identity: it can be changed, and whoever refers to it sees that."""
    parts = children(value)
    if parts is None or parts[0] == "tuple" or isinstance(value, (Maybe, Poison)):
        return False
    return parts[0] != "object" or not type(value).__dataclass_params__.frozen


def tensors_of(value: Any) -> Iterator[torch.Tensor]:
    """The tensors in a value."""
    if isinstance(value, torch.Tensor):
        yield value
    elif (parts := children(value)) is not None:
        for item in parts[2]:
            yield from tensors_of(item)


def scalars_of(value: Any) -> Iterator[Scalar]:
    """The run-time numbers in a value."""
    if isinstance(value, Scalar):
        yield value
    elif (parts := children(value)) is not None:
        for item in parts[2]:
            yield from scalars_of(item)


def is_dynamic(value: Any) -> bool:
    """Whether `value` holds a tensor or a run-time number."""
    if isinstance(value, (torch.Tensor, Scalar, Maybe)):
        return True
    parts = children(value)
    return parts is not None and any(map(is_dynamic, parts[2]))


def same(a: Any, b: Any) -> bool:
    """Whether nothing changed from `a` to `b`: the same tensors, numbers, constants and containers."""
    if same_constant(a, b):
        return True
    if is_mutable(a) or is_mutable(b):
        return False
    x, y = children(a), children(b)
    if x is None or y is None or x[0] != y[0] or x[1] != y[1] or len(x[2]) != len(y[2]):
        return False
    return all(same(i, j) for i, j in zip(x[2], y[2], strict=True))


def spec_of(value: Any, was_there: WasThere = _never) -> Spec:
    """The spec of one value; Python numbers are constants, and so are containers that can be changed and were there before."""
    if isinstance(value, torch.Tensor):
        return Spec("tensor", (tuple(value.shape), value.dtype))
    if isinstance(value, Scalar):
        return Spec("number", value.kind)
    parts = children(value)
    if parts is None or is_mutable(value) and was_there(value):
        return Spec("constant", value)
    return Spec(parts[0], parts[1], tuple(spec_of(part, was_there) for part in parts[2]))


def unify(a: Any, b: Any, guarded: bool = True, was_there: WasThere = _never) -> Spec:
    """The spec of values that are now `a`, now `b`. Where one is undefined it is the other's, or with `guarded` a Maybe of it.

    Args:
        was_there: see `spec_of`.

    Raises:
        Mismatch: there is none.
    """
    if a is UNDEFINED or b is UNDEFINED:
        other = b if a is UNDEFINED else a
        if isinstance(other, Maybe) or other is UNDEFINED:
            return spec_of(other, was_there)
        return _maybe(spec_of(other, was_there)) if guarded else spec_of(other, was_there)
    if isinstance(a, Maybe) or isinstance(b, Maybe):
        a, b = (v.value if isinstance(v, Maybe) else v for v in (a, b))
        return _maybe(unify(a, b, guarded, was_there))
    if isinstance(a, torch.Tensor) and isinstance(b, torch.Tensor):
        if a.dtype != b.dtype:
            raise Mismatch(f"a tensor has dtype {a.dtype} in one case and {b.dtype} in the other")
        if a.shape != b.shape:
            raise Mismatch(f"a tensor has shape {list(a.shape)} in one case and {list(b.shape)} in the other")
        return spec_of(a)
    if is_number(a) and is_number(b):
        if not isinstance(a, Scalar) and same_constant(a, b):
            return Spec("constant", a)
        if kind_of(a) is not kind_of(b):
            raise Mismatch(f"a number is {_article(kind_of(a))} in one case and {_article(kind_of(b))} in the other")
        return Spec("number", kind_of(a))
    if a is b and is_mutable(a):
        return Spec("constant", a)
    x, y = children(a), children(b)
    if x is not None and y is not None:
        if x[0] != y[0] or x[1] != y[1] or len(x[2]) != len(y[2]):
            raise Mismatch(f"{_name(a)} in one case and {_name(b)} in the other")
        return Spec(x[0], x[1], tuple(unify(i, j, guarded, was_there) for i, j in zip(x[2], y[2], strict=True)))
    if same_constant(a, b):
        return Spec("constant", a)
    raise Mismatch(f"{_name(a)} in one case and {_name(b)} in the other")


def _maybe(spec: Spec) -> Spec:
    return Spec("maybe", None, (spec, Spec("number", bool)))


def _article(kind: type) -> str:
    return f"an {kind.__name__}" if kind is int else f"a {kind.__name__}"


def _name(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor of shape {list(value.shape)}"
    if is_number(value):
        return _article(kind_of(value))
    if isinstance(value, (tuple, list)):
        return f"a {type(value).__name__} of {len(value)}"
    text = repr(value)
    return text if isinstance(value, (str, type(None))) and len(text) < 40 else f"a {type(value).__name__}"


def conforms(spec: Spec, value: Any) -> bool:
    """Whether `value` can be taken apart by `spec`."""
    if spec.kind == "maybe":
        return value is UNDEFINED or conforms(spec.items[0], value.value if isinstance(value, Maybe) else value)
    if spec.kind == "tensor":
        return isinstance(value, torch.Tensor) and (tuple(value.shape), value.dtype) == spec.what
    if spec.kind == "number":
        return is_number(value) and kind_of(value) is spec.what
    if spec.kind == "constant":
        return same_constant(spec.what, value)
    parts = children(value)
    return (
        parts is not None
        and parts[:2] == (spec.kind, spec.what)
        and len(parts[2]) == len(spec.items)
        and all(conforms(s, v) for s, v in zip(spec.items, parts[2], strict=True))
    )


def leaves(spec: Spec, value: Any, absent: Any = None) -> Iterator[torch.Tensor | None]:
    """The tensors of a `value` that conforms to `spec`; of what is undefined, `absent(spec)` or None."""
    if spec.kind == "maybe":
        inner, defined = (value.value, value.defined) if isinstance(value, Maybe) else (value, value is not UNDEFINED)
        yield from leaves(spec.items[0], inner, absent)
        yield tensor_of(defined)
    elif value is UNDEFINED:
        for leaf in leaf_specs(spec):
            yield absent(leaf) if absent is not None else None
    elif spec.kind == "tensor":
        yield value
    elif spec.kind == "number":
        yield tensor_of(value, spec.what)
    elif spec.kind != "constant":
        parts = children(value)
        assert parts is not None
        for item, part in zip(spec.items, parts[2], strict=True):
            yield from leaves(item, part, absent)


def leaf_specs(spec: Spec) -> Iterator[Spec]:
    if spec.kind in ("tensor", "number"):
        yield spec
    for item in spec.items:
        yield from leaf_specs(item)


def filler(spec: Spec) -> torch.Tensor:
    """A tensor for a leaf whose value nobody reads."""
    if spec.kind == "number":
        return constant(spec.what(0))
    shape, dtype = spec.what
    return torch.zeros(shape, dtype=dtype)


def rebuild(spec: Spec, tensors: Iterator[torch.Tensor], interval: Interval = UNKNOWN) -> Any:
    """A value of `spec` from its leaves' tensors; its run-time ints lie in `interval`."""
    if spec.kind == "tensor":
        return next(tensors)
    if spec.kind == "number":
        return Scalar(spec.what, next(tensors), interval if spec.what is int else UNKNOWN)
    if spec.kind == "constant":
        return spec.what
    items = [rebuild(item, tensors, interval) for item in spec.items]
    if spec.kind == "maybe":
        return Maybe(*items)
    if spec.kind == "list":
        return items
    if spec.kind == "dict":
        return dict(zip(spec.what, items, strict=True))
    if spec.kind == "tuple":
        return spec.what(*items) if hasattr(spec.what, "_fields") else spec.what(items)
    class_, names = spec.what
    made = object.__new__(class_)
    vars(made).update(zip(names, items, strict=True))
    return made


def promotable(before: Any, spec: Spec) -> bool:
    """Whether `promoted` has a result."""
    if is_number(before) and spec.kind in ("number", "tensor"):
        order = {bool: 0, int: 1, float: 2}
        if spec.kind == "number":
            return kind_of(before) is int and spec.what is float
        dtype = spec.what[1]
        return order[kind_of(before)] <= (2 if dtype.is_floating_point else 0 if dtype == torch.bool else 1)
    if spec.kind == "tuple" and isinstance(before, tuple) and type(before) is spec.what:
        pairs = list(zip(before, spec.items, strict=False))
        return len(before) == len(spec.items) and all(conforms(s, b) or promotable(b, s) for b, s in pairs)
    return False


def promoted(before: Any, spec: Spec) -> Any:
    """`before`, the value that a loop starts with, in the type `spec` of the value after a step.

    A number becomes a tensor of that value where the steps give tensors, and an int a float where they give floats.
    """
    if conforms(spec, before):
        return before
    if spec.kind == "number":
        return number_as(before, spec.what)
    if spec.kind == "tensor":
        shape, dtype = spec.what
        if isinstance(before, Scalar):
            return before.tensor.to(dtype).expand(shape).contiguous()
        return torch.full(shape, before, dtype=dtype)
    return rebuild_tuple(spec.what, [promoted(b, s) for b, s in zip(before, spec.items, strict=True)])


def rebuild_tuple(class_: type, items: list[Any]) -> Any:
    return class_(*items) if hasattr(class_, "_fields") else class_(items)


def check_tensor_leaves(spec: Spec) -> None:
    for leaf in leaf_specs(spec):
        if leaf.kind == "tensor" and leaf.what[1].is_complex:
            raise Unsupported("a complex tensor is carried through control flow")
