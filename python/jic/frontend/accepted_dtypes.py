"""Whether PyTorch's CPU kernels take tensors of certain dtypes: its fake kernels take more.

`gelu` of integers, a product of two dtypes, `x - y` of bools raise in eager; a fake kernel gives a result. So the real kernel
is asked, once for each op and dtypes, with zeros of the shapes at hand. Dtypes that all kernels take are not asked about.
"""

from __future__ import annotations

import re
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensor, unset_fake_temporarily
from torch.utils import _pytree as pytree

aten = torch.ops.aten
# What an error says that is about dtypes; others may be about the zeros.
_OF_DTYPES = re.compile(
    r"not implemented|dtype|scalar type|not support|only support|[Bb]oolean|bool |output type|data type"
)
_WIDE = (torch.float32, torch.float64)
# They take any dtype, as long as all operands have it.
_PRODUCTS = (
    aten.mm.default,
    aten.bmm.default,
    aten.addmm.default,
    aten.baddbmm.default,
    aten.linear.default,
    aten.matmul.default,
)
# Beside query, key and value, of which all is said here, they take a mask of bools.
_ATTENTION = (aten.scaled_dot_product_attention.default, aten._scaled_dot_product_flash_attention_for_cpu.default)
# Elements of all operands and results up to which 16-bit floats are tried: most kernels take them.
_FEW = 1 << 20

_errors: dict[tuple[Any, ...], tuple[type[Exception], str] | None] = {}


def check(func: Any, args: Any, kwargs: Any, result: Any) -> None:
    """Raises what the kernel of `func` raises for operands of these dtypes."""
    if func.namespace != "aten" or func.is_view or torch.Tag.nondeterministic_seeded in func.tags:
        return
    operands = [a for a in pytree.tree_leaves((args, kwargs)) if isinstance(a, FakeTensor)]
    dtypes = [a.dtype for a in operands[: 3 if func in _ATTENTION else None]]
    if not dtypes or _are_usual(func, dtypes) or any(a.device.type != "cpu" for a in operands):
        return
    if dtypes[0] in (torch.float16, torch.bfloat16) and len(set(dtypes)) == 1:
        made = [a for a in pytree.tree_leaves(result) if isinstance(a, FakeTensor)]
        if sum(a.numel() for a in (*operands, *made)) > _FEW:
            return
    key = (func, *dtypes, kwargs.get("dtype"))
    if key not in _errors:
        _errors[key] = _tried(func, args, kwargs)
    if (found := _errors[key]) is not None:
        kind, text = found
        raise kind(text)


def _are_usual(func: Any, dtypes: list[torch.dtype]) -> bool:
    if len(set(dtypes)) > 1:
        return False
    return dtypes[0] in _WIDE or func in _PRODUCTS and dtypes[0] is not torch.bool


def _tried(func: Any, args: Any, kwargs: Any) -> tuple[type[Exception], str] | None:
    with unset_fake_temporarily(), torch.no_grad():
        try:
            args, kwargs = pytree.tree_map_only(FakeTensor, _some_like, (args, kwargs))
            func(*args, **kwargs)
        except (RuntimeError, TypeError, ValueError, IndexError) as error:
            return (type(error), str(error)) if _OF_DTYPES.search(str(error)) else None
    return None


def _some_like(fake: FakeTensor) -> torch.Tensor:
    """Zeros of the shape of `fake`, which take no memory where they are many."""
    return zeros_like(fake) if fake.numel() <= _FEW else torch.zeros((), dtype=fake.dtype).expand(fake.shape)


def zeros_like(fake: FakeTensor) -> torch.Tensor:
    """Zeros with the shape, strides and dtype of `fake`."""
    return torch.empty_strided(fake.shape, fake.stride(), dtype=fake.dtype).zero_()
