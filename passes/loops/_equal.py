"""Which values of a body are equal if some of its arguments are."""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from ..simplify._regions import body_ops
from ..simplify._rewrite import is_pure


class Numbering:
    """Numbers the values of a block so that equal numbers mean equal values. `classes` says which arguments are equal."""

    def __init__(self, block: ir.Block, classes: Sequence[int]) -> None:
        self._keys: dict[object, int] = {}
        self._numbers: dict[ir.Value, int] = {}
        for argument, class_ in zip(block.arguments, classes, strict=True):
            self._numbers[argument] = self._number(("argument", class_))
        for op in body_ops(block):
            if is_pure(op) and not len(op.regions) and len(op.results) == 1:
                attributes = tuple((op.attributes[i].name, op.attributes[i].attr) for i in range(len(op.attributes)))
                operands = tuple(self(v) for v in op.operands)
                self._numbers[op.results[0]] = self._number((op.name, op.results[0].type, attributes, operands))

    def __call__(self, value: ir.Value) -> int:
        """The number of a value of the block, or of one from outside, which equals itself only."""
        if value not in self._numbers:
            self._numbers[value] = self._number(value)
        return self._numbers[value]

    def _number(self, key: object) -> int:
        return self._keys.setdefault(key, len(self._keys))


def initial_classes(inits: Sequence[ir.Value]) -> list[int]:
    """Carried values by what they begin with."""
    keys = []
    for value in inits:
        owner = value.owner
        is_constant = not isinstance(owner, ir.Block) and owner.operation.name == "jic.constant"
        keys.append(owner.operation.attributes["value"] if is_constant else value)
    return refine([0] * len(keys), keys)


def refine(classes: Sequence[int], keys: Sequence[object]) -> list[int]:
    """The partition `classes` split so that members of a class have one key; a class is named by its first member."""
    first: dict[object, int] = {}
    return [first.setdefault((c, k), i) for i, (c, k) in enumerate(zip(classes, keys, strict=True))]
