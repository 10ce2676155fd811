"""The simplification passes keep what a program computes: random graphs, interpreted before and after."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import inf, nan, prod

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.interpret import DTYPES, interpret
from torch_mlir import ir
from torch_mlir.dialects import func

from jic import dialects
from jic.dialects import build
from jic.passes.base import walk
from jic.passes.pipeline import Pipeline

CONTEXT = dialects.context()
EXACT = (
    "jic-dead-code-elimination",
    "jic-constant-fold",
    "jic-cse",
    "jic-algebraic-simplify",
    "jic-fold-views",
    "jic-conv-layout",
)
ALL = (*EXACT[:4], "jic-strength-reduce", "jic-fold-views", "jic-fold-conv-batch-norm", "jic-conv-layout", *EXACT[:3])
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))

Value = ir.Value


def module_of(types: Sequence[tuple[list[int], str]], body: Callable[..., Sequence[Value]]) -> ir.Module:
    """A module whose `@main` takes arguments of `types` (shape, element) and returns what `body` builds."""
    with CONTEXT, ir.Location.unknown():
        arguments = [build.tensor_type(shape, element_of(name)) for shape, name in types]
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            main = func.FuncOp("main", (arguments, []))
            block = main.add_entry_block()
            with ir.InsertionPoint(block):
                outputs = list(body(*block.arguments))
                func.ReturnOp(outputs)
            main.attributes["function_type"] = ir.TypeAttr.get(
                ir.FunctionType.get(arguments, [v.type for v in outputs])
            )
        assert module.operation.verify()
        return module


def element_of(name: str) -> ir.Type:
    return ir.Type.parse(name)


def run_passes(module: ir.Module, pipeline: str) -> ir.Module:
    """A copy of `module` after `pipeline`; it verifies."""
    with CONTEXT:
        copy = ir.Module.parse(str(module))
    Pipeline.parse(pipeline).run(copy)
    assert copy.operation.verify()
    return copy


def names(module: ir.Module) -> list[str]:
    return [op.name.removeprefix("jic.") for op in walk(module.operation)]


def tensors_for(types: Sequence[tuple[list[int], str]], special: bool, seed: int) -> list[torch.Tensor]:
    """Inputs whose sums and products are exact; with `special` also NaN, infinities and both zeros."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for shape, name in types:
        dtype = DTYPES[name]
        if dtype.is_floating_point:
            values = torch.randint(-12, 13, shape, generator=generator).to(dtype) / 4
            if special:
                odd = torch.tensor([nan, inf, -inf, -0.0, 0.0], dtype=dtype)
                chosen = odd[torch.randint(0, 5, shape, generator=generator)]
                values = torch.where(torch.rand(shape, generator=generator) < 0.3, chosen, values)
        elif dtype == torch.bool:
            values = torch.rand(shape, generator=generator) < 0.5
        else:
            low = 0 if dtype == torch.uint8 else -100
            values = torch.randint(low, 101, shape, generator=generator).to(dtype)
        found.append(values)
    return found


def assert_same(found: list[torch.Tensor], expected: list[torch.Tensor], signed_zeros: bool) -> None:
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
        if signed_zeros and a.is_floating_point():
            zeros = (a == 0) & (b == 0)
            assert torch.equal(a.signbit() & zeros, b.signbit() & zeros)


# -- random graphs ---------------------------------------------------------------------------------------------------

UNARY = ("neg", "abs", "sign", "floor", "ceil", "round", "trunc", "relu", "sqrt", "reciprocal", "isnan")
INT_UNARY = ("neg", "abs", "sign", "relu", "not")
BINARY = ("add", "sub", "mul", "div", "maximum", "minimum")
INT_BINARY = ("add", "sub", "mul", "maximum", "minimum", "and", "or", "xor")
BOOL_BINARY = ("and", "or", "xor")
NUMBERS = {"f32": (0.0, -0.0, 1.0, -1.0, 2.0, 0.5, 3.0), "i32": (0, 1, -1, 2, 8, 5), "i1": (0, 1)}
VIEWS = ("reshape", "transpose", "broadcast", "slice", "reverse", "pad", "concat")
# What torch may compute with either zero, depending on the order of operands and on vectorisation.
EITHER_ZERO = {"maximum", "minimum", "relu"}


def shape_of(value: Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)


def kind_of(value: Value) -> str:
    return str(ir.RankedTensorType(value.type).element_type)


@st.composite
def factors(draw: st.DrawFn, n: int) -> list[int]:
    """A shape of `n` elements."""
    shape: list[int] = []
    while n > 1:
        size = draw(st.sampled_from([d for d in range(2, n + 1) if n % d == 0]))
        shape.append(size)
        n //= size
    for _ in range(draw(st.integers(0, 2))):
        shape.insert(draw(st.integers(0, len(shape))), 1)
    return shape


class Grower:
    """Adds random ops to a graph."""

    def __init__(self, draw: st.DrawFn, values: list[Value], integers_only: bool) -> None:
        self.draw, self.values, self.integers_only = draw, values, integers_only

    def pick(self) -> Value:
        return self.draw(st.sampled_from(self.values))

    def partner(self, value: Value) -> Value:
        """A value of `value`'s type: a present one, or a splat."""
        same = [v for v in self.values if v.type == value.type]
        if self.draw(st.booleans()):
            return self.draw(st.sampled_from(same))
        number = self.draw(st.sampled_from(NUMBERS[kind_of(value)]))
        return build.splat_like(value, number)

    def step(self) -> None:
        kinds = [
            "unary",
            "binary",
            "binary",
            "compare",
            "select",
            "convert",
            "reduce",
            "matmul",
            "view",
            "view",
            "view",
        ]
        grown = getattr(self, self.draw(st.sampled_from(kinds)))(self.pick())
        if grown is not None and prod(shape_of(grown)) <= 512 and len(shape_of(grown)) <= 5:
            self.values.append(grown)

    def unary(self, x: Value) -> Value | None:
        ops = {"f32": UNARY, "i32": INT_UNARY, "i1": ("not", "logical_not")}[kind_of(x)]
        if self.integers_only:
            ops = tuple(o for o in ops if o not in ("sqrt", "reciprocal"))
        return build.elementwise(self.draw(st.sampled_from(ops)), x)

    def binary(self, x: Value) -> Value | None:
        ops = {"f32": BINARY, "i32": INT_BINARY, "i1": BOOL_BINARY}[kind_of(x)]
        if self.integers_only:
            ops = tuple(o for o in ops if o != "div")
        sides = [x, self.partner(x)]
        if self.draw(st.booleans()):
            sides.reverse()
        return build.elementwise(self.draw(st.sampled_from(ops)), *sides)

    def compare(self, x: Value) -> Value | None:
        predicate = self.draw(st.sampled_from(("eq", "ne", "lt", "le", "gt", "ge")))
        return build.compare(predicate, x, self.partner(x))

    def select(self, x: Value) -> Value | None:
        conditions = [v for v in self.values if kind_of(v) == "i1" and shape_of(v) == shape_of(x)]
        if not conditions:
            return None
        return build.select(self.draw(st.sampled_from(conditions)), x, self.partner(x))

    def convert(self, x: Value) -> Value | None:
        targets = {"f32": ["i1"], "i32": ["f32", "i1"], "i1": ["f32", "i32"]}[kind_of(x)]
        return build.convert(x, element_of(self.draw(st.sampled_from(targets))))

    def reduce(self, x: Value) -> Value | None:
        shape = shape_of(x)
        if not shape:
            return None
        dims = self.draw(st.lists(st.integers(0, len(shape) - 1), min_size=1, unique=True))
        kinds = {"f32": ("max", "min"), "i32": ("sum", "max"), "i1": ("any", "all")}[kind_of(x)]
        return build.reduce(x, self.draw(st.sampled_from(kinds)), dims)

    def matmul(self, x: Value) -> Value | None:
        shape = shape_of(x)
        if not self.integers_only or kind_of(x) != "f32" or len(shape) < 2:
            return None
        flags = self.draw(st.booleans())
        product = build.matmul(x, x, flags, not flags)
        return product if prod(shape_of(product)) <= 512 else None

    def view(self, x: Value) -> Value | None:
        shape, draw = shape_of(x), self.draw
        kind = draw(st.sampled_from(VIEWS))
        if kind == "reshape":
            return build.reshape(x, draw(factors(prod(shape))))
        if kind == "transpose":
            return build.transpose(x, draw(st.permutations(range(len(shape)))))
        if kind == "reverse":
            return build.reverse(x, draw(st.lists(st.integers(0, len(shape) - 1), unique=True))) if shape else None
        if kind == "broadcast":
            out = [draw(st.integers(1, 3)) if d == 1 else d for d in shape]
            dims = list(range(len(shape)))
            if draw(st.booleans()):
                at = draw(st.integers(0, len(out)))
                out.insert(at, draw(st.integers(1, 3)))
                dims = [d + (d >= at) for d in dims]
            return build.broadcast(x, out, dims)
        if kind == "slice":
            offsets = [draw(st.integers(0, d - 1)) for d in shape]
            strides = [draw(st.integers(1, 2)) for _ in shape]
            most = [(d - 1 - o) // s + 1 for d, o, s in zip(shape, offsets, strides, strict=True)]
            return build.slice_(x, offsets, [draw(st.integers(1, m)) for m in most], strides)
        if kind == "pad":
            low, high = ([draw(st.integers(0, 1)) for _ in shape] for _ in range(2))
            return build.pad(x, low, high, 0)
        if not shape:
            return None
        dim = draw(st.integers(0, len(shape) - 1))
        others = [v for v in self.values if kind_of(v) == kind_of(x) and len(shape_of(v)) == len(shape)]
        fitting = [
            v
            for v in others
            if all(a == b for d, (a, b) in enumerate(zip(shape_of(v), shape, strict=False)) if d != dim)
        ]
        return build.concat([x, draw(st.sampled_from(fitting))], dim)


@st.composite
def graphs(draw: st.DrawFn, integers_only: bool = False) -> tuple[ir.Module, list[tuple[list[int], str]]]:
    shape = draw(st.sampled_from(([6], [2, 3], [2, 3, 4], [1, 4], [3, 1, 2])))
    types = [(shape, "f32"), (shape, "f32"), (shape[::-1], "f32"), (shape, "i32"), (shape, "i1")]

    def body(*arguments: Value) -> list[Value]:
        constants = [build.splat(shape, element_of("f32"), 2.0), build.iota(shape, element_of("i32"), 0)]
        grower = Grower(draw, [*arguments, *constants], integers_only)
        for _ in range(draw(st.integers(3, 14))):
            grower.step()
        leaves = [v for v in grower.values[len(arguments) + 2 :] if next(iter(v.uses), None) is None]
        return leaves or grower.values[-1:]

    return module_of(types, body), types


def check(module: ir.Module, types: list[tuple[list[int], str]], pipeline: str, special: bool, seed: int) -> ir.Module:
    inputs = tensors_for(types, special, seed)
    simplified = run_passes(module, pipeline)
    signed_zeros = not EITHER_ZERO.intersection(names(module))
    assert_same(interpret(simplified, *inputs), interpret(module, *inputs), signed_zeros)
    return simplified


@pytest.mark.parametrize("name", EXACT)
@SETTINGS
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_exact_on_random_graphs(name: str, graph: tuple[ir.Module, list], seed: int) -> None:
    once = check(*graph, name, special=True, seed=seed)
    if name != "jic-cse":  # merging two ops can bring two more into the same order
        assert str(run_passes(once, name)) == str(once)


@SETTINGS
@given(graph=graphs(integers_only=True), seed=st.integers(0, 1000))
def test_views_around_matmuls(graph: tuple[ir.Module, list], seed: int) -> None:
    """All values are small integers or quarters, so sums of products are exact in any order."""
    inputs = [t.round() if t.is_floating_point() else t for t in tensors_for(graph[1], False, seed)]
    simplified = run_passes(graph[0], "jic-fold-views")
    for a, b in zip(interpret(simplified, *inputs), interpret(graph[0], *inputs), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-5, atol=1e-5, equal_nan=True)


@SETTINGS
@given(graph=graphs(), seed=st.integers(0, 1000))
def test_all_passes_in_sequence(graph: tuple[ir.Module, list], seed: int) -> None:
    check(*graph, ",".join(ALL), special=True, seed=seed)


# -- constant folding against torch -----------------------------------------------------------------------------------

FLOAT_UNARY = (
    *(
        "neg",
        "abs",
        "sign",
        "relu",
        "exp",
        "exp2",
        "expm1",
        "log",
        "log2",
        "log10",
        "log1p",
        "sqrt",
        "rsqrt",
        "reciprocal",
    ),
    *("sin", "cos", "tan", "asin", "acos", "atan", "sinh", "cosh", "tanh", "sigmoid", "erf", "floor", "ceil", "round"),
    *("trunc", "isnan", "isinf", "logical_not"),
)
FLOAT_BINARY = ("add", "sub", "mul", "div", "rem", "mod", "pow", "maximum", "minimum", "atan2")
FLOAT_VALUES = (0.0, -0.0, 0.3, -0.7, 1.0, 1.5, 2.5, -2.5, -3.7, 7.25, 100.0, inf, -inf, nan)


def dense(values: torch.Tensor, name: str) -> ir.Value:
    element = element_of(name)
    array = values.view(torch.int16).numpy().view("uint16") if name == "bf16" else values.numpy()
    return build.constant(ir.DenseElementsAttr.get(array, type=element, shape=list(values.shape)))


def fold(body: Callable[[], Sequence[Value]]) -> tuple[list[torch.Tensor], list[torch.Tensor], list[str]]:
    module = module_of([], body)
    folded = run_passes(module, "jic-constant-fold{limit=4096}")
    return interpret(folded), interpret(module), names(folded)


@pytest.mark.parametrize("name", ("f16", "bf16", "f32", "f64"))
@pytest.mark.parametrize("op", (*FLOAT_UNARY, *FLOAT_BINARY))
def test_folds_floats_as_torch_computes(op: str, name: str) -> None:
    x = torch.tensor(FLOAT_VALUES, dtype=DTYPES[name])
    pairs = torch.cartesian_prod(x, x) if op in FLOAT_BINARY else x[:, None]

    def body() -> list[Value]:
        return [build.elementwise(op, *(dense(column.clone(), name) for column in pairs.unbind(1)))]

    (found,), (expected,), ops = fold(body)
    assert op not in ops
    if found.dtype == torch.bool:
        assert torch.equal(found, expected)
    else:
        ulps = {"add": 0, "sub": 0, "mul": 0, "div": 0, "neg": 0, "abs": 0, "sqrt": 0, "rem": 0, "mod": 0}.get(op, 4)
        bound = ulps * torch.finfo(found.dtype).eps
        torch.testing.assert_close(found, expected, rtol=bound, atol=bound, equal_nan=True)


@pytest.mark.parametrize("name", ("i8", "ui8", "i16", "i32", "i64"))
@pytest.mark.parametrize(
    "op", ("add", "sub", "mul", "div", "rem", "mod", "maximum", "minimum", "and", "or", "xor", "shr", "shl")
)
def test_folds_integers_with_wraparound(op: str, name: str) -> None:
    info = torch.iinfo(DTYPES[name])
    x = torch.tensor([info.min, info.max, 0, 1, 7, 100, info.max // 2], dtype=DTYPES[name])
    y = torch.tensor([1, 2, 3, 7] if op in ("shl", "shr") else [1, 2, 7, info.max, info.max - 1], dtype=DTYPES[name])
    pairs = torch.cartesian_prod(x, y)
    (found,), (expected,), ops = fold(
        lambda: [build.elementwise(op, *(dense(c.clone(), name) for c in pairs.unbind(1)))]
    )
    assert op not in ops
    assert torch.equal(found, expected)


def test_undefined_integer_ops_stay() -> None:
    def body() -> list[Value]:
        zero, one = (dense(torch.tensor([v, v + 1], dtype=torch.int32), "i32") for v in (0, 1))
        big = dense(torch.tensor([1e20, 1.0]), "f32")
        return [build.elementwise("div", one, zero), build.convert(big, element_of("i32"))]

    ops = names(run_passes(module_of([], body), "jic-constant-fold"))
    # a float out of range is what PyTorch gives on x86
    assert ops.count("div") == 1 and ops.count("convert") == 0


@pytest.mark.parametrize("source", ("f16", "bf16", "f32", "f64", "i1", "i8", "ui8", "i32", "i64"))
@pytest.mark.parametrize("target", ("f16", "bf16", "f32", "f64", "i1", "i8", "ui8", "i32", "i64"))
def test_folds_conversions(source: str, target: str) -> None:
    dtype = DTYPES[source]
    values = [0, 1, 1] if dtype == torch.bool else [0, 1, 77, 100]
    if dtype.is_floating_point:
        values += [0.3, 1.99, 3.14159]
    elif source in ("i32", "i64") and target not in ("i8", "ui8"):
        values += [16777217, 33554433, -5]
    x = torch.tensor(values, dtype=dtype)
    (found,), (expected,), ops = fold(lambda: [build.convert(dense(x, source), element_of(target))])
    assert "convert" not in ops
    assert torch.equal(found, expected)


# -- strength reduction -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("exponent", (0, 1, 2, 3, 4, 0.5, -0.5, -1, -2))
def test_powers_are_torch_powers(exponent: float) -> None:
    x = torch.tensor(FLOAT_VALUES)
    module = module_of([([len(x)], "f32")], lambda a: [build.elementwise("pow", a, build.splat_like(a, exponent))])
    simplified = run_passes(module, "jic-strength-reduce")
    assert "pow" not in names(simplified)
    (found,) = interpret(simplified, x)
    torch.testing.assert_close(found, torch.pow(x, exponent), rtol=2.5e-7, atol=0, equal_nan=True)


@pytest.mark.parametrize("divisor", (2.0, -0.25, 2.0**100, 3.0, 2.0**127, 0.0))
def test_float_division_is_exact(divisor: float) -> None:
    x = torch.cat([torch.tensor(FLOAT_VALUES), torch.randn(100) * 1e30])
    module = module_of([([len(x)], "f32")], lambda a: [build.elementwise("div", a, build.splat_like(a, divisor))])
    simplified = run_passes(module, "jic-strength-reduce")
    assert ("div" in names(simplified)) == (divisor in (3.0, 2.0**127, 0.0))
    assert_same(interpret(simplified, x), interpret(module, x), signed_zeros=True)


@pytest.mark.parametrize("name", ("i8", "ui8", "i32", "i64"))
@pytest.mark.parametrize("op", ("mul", "div", "rem", "mod"))
@pytest.mark.parametrize("number", (1, 2, 4, 64, 3))
def test_integer_powers_of_two(op: str, name: str, number: int) -> None:
    info = torch.iinfo(DTYPES[name])
    x = torch.cat([torch.tensor([info.min, info.max], dtype=DTYPES[name]), torch.arange(0, 120).to(DTYPES[name])])
    x = x if name == "ui8" else torch.cat([x, -x])
    module = module_of([([len(x)], name)], lambda a: [build.elementwise(op, a, build.splat_like(a, number))])
    simplified = run_passes(module, "jic-strength-reduce")
    assert torch.equal(interpret(simplified, x)[0], interpret(module, x)[0])
    assert (op in names(simplified)) == (number in (1, 3))


# -- convolutions -------------------------------------------------------------------------------------------------------


def residual_net(x: Value, stem: Value, bias: Value, conv: Value, mean: Value, var: Value, head: Value) -> list[Value]:
    shape = shape_of(build.conv(x, stem, [1, 1], [1, 1, 1, 1], [1, 1]))
    x = build.conv(x, stem, [1, 1], [1, 1, 1, 1], [1, 1])
    x = build.elementwise("add", x, build.broadcast(bias, shape, [1]))
    x = build.elementwise("relu", build.batch_norm(x, mean, var, [bias, mean], 1e-5))
    x = build.pool(x, "max", [2, 2], [2, 2], [0, 0, 0, 0], [1, 1])
    y = build.batch_norm(build.conv(x, conv, [1, 1], [1, 1, 1, 1], [1, 1], 2), mean, var, [], 1e-5)
    x = build.elementwise("relu", build.elementwise("add", y, x))
    x = build.pad(build.concat([x, y], 1), [0, 0, 1, 0], [0, 0, 0, 1], 0)
    x = build.slice_(x, [0, 1, 0, 1], [2, 4, 5, 4], [1, 1, 1, 1])
    x = build.pool(x, "avg", [3, 3], [2, 1], [1, 1, 0, 1], [1, 1])
    x = build.reduce(x, "sum", [2, 3])
    return [build.matmul(x, head)]


RESIDUAL = [
    *[([2, 3, 9, 8], "f32"), ([4, 3, 3, 3], "f32"), ([4], "f32"), ([4, 2, 3, 3], "f32")],
    *[([4], "f32"), ([4], "f32"), ([4, 5], "f32")],
]


@pytest.mark.parametrize(
    "pipeline",
    (
        "jic-fold-conv-batch-norm{scale=filter}",
        "jic-fold-conv-batch-norm{scale=output}",
        "jic-decompose,jic-conv-layout",
        ",".join(ALL),
    ),
)
def test_residual_net(pipeline: str) -> None:
    module = module_of(RESIDUAL, residual_net)
    simplified = run_passes(module, pipeline)
    generator = torch.Generator().manual_seed(0)
    inputs = [torch.randn(shape, generator=generator).abs() for shape, _ in RESIDUAL]
    found, expected = interpret(simplified, *inputs, float64=True), interpret(module, *inputs, float64=True)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    ops = names(simplified)
    if "layout" in pipeline:
        assert ops.count("transpose") == 1
        assert 'layout = "nchw"' not in str(simplified)
    assert "batch_norm" not in ops


def test_layout_round_trip() -> None:
    module = module_of(RESIDUAL, residual_net)
    there = run_passes(module, "jic-conv-layout{layout=nhwc}")
    back = run_passes(there, "jic-conv-layout{layout=nchw}")
    assert 'layout = "nhwc"' not in str(back)
    inputs = [torch.rand(shape) for shape, _ in RESIDUAL]
    torch.testing.assert_close(interpret(back, *inputs), interpret(module, *inputs), rtol=1e-4, atol=1e-4)
    assert names(back).count("transpose") == 0


# -- regions --------------------------------------------------------------------------------------------------------------

REGIONS = """
func.func @main(%a: tensor<4xf32>, %b: tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) {
  %n = "jic.constant"() {value = dense<3> : tensor<i64>} : () -> tensor<i64>
  %0:3 = "jic.loop"(%n, %a, %b, %a) ({
  ^bb0(%i: tensor<i64>, %x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %1 = "jic.add"(%x, %z) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %2 = "jic.neg"(%y) : (tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%1, %2, %z) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<i64>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  %3:3 = "jic.while"(%0#0, %a, %b) ({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %4 = "jic.constant"() {value = dense<100.0> : tensor<f32>} : () -> tensor<f32>
    %5 = "jic.reduce"(%x) {kind = "max", dims = array<i64: 0>} : (tensor<4xf32>) -> tensor<f32>
    %6 = "jic.compare"(%5, %4) {predicate = "lt"} : (tensor<f32>, tensor<f32>) -> tensor<i1>
    "jic.condition"(%6, %x, %y, %z) : (tensor<i1>, tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }, {
  ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %7 = "jic.add"(%x, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    %8 = "jic.neg"(%y) : (tensor<4xf32>) -> tensor<4xf32>
    %9 = "jic.add"(%z, %x) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%7, %8, %9) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> ()
  }) : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>)
  %10:2 = "jic.fused"(%a, %b, %a) ({
  ^bb0(%x: tensor<4xf32>, %y: tensor<4xf32>, %z: tensor<4xf32>):
    %11 = "jic.neg"(%z) : (tensor<4xf32>) -> tensor<4xf32>
    %12 = "jic.add"(%x, %y) : (tensor<4xf32>, tensor<4xf32>) -> tensor<4xf32>
    "jic.yield"(%11, %12) : (tensor<4xf32>, tensor<4xf32>) -> ()
  }) {kind = "pointwise"} : (tensor<4xf32>, tensor<4xf32>, tensor<4xf32>) -> (tensor<4xf32>, tensor<4xf32>)
  return %0#0, %3#2, %10#0 : tensor<4xf32>, tensor<4xf32>, tensor<4xf32>
}
"""


def test_dead_code_in_regions() -> None:
    with CONTEXT:
        module = ir.Module.parse(REGIONS)
    simplified = run_passes(module, "jic-dead-code-elimination")
    operands = {op.name: len(op.operands) for op in walk(simplified.operation)}
    assert (operands["jic.loop"], operands["jic.while"], operands["jic.fused"]) == (2, 2, 1)
    inputs = [torch.rand(4) + 1, torch.rand(4)]
    assert_same(interpret(simplified, *inputs), interpret(module, *inputs), signed_zeros=True)


DYNAMIC = """
func.func @main(%x: tensor<?x4xf32>, %w: tensor<4x4xf32>, %c: tensor<?x3x?x?xf32>, %f: tensor<2x3x1x1xf32>) -> (tensor<?x4xf32>, tensor<4x?xf32>, tensor<?x2x?x?xf32>) {
  %0 = "jic.transpose"(%w) {permutation = array<i64: 1, 0>} : (tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = "jic.matmul"(%x, %0) {transpose_lhs = false, transpose_rhs = false} : (tensor<?x4xf32>, tensor<4x4xf32>) -> tensor<?x4xf32>
  %2 = "jic.neg"(%1) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %3 = "jic.neg"(%2) : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %4 = "jic.transpose"(%3) {permutation = array<i64: 1, 0>} : (tensor<?x4xf32>) -> tensor<4x?xf32>
  %5 = "jic.sub"(%4, %4) : (tensor<4x?xf32>, tensor<4x?xf32>) -> tensor<4x?xf32>
  %6 = "jic.reduce"(%5) {kind = "max", dims = array<i64: 1>} : (tensor<4x?xf32>) -> tensor<4xf32>
  %7 = "jic.broadcast"(%6) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<?x4xf32>
  %8 = "jic.conv"(%c, %f) {stride = array<i64: 1, 1>, padding = array<i64: 0, 0, 0, 0>, dilation = array<i64: 1, 1>, groups = 1 : i64, layout = "nchw"} : (tensor<?x3x?x?xf32>, tensor<2x3x1x1xf32>) -> tensor<?x2x?x?xf32>
  %9 = "jic.slice"(%7) {offsets = array<i64: 0, 0>, strides = array<i64: 1, 1>} : (tensor<?x4xf32>) -> tensor<?x4xf32>
  %10 = "jic.concat"(%3, %9) {dim = 0 : i64} : (tensor<?x4xf32>, tensor<?x4xf32>) -> tensor<?x4xf32>
  return %10, %4, %8 : tensor<?x4xf32>, tensor<4x?xf32>, tensor<?x2x?x?xf32>
}
"""  # noqa: E501


def test_dynamic_shapes_pass_through() -> None:
    with CONTEXT:
        module = ir.Module.parse(DYNAMIC)
    for name in dict.fromkeys(ALL):
        run_passes(module, name)
    ops = names(run_passes(module, ",".join(ALL)))
    assert ops.count("transpose") == 1 and "neg" not in ops
