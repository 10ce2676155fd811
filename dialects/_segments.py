"""Variadic groups whose values have different types.

IRDL binds one type to each declared operand, also to a variadic one: all values of the group would have to have the same
type. A variadic group is therefore declared to IRDL as `SLOTS` variadic groups, one for each run of equally typed values.
Then IRDL asks for an attribute with the size of each (`operandSegmentSizes`, `resultSegmentSizes`), which says nothing that
the types do not: the op's verifier, which runs just before IRDL's, sets it, and the region verifier, which runs after the
op's regions were verified, removes it. So valid IR never shows the attribute.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from typing import Any

from torch_mlir import ir
from torch_mlir.dialects import ext, irdl

SLOTS = 64
_ATTRIBUTES = {"operand": "operandSegmentSizes", "result": "resultSegmentSizes"}


def slots(fields: list[Any]) -> list[Any]:
    """The operands or results as IRDL is told: a variadic one, which is the last, becomes `SLOTS` of them."""
    if not fields or fields[-1].variadicity == ext.Variadicity.single:
        return fields
    last = fields[-1]
    return [*fields[:-1], *(replace(last, name=f"{last.name}_{i}") for i in range(SLOTS))]


def emit(name: str, fields: list[Any]) -> None:
    """The IRDL definition of an op at the current insertion point."""
    operands, attrs, results, regions = ext.partition_fields(fields)
    constraints = ext.ConstraintLoweringContext()
    definition = irdl.operation_(name)
    with ir.InsertionPoint(definition.body):
        for emit_values, values in ((irdl.operands_, operands), (irdl.results_, results)):
            if values:
                types = [constraints.lower(v.constraint) for v in values]
                emit_values(types, [v.name for v in values], [v.variadicity for v in values])
        if attrs:
            irdl.attributes_([constraints.lower(a.constraint) for a in attrs], [a.name for a in attrs])
        if regions:
            irdl.regions_([irdl.region([]) for _ in regions], [r.name for r in regions])


def set_sizes(op: ir.Operation, what: str, types: list[ir.Type], fixed: int) -> bool:
    """Set the sizes of the segments of `op`'s operands or results, of which the first `fixed` are no group's.

    Returns False if the types change too often for the slots.
    """
    runs = [len(list(run)) for _, run in groupby(types[fixed:])]
    if len(runs) > SLOTS:
        return False
    sizes = [1] * fixed + runs + [0] * (SLOTS - len(runs))
    op.attributes[_ATTRIBUTES[what]] = ir.DenseI32ArrayAttr.get(sizes, context=op.context)
    return True


def clear(op: ir.Operation) -> bool:
    """Remove what `set_sizes` set; the op's region verifier. Always accepts."""
    for attribute in _ATTRIBUTES.values():
        if attribute in op.attributes:
            del op.attributes[attribute]
    return True
