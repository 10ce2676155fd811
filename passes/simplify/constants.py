"""Constants as numpy arrays and back.

Numpy has no bfloat16: a bf16 constant is a float32 array whose values are bf16 numbers; `rounded` brings any array to an
element type.
"""

from __future__ import annotations

import re

import numpy as np
from torch_mlir import ir

from jic.dialects import build

from ._rewrite import element, shape

_FLOATS = {"f16": np.float16, "bf16": np.float32, "f32": np.float32, "f64": np.float64}


def numpy_type(type_: ir.Type) -> type[np.generic]:
    """The numpy type that holds values of the element type `type_`."""
    if not isinstance(type_, ir.IntegerType):
        return _FLOATS[str(type_)]
    if type_.width == 1:
        return np.bool_
    return np.dtype(f"{'u' if type_.is_unsigned else ''}int{type_.width}").type


def rounded(array: np.ndarray, type_: ir.Type) -> np.ndarray:
    """`array` with the values that `type_` has. Floats round as PyTorch does: half types by way of f32."""
    if str(type_) == "bf16":
        return _round_bf16(array.astype(np.float32))
    if str(type_) == "f16" and array.dtype != np.float16:
        array = array.astype(np.float32)
    return array.astype(numpy_type(type_))


def _round_bf16(array: np.ndarray) -> np.ndarray:
    bits = np.ascontiguousarray(array).view(np.uint32).astype(np.uint64)
    bits = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    values = bits.astype(np.uint32).view(np.float32).reshape(array.shape)
    return np.where(np.isnan(array), np.float32(np.nan), values)


def read(dense: ir.Attribute) -> np.ndarray | None:
    """The elements of a dense elements attribute; a splat has shape `[1, …]`. None for other attributes."""
    if not isinstance(dense, ir.DenseElementsAttr):
        return None
    type_ = ir.RankedTensorType(dense.type)
    if dense.is_splat:
        return np.full([1] * type_.rank, dense.get_splat_value().value, numpy_type(type_.element_type))
    if str(type_.element_type) == "bf16":
        return _read_bf16(str(dense)).reshape(list(type_.shape))
    return np.array(dense).reshape(list(type_.shape))


def _read_bf16(text: str) -> np.ndarray:
    """The bindings cannot read bf16 elements, so they are read from the attribute's text."""
    body = text[text.index("<") + 1 : text.rindex(">", 0, text.rindex(":"))]
    if body.startswith('"'):
        bits = np.frombuffer(bytes.fromhex(body.strip('"')[2:]), np.uint16)
        return (bits.astype(np.uint32) << 16).view(np.float32)
    numbers = re.findall(r"0x[0-9A-Fa-f]+|[-+.0-9eE]+", body)
    values = [
        np.uint32(int(n, 16) << 16).view(np.float32) if n.startswith("0x") else np.float32(float(n)) for n in numbers
    ]
    return _round_bf16(np.array(values, np.float32))  # decimals are printed as short as bf16 allows


def write(array: np.ndarray, like: ir.Value) -> ir.Value:
    """A `jic.constant` of `like`'s type at the insertion point; all elements equal (bit for bit) make a splat."""
    type_ = element(like)
    array = np.broadcast_to(array, shape(like))
    if array.size and _all_equal(array):
        return build.splat(shape(like), type_, array.flat[0].item())
    if str(type_) == "bf16":
        array = (np.ascontiguousarray(array).view(np.uint32) >> 16).astype(np.uint16)
    return build.constant(ir.DenseElementsAttr.get(np.array(array, order="C"), type=type_, shape=shape(like)))


def _all_equal(array: np.ndarray) -> bool:
    flat = np.ascontiguousarray(array).reshape(-1)
    bits = flat.view(np.dtype(f"u{flat.itemsize}"))
    return bool((bits == bits[0]).all())
