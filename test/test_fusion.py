"""Fusion keeps what a program computes, forms only kernels that the templates accept, and forms as few as it should."""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.interpret import interpret
from torch_mlir import ir

from jic.dialects import build as b
from jic.dialects import context
from jic.errors import ConfigError, PassError
from jic.passes import rules
from jic.passes.base import functions
from jic.passes.fusion import fusion_pipeline
from jic.passes.fusion._legality import factor_groups, rebroadcast, splits_only
from jic.passes.fusion._ops import ELEMENTWISE, INDEXING
from jic.passes.pipeline import Pipeline
from jic.passes.rules import OpView, Replacement, fusion_rule

CONTEXT = context()
TOP_LEVEL = {"jic.fused", "jic.reshape", "jic.constant", "jic.aten_call", "func.return"}
VIEWS = {"broadcast", "transpose", "slice", "reverse", "pad", "reshape"}
Body = Callable[..., "ir.Value | list[ir.Value]"]


@pytest.fixture(autouse=True)
def _mlir() -> Iterator[None]:
    with CONTEXT, ir.Location.unknown(CONTEXT):
        yield


def f32() -> ir.Type:
    return ir.F32Type.get(CONTEXT)


def module(shapes: list[list[int]], body: Body) -> ir.Module:
    """A module whose `@main` takes f32 tensors of `shapes`."""
    made = ir.Module.create()
    types = [b.tensor_type(shape, f32()) for shape in shapes]
    with ir.InsertionPoint(made.body):
        function = ir.Operation.create(
            "func.func",
            regions=1,
            attributes={
                "sym_name": b.string("main"),
                "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, [])),
            },
        )
    block = function.regions[0].blocks.append(*types)
    with ir.InsertionPoint(block):
        results = body(*block.arguments)
        results = results if isinstance(results, list) else [results]
        ir.Operation.create("func.return", operands=results)
    function.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [v.type for v in results]))
    made.operation.verify()
    return made


def compile_(made: ir.Module, strategy: str = "default", size: int = 64) -> ir.Module:
    """A copy after decomposition, CSE and fusion, verified after each pass."""
    copy = ir.Module.parse(str(made))
    Pipeline.parse(f"jic-decompose,cse,{fusion_pipeline(strategy, size)}").run(copy)
    copy.operation.verify()
    check_kernels(copy)
    return copy


def main_block(made: ir.Module) -> ir.Block:
    (function,) = functions(made.operation)
    return function.regions[0].blocks[0]


def kernels(made: ir.Module) -> list[tuple[str, list[str]]]:
    """Kind and body (op names without `jic.`) of each kernel."""
    found = []
    for op in main_block(made).operations:
        if op.operation.name == "jic.fused":
            names = [o.operation.name.removeprefix("jic.") for o in op.operation.regions[0].blocks[0].operations]
            found.append((ir.StringAttr(op.operation.attributes["kind"]).value, names[:-1]))
    return found


def kinds(made: ir.Module) -> Counter[str]:
    return Counter(kind for kind, _ in kernels(made))


def check_kernels(made: ir.Module) -> None:
    """What docs/architecture.md promises of the kernel level."""
    for op in main_block(made).operations:
        assert op.operation.name in TOP_LEVEL, op.operation.name
        if op.operation.name == "jic.fused":
            _check_kernel(op.operation)


def _check_kernel(fused: ir.Operation) -> None:
    kind = ir.StringAttr(fused.attributes["kind"]).value
    ops = [o.operation for o in fused.regions[0].blocks[0].operations][:-1]
    names = Counter(o.name.removeprefix("jic.") for o in ops)
    results = {tuple(r.type.shape) for r in fused.results}
    pointwise = ELEMENTWISE | VIEWS | {"constant", "iota"}
    main = {"contraction": {"matmul"}, "window": {"conv", "pool"}, "concat": {"concat"}, "scan": {"cumulative"}}
    extra = set(names) - pointwise
    for op in ops:
        if op.name == "jic.reshape" and not _is_argument(op.operands[0]):
            assert splits_only(tuple(op.operands[0].type.shape), tuple(op.results[0].type.shape))
        if op.name in ("jic.index_select", "jic.gather"):
            assert _is_argument(op.operands[0])
        if op.name == "jic.constant":
            assert op.attributes["value"].is_splat
    if kind in main:
        assert extra <= main[kind] and sum(names[n] for n in main[kind]) == 1
        root = next(o for o in ops if o.name.removeprefix("jic.") in main[kind])
        assert results == {tuple(root.results[0].type.shape)}
    elif kind == "reduction":
        assert extra == {"reduce"}
        reduces = [o for o in ops if o.name == "jic.reduce"]
        (full,) = {tuple(o.operands[0].type.shape) for o in reduces}
        (dims,) = {tuple(o.attributes["dims"]) for o in reduces}
        reduced = tuple(s for d, s in enumerate(full) if d not in dims)
        assert results <= {full, reduced}
    else:
        assert kind == ("indexing" if extra else "pointwise") and extra <= INDEXING
        assert len(results) == 1


def _is_argument(value: ir.Value) -> bool:
    return isinstance(value.owner, ir.Block)


def check_same(made: ir.Module, fused: ir.Module, shapes: list[list[int]], tolerance: float = 2e-5) -> None:
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.rand(shape, generator=generator) * 2 - 1 for shape in shapes]
    expected, found = interpret(made, *inputs), interpret(fused, *inputs)
    for e, f in zip(expected, found, strict=True):
        torch.testing.assert_close(f, e, rtol=tolerance, atol=tolerance, equal_nan=True)


# Legality.


def test_factor_groups():
    assert factor_groups([6, 4], [2, 3, 4]) == [([0], [0, 1]), ([1], [2])]
    assert factor_groups([2, 3, 4], [6, 4]) == [([0, 1], [0]), ([2], [1])]
    assert factor_groups([4], [4, 1]) == [([0], [0, 1])]
    assert factor_groups([], [1]) is not None
    assert factor_groups([2, 3], [3, 3]) is None


@given(st.lists(st.sampled_from([1, 2, 3, 4]), max_size=5), st.data())
def test_factor_groups_cover_every_dim_once(shape, data):
    cuts = data.draw(st.lists(st.booleans(), min_size=len(shape), max_size=len(shape)))
    other: list[int] = []
    for size, cut in zip(shape, cuts, strict=True):
        if cut or not other:
            other.append(size)
        else:
            other[-1] *= size
    groups = factor_groups(shape, other)
    assert groups is not None
    assert [d for left, _ in groups for d in left] == list(range(len(shape)))
    assert [d for _, right in groups for d in right] == list(range(len(other)))
    for left, right in groups:
        assert math.prod(shape[d] for d in left) == math.prod(other[d] for d in right)


def test_rebroadcast():
    assert rebroadcast((5,), (2,), (2, 3, 5), (6, 5)) == ((5,), (1,))
    assert rebroadcast((2, 3), (0, 1), (2, 3, 5), (6, 5)) == ((6,), (0,))
    assert rebroadcast((3, 5), (1, 2), (2, 3, 5), (6, 5)) is None
    assert rebroadcast((6, 1), (0, 1), (6, 5), (2, 3, 5)) == ((2, 3), (0, 1))


def test_splits_only():
    assert splits_only((6, 4), (2, 3, 4))
    assert not splits_only((2, 3), (6,))


# Whole blocks.


def linear(x: ir.Value, weight: ir.Value, bias: ir.Value) -> ir.Value:
    """As the frontend writes it: the batch dims merged around a 2-D matmul."""
    *batch, k = x.type.shape
    flat = b.matmul(b.reshape(x, [-1, k]), weight, transpose_rhs=True)
    out = b.reshape(flat, [*batch, weight.type.shape[0]])
    return b.elementwise("add", out, b.broadcast(bias, out.type.shape))


def gelu(x: ir.Value) -> ir.Value:
    inner = b.elementwise("erf", b.elementwise("mul", x, b.splat_like(x, 0.5**0.5)))
    half = b.elementwise("mul", x, b.splat_like(x, 0.5))
    return b.elementwise("mul", half, b.elementwise("add", inner, b.splat_like(x, 1.0)))


B, S, H, D = 2, 5, 3, 4
BERT_SHAPES = [[B, S, H * D], [B, 1, 1, S]] + [[H * D, H * D], [H * D]] * 4 + [[H * D]] * 4
BERT_SHAPES += [[24, H * D], [24], [H * D, 24], [H * D]]


def bert(x, mask, *weights):
    wq, bq, wk, bk, wv, bv, wo, bo, g1, c1, g2, c2, w1, b1, w2, b2 = weights
    heads = lambda v: b.transpose(b.reshape(v, [B, S, H, D]), [0, 2, 1, 3])  # noqa: E731
    q, k, v = heads(linear(x, wq, bq)), heads(linear(x, wk, bk)), heads(linear(x, wv, bv))
    mask = b.broadcast(mask, [B, H, S, S], [0, 1, 2, 3])
    context_ = b.attention(q, k, v, mask, D**-0.5, False)
    merged = b.reshape(b.transpose(context_, [0, 2, 1, 3]), [B, S, H * D])
    x = b.layer_norm(b.elementwise("add", linear(merged, wo, bo), x), [g1, c1], 1, 1e-12)
    y = linear(gelu(linear(x, w1, b1)), w2, b2)
    return b.layer_norm(b.elementwise("add", y, x), [g2, c2], 1, 1e-12)


@pytest.mark.parametrize("strategy", ["none", "default", "aggressive", "custom"])
def test_bert_layer(strategy):
    made = module(BERT_SHAPES, bert)
    fused = compile_(made, strategy)
    check_same(made, fused, BERT_SHAPES)
    if strategy in ("default", "aggressive"):
        # 4 projections, scores, context, 2 feed-forward; softmax, 2 layer norms; q, k, v and context transposed.
        assert kinds(fused) == {"contraction": 8, "reduction": 3, "pointwise": 4}


def test_contractions_of_bert_hold_their_epilogues():
    bodies = [body for kind, body in kernels(compile_(module(BERT_SHAPES, bert))) if kind == "contraction"]
    assert sum("erf" in body for body in bodies) == 1
    assert sum(body.count("add") == 2 for body in bodies if "erf" not in body) == 2  # bias and residual
    assert sum({"mul", "add"} <= set(body) and "erf" not in body for body in bodies) == 1  # scores: scale and mask


def test_conv_bn_relu():
    shapes = [[2, 3, 8, 8], [6, 3, 3, 3], [6], [6], [6], [6], [2, 6, 8, 8]]

    def body(x, w, mean, var, weight, bias, residual):
        y = b.conv(x, w, [1, 1], [1, 1, 1, 1], [1, 1])
        y = b.batch_norm(y, mean, b.elementwise("abs", var), [weight, bias], 1e-5)
        y = b.elementwise("relu", b.elementwise("add", y, residual))
        return b.pool(y, "max", [2, 2], [2, 2], [0, 0, 0, 0], [1, 1])

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)
    # The scale and shift of the channels are one small kernel of two results.
    assert kinds(fused) == {"window": 2, "pointwise": 1}


@pytest.mark.parametrize("log", [False, True])
def test_softmax_is_one_kernel(log):
    shapes = [[4, 7], [4, 7]]

    def body(x, y):
        return b.elementwise("mul", b.softmax(b.elementwise("add", x, y), 1, log), y)

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert kinds(fused) == {"reduction": 1}


def test_norms_are_one_kernel():
    shapes = [[2, 6, 5], [2, 6, 5], [6], [6], [5], [5]]

    def body(x, y, weight, bias, w, c):
        x = b.elementwise("add", x, y)
        return [b.elementwise("relu", b.group_norm(x, [weight, bias], 3, 1e-5)), b.layer_norm(y, [w, c], 1, 1e-5)]

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert kinds(fused) == {"reduction": 2}


def test_mean_with_kept_dims_is_one_kernel():
    """`x * rsqrt(mean(x * x, -1, keepdim=True) + eps)`, as an RMS norm is written."""
    shapes = [[2, 3, 8]]

    def body(x):
        total = b.reshape(b.reduce(b.elementwise("mul", x, x), "sum", [2]), [2, 3, 1])
        mean = b.elementwise("mul", total, b.splat_like(total, 1 / 8))
        scale = b.elementwise("rsqrt", b.elementwise("add", mean, b.splat_like(mean, 1e-6)))
        return b.elementwise("mul", x, b.broadcast(scale, [2, 3, 8], [0, 1, 2]))

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert kinds(fused) == {"reduction": 1}


def test_sibling_reductions_join():
    shapes = [[6, 7]]
    made = module(shapes, lambda x: [b.reduce(x, "sum", [1]), b.reduce(b.elementwise("mul", x, x), "sum", [1])])
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert kinds(fused) == {"reduction": 1}


def test_embedding_then_norm():
    shapes = [[10, 8], [10, 8], [8], [8], [3, 5]]

    def body(words, places, weight, bias, ids):
        index = b.convert(b.elementwise("abs", ids), ir.IntegerType.get_signless(64))
        x = b.elementwise("add", b.index_select(words, index, 0), b.index_select(places, index, 0))
        return b.layer_norm(x, [weight, bias], 1, 1e-5)

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert kinds(fused)["reduction"] == 1 and kinds(fused)["indexing"] == 1


def test_no_cycle_between_kernels():
    """`a` feeds `d` directly and through a matmul: one kernel of both would wait for itself."""
    shapes = [[4, 4]]

    def body(x):
        a = b.elementwise("exp", x)
        product = b.matmul(a, a)
        return b.elementwise("add", b.elementwise("tanh", product), a)

    made = module(shapes, body)
    fused = compile_(made)
    check_same(made, fused, shapes)


def test_split_of_a_full_sum():
    shapes = [[512, 1024]]
    made = module(shapes, lambda x: b.reduce(b.elementwise("abs", x), "sum", [0, 1]))
    fused = compile_(made)
    check_same(made, fused, shapes)
    assert [k for k, _ in kernels(fused)] == ["reduction", "reduction"]


@pytest.mark.parametrize("mask_kind", ["none", "causal", "float", "bool"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_attention_is_torchs(mask_kind, dtype):
    element = {torch.float32: f32(), torch.float16: ir.F16Type.get(), torch.bfloat16: ir.BF16Type.get()}[dtype]
    shapes = [[2, 3, 5, 4], [2, 3, 6, 4], [2, 3, 6, 7], [2, 3, 5, 6]]

    def body(q, k, v, m):
        q, k, v = (b.convert(x, element) for x in (q, k, v))
        mask = None
        if mask_kind == "float":
            mask = b.convert(m, element)
        elif mask_kind == "bool":
            mask = b.compare("gt", m, b.splat_like(m, 0.0))
        return b.convert(b.attention(q, k, v, mask, 0.3, mask_kind == "causal"), f32())

    generator = torch.Generator().manual_seed(1)
    q, k, v, m = (torch.randn(s, generator=generator) for s in shapes)
    m[0, 0, 1] = -math.inf  # a row that is hidden completely
    mask = {"float": m.to(dtype), "bool": m > 0}.get(mask_kind)
    expected = torch.nn.functional.scaled_dot_product_attention(
        q.to(dtype), k.to(dtype), v.to(dtype), attn_mask=mask, is_causal=mask_kind == "causal", scale=0.3
    )
    (found,) = interpret(compile_(module(shapes, body)), q, k, v, m)
    tolerance = 1e-5 if dtype == torch.float32 else 1e-2
    torch.testing.assert_close(found, expected.float(), rtol=tolerance, atol=tolerance)
    if mask is not None:
        assert not expected[0, 0, 1].any() and not found[0, 0, 1].any()


def _norm_cases() -> dict[str, tuple[list[list[int]], Body, Callable[..., torch.Tensor]]]:
    nn = torch.nn.functional
    return {
        "softmax": ([[3, 4, 5]], lambda x: b.softmax(x, 1), lambda x: nn.softmax(x, 1)),
        "log_softmax": ([[3, 4, 5]], lambda x: b.softmax(x, 2, True), lambda x: nn.log_softmax(x, 2)),
        "layer_norm": (
            [[3, 4, 5], [4, 5], [4, 5]],
            lambda x, w, c: b.layer_norm(x, [w, c], 2, 1e-5),
            lambda x, w, c: nn.layer_norm(x, [4, 5], w, c, 1e-5),
        ),
        "group_norm": (
            [[3, 6, 2, 5], [6], [6]],
            lambda x, w, c: b.group_norm(x, [w, c], 2, 1e-5),
            lambda x, w, c: nn.group_norm(x, 2, w, c, 1e-5),
        ),
        "batch_norm": (
            [[3, 6, 2], [6], [6], [6], [6]],
            lambda x, m, v, w, c: b.batch_norm(x, m, b.elementwise("abs", v), [w, c], 1e-5),
            lambda x, m, v, w, c: nn.batch_norm(x, m, v.abs(), w, c, False, 0.1, 1e-5),
        ),
    }


@pytest.mark.parametrize("name", _norm_cases())
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_composites_are_torchs(name, dtype):
    shapes, body, reference = _norm_cases()[name]
    element = {torch.float32: f32(), torch.float16: ir.F16Type.get(), torch.bfloat16: ir.BF16Type.get()}[dtype]
    made = module(shapes, lambda *xs: b.convert(body(*[b.convert(x, element) for x in xs]), f32()))
    generator = torch.Generator().manual_seed(2)
    inputs = [torch.randn(s, generator=generator).to(dtype).float() for s in shapes]
    (found,) = interpret(compile_(made), *inputs)
    expected = reference(*[x.to(dtype) for x in inputs]).float()
    tolerance = {torch.float32: 1e-5, torch.bfloat16: 1.6e-2, torch.float16: 2e-3}[dtype]
    torch.testing.assert_close(found, expected, rtol=tolerance, atol=tolerance)


LOOP = """
func.func @main(%x: tensor<4xf32>, %n: tensor<i64>, %c: tensor<i1>) -> (tensor<4xf32>, tensor<4xf32>) {
  %k = "jic.exp"(%x) : (tensor<4xf32>) -> tensor<4xf32>
  %0 = "jic.loop"(%n, %x) ({
  ^bb0(%i: tensor<i64>, %h: tensor<4xf32>):
    %1 = "jic.add"(%h, %k) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.tanh"(%1) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%2) : (tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>) -> tensor<4xf32>
  %3 = "jic.if"(%c) ({
    %4 = "jic.mul"(%0, %k) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %5 = "jic.neg"(%4) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%5) : (tensor<4xf32>) -> ()
  }, {
    "jic.yield"(%0) : (tensor<4xf32>) -> ()
  }) : (tensor<i1>) -> tensor<4xf32>
  %6 = "jic.sin"(%3) : (tensor<4xf32>) -> tensor<4xf32>
  %7 = "jic.add"(%6, %k) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
  return %0, %7 : tensor<4xf32>, tensor<4xf32>
}
"""


@pytest.mark.parametrize("strategy", ["none", "default"])
@pytest.mark.parametrize("condition", [True, False])
def test_bodies_of_control_flow_fuse(strategy, condition):
    made, fused = ir.Module.parse(LOOP), ir.Module.parse(LOOP)
    Pipeline.parse(fusion_pipeline(strategy)).run(fused)
    inputs = [torch.rand(4), torch.tensor(3), torch.tensor(condition)]
    for e, f in zip(interpret(made, *inputs), interpret(fused, *inputs), strict=True):
        torch.testing.assert_close(f, e)
    assert str(fused).count("jic.fused") == {"default": 4, "none": 7}[strategy]


# Random programs.

UNARY = ["neg", "abs", "exp", "tanh", "relu", "sigmoid"]
BINARY = ["add", "sub", "mul", "maximum"]
SHAPES = [[2, 3, 4], [6, 4], [4], [3, 4], [2, 12], [4, 6]]


@st.composite
def programs(draw) -> Body:
    """A program over a few shapes that are reshapes, transposes and broadcasts of each other."""
    steps = draw(st.lists(st.tuples(st.integers(0, 11), *[st.integers(0, 1 << 16)] * 3), min_size=1, max_size=25))
    outputs = draw(st.lists(st.integers(0, 1 << 16), min_size=1, max_size=3))

    def body(*arguments):
        values = list(arguments)
        pick = lambda n: values[-1 - n % min(len(values), 6)]  # noqa: E731  mostly recent values
        for step in steps:
            made = _step(values, pick, step)
            if made is not None:
                values.append(made)
        return [values[-1 - n % len(values)] for n in outputs]

    return body


def _step(values, pick, step) -> ir.Value | None:
    code, n, m, k = step
    x = pick(n)
    shape = list(x.type.shape)
    rank = len(shape)
    if code == 0:
        return b.elementwise(UNARY[m % len(UNARY)], x) if k % 2 else b.elementwise("add", x, b.splat_like(x, 0.25))
    if code == 1:
        return b.elementwise("tanh", b.elementwise(UNARY[m % len(UNARY)], x))
    if code <= 4:
        others = [v for v in values if list(v.type.shape) == shape]
        return b.elementwise(BINARY[m % len(BINARY)], x, others[k % len(others)])
    if code == 5 and rank:
        return b.reduce(x, ["sum", "max"][m % 2], [k % rank])
    if code == 6:
        targets = [v for v in values if list(v.type.shape)[v.type.rank - rank :] == shape and v.type.rank > rank]
        if targets:
            return b.broadcast(x, targets[k % len(targets)].type.shape)
        if rank and rank < 3:  # back from a reduction: a dim is put in front of, or behind, the others
            new = [*shape, 4] if m % 2 else [2, *shape]
            return b.broadcast(x, new, range(rank) if m % 2 else range(1, rank + 1))
    if code == 7:
        size = math.prod(shape)
        fitting = [s for s in [*SHAPES, [size], [1, size]] if math.prod(s) == size]
        return b.reshape(x, fitting[k % len(fitting)])
    if code == 8 and rank > 1:
        return b.transpose(x, [*range(1, rank), 0])
    if code == 9 and rank:
        d = k % rank
        sizes = [s - (i == d and s > 1) for i, s in enumerate(shape)]
        return b.slice_(x, [s - z for s, z in zip(shape, sizes, strict=True)], sizes, [1] * rank)
    if code == 10 and rank == 2:
        return b.matmul(x, x, transpose_rhs=True)
    if code == 11 and rank:
        if m % 3 == 0:
            return b.pad(x, [1] + [0] * (rank - 1), [0] * rank, 0.5)
        return b.concat([x, b.elementwise("neg", x)], k % rank) if m % 3 == 1 else b.cumulative(x, "sum", k % rank)
    return None


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), st.sampled_from(["none", "default", "aggressive", "custom"]), st.sampled_from([1, 2, 5, 64]))
def test_random_programs_keep_their_meaning(body, strategy, size):
    with CONTEXT, ir.Location.unknown(CONTEXT):
        made = module(SHAPES, body)
        check_same(made, compile_(made, strategy, size), SHAPES, 1e-4)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(programs(), st.sampled_from(["none", "default", "aggressive"]), st.sampled_from([5, 64]))
def test_every_kernel_that_fusion_forms_lowers_and_runs(body, strategy, size):
    pytest.importorskip("jic.runtime._native")
    from jic.runtime import Artifact, Program
    from jic.targets import lookup

    with CONTEXT, ir.Location.unknown(CONTEXT):
        made = module(SHAPES, body)
        code = lookup("cpu").compile(compile_(made, strategy, size))
        program = Program(Artifact(code.manifest, code.code, code.constants))
        generator = torch.Generator().manual_seed(0)
        inputs = [torch.rand(shape, generator=generator) * 2 - 1 for shape in SHAPES]
        for e, f in zip(interpret(made, *inputs), program.run(inputs), strict=True):
            torch.testing.assert_close(f, e, rtol=1e-3, atol=1e-3, equal_nan=True)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("size", [2, 8, 64])
def test_tangled_cheap_ops(seed, size):
    """Many small groups that copy from each other what a third one then takes."""
    random = Random(seed)

    def body(*xs):
        values = list(xs)
        for _ in range(150):
            x = random.choice(values[-8:])
            code = random.randrange(4)
            if code == 0:
                values.append(b.elementwise("neg", x))
            elif code == 1:
                values.append(b.elementwise("maximum", x, b.splat_like(x, 0.5)))
            else:
                values.append(b.elementwise("mul" if code == 2 else "sub", x, random.choice(values[-8:])))
        return values[-3:]

    made = module([[3, 4]] * 3, body)
    check_same(made, compile_(made, size=size), [[3, 4]] * 3, 1e-3)


def test_a_thousand_ops_fuse_quickly():
    def body(x, w, bias):
        for i in range(100):
            y = b.elementwise("tanh", b.elementwise("add", b.matmul(x, w), b.broadcast(bias, [8, 8])))
            y = b.layer_norm(b.elementwise("add", y, x), [bias], 1, 1e-5)
            x = b.transpose(y, [1, 0]) if i % 3 == 0 else y
        return x

    made = module([[8, 8], [8, 8], [8]], body)
    Pipeline.parse("jic-decompose").run(made)
    assert len(list(main_block(made).operations)) > 1500
    Pipeline.parse("cse").run(made)  # now hundreds of ops read one constant
    best = math.inf
    for _ in range(3):
        copy = ir.Module.parse(str(made))
        start = time.perf_counter()
        Pipeline.parse(fusion_pipeline()).run(copy, verify_each=False)
        best = min(best, time.perf_counter() - start)
    assert best < 2.0, f"{best:.2f} s"  # measured: 0.3 s on an idle machine


# Options and rules.


def test_options_are_checked():
    with pytest.raises(ConfigError, match="fusion strategy is 'fast'"):
        fusion_pipeline("fast")
    with pytest.raises(ConfigError, match="max_fusion_size is 0"):
        fusion_pipeline("default", 0)


@pytest.mark.parametrize("size", [1, 2, 3, 8])
def test_max_size(size):
    def body(x):
        for _ in range(12):
            x = b.elementwise("tanh", x)
        return x

    fused = compile_(module([[4]], body), size=size)
    assert max(len(names) for _, names in kernels(fused)) <= size
    assert len(kernels(fused)) == math.ceil(12 / size)


def test_a_long_chain_of_views():
    def body(x):
        for i in range(600):
            x = b.transpose(b.reverse(x, [0]), [1, 0]) if i % 2 else b.transpose(x, [1, 0])
        return b.elementwise("tanh", x)

    made = module([[3, 4]], body)
    check_same(made, compile_(made, size=1 << 20), [[3, 4]])


@pytest.fixture
def rule_names() -> Iterator[list[str]]:
    names: list[str] = []
    yield names
    for name in names:
        rules.unregister(name)


def chain(x, w, bias):
    y = b.elementwise("add", b.matmul(x, w), b.broadcast(bias, [4, 4]))
    return b.elementwise("relu", b.elementwise("tanh", y))


def test_a_rule_fuses_what_it_names(rule_names):
    rule_names.append("matmul-add")

    @fusion_rule(name="matmul-add", pattern=("matmul", "add"))
    def _rule(matmul: OpView, add: OpView):
        assert matmul.attributes == {"transpose_lhs": False, "transpose_rhs": False}
        assert matmul.operands[0].producer is None and matmul.users == (add,)
        bias = next(v.producer for v in add.operands if v.producer != matmul)
        return [matmul, bias, add]

    shapes = [[4, 4], [4, 4], [4]]
    made = module(shapes, chain)
    fused = compile_(made, "custom")
    check_same(made, fused, shapes)
    assert kernels(fused)[0] == ("contraction", ["matmul", "broadcast", "add"])
    assert len(kernels(fused)) == 3  # tanh and relu are on their own


def test_a_replacement(rule_names):
    rule_names.append("tanh")

    @fusion_rule(name="tanh", root="jic.tanh")
    def _rule(op: OpView):
        return Replacement(lambda: b.elementwise("neg", op.operands[0].ir))

    fused = compile_(module([[4, 4], [4, 4], [4]], chain), "custom")
    assert not any("tanh" in body for _, body in kernels(fused))


def test_an_illegal_request_names_the_rule(rule_names, caplog):
    rule_names.append("greedy")

    @fusion_rule(name="greedy", root="add")
    def _rule(op: OpView):
        return [op, *(v.producer for v in op.operands if v.producer and v.producer.name == "matmul")]

    def body(x, w):
        return b.elementwise("add", b.matmul(x, w), b.matmul(w, x))

    made = module([[4, 4], [4, 4]], body)
    with pytest.raises(PassError, match="fusion rule 'greedy': a kernel holds one of jic.matmul, jic.matmul"):
        Pipeline.parse("jic-apply-rules{strict=true}").run(ir.Module.parse(str(made)))
    check_same(made, compile_(made, "custom"), [[4, 4], [4, 4]])
    assert "fusion rule 'greedy' skipped" in caplog.text


def test_a_bad_replacement_names_the_rule(rule_names):
    rule_names.append("bad")

    @fusion_rule(name="bad", root="tanh")
    def _rule(op: OpView):
        return Replacement(lambda: b.reshape(op.operands[0].ir, [16]))

    with pytest.raises(PassError, match="fusion rule 'bad': its replacement is tensor<16xf32>"):
        compile_(module([[4, 4], [4, 4], [4]], chain), "custom")


def test_a_name_belongs_to_one_function(rule_names):
    rule_names.append("twice")
    fusion_rule(name="twice", root="add")(lambda op: None)
    with pytest.raises(PassError, match="'twice' is taken"):
        fusion_rule(name="twice", root="add")(len)


def test_composites_left_whole_are_an_error():
    made = module([[4, 4]], lambda x: b.softmax(x, 1))
    with pytest.raises(PassError, match="jic.softmax"):
        Pipeline.parse("jic-form-kernels").run(made)
