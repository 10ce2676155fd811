"""Common subexpressions are computed once."""

from __future__ import annotations

from torch_mlir import ir

from ..base import Pass, functions, walk
from ._rewrite import element, is_float, run_upstream

COMMUTATIVE = frozenset(f"jic.{name}" for name in ("add", "mul", "maximum", "minimum", "and", "or", "xor"))
# What each comparison is with its sides exchanged.
SWAPPED = {"eq": "eq", "ne": "ne", "lt": "gt", "gt": "lt", "le": "ge", "ge": "le"}


class CommonSubexpressionElimination(Pass):
    """Order the operands of commutative ops, then run upstream `cse`.

        %0 = jic.mul %a, %b
        %1 = jic.mul %b, %a               %0 = jic.mul %a, %b
        %2 = jic.add %0, %1           →   %2 = jic.add %0, %0

    Operands are ordered by definition: arguments, then results in program order, constants last.
    """

    name = "jic-cse"

    def apply(self, module: ir.Operation) -> None:
        for function in functions(module):
            _order(function)
        run_upstream(module, "cse")


def _order(function: ir.Operation) -> None:
    position: dict[ir.Value, int] = {}
    _number(function, position)
    constants = len(position)
    for op in walk(function):
        if op.name not in COMMUTATIVE and op.name != "jic.compare":
            continue
        lhs, rhs = op.operands
        if op.name in ("jic.maximum", "jic.minimum") and is_float(element(lhs)):
            continue  # of two zeros the left one is the result
        if _key(lhs, position, constants) <= _key(rhs, position, constants):
            continue
        op.operands[0], op.operands[1] = rhs, lhs
        if op.name == "jic.compare":
            predicate = SWAPPED[op.attributes["predicate"].value]
            op.attributes["predicate"] = ir.StringAttr.get(predicate, context=op.context)


def _key(value: ir.Value, position: dict[ir.Value, int], constants: int) -> int:
    owner = value.owner
    is_constant = not isinstance(owner, ir.Block) and owner.operation.name == "jic.constant"
    return position[value] + constants * is_constant


def _number(root: ir.Operation, position: dict[ir.Value, int]) -> None:
    for region in root.regions:
        for block in region.blocks:
            for argument in block.arguments:
                position[argument] = len(position)
            for op in block.operations:
                for result in op.operation.results:
                    position[result] = len(position)
                _number(op.operation, position)
