"""The batched forms of loops and ifs inside a loop's body."""

from __future__ import annotations

from torch_mlir import ir

from jic.dialects import build

from ..simplify._rewrite import element, shape
from ._batch import Batched, Batcher, Form, RegionRule, inserted
from ._loop import Loop


def _loop(b: Batcher, op: ir.Operation) -> list[Form] | None:
    """An inner loop that runs equally often in all iterations: one loop on batched carried values."""
    inner = Loop(op)
    trip_count, index_type = b.form(op.operands[0]), inner.index.type
    inits = [i for v in inner.inits if (i := b.form(v)) is not None]
    if not isinstance(trip_count, ir.Value) or len(inits) < len(inner.inits):
        return None
    types = [build.tensor_type(inserted(shape(v), 0, b.extent), element(v)) for v in op.results]
    made = build.op("loop", [trip_count, *(b.spread(i, 0) for i in inits)], types, regions=1)
    block = made.regions[0].blocks.append(index_type, *types)
    saved = dict(b.forms)
    b.forms[inner.index] = block.arguments[0]
    for old, new in zip(inner.carried, list(block.arguments)[1:], strict=True):
        b.forms[old] = Batched(new, 0)
    with ir.InsertionPoint(block):
        good = all([b.emit(o) for o in inner.operations()])
        yielded = [b.form(v) for v in inner.yielded]
        good = good and all(y is not None for y in yielded)
        build.yield_(*([b.spread(y, 0) for y in yielded if y is not None] if good else list(block.arguments)[1:]))
    b.forms = saved  # what the block holds is not visible outside
    if not good:
        made.erase()
        return None
    return [Batched(r, 0) for r in made.results]


def _if(b: Batcher, op: ir.Operation) -> list[Form] | None:
    """With one condition for all it is one if; with a condition each, both branches are computed and one is selected."""
    condition = b.form(op.operands[0])
    if condition is None:
        return None
    return _one_if(b, op, condition) if isinstance(condition, ir.Value) else _select(b, op, condition)


def _one_if(b: Batcher, op: ir.Operation, condition: ir.Value) -> list[Form] | None:
    types = [build.tensor_type(inserted(shape(v), 0, b.extent), element(v)) for v in op.results]
    made = build.op("if", [condition], types, regions=2)
    good = True
    for old, new in zip(op.regions, made.regions, strict=True):
        block = new.blocks.append()
        saved = dict(b.forms)
        with ir.InsertionPoint(block):
            yielded = _branch(b, old.blocks[0])
            if yielded is None:
                good = False
                build.yield_()
            else:
                build.yield_(*(b.spread(y, 0) for y in yielded))
        b.forms = saved
    if not good:
        made.erase()
        return None
    return [Batched(r, 0) for r in made.results]


def _select(b: Batcher, op: ir.Operation, condition: Batched) -> list[Form] | None:
    safe, b.safe = b.safe, True  # the branch that is not taken is computed too
    branches = [_branch(b, region.blocks[0]) for region in op.regions]
    b.safe = safe
    then, otherwise = branches
    if then is None or otherwise is None:
        return None
    results: list[Form] = []
    for x, y in zip(then, otherwise, strict=True):
        value = b.spread(x, 0)
        chosen = build.broadcast(b.move(condition, 0), shape(value), [0])
        results.append(Batched(build.select(chosen, value, b.spread(y, 0)), 0))
    return results


def _branch(b: Batcher, block: ir.Block) -> list[Form] | None:
    operations = [o.operation for o in block.operations]
    good = all([b.emit(o) for o in operations[:-1]])
    yielded = [b.form(v) for v in operations[-1].operands]
    if not good or any(y is None for y in yielded):
        return None
    return [y for y in yielded if y is not None]


REGION_RULES: dict[str, RegionRule] = {"loop": _loop, "if": _if}
