"""Conversion to `jic` against eager: odd shapes, dtypes and scalars, one line an op."""

from __future__ import annotations

import pytest
import torch
from support.frontend import aten_calls, check
from torch.nn import functional as F

torch.manual_seed(0)
X, Y = torch.randn(3, 5), torch.randn(3, 5)
N, J = torch.randint(-9, 9, (3, 5)), torch.randint(1, 9, (5,))
B = X > 0
H = torch.randn(3, 5).bfloat16()
IMAGE = torch.randn(2, 4, 9, 7)

ELEMENTWISE = {
    "add_alpha": (lambda x, y: torch.add(x, y, alpha=3), X, Y),
    "add_int_float": (lambda x, i: x + i, X, N),
    "add_zero_dim": (lambda i, s: i + s, N, torch.tensor(2.5)),
    "add_bools": (lambda x, y: x + y, B, ~B),
    "add_int_scalar": (lambda i: i + 2.5, N),
    "rsub": (lambda x: 1 - x, X),
    "rsub_alpha": (lambda x, y: torch.rsub(x, y, alpha=2), X, Y),
    "mul_bools": (lambda x, y: x * y, B, ~B),
    "mul_bf16_scalar": (lambda h: h * 0.1, H),
    "mul_bf16_f32_scalar_tensor": (lambda h, s: h * s, H, torch.tensor(0.1)),
    "true_div_ints": (lambda i, j: i / j, N, J),
    "floor_div": (lambda x: x // 0.3, X),
    "floor_div_tensor": (lambda x, y: x // y, X, torch.tensor([0.0, -0.5, 2.0, float("inf"), 0.1])),
    "floor_div_int": (lambda i: i // 4, N),
    "trunc_div_int": (lambda i: torch.div(i, -4, rounding_mode="trunc"), N),
    "remainder": (lambda x: x % -0.7, X),
    "remainder_int": (lambda i: i % -4, N),
    "fmod": (lambda x: torch.fmod(x, 0.7), X),
    "pow": (lambda x: x**3 + x**2.0 + 2**x, X),
    "pow_int": (lambda i: i**2, N),
    "compare": (lambda x, i: (x > 0.1, i == 2.0, x != i, i <= 3), X, N),
    "where": (lambda b, x, i: (torch.where(b, x, i), torch.where(b, x, 2.0), torch.where(b, 1, 0)), B, X, N),
    "masked_fill": (lambda x, b: x.masked_fill(b, float("-inf")), X, B),
    "clamp": (lambda x, y: (x.clamp(-0.5, 0.5), x.clamp(min=0), x.clamp(max=y), x.clip(y, 1 + y)), X, Y),
    "logical": (lambda b, i: (b & ~b | b, torch.logical_and(b, i), torch.logical_not(i), b ^ b), B, N),
    "bitwise": (lambda i: (i & 3, i | 4, i ^ 5, ~i), N),
    "unary": (lambda x: (x.abs().sqrt(), x.exp(), x.neg(), x.sign(), x.sin().cos(), x.tanh(), x.erf()), X),
    "unary_int": (lambda i: (i.abs(), i.float().round(), i.exp(), i.sigmoid(), i.floor(), i.sign()), N),
    "rounding": (lambda x: (x.floor(), x.ceil(), x.round(), x.trunc(), x.frac()), 3 * X),
    "predicates": (lambda x, i: (x.isnan(), x.isinf(), x.isfinite(), i.isnan()), X / 0, N),
    "maximum": (lambda x, y: (torch.maximum(x, y), torch.minimum(x, y)), X, torch.full((5,), float("nan"))),
    "addcmul": (lambda x, y: (torch.addcmul(x, x, y, value=2), torch.addcdiv(x, x, y.abs() + 1, value=0.5)), X, Y),
    "lerp": (lambda x, y: (torch.lerp(x, y, 0.3), torch.lerp(x, y, torch.sigmoid(x))), X, Y),
    "to": (lambda x, i, b: (x.to(torch.float64), x.int(), i.bool(), b.float(), x.bfloat16(), i.to(x)), X, N, B),
    "uint8": (lambda u: (u + 1, u.float() / 255, u > 100), torch.tensor([0, 100, 255], dtype=torch.uint8)),
    "empty": (lambda x: (x + 1, x.sum()), torch.zeros(0, 3)),
    "zero_dim": (lambda x: (x + 1, x.softmax(0), x.sum(), x.max()), torch.tensor(2.0)),
}
ACTIVATIONS = [
    F.relu, F.gelu, lambda x: F.gelu(x, approximate="tanh"), F.silu, F.mish, F.softplus, F.logsigmoid, F.elu, F.selu,
    F.celu, F.leaky_relu, F.hardtanh, F.relu6, F.hardsigmoid, F.hardswish, F.softsign, F.tanhshrink, F.hardshrink,
    F.softshrink, lambda x: F.threshold(x, 0.1, 20), lambda x: F.glu(x[:, :4]), lambda x: F.prelu(x, x[0].abs()),
    lambda x: F.softplus(x, 2.0, 0.5), lambda x: F.dropout(x, 0.5, False),
]  # fmt: skip
REDUCTIONS = {
    "sum": (lambda x, i: (x.sum(), x.sum(0), x.sum(-1, keepdim=True), i.sum(), x.sum(dtype=torch.float64)), X, N),
    "sum_bool": (lambda b: (b.sum(), b.sum(0)), B),
    "mean": (lambda x, h: (x.mean(), x.mean((0, 1), keepdim=True), h.mean(-1)), X, H),
    "var": (lambda x: (x.var(), x.var(1, unbiased=False), x.std(0), *torch.var_mean(x, 1, correction=2)), X),
    "extremes": (lambda x: (x.amax(1), x.amin(), x.max(), *x.max(0), *x.min(1, keepdim=True)), X),
    "arg": (lambda x: (x.argmax(), x.argmax(0), x.argmin(1, keepdim=True)), X),
    "any": (lambda b, i: (b.any(), b.all(1), i.any(0)), B, N),
    "prod": (lambda x: (x.prod(), x.prod(1)), X),
    "scans": (lambda x, h: (x.cumsum(1), x.cumprod(0), h.cumsum(0)), X, H),
    "logsumexp": (lambda x: (x.logsumexp(1), (x / 0).logsumexp(0, keepdim=True)), X),
    "norms": (lambda x: (x.norm(), x.norm(1, dim=1), torch.linalg.vector_norm(x, float("inf")), F.normalize(x)), X),
}
CONTRACTIONS = {
    "mm": (lambda x, y: (x @ y.t(), x.mm(y.t())), X, Y),
    "bf16": (lambda h: h @ h.t(), H),
    "matmul_ranks": (
        lambda x: (
            x[0] @ x[1],
            x @ x[0],
            x[:, 0] @ x,
            x.view(3, 1, 5) @ x.t(),
            x[None, None] @ x.t()[None].expand(2, 5, 3),
        ),
        X,
    ),
    "linear": (lambda x: (F.linear(x, x), F.linear(x, x, x[:, 0]), F.linear(x[0], x), F.linear(x[None], x)), X),
    "addmm": (lambda x, y: torch.addmm(x[:, 0], x, y.t(), beta=0.5, alpha=2.0), X, Y),
    "baddbmm": (lambda x: torch.baddbmm(x[:, :1], x[None].mT, x[None], beta=0.5), torch.randn(5, 5)),
    "vectors": (lambda x: (x[0].dot(x[1]), torch.outer(x[0], x[1]), x.mv(x[0])), X),
    "einsum": (lambda x, y: (torch.einsum("ij,kj->ik", x, y), torch.einsum("ij,ij->", x, y)), X, Y),
}
VIEWS = {
    "reshape": (lambda x: (x.view(5, 3), x.reshape(-1), x.flatten(), x.unflatten(1, (5, 1)), x[None, :, None]), X + 0),
    "squeeze": (lambda x: (x[None].squeeze(), x[None].squeeze(0) * 1, x[:, :1].squeeze((0, 1)) + 1), X),
    "expand": (lambda x: (x[:, None].expand(3, 4, 5) + 1, x[0].expand_as(x) * 2), X),
    "repeat": (lambda x: (x.repeat(2, 1, 3), x.repeat_interleave(2, 1), x.tile(2)), X),
    "permute": (lambda x: (x[None].permute(2, 0, 1) + 1, x.t() + 1, x.movedim(0, 1) * 1, x.mT + 0), X),
    "slice": (lambda x: (x[1:, ::2] + 1, x[-2:, -1] + 1, x.narrow(1, 1, 2) * 1, x.select(1, -2) + 1), X),
    "split": (lambda x: [p + 1 for p in (*x.split(2, 1), *x.chunk(2), *x.unbind(1), *x.split([1, 4], 1))], X),
    "cat": (lambda x, i: (torch.cat([x, i, torch.zeros(0)]), torch.stack([x, i.float()], 1)), X, N),
    "flip": (lambda x: (x.flip(0, -1), x.roll(2), x.roll((1, -2), (0, 1))), X),
    "pad": (lambda x: (F.pad(x, (1, 2)), F.pad(x, (-1, 2, 1, 0), value=7.0)), X),
    "pad_modes": (lambda x: [F.pad(x, (1, 2, 2, 0), mode=m) for m in ("reflect", "replicate", "circular")], IMAGE),
    "triangles": (lambda x: (x.tril(), x.triu(1), x.tril(-1)), X),
    "pixel_shuffle": (lambda x: F.pixel_shuffle(x, 2), IMAGE),
}
CREATION = {
    "ranges": (lambda x: (torch.arange(4), torch.arange(1, 9, 2), torch.arange(0.1, 1, 0.3), x + 1), X),
    "filled": (
        lambda x: (torch.zeros(2), torch.full((2,), True), torch.ones_like(x), x.new_full((2,), 3), torch.eye(3)),
        X,
    ),
    "linspace": (lambda x: x + torch.linspace(0, 1, 5), X),
}
INDEXING = {
    "embedding": (lambda w, i: F.embedding(i, w), torch.randn(9, 4), torch.tensor([[1, 8], [0, 3]])),
    "index_select": (lambda x, i: x.index_select(1, i), X, torch.tensor([4, 0])),
    "gather": (lambda x, i: x.gather(1, i), X, torch.tensor([[4, 0], [1, 1]])),
    "index": (lambda x, i: (x[i], x[:, i[0]], x[i, i]), X, torch.tensor([[-1, 0], [1, 1]])),
}
NORMALIZATION = {
    "softmax": (lambda x, h: (x.softmax(1), F.log_softmax(x, 0), h.softmax(-1), x.softmax(0, torch.float64)), X, H),
    "layer_norm": (
        lambda x: (F.layer_norm(x, (5,)), F.layer_norm(x, (3, 5), x, x), F.layer_norm(x, (5,), None, x[0])),
        X,
    ),
    "rms_norm": (lambda x: (F.rms_norm(x, (5,)), F.rms_norm(x, (5,), x[0], 1e-3)), X),
    "batch_norm": (lambda x: F.batch_norm(x, x[0, :, 0, 0], x[0, :, 1, 1].abs(), x[0, :, 0, 0]), IMAGE),
    "batch_statistics": (lambda x: F.batch_norm(x, None, None, training=True), IMAGE),
    "group_norm": (lambda x: (F.group_norm(x, 2), F.group_norm(x, 4, x[0, :, 0, 0], x[0, :, 1, 0])), IMAGE),
    "instance_norm": (lambda x: F.instance_norm(x), IMAGE),
    "attention": (lambda q: F.scaled_dot_product_attention(q, q, q, is_causal=True), torch.randn(2, 4, 5, 8)),
    "attention_mask": (
        lambda q, m: F.scaled_dot_product_attention(q, q[:, :2], q[:, :2], m, scale=0.3, enable_gqa=True),
        torch.randn(2, 4, 5, 8),
        torch.randn(2, 1, 5, 5),
    ),
}
WINDOWS = {
    "conv2d": (lambda x, w: F.conv2d(x, w, w[:, 0, 0, 0], 2, 1, 2), IMAGE, torch.randn(6, 4, 3, 3)),
    "conv2d_groups": (lambda x, w: F.conv2d(x, w, padding="same", groups=2), IMAGE, torch.randn(6, 2, 3, 2)),
    "conv1d": (lambda x, w: F.conv1d(x, w, stride=2), torch.randn(4, 9), torch.randn(5, 4, 3)),
    "conv3d": (lambda x, w: F.conv3d(x, w), torch.randn(1, 2, 4, 4, 4), torch.randn(3, 2, 2, 2, 2)),
    "max_pool": (
        lambda x: (F.max_pool2d(x, 3, 2, 1), F.max_pool2d(x, 2, ceil_mode=True), F.max_pool2d(x[0], 2)),
        IMAGE,
    ),
    "avg_pool": (
        lambda x: (
            F.avg_pool2d(x, 3, 2, 1),
            F.avg_pool2d(x, 3, 2, 1, count_include_pad=False),
            F.avg_pool2d(x, 2, ceil_mode=True),
        ),
        IMAGE,
    ),
    "pool_1d": (lambda x: (F.max_pool1d(x, 2), F.avg_pool1d(x, 3, 1)), torch.randn(2, 4, 9)),
    "adaptive": (lambda x: (F.adaptive_avg_pool2d(x, 1), F.adaptive_avg_pool2d(x, (3, 7))), IMAGE),
    "nearest": (lambda x: (F.interpolate(x, scale_factor=2), F.interpolate(x, (5, 14))), IMAGE),
    "bilinear": (lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), IMAGE),
}
CASES = {
    **ELEMENTWISE, **REDUCTIONS, **CONTRACTIONS, **VIEWS, **CREATION, **INDEXING, **NORMALIZATION, **WINDOWS,
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_op(name):
    fn, *arguments = CASES[name]
    _, module = check(fn, *arguments)
    assert not aten_calls(module)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("fn", ACTIVATIONS)
def test_activation(fn, dtype):
    _, module = check(fn, (4 * X).to(dtype))
    assert not aten_calls(module)


@pytest.mark.parametrize(
    ("fn", "callee"),
    [
        (lambda x: x.sort(stable=True), "aten.sort.stable"),
        (lambda x: x.topk(2), "aten.topk.default"),
        (lambda x: torch.special.erfcx(x), "aten.special_erfcx.default"),
        (lambda x: x.long() // (x.long() * 0 + 2), "aten.floor_divide.default"),
        (lambda x: F.adaptive_avg_pool1d(x, 2), "aten.adaptive_avg_pool1d.default"),
    ],
)
def test_ops_without_a_conversion_are_called(fn, callee):
    _, module = check(fn, X)
    assert list(aten_calls(module)) == [callee] and all(aten_calls(module).values())


def test_random_ops_are_called_and_kept():
    from jic import dialects
    from jic.frontend import trace
    from jic.frontend.importer import import_graph

    def fn(x):
        torch.rand(3)
        return F.dropout(x, 0.5)

    module = import_graph(trace(fn, (X,)), dialects.context())
    assert list(aten_calls(module)) == ["aten.rand.default", "aten.dropout.default"]


def test_dead_calls_are_removed():
    def fn(x):
        x.sort()
        return x + 1

    _, module = check(fn, X)
    assert not aten_calls(module)
