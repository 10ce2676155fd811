"""The CPU window template against a float64 reference: shapes, layouts, dtypes, epilogues."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path

import pytest
import torch
from torch_mlir import ir

from jic.dialects import build
from jic.errors import LoweringError
from jic.targets.cpu.machine import host

sys.path.insert(0, str(Path(__file__).parent))
from window_harness import DTYPES, Compiled  # noqa: E402

LAYOUTS = ("nchw", "nhwc")
# relative to the result's greatest magnitude
TOLERANCE = {"f32": 4e-6, "f64": 1e-14, "bf16": 1e-2, "f16": 2e-3}


def random(element: str, *shape: int) -> torch.Tensor:
    dtype = DTYPES[element]
    if dtype.is_floating_point:
        return torch.randn(shape, dtype=torch.float64).to(dtype)
    # the references do not wrap: no sum of 80 products may leave a byte
    most = 2 if element in ("i8", "ui8") else 3
    return torch.randint(0 if element == "ui8" else -most, most + 1, shape).to(dtype)


def to_layout(tensor: torch.Tensor, layout: str) -> torch.Tensor:
    return tensor.movedim(1, -1).contiguous() if layout == "nhwc" else tensor


def windows(x: torch.Tensor, window, stride, padding, dilation, fill: float) -> torch.Tensor:
    """`[N, C, *positions, taps]` in float64: what each window sees of `x`."""
    rank = len(window)
    pads = [p for d in reversed(range(rank)) for p in padding[2 * d : 2 * d + 2]]
    t = torch.nn.functional.pad(x.double(), pads, value=fill)
    for d in range(rank):
        positions = (t.shape[2 + d] - dilation[d] * (window[d] - 1) - 1) // stride[d] + 1
        index = (torch.arange(positions) * stride[d])[:, None] + torch.arange(window[d]) * dilation[d]
        t = t.index_select(2 + d, index.flatten()).unflatten(2 + d, index.shape).movedim(3 + d, -1)
    return t.flatten(2 + rank)


def conv_reference(x, w, stride, padding, dilation, groups) -> torch.Tensor:
    seen = windows(x, w.shape[2:], stride, padding, dilation, 0.0)
    n, o = x.shape[0], w.shape[0]
    seen = seen.unflatten(1, (groups, w.shape[1])).flatten(3, -2)  # [N, G, I, P, taps]
    filters = w.double().reshape(groups, o // groups, w.shape[1], w.shape[2:].numel())
    result = torch.einsum("ngipt,goit->ngop", seen, filters).flatten(1, 2)
    shape = [
        (s + padding[2 * d] + padding[2 * d + 1] - dilation[d] * (k - 1) - 1) // stride[d] + 1
        for d, (s, k) in enumerate(zip(x.shape[2:], w.shape[2:], strict=True))
    ]
    return result.reshape(n, o, *shape)


def check(found: torch.Tensor, exact: torch.Tensor, element: str, layout: str) -> None:
    found = found.movedim(-1, 1) if layout == "nhwc" else found
    assert found.shape == exact.shape
    if element not in TOLERANCE:
        assert torch.equal(found.double(), exact)
        return
    scale = float(exact.abs().max()) if exact.numel() else 0.0
    torch.testing.assert_close(found.double(), exact, rtol=0, atol=TOLERANCE[element] * (scale + 1))


def conv_case(
    x_shape, w_shape, stride=None, padding=None, dilation=None, groups=1, layout="nchw", element="f32", machine=None
) -> Compiled:
    """Convolution + bias + residual + ReLU, run whole and in three ranges of tasks."""
    rank = len(w_shape) - 2
    stride, dilation, padding = stride or [1] * rank, dilation or [1] * rank, padding or [0] * (2 * rank)
    x, w, bias = random(element, *x_shape), random(element, *w_shape), random(element, w_shape[0])
    exact = conv_reference(x, w, stride, padding, dilation, groups)
    residual = random(element, *exact.shape)
    exact = torch.relu(exact + bias.double().reshape(-1, *[1] * rank) + residual.double())
    tensors = [to_layout(x, layout), w, bias, to_layout(residual, layout)]

    def body(v: list[ir.Value]) -> list[ir.Value]:
        y = build.conv(v[0], v[1], stride, padding, dilation, groups, layout)
        channel = 1 if layout == "nchw" else rank + 1
        y = build.elementwise("add", y, build.broadcast(v[2], y.type.shape, [channel]))
        return [build.elementwise("relu", build.elementwise("add", y, v[3]))]

    compiled = Compiled([t.shape for t in tensors], element, body, machine)
    for pieces in (1, 3):
        (found,) = compiled.run(*tensors, pieces=pieces)
        check(found, exact, element, layout)
    return compiled


CONVOLUTIONS = [
    # x, w, stride, padding, dilation, groups
    ((1, 64, 14, 14), (64, 64, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 1),
    ((2, 5, 9, 11), (20, 5, 3, 2), [2, 1], [1, 0, 2, 1], [1, 1], 1),
    ((1, 4, 9, 13), (33, 4, 3, 3), [1, 2], [2, 3, 2, 0], [2, 3], 1),
    ((2, 6, 9, 13), (12, 2, 3, 3), [1, 2], [2, 2, 2, 2], [2, 2], 3),
    ((1, 64, 5, 6), (80, 16, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 4),
    ((1, 3, 23, 29), (16, 3, 7, 7), [2, 2], [3, 3, 3, 3], [1, 1], 1),
    ((3, 7, 7, 7), (33, 7, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ((2, 17, 9, 10), (48, 17, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ((2, 20, 30, 1), (32, 20, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ((5, 20, 1, 1), (32, 20, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ((2, 17, 9, 10), (48, 17, 1, 1), [2, 3], [0, 0, 0, 0], [1, 1], 1),
    ((1, 8, 19, 3), (19, 8, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 1),
    ((1, 8, 1, 1), (19, 8, 1, 1), [1, 1], [5, 6, 7, 1], [1, 1], 1),
    ((2, 160, 7, 7), (192, 160, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 1),  # a filter that L2 does not hold
    ((1, 520, 5, 5), (516, 520, 1, 1), [1, 1], [0, 0, 0, 0], [1, 1], 1),
    ((2, 9, 17), (21, 9, 4), [2], [3, 1], [1], 1),
    ((1, 3, 5, 6, 7), (18, 3, 2, 3, 3), [1, 2, 1], [1, 0, 1, 1, 0, 2], [2, 1, 1], 1),
    ((2, 20, 9, 11), (20, 1, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 20),
    ((1, 37, 29, 31), (37, 1, 3, 3), [2, 2], [1, 1, 1, 1], [1, 1], 37),
    ((1, 7, 9, 11), (7, 1, 5, 7), [1, 3], [1, 0, 2, 1], [1, 2], 7),
    ((2, 7, 9, 11), (7, 1, 3, 3), [1, 1], [0, 0, 0, 0], [1, 1], 7),
    ((1, 7, 9, 11), (14, 1, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 7),
]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("case", CONVOLUTIONS, ids=lambda c: f"{c[0]}*{c[1]}".replace(" ", ""))
def test_convolutions_match_float64(case, layout: str) -> None:
    conv_case(*case, layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("element", [e for e in DTYPES if e not in ("f32", "i1")])
def test_convolution_dtypes(element: str, layout: str) -> None:
    conv_case((2, 8, 5, 6), (19, 8, 3, 3), [1, 1], [1, 1, 1, 1], layout=layout, element=element)
    conv_case((2, 8, 5, 6), (19, 8, 1, 1), layout=layout, element=element)
    conv_case((1, 18, 5, 6), (18, 1, 3, 3), [1, 1], [1, 1, 1, 1], [1, 1], 18, layout, element)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("vector_bits, registers", [(256, 16), (128, 16)])
def test_narrower_machines(vector_bits: int, registers: int, layout: str) -> None:
    machine = dataclasses.replace(host(), vector_bits=vector_bits, vector_registers=registers)
    for element in ("f32", "f64"):
        conv_case((2, 6, 9, 10), (21, 6, 3, 3), [1, 1], [1, 1, 1, 1], layout=layout, element=element, machine=machine)
        conv_case((1, 9, 9, 9), (9, 1, 3, 3), [2, 2], [1, 1, 1, 1], [1, 1], 9, layout, element, machine)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize(
    "x, w", [((0, 4, 5, 5), (6, 4, 3, 3)), ((2, 0, 5, 5), (6, 0, 3, 3)), ((1, 4, 5, 5), (0, 4, 3, 3))]
)
def test_empty_convolutions(x, w, layout: str) -> None:
    conv_case(x, w, [1, 1], [1, 1, 1, 1], layout=layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_batch_norm_gelu_and_two_results(layout: str) -> None:
    """An epilogue with transcendental functions and per-channel vectors; the sum itself is a result too."""
    x, w = random("f32", 2, 12, 10, 15), random("f32", 40, 12, 3, 3)
    mean, var = random("f32", 40), random("f32", 40).abs() + 0.5

    def body(v: list[ir.Value]) -> list[ir.Value]:
        y = build.conv(v[0], v[1], [1, 1], [1, 1, 1, 1], [1, 1], 1, layout)
        spread = lambda t: build.broadcast(t, y.type.shape, [1 if layout == "nchw" else 3])  # noqa: E731
        scale = build.elementwise("rsqrt", build.elementwise("add", v[3], build.splat_like(v[3], 1e-5)))
        z = build.elementwise("mul", build.elementwise("sub", y, spread(v[2])), spread(scale))
        half = build.elementwise("erf", build.elementwise("mul", z, build.splat_like(z, 0.5**0.5)))
        gate = build.elementwise(
            "mul", build.elementwise("add", half, build.splat_like(z, 1.0)), build.splat_like(z, 0.5)
        )
        return [build.elementwise("mul", z, gate), y]

    tensors = [to_layout(x, layout), w, mean, var]
    compiled = Compiled([t.shape for t in tensors], "f32", body)
    found, total = compiled.run(*tensors, pieces=2)
    y = conv_reference(x, w, [1, 1], [1] * 4, [1, 1], 1)
    z = (y - mean.double()[:, None, None]) * (var.double()[:, None, None] + 1e-5).rsqrt()
    check(total, y, "f32", layout)
    check(found, torch.nn.functional.gelu(z), "f32", layout)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_epilogue_that_varies_along_the_rows(layout: str) -> None:
    """A one-tap convolution may walk all pixels as one line only if nothing depends on the row."""
    x, w, columns = random("f32", 2, 12, 9, 15), random("f32", 20, 12, 1, 1), random("f32", 15)

    def body(v: list[ir.Value]) -> list[ir.Value]:
        y = build.conv(v[0], v[1], [1, 1], [0, 0, 0, 0], [1, 1], 1, layout)
        return [build.elementwise("mul", y, build.broadcast(v[2], y.type.shape, [3 if layout == "nchw" else 2]))]

    (found,) = Compiled([to_layout(x, layout).shape, w.shape, columns.shape], "f32", body).run(
        to_layout(x, layout), w, columns
    )
    check(found, conv_reference(x, w, [1, 1], [0] * 4, [1, 1], 1) * columns.double(), "f32", layout)


POOLS = [
    # spatial size, window, stride, padding, dilation
    ((9, 11), [3, 3], [2, 2], [1, 1, 1, 1], [1, 1]),
    ((14, 35), [3, 3], [1, 1], [1, 1, 1, 1], [1, 1]),
    ((19,), [4], [3], [1, 2], [1]),
    ((7, 8, 9), [2, 3, 2], [1, 2, 1], [1, 0, 1, 1, 0, 1], [1, 1, 2]),
    ((14, 14), [7, 7], [1, 1], [3, 3, 3, 3], [1, 1]),
    ((14, 24), [2, 2], [2, 2], [0, 0, 0, 0], [1, 1]),
    ((7, 7), [7, 7], [1, 1], [0, 0, 0, 0], [1, 1]),
    ((14, 24), [2, 2], [2, 3], [1, 0, 0, 1], [2, 1]),
]


def pool_reference(kind: str, x: torch.Tensor, window, stride, padding, dilation) -> torch.Tensor:
    if kind == "max":
        return windows(x, window, stride, padding, dilation, float("-inf")).amax(-1)
    total = windows(x, window, stride, padding, dilation, 0.0).sum(-1)
    if kind == "sum":
        return total
    average = total / windows(torch.ones_like(x), window, stride, padding, dilation, 0.0).sum(-1)
    return average if x.is_floating_point() else average.trunc()


def pool_case(kind: str, x: torch.Tensor, case, layout: str, element: str) -> None:
    _, window, stride, padding, dilation = case
    exact = pool_reference(kind, x, window, stride, padding, dilation)
    other = random(element, *exact.shape)
    tensors = [to_layout(x, layout), to_layout(other, layout)]

    def body(v: list[ir.Value]) -> list[ir.Value]:
        return [build.elementwise("add", build.pool(v[0], kind, window, stride, padding, dilation, layout), v[1])]

    compiled = Compiled([t.shape for t in tensors], element, body)
    for pieces in (1, 3):
        (found,) = compiled.run(*tensors, pieces=pieces)
        check(found, exact + other.double(), element, layout)


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["max", "sum", "avg"])
@pytest.mark.parametrize("case", POOLS, ids=lambda c: f"{c[0]}{c[1]}".replace(" ", ""))
def test_pools_match_float64(case, kind: str, layout: str) -> None:
    pool_case(kind, random("f32", 2, 19, *case[0]), case, layout, "f32")


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("kind", ["max", "sum", "avg"])
@pytest.mark.parametrize("element", ["f64", "bf16", "f16", "i64", "i32", "i16", "i8", "ui8"])
def test_pool_dtypes(element: str, kind: str, layout: str) -> None:
    case = ((9, 11), [3, 2], [2, 3], [1, 1, 1, 0], [1, 1])
    pool_case(kind, random(element, 2, 5, *case[0]), case, layout, element)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_max_pool_propagates_nan_and_infinity(layout: str) -> None:
    x = random("f32", 1, 17, 8, 8)
    x[0, 3, 2, 2], x[0, 4, 5, 5], x[0, 5] = float("nan"), float("inf"), float("-inf")
    exact = torch.nn.functional.max_pool2d(x, 3, 2, 1)
    shape = to_layout(x, layout).shape
    body = lambda v: [build.pool(v[0], "max", [3, 3], [2, 2], [1, 1, 1, 1], [1, 1], layout)]  # noqa: E731
    (found,) = Compiled([shape], "f32", body).run(to_layout(x, layout))
    assert torch.equal(found.isnan(), to_layout(exact, layout).isnan())
    assert torch.equal(found.nan_to_num(), to_layout(exact, layout).nan_to_num())


@pytest.mark.parametrize("layout", LAYOUTS)
def test_pad_before_the_window(layout: str) -> None:
    x, w = random("f32", 1, 6, 7, 8), random("f32", 9, 6, 3, 3)
    low, high = ([0, 0, 1, 2], [0, 0, 2, 0]) if layout == "nchw" else ([0, 1, 2, 0], [0, 2, 0, 0])

    def body(v: list[ir.Value]) -> list[ir.Value]:
        padded = build.pad(v[0], low, high, 0.0)
        return [build.conv(padded, v[1], [1, 1], [1, 0, 0, 1], [1, 1], 1, layout)]

    (found,) = Compiled([to_layout(x, layout).shape, w.shape], "f32", body).run(to_layout(x, layout), w)
    check(found, conv_reference(x, w, [1, 1], [2, 2, 2, 1], [1, 1], 1), "f32", layout)


def test_what_no_kernel_holds_is_refused() -> None:
    def two(v: list[ir.Value]) -> list[ir.Value]:
        first = build.conv(v[0], v[1], [1, 1], [0] * 4, [1, 1])
        return [build.elementwise("add", first, build.conv(v[0], v[1], [1, 1], [0] * 4, [1, 1]))]

    def prologue(v: list[ir.Value]) -> list[ir.Value]:
        return [build.conv(build.elementwise("relu", v[0]), v[1], [1, 1], [0] * 4, [1, 1])]

    def ones(v: list[ir.Value]) -> list[ir.Value]:
        return [build.conv(build.pad(v[0], [0, 0, 1, 1], [0] * 4, 1.0), v[1], [1, 1], [0] * 4, [1, 1])]

    for body in (two, prologue, ones):
        with pytest.raises(LoweringError):
            Compiled([(1, 4, 5, 5), (4, 4, 3, 3)], "f32", body)
