"""Kernels: the region that becomes one, and its launch after lowering."""

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp

KERNEL_KINDS = (
    *("pointwise", "reduction", "contraction", "window", "indexing", "concat", "scan"),
    *("update", "recurrence"),
)


class FusedOp(JicOp, name="fused", traits=[ext.Pure, ir.IsIsolatedFromAboveTrait]):
    """An isolated region that becomes exactly one kernel; `kind` names the template that lowers it.

    The region's arguments have the operands' types; it ends with `jic.yield` of the results.

    A kernel of kind `recurrence` says what its rows are: `rows`, their number; `row_dims`, here for the arguments of the
    body and on the `jic.loop` in it for those of the step, the dim along which a value's rows lie, or -1; `row_dim` on each
    op of the step whose result has rows; and `weight` on a matmul of rows by something else, the operand (0 or 1) that is
    the same in all steps.
    """

    kind: ir.StringAttr
    inputs: Sequence[ext.Operand[Any]]
    outputs: Sequence[ext.Result[Any]]
    body: ext.Region

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        c.choice(op, "kind", KERNEL_KINDS)
        blocks = list(op.regions[0].blocks)
        if len(blocks) != 1:
            raise Invalid(f"body has {len(blocks)} blocks, expected 1")
        found, expected = [a.type for a in blocks[0].arguments], [v.type for v in op.operands]
        if found != expected:
            raise Invalid(
                f"body has arguments ({', '.join(map(str, found))}), expected ({', '.join(map(str, expected))})"
            )
        operations = list(blocks[0].operations)
        if not operations or operations[-1].operation.name != "jic.yield":
            raise Invalid("body must end with jic.yield")
        found, expected = [v.type for v in operations[-1].operation.operands], [v.type for v in op.results]
        if found != expected:
            raise Invalid(f"body yields ({', '.join(map(str, found))}), expected ({', '.join(map(str, expected))})")
        if ir.StringAttr(op.attributes["kind"]).value == "recurrence":
            _check_rows(op)


def _check_rows(op: ir.Operation) -> None:
    if "rows" not in op.attributes or (rows := c.integer(op, "rows")) < 1:
        raise Invalid("a kernel of kind 'recurrence' needs the attribute 'rows', of at least 1")

    def dim_of(value: ir.Value, dim: int, what: str) -> None:
        shape = c.tensor(value, what).shape
        if dim != -1 and not (0 <= dim < len(shape) and shape[dim] == rows):
            raise Invalid(f"{what} has {rows} rows along dim {dim}, which {c.shape_text(shape)} does not have")

    def arguments(inner: ir.Operation) -> None:
        values = list(inner.regions[0].blocks[0].arguments)
        if "row_dims" not in inner.attributes:
            raise Invalid(f"{inner.name} of a recurrence needs the attribute 'row_dims'")
        for i, (value, dim) in enumerate(zip(values, c.ints(inner, "row_dims", len(values)), strict=True)):
            dim_of(value, dim, f"argument #{i} of {inner.name}")

    arguments(op)
    for inner in (view.operation for view in op.regions[0].blocks[0].operations):
        steps = [inner]
        if inner.name == "jic.loop":
            arguments(inner)
            steps = [view.operation for view in inner.regions[0].blocks[0].operations]
        for step in steps:
            if "row_dim" in step.attributes:
                dim_of(step.results[0], c.integer(step, "row_dim"), step.name)
            if "weight" in step.attributes and (step.name != "jic.matmul" or c.integer(step, "weight") not in (0, 1)):
                raise Invalid(f"{step.name} has 'weight' = {step.attributes['weight']}, expected 0 or 1, on a matmul")


class LaunchOp(JicOp, name="launch"):
    """Runs the kernel function `kernel` on buffers, after lowering to a target.

    The first `inputs` buffers are read, the others written. The kernel's work is a range of `tasks` independent pieces: a CPU
    may split them over threads, a GPU has a block of threads for each. `cost` is the estimated time of all of them on one
    core in ns; each thread gets `scratch` bytes of memory of its own.
    """

    kernel: Any  # a symbol
    inputs: Any  # i64
    tasks: Any  # i64
    cost: Any  # i64
    scratch: Any  # i64
    buffers: Sequence[ext.Operand[Any]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        for name in ("inputs", "tasks", "cost", "scratch"):
            if c.integer(op, name) < 0:
                raise Invalid(f"attribute '{name}' is {c.integer(op, name)}, expected at least 0")
        if c.integer(op, "inputs") > len(op.operands):
            raise Invalid(f"attribute 'inputs' is {c.integer(op, 'inputs')}, expected at most {len(op.operands)}")
        for i, value in enumerate(op.operands):
            if not isinstance(value.type, ir.MemRefType):
                raise Invalid(f"operand #{i} must be a memref, got {value.type}")
