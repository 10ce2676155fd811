"""Indexing of tensors by run-time numbers: `x[:, t]`, `out[i, j] = v`, `x[t : t + 3]`."""

from __future__ import annotations

from typing import Any

import torch

from .context import Context, ops
from .errors import Unsupported
from .scalar import Scalar, from_tensor

_Item = tuple[int, Any, int]
"""A dim of the tensor, a run-time start, and how many elements from there on."""


def has_scalar(index: Any) -> bool:
    items = index if isinstance(index, tuple) else (index,)
    return any(
        isinstance(i, Scalar) or isinstance(i, slice) and any(isinstance(v, Scalar) for v in (i.start, i.stop, i.step))
        for i in items
    )


def normal(index: Any) -> Any:
    """`index` with 0-d integer tensors, which index as ints do, as Scalars."""
    if isinstance(index, tuple):
        return tuple(_number(i) for i in index) if any(_number(i) is not i for i in index) else index
    return _number(index)


def _number(item: Any) -> Any:
    if not isinstance(item, torch.Tensor) or item.dim() or item.dtype.is_floating_point or item.dtype == torch.bool:
        return item
    return from_tensor(item)


def get(context: Context, tensor: torch.Tensor, index: Any) -> torch.Tensor:
    """`tensor[index]`, where ints and bounds of slices may be Scalars."""
    rest, dynamic = _split(context, tensor, index)
    for dim, start, size in dynamic:
        tensor = context.part(ops.dynamic_slice(tensor, start.tensor, dim, size), tensor)
    return tensor[rest]


def set_(context: Context, tensor: torch.Tensor, index: Any, value: Any) -> None:
    """`tensor[index] = value` likewise, in place; `value` may be a Scalar."""
    if isinstance(value, Scalar):
        value = value.tensor.to(tensor.dtype)
    rest, dynamic = _split(context, tensor, index)
    if not dynamic:
        tensor[rest] = value
        return
    part = tensor
    for dim, start, size in dynamic:
        part = ops.dynamic_slice(part, start.tensor, dim, size)
    new = _replaced(part, rest, value)
    outer = [tensor]
    for dim, start, size in dynamic[:-1]:
        outer.append(ops.dynamic_slice(outer[-1], start.tensor, dim, size))
    for (dim, start, _), whole in reversed(list(zip(dynamic[1:], outer[1:], strict=True))):
        new = ops.dynamic_update(whole, new, start.tensor, dim)
    dim, start, _ = dynamic[0]
    ops.dynamic_update_(tensor, new, start.tensor, dim)


def _replaced(part: torch.Tensor, index: tuple[Any, ...], value: Any) -> torch.Tensor:
    """`part` after `part[index] = value`, for an index of ints, slices, None and `...`."""
    if any(isinstance(i, (torch.Tensor, list)) for i in index):
        raise Unsupported("assignment to a tensor indexed by a run-time number and a tensor", hint="use two statements")
    target = torch.empty(part.shape, device="meta")[index].shape
    value = torch.as_tensor(value).to(part.dtype) if not isinstance(value, torch.Tensor) else value.to(part.dtype)
    value = value.expand(target) if value.dim() <= len(target) else value.reshape(value.shape[-len(target) :] if target else ()).expand(target)
    steps: list[tuple[int, Any]] = []
    dim, shape = 0, []
    for item in index:
        if item is None:
            continue
        if isinstance(item, int):
            steps.append((dim, item))
            shape.append(1)
        else:
            start, stop, step = item.indices(part.shape[dim])
            if (start, stop, step) != (0, part.shape[dim], 1):
                steps.append((dim, slice(start, stop, step)))
            shape.append(len(range(start, stop, step)))
        dim += 1
    shape += part.shape[dim:]
    return _scatter(part, steps, value.reshape(shape))


def _scatter(whole: torch.Tensor, steps: list[tuple[int, Any]], value: torch.Tensor) -> torch.Tensor:
    """`whole` with the slices of `steps` replaced by `value`, which keeps all dims."""
    if not steps:
        return value.expand(whole.shape).clone()
    (dim, item), rest = steps[0], steps[1:]
    if isinstance(item, int):
        item = slice(item, item + 1 if item != -1 else None, 1)
    start, stop, step = item.indices(whole.shape[dim])
    part = torch.ops.aten.slice.Tensor(whole, dim, start, stop, step) if rest else None
    new = _scatter(part, rest, value) if part is not None else value
    return torch.slice_scatter(whole, new, dim, start, stop, step)


def _split(context: Context, tensor: torch.Tensor, index: Any) -> tuple[tuple[Any, ...], list[_Item]]:
    """The index with run-time ints as 0 and run-time slices as `:`, and what to slice before."""
    items = list(index) if isinstance(index, tuple) else [index]
    taken = sum(_dims(i) for i in items)
    if Ellipsis in [i for i in items if not isinstance(i, (torch.Tensor, Scalar))]:
        at = next(k for k, i in enumerate(items) if i is Ellipsis)
        items[at : at + 1] = [slice(None)] * (tensor.dim() - taken)
    if taken > tensor.dim():
        raise IndexError(f"too many indices for tensor of dimension {tensor.dim()}")
    rest: list[Any] = []
    dynamic: list[_Item] = []
    dim = 0
    for item in items:
        size = tensor.shape[dim] if dim < tensor.dim() else 0
        if isinstance(item, Scalar):
            if item.kind is not int:
                raise Unsupported(f"a tensor indexed by a {item.kind.__name__} that is only known at run time")
            dynamic.append((dim, context.checked_index(item, size), 1))
            rest.append(0)
        elif isinstance(item, slice) and any(isinstance(v, Scalar) for v in (item.start, item.stop, item.step)):
            dynamic.append((dim, *_window(context, item, size)))
            rest.append(slice(None))
        else:
            rest.append(item)
        dim += _dims(item)
    return tuple(rest), dynamic


def _dims(item: Any) -> int:
    if item is None or item is Ellipsis:
        return 0
    return item.dim() if isinstance(item, torch.Tensor) and item.dtype == torch.bool else 1


def _window(context: Context, item: slice, size: int) -> tuple[Scalar, int]:
    """Start and length of a slice with run-time bounds a known number of elements apart."""
    if item.step not in (None, 1):
        raise Unsupported("a slice with a step and a run-time bound")
    start = 0 if item.start is None else item.start
    stop = size if item.stop is None else item.stop
    length: Any = stop - start
    if isinstance(length, Scalar) or not isinstance(start, Scalar):
        raise Unsupported(
            "a slice whose length is only known at run time",
            hint="use a mask over the whole tensor, or loop with jic.unroll(...)",
        )
    length = int(length)
    low, high = start.interval
    if length < 0 or low < 0 or high + length > size:
        # Python would clip such a slice, to another length
        outside = (start.tensor < 0) | (start.tensor + max(length, 0) > size)
        context.give_up(outside, "a slice that does not lie inside its tensor")
    return start, max(length, 0)
