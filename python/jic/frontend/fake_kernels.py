"""PyTorch's fake kernels as a capture needs them: silent about errors that are the user's, and right about what ATen gives
and takes (`accepted_dtypes.py`).

An error that a fake kernel finds is logged by PyTorch as a page of traceback; eager then raises it, with its own message.
And some fake kernels give other dtypes or shapes than the CPU's kernels do (`benchmarks/opinfo_metadata.py` looks for them).
"""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode, unset_fake_temporarily
from torch.utils import _pytree as pytree

from . import accepted_dtypes

aten = torch.ops.aten
_LOGGER = logging.getLogger("torch._subclasses.fake_tensor")
_HALF = (torch.float16, torch.bfloat16)
# Their statistics are float32 where parameters are; the fake kernels give the input's dtype.
_NORMS = (
    aten.native_batch_norm.default,
    aten._native_batch_norm_legit.default,
    aten._native_batch_norm_legit.no_stats,
    aten._native_batch_norm_legit_functional.default,
    aten._native_batch_norm_legit_no_training.default,
    aten._batch_norm_with_update.default,
    aten._batch_norm_with_update_functional.default,
    aten._batch_norm_no_update.default,
    aten.native_group_norm.default,
    aten.native_layer_norm.default,
)
# The sizes of what they keep for the backward depend on dtype, mode and strides.
_BAGS = (aten._embedding_bag.default, aten._embedding_bag_forward_only.default)
# Of operands of two dtypes, or of integers, they give the promoted one, the input's, or an error; the fake kernels mostly the
# gradient's.
_MIXED = tuple(
    getattr(aten, f"{name}_backward").default
    for name in (
        *(
            "threshold",
            "mish",
            "log_sigmoid",
            "gelu",
            "hardsigmoid",
            "hardswish",
            "hardtanh",
            "elu",
            "silu",
            "softplus",
        ),
        *("leaky_relu", "sigmoid", "tanh", "hardshrink", "softshrink"),
    )
)

_active = threading.local()
_dispatch = FakeTensorMode.dispatch


@contextlib.contextmanager
def corrected() -> Iterator[None]:
    """Both, for this thread; elsewhere PyTorch is as it was."""
    if FakeTensorMode.dispatch is _dispatch:
        FakeTensorMode.dispatch = _corrected_dispatch  # type: ignore[method-assign]
        _LOGGER.addFilter(_is_wanted)
    _active.depth = getattr(_active, "depth", 0) + 1
    try:
        yield
    finally:
        _active.depth -= 1


def _is_wanted(record: logging.LogRecord) -> bool:
    return not getattr(_active, "depth", 0) or record.levelno < logging.ERROR


def _corrected_dispatch(self: FakeTensorMode, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
    result = _dispatch(self, func, types, args, kwargs)
    if not getattr(_active, "depth", 0) or not args:
        return result
    accepted_dtypes.check(func, args, kwargs or {}, result)
    if not _may_be_wrong(func, args):
        return result
    return _as_real(self, func, args, kwargs or {}, result)


def _may_be_wrong(func: Any, args: Any) -> bool:
    if func in _BAGS:
        return args[0].device.type == "cpu"
    if func in _MIXED:
        tensors = [a for a in args if isinstance(a, torch.Tensor)]
        dtypes = {t.dtype for t in tensors}
        return tensors[0].device.type == "cpu" and (len(dtypes) > 1 or not tensors[0].is_floating_point())
    return func in _NORMS and args[0].device.type == "cpu" and args[0].dtype in _HALF


def _as_real(mode: FakeTensorMode, func: Any, args: Any, kwargs: Any, result: Any) -> Any:
    """Fake tensors like those that the real kernel gives for zeros."""
    with unset_fake_temporarily():
        args, kwargs = pytree.tree_map_only(FakeTensor, accepted_dtypes.zeros_like, (args, kwargs))
        real = func(*args, **kwargs)  # what it raises, eager raises
    many = isinstance(real, (tuple, list))
    pairs = list(zip(real, result, strict=True)) if many else [(real, result)]
    if all(r.dtype == f.dtype and r.shape == f.shape for r, f in pairs):
        return result
    with mode:
        made = tuple(torch.empty_strided(r.shape, r.stride(), dtype=r.dtype) for r, _ in pairs)
    return made if many else made[0]
