"""What may be captured: arguments, tensors, and the values in a graph."""

from __future__ import annotations

from typing import Any

import torch
from torch.fx import Node
from torch.utils import _pytree as pytree

from ..errors import CaptureError

CONSTANTS = (
    int, float, complex, bool, str, bytes, type(None), slice, range, type(...),
    torch.dtype, torch.device, torch.layout, torch.memory_format,
)  # fmt: skip
_DTYPES = frozenset(
    {torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool, torch.uint8}
    | {torch.int8, torch.int16, torch.int32, torch.int64}
)
_MAX_CONSTANT = 1 << 16  # elements of a tensor made in the function that may become part of the graph


def check_arguments(leaves: list[Any], where: str) -> None:
    for i, leaf in enumerate(leaves):
        if isinstance(leaf, torch.Tensor):
            check_tensor(leaf, f"argument leaf {i}")
        elif not isinstance(leaf, CONSTANTS):
            raise CaptureError(
                f"argument leaf {i} is a {type(leaf).__module__}.{type(leaf).__qualname__}, expected tensors, numbers, "
                "strings, None, and lists, tuples and dicts of them",
                hint="pass its tensors as arguments, or register the class with torch.utils._pytree",
                location=where,
            )


def check_tensor(tensor: torch.Tensor, what: str) -> None:
    if type(tensor) not in (torch.Tensor, torch.nn.Parameter, torch.nn.Buffer):
        raise CaptureError(f"{what} is a {type(tensor).__qualname__}, expected a plain torch.Tensor")
    if tensor.layout != torch.strided or tensor.is_quantized:
        raise CaptureError(f"{what} has layout {tensor.layout} and dtype {tensor.dtype}, expected a dense tensor")
    if tensor.dtype not in _DTYPES:
        raise CaptureError(f"{what} has dtype {tensor.dtype}, which jic does not compile")
    if tensor.is_conj() or tensor.is_neg():
        raise CaptureError(f"{what} is a lazy conjugate or negative view", hint="resolve it with resolve_conj()")


def is_constant(node: Node) -> bool:
    """True for `torch.tensor(3.0)` and the like, if small: torch wraps each such constant in a `lift_fresh` op."""
    tensor = getattr(node.graph.owning_module, str(node.target))
    return tensor.numel() <= _MAX_CONSTANT and all("lift" in str(user.target) for user in node.users)


def check_values(node: Node) -> None:
    where = node.meta["location"]
    for value in pytree.tree_leaves(node.meta.get("val")):
        if isinstance(value, (torch.SymInt, torch.SymFloat, torch.SymBool)):
            raise CaptureError(f"{node.target} gives a size or number that is only known at run time", location=where)
        if isinstance(value, torch.Tensor):
            if any(isinstance(size, torch.SymInt) for size in (*value.shape, *value.stride(), value.storage_offset())):
                raise CaptureError(f"{node.target} has a result whose shape depends on data", location=where)
            if value.dtype not in _DTYPES:
                raise CaptureError(
                    f"{node.target} gives dtype {value.dtype}, which jic does not compile", location=where
                )
            if value.layout != torch.strided:
                raise CaptureError(f"{node.target} gives a tensor of layout {value.layout}", location=where)
