"""What fusion knows of each op: its family and its cost."""

from __future__ import annotations

from jic.dialects import jic

ELEMENTWISE = frozenset(
    op.OPERATION_NAME.removeprefix("jic.")
    for op in jic.Jic.operations
    if issubclass(op, jic.ElementwiseOp) and op.OPERATION_NAME is not None
) | {"select", "convert"}

# One or two instructions an element: computing them again is cheaper than a round trip through memory.
CHEAP = frozenset(
    {"abs", "neg", "relu", "add", "sub", "mul", "maximum", "minimum", "and", "or", "xor", "not", "shl", "shr"}
) | {"compare", "select", "convert", "isnan", "isinf", "logical_not"}

VIEWS = frozenset(
    {"broadcast", "transpose", "slice", "reverse", "pad", "dynamic_slice"}
)  # reshape is an alias, not a move
GENERATORS = frozenset({"constant", "iota"})
INDEXING = frozenset({"index_select", "gather"})
# Operands that a kernel reads from memory as they are: what a look-up reads, a start, the tensor that is updated.
_IN_MEMORY = {"index_select": (0,), "gather": (0,), "dynamic_slice": (1,), "dynamic_update": (0, 2)}
POINTWISE = ELEMENTWISE | VIEWS | GENERATORS | {"reshape"}
WINDOW = frozenset({"conv", "pool"})
# What `jic-form-kernels` leaves at the top level, and what has no kernel.
COMPOSITES = frozenset({"softmax", "layer_norm", "batch_norm", "group_norm", "attention"})

KERNEL_KIND = {
    **dict.fromkeys(POINTWISE - {"constant", "reshape"}, "pointwise"),
    **dict.fromkeys(INDEXING, "indexing"),
    "reduce": "reduction",
    "matmul": "contraction",
    **dict.fromkeys(WINDOW, "window"),
    "concat": "concat",
    "cumulative": "scan",
    "dynamic_update": "update",
}


def in_memory(name: str, position: int) -> bool:
    """True if operand `position` of the op `name` must be an argument of its kernel."""
    return position in _IN_MEMORY.get(name, ())
