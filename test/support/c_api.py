"""The C functions of jic.h through ctypes: as a C program has them, on torch tensors as raw memory."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from typing import Any

import torch

from jic.runtime.native_module import native

DTYPES = (
    "bool", "uint8", "uint16", "uint32", "uint64", "int8", "int16", "int32", "int64", "float16", "bfloat16", "float32",
    "float64", "complex64", "complex128",
)  # fmt: skip

_Size = ctypes.c_size_t
_Integers = ctypes.POINTER(ctypes.c_int64)


class Tensor(ctypes.Structure):
    """jic_tensor"""

    _fields_ = [
        ("data", ctypes.c_void_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32), ("shape", _Integers),
        ("strides", _Integers),
    ]  # fmt: skip


class Info(ctypes.Structure):
    """jic_tensor_info"""

    _fields_ = [
        ("name", ctypes.c_char_p), ("dtype", ctypes.c_int), ("rank", ctypes.c_int32), ("shape", _Integers),
        ("strides", _Integers), ("bytes", _Size),
    ]  # fmt: skip


class CError(Exception):
    """A status other than JIC_OK: its name and the message."""

    def __init__(self, name: str, message: str) -> None:
        super().__init__(f"{name}: {message}")
        self.name, self.message = name, message


def load_library(path: str | os.PathLike[str] = native.__file__) -> ctypes.CDLL:
    """The library with its functions typed. The Python module of the runtime has them, too."""
    library = ctypes.CDLL(os.fspath(path))
    tensors = ctypes.POINTER(Tensor)
    for name, result, arguments in (
        ("jic_load", ctypes.c_int, (ctypes.c_char_p, ctypes.POINTER(ctypes.c_void_p))),
        ("jic_free", None, (ctypes.c_void_p,)),
        ("jic_num_signatures", _Size, (ctypes.c_void_p,)),
        ("jic_signature_text", ctypes.c_char_p, (ctypes.c_void_p, _Size)),
        ("jic_num_inputs", _Size, (ctypes.c_void_p, _Size)),
        ("jic_num_outputs", _Size, (ctypes.c_void_p, _Size)),
        ("jic_input_info", ctypes.c_int, (ctypes.c_void_p, _Size, _Size, ctypes.POINTER(Info))),
        ("jic_output_info", ctypes.c_int, (ctypes.c_void_p, _Size, _Size, ctypes.POINTER(Info))),
        ("jic_find_signature", ctypes.c_int, (ctypes.c_void_p, tensors, _Size, ctypes.POINTER(_Size))),
        ("jic_run", ctypes.c_int, (ctypes.c_void_p, _Size, tensors, _Size, tensors, _Size)),
        ("jic_set_num_threads", ctypes.c_int, (ctypes.c_int,)),
        ("jic_num_threads", ctypes.c_int, ()),
        ("jic_error_message", ctypes.c_char_p, ()),
        ("jic_status_name", ctypes.c_char_p, (ctypes.c_int,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library


def _integers(values: Sequence[int]) -> Any:
    return (ctypes.c_int64 * len(values))(*values)


def describe(tensor: torch.Tensor) -> Tensor:
    dtype = DTYPES.index(str(tensor.dtype).removeprefix("torch."))
    return Tensor(tensor.data_ptr(), dtype, tensor.dim(), _integers(tensor.shape), _integers(tensor.stride()))


class Model:
    """A loaded file.

    Raises:
        CError: what the library refuses.
    """

    def __init__(self, path: str | os.PathLike[str], library: ctypes.CDLL | None = None) -> None:
        self.library = library or load_library()
        self.pointer = ctypes.c_void_p()
        self.check(self.library.jic_load(os.fsencode(path), ctypes.byref(self.pointer)))

    def __del__(self) -> None:
        self.library.jic_free(self.pointer)

    def check(self, status: int) -> None:
        if status:
            name, message = self.library.jic_status_name(status), self.library.jic_error_message()
            raise CError(name.decode(), message.decode())

    def infos(self, what: str, signature: int = 0) -> list[tuple[str, str, tuple[int, ...], tuple[int, ...]]]:
        """(name, dtype, shape, strides) of each "input" or "output"."""
        found = []
        for number in range(getattr(self.library, f"jic_num_{what}s")(self.pointer, signature)):
            info = Info()
            self.check(getattr(self.library, f"jic_{what}_info")(self.pointer, signature, number, ctypes.byref(info)))
            shape, strides = tuple(info.shape[: info.rank]), tuple(info.strides[: info.rank])
            found.append((info.name.decode(), DTYPES[info.dtype], shape, strides))
        return found

    def find(self, inputs: Sequence[torch.Tensor]) -> int:
        number, given = _Size(), [describe(t) for t in inputs]
        self.check(self.library.jic_find_signature(self.pointer, _array(given), len(given), ctypes.byref(number)))
        return number.value

    def __call__(
        self, *inputs: torch.Tensor, outputs: Sequence[torch.Tensor] | None = None, signature: int = 0
    ) -> list[torch.Tensor]:
        """Run; the outputs are new tensors with the strides that need no copy unless they are given."""
        if outputs is None:
            outputs = [
                torch.empty_strided(shape, strides, dtype=getattr(torch, dtype))
                for _, dtype, shape, strides in self.infos("output", signature)
            ]
        given, made = [describe(t) for t in inputs], [describe(t) for t in outputs]
        self.run(given, made, signature)
        return list(outputs)

    def run(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor], signature: int = 0) -> None:
        """Raises CError."""
        self.check(
            self.library.jic_run(self.pointer, signature, _array(inputs), len(inputs), _array(outputs), len(outputs))
        )


def _array(tensors: Sequence[Tensor]) -> Any:
    return (Tensor * max(1, len(tensors)))(*tensors)
