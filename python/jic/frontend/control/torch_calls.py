"""Calls of torch functions as the recorder sees them: which tensors they write to, and run-time numbers among their arguments."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import DataDependentOutputException
from torch.fx.experimental.symbolic_shapes import GuardOnDataDependentSymNode

from . import indexing
from .context import Context
from .errors import Unsupported
from .scalar import Scalar

READS = frozenset(
    getattr(getattr(torch.Tensor, name), "__get__", getattr(torch.Tensor, name))
    for name in ("shape", "dtype", "device", "ndim", "requires_grad", "layout", "is_sparse", "grad_fn", "data", "itemsize")
    if hasattr(torch.Tensor, name)
) | frozenset(
    getattr(torch.Tensor, name)
    for name in ("size", "dim", "numel", "stride", "is_floating_point", "is_contiguous", "untyped_storage", "storage_offset",
                 "__len__", "is_complex", "is_neg", "is_conj", "nelement", "__hash__", "__repr__")
)  # fmt: skip
_IN_PLACE_OPERATORS = frozenset(
    f"__i{name}__"
    for name in (
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
        "div",
    )
)


def written(function: Any, args: Any, kwargs: dict[str, Any]) -> Iterator[torch.Tensor]:
    """The tensors that a call writes to."""
    if isinstance(function, torch._ops.OpOverload):
        for i, argument in enumerate(function._schema.arguments):
            if argument.alias_info is not None and argument.alias_info.is_write:
                value = args[i] if i < len(args) else kwargs.get(argument.name)
                if isinstance(value, torch.Tensor):
                    yield value
        return
    name = getattr(function, "__name__", "")
    in_place = (
        name.endswith("_") and not name.endswith("__") and name not in ("requires_grad_", "detach_", "is_shared_")
    )
    in_place = in_place or name == "__setitem__" or name in _IN_PLACE_OPERATORS or bool(kwargs.get("inplace"))
    if in_place and args and isinstance(args[0], torch.Tensor):
        yield args[0]
    out = kwargs.get("out")
    for value in out if isinstance(out, (tuple, list)) else (out,):
        if isinstance(value, torch.Tensor):
            yield value
    if name in ("batch_norm", "instance_norm") and kwargs.get("training", True):
        for value in (*args[1:3], kwargs.get("running_mean"), kwargs.get("running_var")):
            if isinstance(value, torch.Tensor):
                yield value


def has_scalars(value: Any) -> bool:
    """Whether run-time numbers stand among arguments, or in lists, tuples and slices of them."""
    if isinstance(value, Scalar):
        return True
    if isinstance(value, (tuple, list)):
        return any(map(has_scalars, value))
    if isinstance(value, dict):
        return any(map(has_scalars, value.values()))
    return isinstance(value, slice) and (has_scalars(value.start) or has_scalars(value.stop) or has_scalars(value.step))


def run_time_call(
    context: Context, function: Any, args: Any, kwargs: dict[str, Any], swapped: Callable[[Any], Any]
) -> Any:
    """The result of a call whose run-time numbers are no operands but places or shapes; NotImplemented for others."""
    name = getattr(function, "__name__", "")
    if name == "__getitem__":
        return indexing.get(context, swapped(args[0]), swapped(args[1]) if isinstance(args[1], tuple) else args[1])
    if name == "__setitem__":
        index = swapped(args[1]) if isinstance(args[1], tuple) else args[1]
        return indexing.set_(context, swapped(args[0]), index, swapped(args[2]))
    if name in ("select", "narrow") and isinstance(args[0], torch.Tensor) and len(args) >= 3:
        return _part(context, name, swapped(args[0]), *args[1:])
    if name == "full" and isinstance(args[1] if len(args) > 1 else kwargs.get("fill_value"), Scalar):
        return _full(args[0], args[1] if len(args) > 1 else kwargs["fill_value"], kwargs.get("dtype"))
    if name in ("full_like", "new_full"):
        value = args[-1] if len(args) > 1 else kwargs["fill_value"]
        if isinstance(value, Scalar):
            like = swapped(args[0])
            return _full(like.shape if name == "full_like" else args[1], value, kwargs.get("dtype") or like.dtype)
    if name == "fill_" and isinstance(args[1], Scalar):
        target = swapped(args[0])
        return target.copy_(args[1].tensor.to(target.dtype).expand(target.shape))
    if name in ("tensor", "as_tensor", "scalar_tensor") and isinstance(args[0], Scalar):
        dtype = kwargs.get("dtype") or (torch.get_default_dtype() if args[0].kind is float else args[0].tensor.dtype)
        return args[0].tensor.to(dtype, copy=True)
    return NotImplemented


def _part(context: Context, name: str, tensor: torch.Tensor, dim: int, start: Any, length: Any = None) -> torch.Tensor:
    dim = dim + tensor.dim() if dim < 0 else dim
    index: Any = start if name == "select" else slice(start, start + length)
    return indexing.get(context, tensor, (*[slice(None)] * dim, index))


def _full(shape: Any, value: Scalar, dtype: torch.dtype | None) -> torch.Tensor:
    if has_scalars(shape):
        raise Unsupported("a tensor whose shape is only known at run time", hint="use the greatest shape and a mask")
    dtype = dtype or (torch.get_default_dtype() if value.kind is float else value.tensor.dtype)
    return value.tensor.to(dtype).expand(tuple(shape)).clone()


@contextlib.contextmanager
def no_values_needed(context: Context, function: Any) -> Iterator[None]:
    """Within it a torch function gets run-time numbers as tensors.

    Raises:
        Unsupported: it asks for the number itself, as a shape or a dim.
    """
    mark = context.mark()
    message = f"{getattr(function, '__name__', function)} needs a number that is only known at run time"
    hint = "use the greatest size and a mask, or loop with jic.unroll(...)"
    try:
        yield
    except (GuardOnDataDependentSymNode, DataDependentOutputException, TypeError) as error:
        raise Unsupported(message, hint=hint) from error
    node = context.mark()
    while node is not mark and node.op != "root":
        if node.target in (torch.ops.aten.item.default, torch.ops.aten._local_scalar_dense.default):
            raise Unsupported(message, hint=hint)
        node = node.prev


def converted(args: Any, kwargs: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """The arguments with run-time numbers as 0-d tensors, of a dtype that promotes as the Python number would."""
    tensors: list[torch.Tensor] = []

    def collect(value: Any) -> None:
        if isinstance(value, torch.Tensor):
            tensors.append(value)
        elif isinstance(value, (tuple, list)):
            for item in value:
                collect(item)

    collect(args)
    collect(tuple(kwargs.values()))

    def convert(value: Any) -> Any:
        if isinstance(value, Scalar):
            return _operand(value, tensors)
        if type(value) in (tuple, list):
            return type(value)(convert(v) for v in value)
        return value

    return tuple(convert(a) for a in args), {k: convert(v) for k, v in kwargs.items()}


def _operand(value: Scalar, tensors: list[torch.Tensor]) -> torch.Tensor:
    """PyTorch gives 0-d tensors, unlike Python numbers, a say in the dtype among 0-d tensors and across categories."""
    floats = [t for t in tensors if t.dtype.is_floating_point or t.dtype.is_complex]
    whole = [t for t in tensors if not (t.dtype.is_floating_point or t.dtype.is_complex or t.dtype == torch.bool)]
    if not tensors or value.kind is bool:
        return value.tensor
    if value.kind is float:
        if not floats:
            return value.tensor.to(torch.get_default_dtype())
        widest = widest_dtype(floats)
        return (
            value.tensor
            if widest == torch.float64
            else value.tensor.to(widest if _all_scalar(floats) else torch.float32)
        )
    if not floats and whole and _all_scalar(whole):
        return value.tensor.to(widest_dtype(whole))
    return value.tensor


def _all_scalar(tensors: list[torch.Tensor]) -> bool:
    return all(t.dim() == 0 for t in tensors)


def widest_dtype(tensors: list[torch.Tensor]) -> torch.dtype:
    found = tensors[0].dtype
    for tensor in tensors[1:]:
        found = torch.promote_types(found, tensor.dtype)
    return found
