"""Builders: one function an op, with the result's type inferred, for the frontend and the passes.

They build at the current insertion point and location and return the result `ir.Value`. `Operation.create` is used rather
than the op classes because it is six times faster; the verifier still sees every op.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import Any

from torch_mlir import ir

from ._check import DYNAMIC
from .window import channel_dim, spatial_dims, window_size


def i64(value: int) -> ir.IntegerAttr:
    return ir.IntegerAttr.get(ir.IntegerType.get_signless(64), value)


def i64s(values: Sequence[int]) -> ir.Attribute:
    return ir.DenseI64ArrayAttr.get(list(values))


def f64(value: float) -> ir.FloatAttr:
    return ir.FloatAttr.get_f64(value)


def string(value: str) -> ir.StringAttr:
    return ir.StringAttr.get(value)


def boolean(value: bool) -> ir.BoolAttr:
    return ir.BoolAttr.get(value)


def scalar(element: ir.Type, value: float | int | bool) -> ir.Attribute:
    """`value` as a scalar attribute of type `element`."""
    if isinstance(element, ir.IntegerType):
        if element.width == 1:
            return ir.IntegerAttr.get(element, bool(value))
        number, unsigned = int(value) % (1 << element.width), element.is_unsigned
        return ir.IntegerAttr.get(
            element, number if unsigned or not number >> (element.width - 1) else number - (1 << element.width)
        )
    return ir.FloatAttr.get(element, float(value))


def tensor_type(shape: Sequence[int], element: ir.Type) -> ir.RankedTensorType:
    return ir.RankedTensorType.get(list(shape), element)


def op(
    name: str,
    operands: Sequence[ir.Value],
    results: Sequence[ir.Type],
    attributes: dict[str, ir.Attribute] | None = None,
    regions: int = 0,
) -> ir.Operation:
    """`jic.<name>` with exactly these types."""
    return ir.Operation.create(
        f"jic.{name}", results=list(results), operands=list(operands), attributes=attributes or {}, regions=regions
    )


def _one(name: str, operands: Sequence[ir.Value], type_: ir.Type, **attributes: ir.Attribute) -> ir.Value:
    return op(name, operands, [type_], attributes).result


def _type(value: ir.Value) -> ir.RankedTensorType:
    return ir.RankedTensorType(value.type)


_PREDICATES = ("isnan", "isinf", "logical_not")


def elementwise(name: str, *operands: ir.Value) -> ir.Value:
    """A unary or binary elementwise op; all operands have one type."""
    type_ = _type(operands[0])
    if name in _PREDICATES:
        type_ = tensor_type(type_.shape, ir.IntegerType.get_signless(1))
    return _one(name, operands, type_)


def compare(predicate: str, lhs: ir.Value, rhs: ir.Value) -> ir.Value:
    type_ = tensor_type(_type(lhs).shape, ir.IntegerType.get_signless(1))
    return _one("compare", [lhs, rhs], type_, predicate=string(predicate))


def select(condition: ir.Value, on_true: ir.Value, on_false: ir.Value) -> ir.Value:
    return _one("select", [condition, on_true, on_false], on_true.type)


def convert(value: ir.Value, element: ir.Type) -> ir.Value:
    """`value` with another element type; itself if it has it already."""
    type_ = _type(value)
    return value if type_.element_type == element else _one("convert", [value], tensor_type(type_.shape, element))


def constant(value: ir.Attribute) -> ir.Value:
    """A constant from a dense elements attribute."""
    return _one("constant", [], value.type, value=value)  # type: ignore[attr-defined]


def splat(shape: Sequence[int], element: ir.Type, value: float | int | bool) -> ir.Value:
    return constant(ir.DenseElementsAttr.get_splat(tensor_type(shape, element), scalar(element, value)))


def splat_like(like: ir.Value, value: float | int | bool) -> ir.Value:
    return splat(_type(like).shape, _type(like).element_type, value)


def iota(shape: Sequence[int], element: ir.Type, dim: int) -> ir.Value:
    return _one("iota", [], tensor_type(shape, element), dim=i64(dim))


def reshape(value: ir.Value, shape: Sequence[int]) -> ir.Value:
    """`value` under another shape; itself if it has it already. One entry of `shape` may be -1."""
    type_, shape = _type(value), list(shape)
    if -1 in shape:
        shape[shape.index(-1)] = prod(type_.shape) // max(1, -prod(shape))
    return value if list(type_.shape) == shape else _one("reshape", [value], tensor_type(shape, type_.element_type))


def transpose(value: ir.Value, permutation: Sequence[int]) -> ir.Value:
    type_ = _type(value)
    if list(permutation) == list(range(type_.rank)):
        return value
    shape = [type_.shape[p] for p in permutation]
    return _one("transpose", [value], tensor_type(shape, type_.element_type), permutation=i64s(permutation))


def broadcast(value: ir.Value, shape: Sequence[int], dims: Sequence[int] | None = None) -> ir.Value:
    """`value` repeated to `shape`; without `dims` its dims are the last ones of `shape`, as in PyTorch."""
    type_ = _type(value)
    if list(type_.shape) == list(shape):
        return value
    if dims is None:
        dims = range(len(shape) - type_.rank, len(shape))
    return _one("broadcast", [value], tensor_type(shape, type_.element_type), dims=i64s(dims))


def slice_(value: ir.Value, offsets: Sequence[int], sizes: Sequence[int], strides: Sequence[int]) -> ir.Value:
    type_ = _type(value)
    if list(sizes) == list(type_.shape):
        return value
    result = tensor_type(sizes, type_.element_type)
    return _one("slice", [value], result, offsets=i64s(offsets), strides=i64s(strides))


def reverse(value: ir.Value, dims: Sequence[int]) -> ir.Value:
    return _one("reverse", [value], value.type, dims=i64s(dims))


def pad(value: ir.Value, low: Sequence[int], high: Sequence[int], fill: float | int | bool) -> ir.Value:
    type_ = _type(value)
    if not any([*low, *high]):
        return value
    shape = [s + a + b for s, a, b in zip(type_.shape, low, high, strict=True)]
    result = tensor_type(shape, type_.element_type)
    return _one("pad", [value], result, low=i64s(low), high=i64s(high), value=scalar(type_.element_type, fill))


def concat(values: Sequence[ir.Value], dim: int) -> ir.Value:
    if len(values) == 1:
        return values[0]
    types = [_type(v) for v in values]
    shape = list(types[0].shape)
    shape[dim] = sum(t.shape[dim] for t in types)
    return _one("concat", values, tensor_type(shape, types[0].element_type), dim=i64(dim))


def reduce(value: ir.Value, kind: str, dims: Sequence[int]) -> ir.Value:
    """`value` reduced over `dims`, which disappear."""
    type_ = _type(value)
    shape = [s for d, s in enumerate(type_.shape) if d not in set(dims)]
    element = ir.IntegerType.get_signless(64) if kind.startswith("arg") else type_.element_type
    return _one("reduce", [value], tensor_type(shape, element), kind=string(kind), dims=i64s(sorted(dims)))


def cumulative(value: ir.Value, kind: str, dim: int) -> ir.Value:
    return _one("cumulative", [value], value.type, kind=string(kind), dim=i64(dim))


def matmul(lhs: ir.Value, rhs: ir.Value, transpose_lhs: bool = False, transpose_rhs: bool = False) -> ir.Value:
    left, right = _type(lhs), _type(rhs)
    m = left.shape[-1] if transpose_lhs else left.shape[-2]
    n = right.shape[-2] if transpose_rhs else right.shape[-1]
    result = tensor_type([*left.shape[:-2], m, n], left.element_type)
    flags = {"transpose_lhs": boolean(transpose_lhs), "transpose_rhs": boolean(transpose_rhs)}
    return _one("matmul", [lhs, rhs], result, **flags)


def conv(
    value: ir.Value,
    weight: ir.Value,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    groups: int = 1,
    layout: str = "nchw",
) -> ir.Value:
    source, filter_ = _type(value), _type(weight)
    shape = _window_shape(source, list(filter_.shape[2:]), stride, padding, dilation, layout)
    shape[channel_dim(layout, source.rank)] = filter_.shape[0]
    attributes = {"groups": i64(groups), **_window_attributes(stride, padding, dilation, layout)}
    return _one("conv", [value, weight], tensor_type(shape, source.element_type), **attributes)


def pool(
    value: ir.Value,
    kind: str,
    window: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    layout: str = "nchw",
) -> ir.Value:
    source = _type(value)
    shape = _window_shape(source, window, stride, padding, dilation, layout)
    attributes = {
        "kind": string(kind),
        "window": i64s(window),
        **_window_attributes(stride, padding, dilation, layout),
    }
    return _one("pool", [value], tensor_type(shape, source.element_type), **attributes)


def _window_attributes(
    stride: Sequence[int], padding: Sequence[int], dilation: Sequence[int], layout: str
) -> dict[str, ir.Attribute]:
    return {
        "stride": i64s(stride),
        "padding": i64s(padding),
        "dilation": i64s(dilation),
        "layout": string(layout),
    }


def _window_shape(
    source: ir.RankedTensorType,
    window: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    layout: str,
) -> list[int]:
    shape = list(source.shape)
    for i, d in enumerate(spatial_dims(layout, source.rank)):
        low, high = padding[2 * i], padding[2 * i + 1]
        shape[d] = window_size(source.shape[d], window[i], stride[i], low, high, dilation[i])
    return shape


def index_select(value: ir.Value, indices: ir.Value, dim: int) -> ir.Value:
    source, positions = _type(value), _type(indices)
    shape = [*source.shape[:dim], *positions.shape, *source.shape[dim + 1 :]]
    return _one("index_select", [value, indices], tensor_type(shape, source.element_type), dim=i64(dim))


def gather(value: ir.Value, indices: ir.Value, dim: int) -> ir.Value:
    result = tensor_type(_type(indices).shape, _type(value).element_type)
    return _one("gather", [value, indices], result, dim=i64(dim))


def dynamic_slice(value: ir.Value, index: ir.Value, dim: int, size: int) -> ir.Value:
    """`size` rows of `value` along `dim` from the scalar `index` on."""
    source = _type(value)
    shape = [size if d == dim else s for d, s in enumerate(source.shape)]
    return _one("dynamic_slice", [value, index], tensor_type(shape, source.element_type), dim=i64(dim))


def dynamic_update(value: ir.Value, update: ir.Value, index: ir.Value, dim: int) -> ir.Value:
    """`value` with `update` in place of its rows along `dim` from the scalar `index` on."""
    return _one("dynamic_update", [value, update, index], value.type, dim=i64(dim))


def softmax(value: ir.Value, dim: int, log: bool = False) -> ir.Value:
    return _one("softmax", [value], value.type, dim=i64(dim), log=boolean(log))


def layer_norm(value: ir.Value, affine: Sequence[ir.Value], rank: int, epsilon: float) -> ir.Value:
    return _one("layer_norm", [value, *affine], value.type, rank=i64(rank), epsilon=f64(epsilon))


def batch_norm(value: ir.Value, mean: ir.Value, var: ir.Value, affine: Sequence[ir.Value], epsilon: float) -> ir.Value:
    return _one("batch_norm", [value, mean, var, *affine], value.type, epsilon=f64(epsilon))


def group_norm(value: ir.Value, affine: Sequence[ir.Value], groups: int, epsilon: float) -> ir.Value:
    return _one("group_norm", [value, *affine], value.type, groups=i64(groups), epsilon=f64(epsilon))


def attention(
    query: ir.Value, key: ir.Value, value: ir.Value, mask: ir.Value | None, scale: float, causal: bool
) -> ir.Value:
    q = _type(query)
    result = tensor_type([*q.shape[:-1], _type(value).shape[-1]], q.element_type)
    operands = [query, key, value] + ([] if mask is None else [mask])
    return _one("attention", operands, result, scale=f64(scale), causal=boolean(causal))


def yield_(*values: ir.Value) -> ir.Operation:
    return op("yield", values, [])


Body = Callable[[list[ir.Value]], Sequence[ir.Value]]


def _region(op_: ir.Operation, index: int, types: Sequence[ir.Type], body: Body, terminator: str = "yield") -> None:
    block = op_.regions[index].blocks.append(*types)
    with ir.InsertionPoint(block):
        op(terminator, body(list(block.arguments)), [])


def loop(trip_count: ir.Value, inits: Sequence[ir.Value], body: Body) -> ir.Operation:
    """A `jic.loop`; `body` gets the iteration number and the carried values and returns their next values."""
    types = [v.type for v in inits]
    made = op("loop", [trip_count, *inits], types, regions=1)
    _region(made, 0, [trip_count.type, *types], body)
    return made


def while_(inits: Sequence[ir.Value], forwarded: Sequence[ir.Type], before: Body, after: Body) -> ir.Operation:
    """A `jic.while`; `before` returns the condition and the values it hands on, `after` the next carried values."""
    made = op("while", inits, forwarded, regions=2)
    _region(made, 0, [v.type for v in inits], before, "condition")
    _region(made, 1, forwarded, after)
    return made


def if_(condition: ir.Value, results: Sequence[ir.Type], then: Body, otherwise: Body) -> ir.Operation:
    """A `jic.if`; both bodies get an empty list and return the results."""
    made = op("if", [condition], results, regions=2)
    _region(made, 0, [], then)
    _region(made, 1, [], otherwise)
    return made


def bail(condition: ir.Value, message: str) -> ir.Operation:
    """Give up the call if the scalar i1 `condition` holds."""
    return op("bail", [condition], [], {"message": string(message)})


def fused(
    kind: str,
    inputs: Sequence[ir.Value],
    results: Sequence[ir.Type],
    body: Body,
) -> ir.Operation:
    """A `jic.fused` whose region `body` fills in: it gets the block arguments and returns what to yield."""
    made = op("fused", inputs, results, {"kind": string(kind)}, regions=1)
    _region(made, 0, [v.type for v in inputs], body)
    return made


def aten_call(
    callee: str,
    inputs: Sequence[ir.Value],
    results: Sequence[ir.Type],
    arguments: Sequence[ir.Attribute],
    keywords: dict[str, Any],
    reason: str,
) -> ir.Operation:
    """A call of the ATen operator `callee`; see `AtenCallOp` for the encoding of its arguments."""
    attributes = {
        "callee": string(callee),
        "arguments": ir.ArrayAttr.get(list(arguments)),
        "keywords": ir.DictAttr.get(keywords),
        "reason": string(reason),
    }
    return op("aten_call", inputs, results, attributes)


def is_static(type_: ir.RankedTensorType) -> bool:
    return DYNAMIC not in type_.shape
