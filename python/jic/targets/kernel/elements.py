"""Element types: their names in PyTorch, which manifests have, their bytes, and how they are stored."""

from __future__ import annotations

from torch_mlir import ir

from ..ir import ops

DTYPES = {
    "f64": "float64",
    "f32": "float32",
    "f16": "float16",
    "bf16": "bfloat16",
    "i64": "int64",
    "i32": "int32",
    "i16": "int16",
    "i8": "int8",
    "ui8": "uint8",
    "i1": "bool",
}

ELEMENT_BYTES = {"f64": 8, "f32": 4, "f16": 2, "bf16": 2, "i64": 8, "i32": 4, "i16": 2, "i8": 1, "ui8": 1, "i1": 1}


def storage(element: str) -> ir.Type:
    """The type of an element in memory: bools and ui8 are bytes."""
    return ops.element_type("i8" if element in ("i1", "ui8") else element)
