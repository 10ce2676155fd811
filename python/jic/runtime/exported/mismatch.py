"""Why a call of a loaded program fits none of its signatures, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch

from .. import dispatch as d
from .manifest import Signature

__all__ = ["differences", "show_tensor", "show_value"]


def differences(signature: Signature, args: Sequence[Any], kwargs: dict[str, Any]) -> list[str]:
    """What about the arguments is not as `signature` has it; empty if all is."""
    found = []
    if len(args) != len(signature.arguments):
        found.append(f"{len(args)} positional arguments are given, expected {len(signature.arguments)}")
    found += [f"keyword argument {k!r} is not expected" for k in kwargs if k not in signature.keywords]
    found += [f"keyword argument {k!r} is missing" for k in signature.keywords if k not in kwargs]
    for i, (given, expected) in enumerate(zip(args, signature.arguments, strict=False)):
        found += _compare(f"argument {i}", given, expected)
    for name, expected in signature.keywords.items():
        if name in kwargs:
            found += _compare(f"argument {name!r}", kwargs[name], expected)
    return found


def _compare(place: str, given: Any, expected: d.ArgumentSpec) -> Iterator[str]:
    match expected:
        case d.TensorSpec():
            yield from tensor_differences(place, given, expected)
        case d.NumberSpec():
            if type(given) is not expected.type:
                yield f"{place} is {show_value(given)}, expected a Python {expected.type.__name__}"
            elif type(given) is int and abs(given) > expected.limit:
                yield f"{place} is {given}, expected an int of at most {expected.limit} in magnitude"
        case d.Value():
            if not _same(given, expected.value):
                yield f"{place} is {show_value(given)}, expected {show_value(expected.value)}, as it was exported"
        case d.SequenceSpec():
            if type(given) is not expected.type or len(given) != len(expected.items):
                yield f"{place} is {show_value(given)}, expected a {expected.type.__name__} of {len(expected.items)}"
                return
            for i, (item, wanted) in enumerate(zip(given, expected.items, strict=True)):
                yield from _compare(f"{place}[{i}]", item, wanted)
        case d.MappingSpec():
            keys = [k for k, _ in expected.items]
            if type(given) is not dict or list(given) != keys:
                yield f"{place} is {show_value(given)}, expected a dict with the keys {keys}, in this order"
                return
            for key, wanted in expected.items:
                yield from _compare(f"{place}[{key!r}]", given[key], wanted)


def tensor_differences(place: str, given: Any, expected: d.TensorSpec) -> Iterator[str]:
    """What of a tensor is not as `expected`."""
    if not isinstance(given, torch.Tensor):
        yield f"{place} is {show_value(given)}, expected a tensor {show_tensor(expected)}"
    elif type(given) not in (torch.Tensor, torch.nn.Parameter) or given.layout is not torch.strided:
        yield f"{place} is a {type(given).__name__} of layout {given.layout}, expected a plain dense tensor"
    elif given.is_conj() or given.is_neg():
        yield f"{place} is a conjugate or negative view, expected plain memory (resolve_conj(), resolve_neg())"
    else:
        spec = d.TensorSpec.of(given)
        if spec.device.type != expected.device.type or not _fits(spec, expected):
            yield f"{place} is {show_tensor(spec)}, expected {show_tensor(expected)}"
        if spec.requires_grad and torch.is_grad_enabled():
            yield f"{place} requires a gradient, and exported programs compute none: call it under torch.no_grad()"


def _fits(given: d.TensorSpec, expected: d.TensorSpec) -> bool:
    if (given.dtype, given.shape) != (expected.dtype, expected.shape):
        return False
    strides = zip(given.shape, given.strides, expected.strides, strict=True)
    return 0 in given.shape or all(n == 1 or a == b for n, a, b in strides)


def _same(given: Any, expected: Any) -> bool:
    if type(given) is not type(expected):
        return False
    if isinstance(given, (float, complex)):
        return repr(given) == repr(expected)
    try:
        return bool(given == expected)
    except Exception:  # objects of the user's own
        return False


def show_tensor(spec: d.TensorSpec) -> str:
    """`float32[8, 64]`, with strides where they are not row-major."""
    text = f"{str(spec.dtype).removeprefix('torch.')}{list(spec.shape)}"
    expected = 1
    dense = True
    for n, step in zip(reversed(spec.shape), reversed(spec.strides), strict=True):
        dense = dense and (n == 1 or step == expected)
        expected *= n
    text += "" if dense or 0 in spec.shape else f" of strides {list(spec.strides)}"
    return text if spec.device.type == "cpu" else f"{text} on {spec.device}"


def show_value(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"a tensor {str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    try:
        text = repr(value)
    except Exception:  # the user's own code
        text = f"a {type(value).__name__}"
    return text if len(text) <= 60 else f"{text[:57]}…"
