"""The CPU contraction template against a float64 (or exact integer) reference: shapes, layouts, dtypes, epilogues."""

from __future__ import annotations

import dataclasses
import math
import sys
from pathlib import Path

import pytest
import torch
from torch_mlir import ir

from jic.dialects import build
from jic.errors import LoweringError
from jic.targets.cpu.machine import host
from jic.targets.cpu.templates.gemm import contraction
from jic.targets.kernel import product

sys.path.insert(0, str(Path(__file__).parent))
from contraction_harness import DTYPES, Compiled, contraction_region  # noqa: E402

# relative to the product of the operands' absolute values
TOLERANCE = {"f32": 5e-7, "f64": 1e-15, "bf16": 4e-3, "f16": 5e-4}


def operands(element: str, *shapes: tuple[int, ...], seed: int = 0) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    dtype = DTYPES[element]
    if dtype.is_floating_point:
        return [torch.randn(s, generator=generator, dtype=torch.float64).to(dtype) for s in shapes]
    return [torch.randint(-100, 100, s, generator=generator, dtype=dtype) for s in shapes]


def expected_product(a: torch.Tensor, b: torch.Tensor, ta: bool, tb: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """The exact product and the product of absolute values, which rounding errors are relative to."""
    wide = torch.float64 if a.dtype.is_floating_point else torch.int64
    a, b = (x.to(wide).transpose(-1, -2) if t else x.to(wide) for x, t in ((a, ta), (b, tb)))
    if wide == torch.int64:
        return (a.unsqueeze(-1) * b.unsqueeze(-3)).sum(-2), torch.ones(())
    return a @ b, a.abs() @ b.abs()


def check(found: torch.Tensor, exact: torch.Tensor, scale: torch.Tensor, element: str) -> None:
    if element not in TOLERANCE:
        assert torch.equal(found, exact.to(found.dtype))
        return
    error = (found.double() - exact).abs()
    # the accumulated rounding of the sum, and one rounding of the result
    bound = 1e-6 * scale if element in ("bf16", "f16") else TOLERANCE[element] * scale * 4
    smallest = 1e-7 if element == "f16" else 1e-30  # half of a denormal
    assert bool((error <= bound + TOLERANCE[element] * exact.abs() + smallest).all()), (error / (scale + 1e-30)).max()


def matmul_case(
    m: int, n: int, k: int, element: str = "f32", ta: bool = False, tb: bool = True, batch: tuple[int, ...] = (), **kw
):
    shapes = [(*batch, *((k, m) if ta else (m, k))), (*batch, *((n, k) if tb else (k, n)))]
    compiled = Compiled(shapes, element, lambda a, b: build.matmul(a, b, ta, tb), **kw)
    a, b = operands(element, *shapes)
    exact, scale = expected_product(a, b, ta, tb)
    for pieces in (1, 3):
        (found,) = compiled.run(a, b, pieces=pieces)
        check(found, exact, scale, element)
    return compiled


SHAPES = [
    (1, 1, 1), (1, 7, 5), (3, 1, 19), (2, 2, 64), (5, 3, 17), (4, 64, 64), (8, 33, 31), (7, 48, 100), (16, 16, 16),
    (13, 97, 29), (40, 130, 65), (67, 200, 33), (129, 257, 70), (300, 1, 50), (1, 300, 77), (100, 6, 40), (64, 64, 64),
    (31, 1000, 3), (200, 50, 1),
]  # fmt: skip


@pytest.mark.parametrize("ta", [False, True])
@pytest.mark.parametrize("tb", [False, True])
@pytest.mark.parametrize("m, n, k", SHAPES)
def test_f32_matches_float64(m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    matmul_case(m, n, k, "f32", ta, tb)


@pytest.mark.parametrize("element", [e for e in DTYPES if e not in ("f32", "i1")])
@pytest.mark.parametrize("ta, tb", [(False, True), (True, False)])
@pytest.mark.parametrize("m, n, k", [(3, 37, 29), (50, 70, 33), (20, 5, 80)])
def test_other_dtypes(element: str, m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    matmul_case(m, n, k, element, ta, tb)


@pytest.mark.parametrize("element", ["i8", "i16"])
@pytest.mark.parametrize("m, n, k", [(32, 17, 5), (7, 65, 199), (2, 33, 40)])
def test_one_narrow_column_past_a_vector(element: str, m: int, n: int, k: int) -> None:
    matmul_case(m, n, k, element)


@pytest.mark.parametrize("ta, tb", [(False, False), (False, True), (True, True)])
@pytest.mark.parametrize("batch", [(1,), (3,), (2, 1, 5)])
def test_batches(batch: tuple[int, ...], ta: bool, tb: bool) -> None:
    matmul_case(17, 35, 18, "f32", ta, tb, batch)
    matmul_case(2, 64, 40, "f32", ta, tb, batch)
    matmul_case(1, 40, 33, "f32", ta, tb, batch)


@pytest.mark.parametrize("vector_bits, registers", [(256, 16), (128, 16)])
@pytest.mark.parametrize("m, n, k", [(5, 20, 33), (61, 77, 40), (300, 1, 50)])
def test_narrower_machines(vector_bits: int, registers: int, m: int, n: int, k: int) -> None:
    machine = dataclasses.replace(host(), vector_bits=vector_bits, vector_registers=registers)
    for tb in (False, True):
        matmul_case(m, n, k, "f32", False, tb, machine=machine)
        matmul_case(m, n, k, "f64", True, tb, machine=machine)


@pytest.mark.parametrize("m, n, k", [(4, 32, 0), (1, 3, 0), (40, 70, 0)])
def test_empty_sum_is_zero(m: int, n: int, k: int) -> None:
    for ta, tb in ((False, True), (True, False)):
        matmul_case(m, n, k, "f32", ta, tb)


@pytest.mark.parametrize("m, n, batch", [(0, 5, ()), (5, 0, ()), (4, 4, (0,))])
def test_empty_result_launches_nothing(m: int, n: int, batch: tuple[int, ...]) -> None:
    compiled = Compiled([(*batch, m, 3), (*batch, 3, n)], "f32", lambda a, b: build.matmul(a, b))
    assert compiled.lowered.launches == []


def gelu(x: ir.Value) -> ir.Value:
    inner = build.elementwise("erf", build.elementwise("mul", x, build.splat_like(x, 0.5**0.5)))
    shifted = build.elementwise("add", inner, build.splat_like(x, 1.0))
    return build.elementwise("mul", build.elementwise("mul", x, build.splat_like(x, 0.5)), shifted)


def linear(x: ir.Value, w: ir.Value, b: ir.Value) -> ir.Value:
    product = build.matmul(x, w, False, True)
    return build.elementwise("add", product, build.broadcast(b, product.type.shape, [len(product.type.shape) - 1]))


@pytest.mark.parametrize("m, n, k", [(1, 64, 64), (9, 100, 48), (130, 96, 64), (64, 1, 70)])
@pytest.mark.parametrize("element", ["f32", "f64", "bf16"])
def test_linear_gelu(m: int, n: int, k: int, element: str) -> None:
    compiled = Compiled([(m, k), (n, k), (n,)], element, lambda x, w, b: gelu(linear(x, w, b)))
    x, w, b = operands(element, (m, k), (n, k), (n,))
    (found,) = compiled.run(x, w, b)
    exact = torch.nn.functional.gelu(torch.nn.functional.linear(x.double(), w.double(), b.double()))
    check(found, exact, x.double().abs() @ w.double().abs().T + 1, element)


@pytest.mark.parametrize("m, n, k", [(9, 100, 48), (70, 33, 20)])
def test_linear_relu_residual_and_second_result(m: int, n: int, k: int) -> None:
    def body(x: ir.Value, w: ir.Value, b: ir.Value, r: ir.Value) -> list[ir.Value]:
        y = linear(x, w, b)
        positive = build.compare("gt", y, build.splat_like(y, 0.0))
        return [build.elementwise("add", build.elementwise("relu", y), r), positive]

    shapes = [(m, k), (n, k), (n,), (m, n)]
    tensors = operands("f32", *shapes)
    found, positive = Compiled(shapes, "f32", body).run(*tensors)
    x, w, b, r = (t.double() for t in tensors)
    exact = torch.nn.functional.linear(x, w, b)
    check(found, exact.relu() + r, x.abs() @ w.abs().T + 3, "f32")
    assert torch.equal(positive.bool(), exact > 0)


def test_row_bias_and_transposed_residual() -> None:
    m, n, k = 45, 37, 20

    def body(a: ir.Value, b: ir.Value, rows: ir.Value, r: ir.Value) -> ir.Value:
        y = build.matmul(a, b)
        y = build.elementwise("mul", y, build.broadcast(rows, [m, n], [0]))
        return build.elementwise("add", y, build.transpose(r, [1, 0]))

    shapes = [(m, k), (k, n), (m,), (n, m)]
    tensors = operands("f32", *shapes)
    (found,) = Compiled(shapes, "f32", body).run(*tensors)
    a, b, rows, r = (t.double() for t in tensors)
    check(found, a @ b * rows[:, None] + r.T, (a.abs() @ b.abs()) * rows.abs()[:, None] + 3, "f32")


@pytest.mark.parametrize("m, n, k", [(4, 40, 33), (50, 70, 33), (20, 1, 80)])
@pytest.mark.parametrize("ta, tb", [(False, True), (True, False), (False, False), (True, True)])
def test_prologues(m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    """exp(0) is 1: lanes past an edge must not leak into the sum."""
    shapes = [(k, m) if ta else (m, k), (n, k) if tb else (k, n)]

    def body(a: ir.Value, b: ir.Value) -> ir.Value:
        return build.matmul(build.elementwise("exp", a), build.elementwise("sigmoid", b), ta, tb)

    tensors = operands("f32", *shapes)
    (found,) = Compiled(shapes, "f32", body).run(*tensors, pieces=2)
    a, b = tensors[0].double().exp(), tensors[1].double().sigmoid()
    exact, scale = expected_product(a, b, ta, tb)
    check(found, exact, scale * 4, "f32")


@pytest.mark.parametrize("m, n, k", [(1, 70, 45), (3, 200, 64), (19, 3, 50), (50, 1, 33)])
def test_dot_product_of_a_function_of_the_rows(m: int, n: int, k: int) -> None:
    shapes = [(m, k), (n, k)]
    tensors = operands("f32", *shapes)
    compiled = Compiled(shapes, "f32", lambda a, b: build.matmul(build.elementwise("exp", a), b, False, True))
    (found,) = compiled.run(*tensors, pieces=2)
    exact, scale = expected_product(tensors[0].double().exp(), tensors[1].double(), False, True)
    check(found, exact, scale * 4, "f32")


@pytest.mark.parametrize(
    "batch, m, n, k", [((8,), 5, 70, 45), ((2, 3), 1, 33, 40), ((7,), 9, 1, 50), ((1, 6), 1, 40, 9)]
)
def test_batch_with_a_shared_right_operand_is_one_product(batch: tuple[int, ...], m: int, n: int, k: int) -> None:
    rank = len(batch)
    shapes = [(*batch, m, k), (n, k), (n,), (*batch, m, n)]

    def body(x: ir.Value, w: ir.Value, b: ir.Value, r: ir.Value) -> ir.Value:
        shared = build.broadcast(w, [*batch, n, k], [rank, rank + 1])
        y = build.matmul(x, shared, False, True)
        return build.elementwise("add", build.elementwise("add", y, build.broadcast(b, [*batch, m, n], [rank + 1])), r)

    tensors = operands("f32", *shapes)
    compiled = Compiled(shapes, "f32", body)
    problem = product.read(compiled.region)
    assert problem.batch == () and sorted((problem.m, problem.n)) == sorted((math.prod(batch) * m, n))
    (found,) = compiled.run(*tensors, pieces=2)
    x, w, b, r = (t.double() for t in tensors)
    check(found, x @ w.T + b + r, x.abs() @ w.abs().T + 6, "f32")


def test_batch_whose_rows_differ_in_the_epilogue_stays_a_batch() -> None:
    shapes = [(4, 6, 20), (30, 20), (6, 30)]

    def body(x: ir.Value, w: ir.Value, p: ir.Value) -> ir.Value:
        y = build.matmul(x, build.broadcast(w, [4, 30, 20], [1, 2]), False, True)
        return build.elementwise("add", y, build.broadcast(p, [4, 6, 30], [1, 2]))

    tensors = operands("f32", *shapes)
    compiled = Compiled(shapes, "f32", body)
    assert product.read(compiled.region).batch == (4,)
    (found,) = compiled.run(*tensors, pieces=3)
    x, w, p = (t.double() for t in tensors)
    check(found, x @ w.T + p, x.abs() @ w.abs().T + 3, "f32")


@pytest.mark.parametrize("queries, keys, width", [(10, 10, 32), (33, 70, 16), (1, 50, 64)])
def test_attention_scores_of_permuted_views(queries: int, keys: int, width: int) -> None:
    """[B, S, H, D] permuted to [B, H, S, D], as attention reads its projections; a broadcast operand beside it."""
    heads, batch = 3, 2

    def body(q: ir.Value, k: ir.Value) -> ir.Value:
        q = build.transpose(q, [0, 2, 1, 3])
        k = build.broadcast(build.transpose(k, [1, 0, 2]), [batch, heads, keys, width], [1, 2, 3])
        return build.matmul(q, k, False, True)

    shapes = [(batch, queries, heads, width), (keys, heads, width)]
    tensors = operands("f32", *shapes)
    (found,) = Compiled(shapes, "f32", body).run(*tensors)
    q, k = tensors[0].double().permute(0, 2, 1, 3), tensors[1].double().permute(1, 0, 2).expand(batch, -1, -1, -1)
    exact, scale = expected_product(q, k, False, True)
    check(found, exact, scale, "f32")


def test_operand_broadcast_along_k() -> None:
    """Summing columns as a product with a broadcast scalar: no vector of it is ever loaded."""
    m, n, k = 4, 21, 35

    def body(a: ir.Value, s: ir.Value) -> ir.Value:
        return build.matmul(a, build.broadcast(s, [n, k], [0]), False, True)

    a, s = operands("f32", (m, k), (n,))
    (found,) = Compiled([(m, k), (n,)], "f32", body).run(a, s)
    exact, scale = expected_product(a, s[:, None].expand(n, k), False, True)
    check(found, exact, scale, "f32")


def test_nan_and_infinity_spread_as_in_torch() -> None:
    a, b = operands("f32", (6, 40), (50, 40))
    a[2, 3], b[7, 5], b[9, 39] = float("nan"), float("inf"), float("inf")
    (found,) = Compiled([(6, 40), (50, 40)], "f32", lambda x, y: build.matmul(x, y, False, True)).run(a, b)
    exact = a.double() @ b.double().T
    assert torch.equal(found.isnan(), exact.isnan()) and torch.equal(found.isinf(), exact.isinf())


def test_every_mode_is_covered() -> None:
    def mode(m: int, n: int, k: int, tb: bool = True) -> str:
        region = contraction_region(
            [(m, k), (n, k) if tb else (k, n)], "f32", lambda a, b: build.matmul(a, b, False, tb)
        )
        return contraction.choose_blocking(product.read(region), host()).mode

    assert mode(256, 256, 256) == "packed"
    assert mode(1, 256, 256) == "dot"
    assert mode(4, 256, 256, tb=False) == "stream"


@pytest.mark.parametrize("ta, tb", [(False, True), (True, False), (True, True)])
@pytest.mark.parametrize("m, n, k", [(61, 100, 300), (256, 70, 290)])
def test_long_sums_in_parts(m: int, n: int, k: int, ta: bool, tb: bool) -> None:
    """A machine with a tiny second-level cache walks even these sums in parts; A's rows 2^i KiB apart are packed."""
    machine = dataclasses.replace(host(), l2=32 << 10)
    compiled = matmul_case(m, n, k, "f32", ta, tb, machine=machine)
    problem = product.read(compiled.region)
    plan = contraction.choose_blocking(problem, machine)
    assert plan.k_block < k and plan.pack_a == (ta and m == 256)
    matmul_case(m, n, k, "bf16", ta, tb, machine=machine)


def test_very_long_sums_are_not_packed() -> None:
    compiled = matmul_case(60, 52, 200_000, "f32", True, False)
    assert compiled.launch.scratch < 1 << 20
    region = contraction_region([(60, 1 << 20), (52, 1 << 20)], "f32", lambda a, b: build.matmul(a, b, False, True))
    assert contraction.choose_blocking(product.read(region), host()).mode == "dot"


def test_long_sum_with_an_epilogue() -> None:
    m, n, k = 33, 50, 200
    machine = dataclasses.replace(host(), l2=16 << 10)
    compiled = Compiled([(m, k), (n, k), (n,)], "f32", lambda x, w, b: gelu(linear(x, w, b)), machine)
    x, w, b = operands("f32", (m, k), (n, k), (n,))
    (found,) = compiled.run(x, w, b, pieces=2)
    exact = torch.nn.functional.gelu(torch.nn.functional.linear(x.double(), w.double(), b.double()))
    check(found, exact, x.double().abs() @ w.double().abs().T + 1, "f32")


def test_bool_matmul_is_refused() -> None:
    with pytest.raises(LoweringError, match="i1"):
        Compiled([(2, 2), (2, 2)], "i1", lambda a, b: build.matmul(a, b))
