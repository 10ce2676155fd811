"""Programs of kernels that every GPU target must get right, with inputs; what they compute, the interpreter knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch_mlir import ir

from jic import dialects
from jic.dialects import build as b

Values = list[ir.Value]


@dataclass(frozen=True)
class Program:
    """A function of tensors of `inputs` (shape and element), built by `body`; inputs are drawn from [low, high).

    `tolerance` is the allowed error, relative where the exact result is above 1 in magnitude and absolute below.
    """

    name: str
    inputs: Sequence[tuple[Sequence[int], str]]
    body: Callable[..., Values]
    tolerance: float = 2e-6
    low: float = -3.0
    high: float = 3.0

    def module(self) -> ir.Module:
        context = dialects.context()
        with context, ir.Location.unknown():
            types = [b.tensor_type(shape, ir.Type.parse(element)) for shape, element in self.inputs]
            module = ir.Module.create()
            with ir.InsertionPoint(module.body):
                attributes = {
                    "sym_name": ir.StringAttr.get("main"),
                    "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, [])),
                }
                function = ir.Operation.create("func.func", attributes=attributes, regions=1)
                block = function.regions[0].blocks.append(*types)
                with ir.InsertionPoint(block):
                    results = self.body(*block.arguments)
                    ir.Operation.create("func.return", operands=results)
                signature = ir.FunctionType.get(types, [r.type for r in results])
                function.attributes["function_type"] = ir.TypeAttr.get(signature)
            module.operation.verify()
        return module

    def tensors(self) -> list[torch.Tensor]:
        generator = torch.Generator().manual_seed(0)
        return [_random(shape, DTYPES[element], self.low, self.high, generator) for shape, element in self.inputs]

    def check(self, found: Sequence[torch.Tensor], exact: Sequence[torch.Tensor]) -> None:
        """Compare with the exact results (float64 for floats)."""
        assert len(found) == len(exact)
        for got, want in zip(found, exact, strict=True):
            assert got.shape == want.shape
            if not got.dtype.is_floating_point:
                assert torch.equal(got, want.to(got.dtype))
                continue
            wide, want = got.double(), want.double()
            assert torch.equal(wide.isnan(), want.isnan())
            same = wide == want.to(got.dtype).double()  # also infinities, and what overflows
            error = ((wide - want) / want.abs().clamp(min=1.0)).abs()[~same & ~want.isnan()]
            assert not error.isnan().any(), "an infinity where the exact result is finite, or the other way round"
            if error.numel():
                assert error.max().item() <= self.tolerance, f"error {error.max().item():.3g}"


DTYPES = {
    "f64": torch.float64,
    "f32": torch.float32,
    "f16": torch.float16,
    "bf16": torch.bfloat16,
    "i64": torch.int64,
    "i32": torch.int32,
    "ui8": torch.uint8,
    "i1": torch.bool,
}


def _random(shape: Sequence[int], dtype: torch.dtype, low: float, high: float, generator: torch.Generator):
    if dtype == torch.bool:
        return torch.rand(shape, generator=generator) < 0.5
    values = torch.rand(shape, generator=generator, dtype=torch.float64) * (high - low) + low
    return values.to(dtype) if dtype.is_floating_point else (values * 30).to(dtype)


def fused(kind: str, inputs: Values, outputs: Sequence[tuple[Sequence[int], str]], body) -> Values:
    types = [b.tensor_type(shape, ir.Type.parse(element)) for shape, element in outputs]
    return list(b.fused(kind, inputs, types, body).results)


def _e(name: str, *values: ir.Value) -> ir.Value:
    return b.elementwise(name, *values)


def _shape(value: ir.Value) -> list[int]:
    return list(value.type.shape)


def _row(value: ir.Value, kind: str, dims: Sequence[int]) -> ir.Value:
    """A reduction broadcast back to the shape it came from."""
    shape = _shape(value)
    kept = [d for d in range(len(shape)) if d not in dims]
    return b.broadcast(b.reduce(value, kind, dims), shape, kept)


def unary(name: str, low: float = -3.0, high: float = 3.0, tolerance: float = 2e-6, element: str = "f32") -> Program:
    shape = (37, 29)

    def body(x):
        return fused("pointwise", [x], [(shape, element)], lambda a: [_e(name, a[0])])

    return Program(f"{name}_{element}", [(shape, element)], body, tolerance, low, high)


def binary(name: str, element: str, low: float = -3.0, high: float = 3.0, tolerance: float = 2e-6) -> Program:
    shape = (16, 24)

    def body(x, y):
        return fused("pointwise", [x, y], [(shape, element)], lambda a: [_e(name, *a)])

    return Program(f"{name}_{element}", [(shape, element)] * 2, body, tolerance, low, high)


def gelu(shape: Sequence[int], element: str, tolerance: float) -> Program:
    def body(x, bias):
        def kernel(a):
            v = _e("add", a[0], b.broadcast(a[1], shape))
            scaled = _e("erf", _e("mul", v, b.splat_like(v, 0.7071067811865476)))
            return [_e("mul", _e("mul", v, b.splat_like(v, 0.5)), _e("add", scaled, b.splat_like(v, 1.0)))]

        return fused("pointwise", [x, bias], [(shape, element)], kernel)

    size = "x".join(map(str, shape))
    return Program(f"gelu_bias_{size}_{element}", [(shape, element), (shape[-1:], element)], body, tolerance)


def softmax(
    shape: Sequence[int], dims: Sequence[int], element: str = "f32", log: bool = False, tolerance=2e-6
) -> Program:
    def body(x):
        def kernel(a):
            f32 = b.convert(a[0], ir.F32Type.get()) if element in ("f16", "bf16") else a[0]
            shifted = _e("sub", f32, _row(f32, "max", dims))
            e = _e("exp", shifted)
            out = _e("sub", shifted, _e("log", _row(e, "sum", dims))) if log else _e("div", e, _row(e, "sum", dims))
            return [b.convert(out, a[0].type.element_type)]

        return fused("reduction", [x], [(shape, element)], kernel)

    size = "x".join(map(str, shape))
    name = f"{'log_' if log else ''}softmax_{size}_over_{'_'.join(map(str, dims))}_{element}"
    return Program(name, [(shape, element)], body, tolerance, -8.0, 8.0)


def layer_norm(rows: int, columns: int, element: str = "f32", tolerance: float = 4e-6) -> Program:
    shape = (rows, columns)

    def body(x, weight, bias):
        def kernel(a):
            f32 = ir.F32Type.get() if element in ("f16", "bf16") else a[0].type.element_type
            v, w, c = (b.convert(t, f32) for t in a)
            by = b.splat([rows], f32, 1.0 / columns)
            mean = _e("mul", b.reduce(v, "sum", [1]), by)
            centred = _e("sub", v, b.broadcast(mean, shape, [0]))
            variance = _e("mul", b.reduce(_e("mul", centred, centred), "sum", [1]), by)
            scale = _e("rsqrt", _e("add", variance, b.splat_like(variance, 1e-5)))
            out = _e("mul", centred, b.broadcast(scale, shape, [0]))
            out = _e("add", _e("mul", out, b.broadcast(w, shape)), b.broadcast(c, shape))
            return [b.convert(out, a[0].type.element_type)]

        return fused("reduction", [x, weight, bias], [(shape, element)], kernel)

    inputs = [(shape, element), ((columns,), element), ((columns,), element)]
    return Program(f"layer_norm_{rows}x{columns}_{element}", inputs, body, tolerance)


def reduce(kind: str, shape: Sequence[int], dims: Sequence[int], element: str = "f32", tolerance=1e-5) -> Program:
    out = [s for d, s in enumerate(shape) if d not in dims]
    result = "i64" if kind.startswith("arg") else element

    def body(x):
        return fused("reduction", [x], [(out, result)], lambda a: [b.reduce(a[0], kind, dims)])

    size = "x".join(map(str, shape))
    name = f"{kind}_{size}_over_{'_'.join(map(str, dims))}_{element}"
    return Program(name, [(shape, element)], body, tolerance, -1.0, 1.0)


def _transposed(x, y):
    def kernel(a):
        return [_e("add", b.transpose(a[0], [2, 0, 1]), b.broadcast(a[1], [7, 5, 6], [1]))]

    return fused("pointwise", [x, y], [((7, 5, 6), "f32")], kernel)


def _views(x):
    def kernel(a):
        part = b.slice_(a[0], [1, 2], [6, 12], [1, 2])
        return [_e("mul", b.pad(b.reverse(part, [1]), [1, 0], [1, 4], 2.5), b.iota([8, 16], ir.F32Type.get(), 1))]

    return fused("pointwise", [x], [((8, 16), "f32")], kernel)


def _many_results(x, y):
    def kernel(a):
        less = b.compare("lt", a[0], a[1])
        return [less, b.select(less, a[0], a[1]), b.convert(a[0], ir.IntegerType.get_signless(64))]

    return fused("pointwise", [x, y], [((9, 20), "i1"), ((9, 20), "f32"), ((9, 20), "i64")], kernel)


def _row_results(x):
    """Results of both shapes from one kernel: the centred rows, their means and their largest elements."""

    def kernel(a):
        mean = _e("mul", b.reduce(a[0], "sum", [1]), b.splat([33], ir.F32Type.get(), 1 / 70))
        return [_e("sub", a[0], b.broadcast(mean, [33, 70], [0])), mean, b.reduce(a[0], "max", [1])]

    return fused("reduction", [x], [((33, 70), "f32"), ((33,), "f32"), ((33,), "f32")], kernel)


def _two_kernels(x, y):
    """A temporary between kernels, a reshape, a constant, a returned input and one value returned twice."""
    (total,) = fused("pointwise", [x, y], [((12, 10), "f32")], lambda a: [_e("mul", a[0], b.broadcast(a[1], [12, 10]))])
    flat = b.reshape(total, [4, 30])
    ones = b.constant(
        ir.DenseElementsAttr.get(
            [ir.FloatAttr.get_f32(k) for k in range(30)], type=b.tensor_type([30], ir.F32Type.get())
        )
    )
    (out,) = fused(
        "reduction",
        [flat, ones],
        [((4,), "f32")],
        lambda a: [b.reduce(_e("add", a[0], b.broadcast(a[1], [4, 30])), "sum", [1])],
    )
    return [out, x, b.reshape(out, [2, 2]), flat]


def _rounded(x):
    """f32 rounded to each narrow type and back, inside one kernel."""

    def kernel(a):
        return [b.convert(b.convert(a[0], t), ir.F32Type.get()) for t in (ir.BF16Type.get(), ir.F16Type.get())]

    return fused("pointwise", [x], [((30, 40), "f32")] * 2, kernel)


def _bytes(x, y):
    def kernel(a):
        return [_e("add", *a), b.convert(a[0], ir.F32Type.get()), b.compare("lt", *a), _e("maximum", *a)]

    return fused(
        "pointwise", [x, y], [((20, 20), "ui8"), ((20, 20), "f32"), ((20, 20), "i1"), ((20, 20), "ui8")], kernel
    )


NARROW = Program("narrow", [((30, 40), "f32")], _rounded, 0.0, -1e4, 1e4)
PROGRAMS = [
    *(unary(name) for name in ("abs", "neg", "sign", "relu", "exp", "expm1", "sin", "cos", "atan", "sinh", "cosh")),
    *(unary(name) for name in ("tanh", "sigmoid", "erf", "floor", "ceil", "round", "trunc", "reciprocal")),
    *(unary(name, 1e-3, 9.0) for name in ("log", "log2", "log10", "sqrt", "rsqrt")),
    unary("exp", -120.0, 120.0),
    unary("exp2", -20.0, 20.0),
    unary("log1p", -0.9, 5.0),
    unary("sin", -5000.0, 5000.0, 1e-6),
    unary("tan", -1.5, 1.5, 4e-6),
    unary("asin", -1.0, 1.0),
    unary("acos", -1.0, 1.0),
    *(binary(name, "f32") for name in ("add", "sub", "mul", "div", "maximum", "minimum", "atan2")),
    binary("pow", "f32", 0.01, 12.0, 3e-6),
    binary("mod", "f32", -9.0, 9.0, 3e-6),
    *(binary(name, "i32") for name in ("add", "mul", "maximum", "and")),
    *(binary(name, "i64") for name in ("sub", "xor")),
    gelu((64, 128), "f32", 2e-6),
    gelu((5, 33), "f32", 2e-6),
    gelu((8, 64), "f16", 2e-3),
    gelu((8, 64), "bf16", 1.6e-2),
    Program("transpose_broadcast", [((5, 6, 7), "f32"), ((5,), "f32")], _transposed),
    Program("slice_reverse_pad_iota", [((8, 30), "f32")], _views),
    Program("bytes", [((20, 20), "ui8")] * 2, _bytes, 0.0, 0.0, 8.5),
    Program("many_results", [((9, 20), "f32"), ((9, 20), "f32")], _many_results),
    softmax((64, 100), [1]),
    softmax((3, 5000), [1]),
    softmax((7, 5), [1]),
    softmax((6, 1031), [1], log=True),
    softmax((4, 3, 8, 16), [3], log=True),
    softmax((300, 17, 4), [1]),
    softmax((16, 48), [1], "f16", tolerance=1e-3),
    softmax((16, 48), [1], "bf16", tolerance=8e-3),
    layer_norm(10, 768),
    layer_norm(3, 77),
    layer_norm(2, 4096, "bf16", 4e-2),
    reduce("sum", (6, 40, 50), [1, 2]),
    reduce("sum", (700, 300), [0], tolerance=4e-5),
    reduce("sum", (40, 30), [0]),
    reduce("sum", (4000,), [0]),
    reduce("max", (5, 200), [1]),
    reduce("min", (5, 200), [1], "i32"),
    reduce("prod", (4, 40), [1]),
    reduce("sum", (5, 200), [1], "i64"),
    reduce("any", (40, 70), [1], "i1"),
    reduce("all", (6, 3), [1], "i1"),
    reduce("argmax", (9, 300), [1]),
    reduce("argmin", (9, 300), [0]),
    Program("row_results", [((33, 70), "f32")], _row_results),
    Program("two_kernels", [((12, 10), "f32"), ((10,), "f32")], _two_kernels),
]

DOUBLE = [
    *(unary(name, element="f64", tolerance=1e-14) for name in ("exp", "tanh", "sigmoid", "sqrt", "floor")),
    unary("log", 1e-3, 9.0, 1e-14, "f64"),
    binary("add", "f64", tolerance=1e-15),
    softmax((5, 60), [1], "f64", log=True, tolerance=1e-14),
    reduce("sum", (3, 2000), [1], "f64", 1e-13),
]
