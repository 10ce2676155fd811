"""Control flow with regions and carried values. A Python loop is one op however often it runs."""

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from . import _check as c
from ._base import Invalid, JicOp, Tensor


class YieldOp(JicOp, name="yield", traits=[ext.Pure, ir.IsTerminatorTrait]):
    """Ends a region and gives its values to the op around it."""

    values: Sequence[ext.Operand[Any]]


class ConditionOp(JicOp, name="condition", traits=[ext.Pure, ir.IsTerminatorTrait]):
    """Ends the condition region of `jic.while`: goes on with `values` while the scalar i1 `condition` holds."""

    condition: ext.Operand[Tensor]
    values: Sequence[ext.Operand[Any]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        _scalar(op, 0, "condition", 1)


class LoopOp(JicOp, name="loop"):
    """A counted loop: the body runs `trip_count` times (a scalar i64 tensor) with the iteration number, a scalar i64
    tensor, and the carried values, and yields their next values."""

    trip_count: ext.Operand[Tensor]
    inits: Sequence[ext.Operand[Any]]
    outputs: Sequence[ext.Result[Any]]
    body: ext.Region

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        _scalar(op, 0, "trip_count", 64)
        carried = [v.type for v in list(op.operands)[1:]]
        _types([v.type for v in op.results], carried, "results")
        index = ir.RankedTensorType.get([], ir.IntegerType.get_signless(64, context=op.context), loc=op.location)
        _region(op, 0, "body", [index, *carried], "jic.yield", carried)


class WhileOp(JicOp, name="while"):
    """`while`: `before` computes the condition from the carried values, `after` their next values."""

    inits: Sequence[ext.Operand[Any]]
    outputs: Sequence[ext.Result[Any]]
    before: ext.Region
    after: ext.Region

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        carried = [v.type for v in op.operands]
        forwarded = [v.type for v in op.results]
        _region(op, 0, "before", carried, "jic.condition", forwarded)
        _region(op, 1, "after", forwarded, "jic.yield", carried)


class IfOp(JicOp, name="if"):
    """`then` if the scalar i1 `condition` holds, else `else`; both yield the results."""

    condition: ext.Operand[Tensor]
    outputs: Sequence[ext.Result[Any]]
    then_region: ext.Region
    else_region: ext.Region

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        _scalar(op, 0, "condition", 1)
        types = [v.type for v in op.results]
        _region(op, 0, "then", [], "jic.yield", types)
        _region(op, 1, "else", [], "jic.yield", types)


class BailOp(JicOp, name="bail"):
    """Gives up the call if the scalar i1 `condition` holds: the caller then runs the user's function eagerly.

    It stands in a function's body, outside control flow; `message` says why. Not Pure.
    """

    condition: ext.Operand[Tensor]
    message: ir.StringAttr

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        _scalar(op, 0, "condition", 1)
        parent = op.parent
        if parent is not None and parent.name in ("jic.loop", "jic.while", "jic.if", "jic.fused"):
            raise Invalid(f"must not stand in {parent.name}")


def _scalar(op: ir.Operation, index: int, name: str, width: int) -> None:
    type_ = c.operand(op, index, name)
    if type_.rank or str(type_.element_type) != f"i{width}":
        raise Invalid(f"operand #{index} ({name}) is {type_}, expected tensor<i{width}>")


def _types(found: list[ir.Type], expected: list[ir.Type], what: str) -> None:
    if found != expected:
        show = lambda types: "(" + ", ".join(map(str, types)) + ")"  # noqa: E731
        raise Invalid(f"{what} have types {show(found)}, expected {show(expected)}")


def _region(
    op: ir.Operation, index: int, name: str, arguments: list[ir.Type], terminator: str, yielded: list[ir.Type]
) -> None:
    blocks = list(op.regions[index].blocks)
    if len(blocks) != 1:
        raise Invalid(f"region #{index} ({name}) has {len(blocks)} blocks, expected 1")
    _types([a.type for a in blocks[0].arguments], arguments, f"region #{index} ({name}) arguments")
    operations = list(blocks[0].operations)
    if not operations or operations[-1].operation.name != terminator:
        raise Invalid(f"region #{index} ({name}) must end with {terminator}")
    values = [v.type for v in operations[-1].operation.operands]
    _types(values[1:] if terminator == "jic.condition" else values, yielded, f"values of {terminator}")
