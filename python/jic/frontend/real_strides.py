"""Ops whose results have other strides on fake tensors than in eager, where their operands are not row-major."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import _disable_current_modes

from .layouts import memory_order

# By the names of functions, found with PyTorch's OpInfo on transposed and channels-last operands.
_UNLIKE = frozenset(
    {
        "roll",
        "pad",
        "_pad",
        "constant_pad_nd",
        "channel_shuffle",
        "native_channel_shuffle",
        "batch_norm",
        "_native_batch_norm_legit",
        "native_batch_norm",
        "nll_loss",
        "nll_loss_nd",
        "max_unpool2d",
        "normal",
        "native_dropout_backward",
        "flip",
        "rot90",
        "copysign",
        "div",
        "true_divide",
        "__truediv__",
        "__rtruediv__",
        "floor_divide",
        "__floordiv__",
        "heaviside",
        "ldexp",
        "logaddexp",
        "logical_and",
        "logical_or",
        "logical_xor",
        "divide",
    }
)


def as_eager(function: Any, args: Any, kwargs: dict[str, Any], result: Any) -> Any:
    """`result`, which `function` gave on fake tensors, with the strides of eager's: the same, or a copy of it."""
    if getattr(function, "__name__", "") not in _UNLIKE or not isinstance(result, torch.Tensor) or result.dim() < 2:
        return result
    tensors = [t for t in pytree.tree_leaves((args, kwargs)) if isinstance(t, torch.Tensor)]
    if all(_is_row_major(t) for t in tensors):
        return result
    stride = _eager_stride(function, args, kwargs)
    with torch._C.DisableTorchFunction():
        shape, own = tuple(result.shape), tuple(result.stride())
    order = None if stride is None else memory_order(shape, stride)
    if order is None or memory_order(shape, own) in (None, order):
        return result
    return result.permute(order).contiguous().permute([order.index(d) for d in range(len(order))])


def _is_row_major(tensor: torch.Tensor) -> bool:
    with torch._C.DisableTorchFunction():
        return tensor.is_contiguous()


def _eager_stride(function: Any, args: Any, kwargs: dict[str, Any]) -> tuple[int, ...] | None:
    """The strides of the result on real tensors of the same layout."""
    try:
        with _disable_current_modes(), torch._C.DisableTorchFunction(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            real_args, real_kwargs = pytree.tree_map_only(torch.Tensor, _real, (args, kwargs))
            found = function(*real_args, **real_kwargs)
            return tuple(found.stride())
    except Exception:  # whatever it does on such values
        return None


def _real(tensor: torch.Tensor) -> torch.Tensor:
    return torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype).zero_()
