"""Tensors in the safetensors format, written so that they can be used where they lie in a mapped file."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from math import prod

import torch

__all__ = ["read_tensors", "tensors_entry"]

ALIGNMENT = 64
_NAMES = {
    torch.bool: "BOOL", torch.uint8: "U8", torch.int8: "I8", torch.uint16: "U16", torch.int16: "I16",
    torch.uint32: "U32", torch.int32: "I32", torch.uint64: "U64", torch.int64: "I64",
    torch.float16: "F16", torch.bfloat16: "BF16", torch.float32: "F32", torch.float64: "F64", torch.complex64: "C64",
}  # fmt: skip
_DTYPES = {name: dtype for dtype, name in _NAMES.items()}
_LONGEST_HEADER = 100_000_000  # bytes; safetensors' own bound


def tensors_entry(tensors: Mapping[str, torch.Tensor]) -> list[bytes | memoryview]:
    """The file of these contiguous CPU tensors, in pieces. Tensors of a multiple of 64 bytes begin at one.

    Raises:
        ValueError: a dtype that the format does not have.
    """
    unknown = [f"{name} ({t.dtype})" for name, t in tensors.items() if t.dtype not in _NAMES]
    if unknown:
        raise ValueError(f"dtypes that safetensors files do not have: {', '.join(unknown)}")
    # The format allows no gaps.
    order = sorted(tensors, key=lambda name: (tensors[name].nbytes % ALIGNMENT != 0, -tensors[name].itemsize))
    described, at = {}, 0
    for name in order:
        tensor = tensors[name]
        described[name] = {
            "dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [at, at + tensor.nbytes],
        }  # fmt: skip
        at += tensor.nbytes
    header = json.dumps(described, separators=(",", ":")).encode()
    header += b" " * (-(8 + len(header)) % ALIGNMENT)
    return [struct.pack("<Q", len(header)), header, *(_bytes(tensors[name]) for name in order)]


def _bytes(tensor: torch.Tensor) -> bytes | memoryview:
    if not tensor.numel():
        return b""
    return memoryview(tensor.detach().reshape(-1).view(torch.uint8).numpy())


def read_tensors(memory: memoryview) -> dict[str, torch.Tensor]:
    """The tensors of such a file on its own memory, which has to be writable; each is a storage of its own.

    Raises:
        ValueError, KeyError, TypeError: not a file of the format.
    """
    if len(memory) < 8:
        raise ValueError("a safetensors file of less than 8 bytes")
    (length,) = struct.unpack_from("<Q", memory)
    if length > min(len(memory) - 8, _LONGEST_HEADER):
        raise ValueError("a safetensors header that reaches beyond the file")
    header = json.loads(bytes(memory[8 : 8 + length]))
    data = memory[8 + length :]
    found = {}
    for name, described in header.items():
        if name == "__metadata__":
            continue
        dtype, shape = _DTYPES[described["dtype"]], [int(n) for n in described["shape"]]
        begin, end = described["data_offsets"]
        if (
            any(n < 0 for n in shape)
            or end - begin != prod(shape) * dtype.itemsize
            or not 0 <= begin <= end <= len(data)
        ):
            raise ValueError(f"tensor {name} does not lie where the header says")
        if begin == end:
            found[name] = torch.empty(shape, dtype=dtype)
        else:
            found[name] = torch.frombuffer(data, dtype=dtype, count=prod(shape), offset=begin).reshape(shape)
    return found
