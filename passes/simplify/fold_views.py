"""Views of views become one view, and views move to where they cancel."""

from __future__ import annotations

from math import prod

import numpy as np
from torch_mlir import ir

from jic.dialects import build

from ..base import Pass
from . import constants
from ._dynamic_views import dynamic_slice_of_view, fold_dynamic_slice, fold_dynamic_update
from ._matmul_views import absorb_transposes, transposed_product
from ._rewrite import apply_rewrites, attribute, by_name, defining, has_one_use, ints, is_static, shape
from ._sink_views import ELEMENTWISE, sink_reshapes, sink_transposes


class FoldViews(Pass):
    """Fold chains of view ops, put transposes into matmuls, and sink reshapes and transposes below elementwise ops.

        %1 = jic.transpose %w [1, 0]
        %2 = jic.matmul %x, %1            →   %2 = jic.matmul %x, %w {transpose_rhs}

        %1 = jic.reshape %x               →   %1 = jic.gelu_ops %x
        %2 = jic.gelu_ops %1                  %2 = jic.reshape %1

    Two views of one kind compose; a view that moves nothing disappears; a transpose that only moves dims of size 1 and a
    broadcast that repeats nothing are reshapes. Transposes and slices go above broadcasts, where there is less to move. A
    reshape sinks below an elementwise op whose other operands are the same reshape, or constants and broadcasts that can be
    written in the shape before it, so that it meets the reshape that undoes it; transposes do so likewise. `slice` of
    `concat` reads the part it needs, a `concat` of adjoining slices is one slice, and so is an `index_select` of constant
    indices in even steps. A `dynamic_slice` at a constant is a slice, one of what a `dynamic_update` stored there is that, and
    others go above broadcasts, transposes and slices of other dims.
    """

    name = "jic-fold-views"

    def apply(self, module: ir.Operation) -> None:
        table = [
            ("reshape", fold_reshape),
            ("transpose", fold_transpose),
            ("transpose", _transpose_of_broadcast),
            ("transpose", transposed_product),
            ("broadcast", fold_broadcast),
            ("slice", _slice),
            ("slice", _slice_of_concat),
            ("slice", _slice_of_broadcast),
            ("reverse", _reverse),
            ("pad", _pad),
            ("concat", _concat),
            ("concat", _concat_of_slices),
            ("index_select", _index_select),
            ("dynamic_slice", fold_dynamic_slice),
            ("dynamic_slice", dynamic_slice_of_view),
            ("dynamic_update", fold_dynamic_update),
            ("matmul", absorb_transposes),
            (" ".join(ELEMENTWISE), sink_reshapes),
            (" ".join(ELEMENTWISE), sink_transposes),
        ]
        apply_rewrites(module, by_name(table))


def fold_reshape(op: ir.Operation) -> ir.Value | None:
    """A reshape of itself, of a reshape, or of a constant."""
    operand, out = op.operands[0], op.results[0]
    if operand.type == out.type:
        return operand if is_static(out) else None
    if not is_static(out):
        return None
    if inner := defining(operand, "reshape"):
        return build.reshape(inner.operands[0], shape(out))
    if inner := defining(operand, "constant"):
        array = constants.read(inner.attributes["value"])
        if array is not None:
            return constants.write(array.reshape([1] * len(shape(out)) if array.size == 1 else shape(out)), out)
    return None


def fold_transpose(op: ir.Operation) -> ir.Value | None:
    """A transpose that moves nothing, of a transpose, or of dims of size 1."""
    operand, permutation = op.operands[0], ints(op, "permutation")
    if permutation == sorted(permutation):
        return operand
    if inner := defining(operand, "transpose"):
        first = ints(inner, "permutation")
        return build.transpose(inner.operands[0], [first[p] for p in permutation])
    if is_static(operand):
        moved = [p for p in permutation if shape(operand)[p] != 1]
        if moved == sorted(moved):
            return build.reshape(operand, shape(op.results[0]))
    return None


def _transpose_of_broadcast(op: ir.Operation) -> ir.Value | None:
    inner = defining(op.operands[0], "broadcast")
    if inner is None or not is_static(op.results[0], inner.operands[0]):
        return None
    permutation = ints(op, "permutation")
    dims = [permutation.index(d) for d in ints(inner, "dims")]
    order = sorted(range(len(dims)), key=dims.__getitem__)
    source = build.transpose(inner.operands[0], order)
    return build.broadcast(source, shape(op.results[0]), [dims[i] for i in order])


def fold_broadcast(op: ir.Operation) -> ir.Value | None:
    """A broadcast that repeats nothing, of a broadcast, or of dims of size 1 that a reshape put in."""
    operand, dims, out = op.operands[0], ints(op, "dims"), op.results[0]
    if not is_static(operand, out):
        return None
    if prod(shape(operand)) == prod(shape(out)):
        return build.reshape(operand, shape(out))
    if inner := defining(operand, "broadcast"):
        return build.broadcast(inner.operands[0], shape(out), [dims[d] for d in ints(inner, "dims")])
    sizes = shape(operand)
    if defining(operand, "reshape") and 1 in sizes:
        kept = [i for i, size in enumerate(sizes) if size != 1]
        source = build.reshape(operand, [sizes[i] for i in kept])
        return build.broadcast(source, shape(out), [dims[i] for i in kept])
    return None


def _slice(op: ir.Operation) -> ir.Value | None:
    operand, out = op.operands[0], op.results[0]
    if not is_static(operand, out):
        return None
    if operand.type == out.type:
        return operand
    inner = defining(operand, "slice")
    if inner is None or not is_static(inner.operands[0]):
        return None
    first, step = ints(inner, "offsets"), ints(inner, "strides")
    offsets = [a + s * b for a, s, b in zip(first, step, ints(op, "offsets"), strict=True)]
    strides = [a * b for a, b in zip(step, ints(op, "strides"), strict=True)]
    return build.slice_(inner.operands[0], offsets, shape(out), strides)


def _slice_of_concat(op: ir.Operation) -> ir.Value | None:
    inner, sizes = defining(op.operands[0], "concat"), shape(op.results[0])
    if inner is None or not is_static(op.results[0], *inner.operands):
        return None
    dim, offsets, strides = attribute(inner, "dim"), ints(op, "offsets"), ints(op, "strides")
    if not sizes[dim]:
        return None
    first, last = offsets[dim], offsets[dim] + (sizes[dim] - 1) * strides[dim]
    for part in inner.operands:
        size = shape(part)[dim]
        if 0 <= first < size:
            if last >= size:
                return None
            offsets[dim] = first
            return build.slice_(part, offsets, sizes, strides)
        first, last = first - size, last - size
    return None


def _slice_of_broadcast(op: ir.Operation) -> ir.Value | None:
    inner = defining(op.operands[0], "broadcast")
    if inner is None or not is_static(op.results[0], inner.operands[0]):
        return None
    source, dims = inner.operands[0], ints(inner, "dims")
    offsets, strides, sizes = ints(op, "offsets"), ints(op, "strides"), shape(op.results[0])
    if 0 in sizes:
        return None
    kept = [shape(source)[i] != 1 for i in range(len(dims))]
    part = build.slice_(
        source,
        [offsets[d] if k else 0 for d, k in zip(dims, kept, strict=True)],
        [sizes[d] if k else 1 for d, k in zip(dims, kept, strict=True)],
        [strides[d] if k else 1 for d, k in zip(dims, kept, strict=True)],
    )
    return build.broadcast(part, sizes, dims)


def _reverse(op: ir.Operation) -> ir.Value | None:
    operand, dims = op.operands[0], ints(op, "dims")
    moving = sorted({d for d in dims if shape(operand)[d] != 1})
    if not moving:
        return operand
    if inner := defining(operand, "reverse"):
        both = sorted(set(moving) ^ set(ints(inner, "dims")))
        return build.reverse(inner.operands[0], both) if both else inner.operands[0]
    return build.reverse(operand, moving) if moving != dims else None


def _pad(op: ir.Operation) -> ir.Value | None:
    operand, low, high = op.operands[0], ints(op, "low"), ints(op, "high")
    if not any(low + high):
        return operand
    inner = defining(operand, "pad")
    if inner is None or inner.attributes["value"] != op.attributes["value"] or not is_static(inner.operands[0]):
        return None
    low = [a + b for a, b in zip(low, ints(inner, "low"), strict=True)]
    high = [a + b for a, b in zip(high, ints(inner, "high"), strict=True)]
    return build.pad(inner.operands[0], low, high, attribute(op, "value"))


def _concat(op: ir.Operation) -> ir.Value | None:
    """One operand is itself; empty operands go; a concat inside a concat joins it."""
    inputs, dim = list(op.operands), attribute(op, "dim")
    if len(inputs) == 1:
        return inputs[0]
    if not is_static(op.results[0], *inputs):
        return None
    flat: list[ir.Value] = []
    for value in inputs:
        inner = defining(value, "concat")
        if inner is not None and attribute(inner, "dim") == dim and has_one_use(value):
            flat.extend(inner.operands)
        elif shape(value)[dim]:
            flat.append(value)
    if not flat or flat == inputs:
        return None
    return build.concat(flat, dim)


def _concat_of_slices(op: ir.Operation) -> ir.Value | None:
    dim, out = attribute(op, "dim"), op.results[0]
    parts = [part for v in op.operands if (part := defining(v, "slice"))]
    if len(parts) < len(op.operands) or not is_static(out):
        return None
    source, offsets, strides = parts[0].operands[0], ints(parts[0], "offsets"), ints(parts[0], "strides")
    if not is_static(source):
        return None
    expected = list(offsets)
    for part in parts:
        if part.operands[0] != source or ints(part, "strides") != strides or ints(part, "offsets") != expected:
            return None
        expected[dim] += strides[dim] * shape(part.results[0])[dim]
    return build.slice_(source, offsets, shape(out), strides)


def _index_select(op: ir.Operation) -> ir.Value | None:
    """Constant indices `first, first + step, …` read a slice."""
    source, indices = op.operands
    constant = defining(indices, "constant")
    if constant is None or not is_static(source, indices, op.results[0]) or 0 in shape(indices):
        return None
    array = constants.read(constant.attributes["value"])
    if array is None or (array.size == 1 and prod(shape(indices)) > 1):
        return None
    dim, positions = attribute(op, "dim"), array.reshape(-1).astype(np.int64)
    if (positions < 0).any() or (positions >= shape(source)[dim]).any():
        return None  # an error at run time
    steps = np.diff(positions)
    step = int(steps[0]) if steps.size else 1
    if step < 1 or (steps != step).any():
        return None
    offsets, sizes, strides = [0] * len(shape(source)), shape(source), [1] * len(shape(source))
    offsets[dim], sizes[dim], strides[dim] = int(positions[0]), positions.size, step
    return build.reshape(build.slice_(source, offsets, sizes, strides), shape(op.results[0]))
