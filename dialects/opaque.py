"""Ops without a lowering of their own."""

from collections.abc import Sequence
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext

from ._base import Invalid, JicOp


class AtenCallOp(JicOp, name="aten_call"):
    """Calls the ATen operator `callee` ("aten.sort.stable"). Always correct, always reported, never silent.

    `arguments` has one entry for each positional argument, `keywords` one for each keyword argument: `k : index` stands for
    operand #k, `unit` for None; integers are i64, floats f64; bools, strings and arrays (lists) are themselves;
    `{dtype = "float32"}`, `{layout = …}`, `{memory_format = …}` and `{device = …}` are torch's objects of that kind.
    Results are new contiguous tensors. `reason` says why the op was not lowered. Not Pure: it may draw random numbers.
    """

    callee: ir.StringAttr
    arguments: ir.ArrayAttr
    keywords: ir.DictAttr
    reason: ir.StringAttr
    inputs: Sequence[ext.Operand[Any]]
    outputs: Sequence[ext.Result[Any]]

    @classmethod
    def check(cls, op: ir.Operation) -> None:
        callee = ir.StringAttr(op.attributes["callee"]).value
        if callee.count(".") < 1:
            raise Invalid(f"attribute 'callee' is '{callee}', expected 'namespace.name.overload'")
        used = list(_operand_numbers([op.attributes["arguments"], op.attributes["keywords"]]))
        for k in used:
            if not 0 <= k < len(op.operands):
                raise Invalid(f"arguments name operand #{k}, expected below {len(op.operands)}")
        missing = sorted(set(range(len(op.operands))) - set(used))
        if missing:
            raise Invalid(f"operand #{missing[0]} stands nowhere in 'arguments' or 'keywords'")


def _operand_numbers(attributes: list[Any]):
    for attribute in attributes:
        if isinstance(attribute, ir.ArrayAttr):
            yield from _operand_numbers(list(attribute))
        elif isinstance(attribute, ir.DictAttr):
            yield from _operand_numbers([named.attr for named in attribute])
        elif isinstance(attribute, ir.IntegerAttr) and isinstance(attribute.type, ir.IndexType):
            yield attribute.value
