"""Rough cost of a kernel body on one core: enough to decide whether more threads pay."""

from __future__ import annotations

from math import prod

from .elements import ELEMENT_BYTES
from .region import Node, Region

# ns for 1,000 elements in f32 on a 512-bit machine, measured in a pointwise kernel whose data lie in the cache.
_CHEAP = 15.0
_PER_OP = {
    "exp": 120.0,
    "log": 150.0,
    "tanh": 160.0,
    "erf": 150.0,
    "sigmoid": 200.0,
    "div": 80.0,
    "sqrt": 100.0,
    "rsqrt": 150.0,
    "reciprocal": 80.0,
}
_LIBM = [
    "exp2",
    "expm1",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "atan2",
    "sinh",
    "cosh",
    "pow",
    "rem",
    "mod",
]  # scalar calls
_FREE = frozenset(("argument", "constant", "iota", "broadcast", "reshape", "transpose", "reverse")) | {
    *("slice", "dynamic_slice", "dynamic_update"),
}
_BYTES_PER_NS = 12.0
TRANSCENDENTAL = frozenset(_PER_OP) | frozenset(_LIBM)


def op_ns(node: Node) -> float:
    """Time of one node over all its elements."""
    if node.op in _FREE:
        return 0.0
    thousand = 4000.0 if node.op in _LIBM else _PER_OP.get(node.op, _CHEAP)
    return prod(node.shape) / 1000.0 * thousand * max(1.0, ELEMENT_BYTES[node.element] / 4.0)


def region_ns(region: Region) -> float:
    """Arithmetic plus the time to move arguments and results once."""
    work = sum(op_ns(n) for n in region.nodes)
    return work + moved_bytes(region) / _BYTES_PER_NS


def moved_bytes(region: Region) -> int:
    """Bytes of the arguments that are read and of the results that are written; of slices only what is in them."""
    read = [prod(n.shape) if i in region.outputs else 0 for i, n in enumerate(region.nodes)]
    written = 0
    for number in range(len(region.nodes) - 1, region.arguments - 1, -1):
        node = region.nodes[number]
        for k, operand in enumerate(node.operands):
            size = prod(region.nodes[operand].shape)
            if node.op in ("slice", "dynamic_slice") and k == 0:
                size = min(size, prod(node.shape))
            elif node.op == "reshape":
                size = read[number] or size
            elif node.op == "dynamic_update" and k == 0:
                size = 0
            read[operand] = max(read[operand], size)
    for number in region.outputs:
        node = region.nodes[number]
        part = region.nodes[node.operands[1]] if node.op == "dynamic_update" else node
        written += prod(part.shape) * ELEMENT_BYTES[node.element]
    return written + sum(read[i] * ELEMENT_BYTES[region.nodes[i].element] for i in range(region.arguments))
