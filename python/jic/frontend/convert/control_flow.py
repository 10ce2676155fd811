"""Loops, branches, and what is for them: slices at run-time places, and giving up a call.

torch.prim.Loop %n, %true, init(%h) {            %r = "jic.loop"(%n, %h) ({
^bb0(%i: !torch.int, %a: !torch.vtensor<…>):     ^bb0(%i: tensor<i64>, %a: tensor<…>):
  …                                         ->     …
  torch.prim.Loop.condition %true, iter(%b)        "jic.yield"(%b)
}                                                })
"""

from __future__ import annotations

from collections.abc import Sequence

from torch_mlir import ir

from jic.dialects import build as b

from .conversion import Conversion, converts, converts_regions, rank_of, wrap_dim


@converts_regions("torch.prim.Loop")
def loop(c: Conversion, op: ir.Operation) -> Sequence[ir.Value]:
    """Counted: the importer's condition is always true."""
    trip_count, _, *inits = [c.values[v] for v in op.operands]
    block = op.regions[0].blocks[0]
    return b.loop(trip_count, inits, lambda arguments: c.convert_block(block, arguments)[1:]).results


@converts_regions("torch.jic.while")
def while_(c: Conversion, op: ir.Operation) -> Sequence[ir.Value]:
    before, after = (region.blocks[0] for region in op.regions)
    return b.while_(
        [c.values[v] for v in op.operands],
        [c.convert_type(r.type) for r in op.results],
        lambda arguments: c.convert_block(before, arguments),
        lambda arguments: c.convert_block(after, arguments),
    ).results


@converts_regions("torch.prim.If")
def if_(c: Conversion, op: ir.Operation) -> Sequence[ir.Value]:
    then, otherwise = (region.blocks[0] for region in op.regions)
    return b.if_(
        c.values[op.operands[0]],
        [c.convert_type(r.type) for r in op.results],
        lambda _: c.convert_block(then, []),
        lambda _: c.convert_block(otherwise, []),
    ).results


@converts("jic.dynamic_slice")
def dynamic_slice(c: Conversion, x: ir.Value, index: ir.Value, dim: int, size: int) -> ir.Value:
    return b.dynamic_slice(x, index, wrap_dim(dim, rank_of(x)), size)


@converts("jic.dynamic_update")
def dynamic_update(c: Conversion, x: ir.Value, update: ir.Value, index: ir.Value, dim: int) -> ir.Value:
    return b.dynamic_update(x, b.convert(update, c.element), index, wrap_dim(dim, rank_of(x)))


@converts("jic.bail")
def bail(c: Conversion, condition: ir.Value, message: str) -> Sequence[ir.Value]:
    b.bail(condition, message)
    return ()
