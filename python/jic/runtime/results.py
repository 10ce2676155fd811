"""What a variant's result is built from: the Python side of native/glue/result_plan.h."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.utils import _pytree as pytree


class Output(NamedTuple):
    """The program's output, a new tensor."""

    index: int


class WholeTensor(NamedTuple):
    """A tensor or number of the call itself: number `index` of them, arguments first, then captured ones."""

    index: int


class View(NamedTuple):
    """`as_strided` of an output or a tensor, `offset` elements after its own storage offset."""

    base: Output | WholeTensor
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int = 0


class Container(NamedTuple):
    """A list, tuple or dict of the call itself: number `index` of those in its arguments, outer ones first."""

    index: int


class Once(NamedTuple):
    """`item`, built once for all that have this `number`."""

    number: int
    item: ResultSpec


class Choice(NamedTuple):
    """One of `items`, by the number in the program's output `index`, a 0-d i64."""

    index: int
    items: tuple[ResultSpec, ...]


class Constant(NamedTuple):
    """This object."""

    value: Any


class Number(NamedTuple):
    """The Python number that the 0-d tensor `item` holds."""

    item: ResultSpec


class Empty(NamedTuple):
    """A new tensor without elements, which torch makes: it can be resized."""

    dtype: torch.dtype
    size: tuple[int, ...]
    stride: tuple[int, ...]


class SequenceResult(NamedTuple):
    """A tuple or list, or another type that is made of one."""

    type: type
    items: tuple[ResultSpec, ...]


class MappingResult(NamedTuple):
    """A dict, or another type that is made of one."""

    items: tuple[tuple[Any, ResultSpec], ...]
    type: type = dict


class Tree(NamedTuple):
    """What `spec`, a tree of one level, makes of the items: named tuples, dataclasses, whatever is registered with pytree."""

    spec: pytree.TreeSpec
    items: tuple[ResultSpec, ...]


class Call(NamedTuple):
    """`function(*items)`: anything that Python must build."""

    function: Callable[..., Any]
    items: tuple[ResultSpec, ...]


Made = Number | Empty | SequenceResult | MappingResult | Tree | Call
ResultSpec = Output | WholeTensor | View | Container | Once | Choice | Constant | Made


class _Restride(NamedTuple):
    size: tuple[int, ...]
    stride: tuple[int, ...]
    offset: int

    def __call__(self, base: torch.Tensor) -> torch.Tensor:
        return base.as_strided(self.size, self.stride, base.storage_offset() + self.offset)


def native_result(spec: ResultSpec) -> tuple[Any, ...]:
    """The form that the native dispatcher reads."""
    match spec:
        case Output():
            return "output", spec.index
        case WholeTensor():
            return "tensor", spec.index
        case View():
            return "call", _Restride(tuple(spec.size), tuple(spec.stride), spec.offset), (native_result(spec.base),)
        case Container():
            return "container", spec.index
        case Once():
            return "once", spec.number, native_result(spec.item)
        case Choice():
            return "choice", spec.index, tuple(native_result(i) for i in spec.items)
        case Constant():
            return "constant", spec.value
        case Number():
            return "call", torch.Tensor.item, (native_result(spec.item),)
        case Empty():
            return "call", partial(torch.empty_strided, spec.size, spec.stride, dtype=spec.dtype), ()
        case SequenceResult():
            if spec.type not in (tuple, list):
                return "call", _Collect(spec.type), tuple(native_result(i) for i in spec.items)
            return spec.type.__name__, tuple(native_result(i) for i in spec.items)
        case MappingResult():
            made = "mapping", tuple((k, native_result(i)) for k, i in spec.items)
            return made if spec.type is dict else ("call", spec.type, (made,))
        case Tree():
            return "call", _Unflatten(spec.spec), tuple(native_result(i) for i in spec.items)
        case Call():
            return "call", spec.function, tuple(native_result(i) for i in spec.items)
    raise TypeError(f"not a result spec: {spec!r}")


class _Unflatten(NamedTuple):
    spec: pytree.TreeSpec

    def __call__(self, *items: Any) -> Any:
        return pytree.tree_unflatten(items, self.spec)


class _Collect(NamedTuple):
    type: type

    def __call__(self, *items: Any) -> Any:
        return self.type(*items) if hasattr(self.type, "_fields") else self.type(items)
