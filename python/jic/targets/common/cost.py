"""Rough cost of a kernel body on one core: enough to decide whether more threads pay."""

from __future__ import annotations

from math import prod

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
_BYTES_PER_NS = 12.0
TRANSCENDENTAL = frozenset(_PER_OP) | frozenset(_LIBM)


def op_ns(node: Node, bytes_of: dict[str, int]) -> float:
    """Time of one node over all its elements."""
    if node.op in ("argument", "constant", "broadcast", "reshape", "transpose", "slice", "reverse", "iota"):
        return 0.0
    thousand = 4000.0 if node.op in _LIBM else _PER_OP.get(node.op, _CHEAP)
    return prod(node.shape) / 1000.0 * thousand * max(1.0, bytes_of[node.element] / 4.0)


def region_ns(region: Region, bytes_of: dict[str, int]) -> float:
    """Arithmetic plus the time to move arguments and results once."""
    work = sum(op_ns(n, bytes_of) for n in region.nodes)
    moved = sum(
        prod(region.nodes[i].shape) * bytes_of[region.nodes[i].element]
        for i in [*range(region.arguments), *region.outputs]
    )
    return work + moved / _BYTES_PER_NS
