"""The loop passes keep what a program computes: random loops, interpreted before and after."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from math import prod

import pytest
import torch
from support.interpret import DTYPES, interpret
from torch_mlir import ir
from torch_mlir.dialects import func

from jic import dialects
from jic.dialects import build
from jic.passes.base import walk
from jic.passes.pipeline import Pipeline

CONTEXT = dialects.context()
Value = ir.Value


def module_of(types: Sequence[tuple[list[int], str]], body: Callable[..., Sequence[Value]]) -> ir.Module:
    """A module whose `@main` takes arguments of `types` (shape, element) and returns what `body` builds."""
    with CONTEXT, ir.Location.unknown():
        arguments = [build.tensor_type(shape, ir.Type.parse(name)) for shape, name in types]
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


def run_passes(module: ir.Module, pipeline: str) -> ir.Module:
    """A copy of `module` after `pipeline`; it verifies."""
    with CONTEXT:
        copy = ir.Module.parse(str(module))
    Pipeline.parse(pipeline).run(copy)
    assert copy.operation.verify()
    return copy


def names(module: ir.Module) -> list[str]:
    return [op.name.removeprefix("jic.") for op in walk(module.operation)]


def shape_of(value: Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)


def element_of(value: Value) -> str:
    return str(ir.RankedTensorType(value.type).element_type)


def number(value: int) -> Value:
    return build.splat([], ir.IntegerType.get_signless(64), value)


def tensors_for(types: Sequence[tuple[list[int], str]], seed: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    found = []
    for shape, name in types:
        dtype = DTYPES[name]
        if dtype.is_floating_point:
            found.append(torch.rand(shape, generator=generator, dtype=torch.float64).to(dtype) * 2 - 1)
        elif dtype == torch.bool:
            found.append(torch.rand(shape, generator=generator) < 0.5)
        else:
            found.append(torch.randint(-20, 21, shape, generator=generator).to(dtype))
    return found


def assert_same_results(module: ir.Module, changed: ir.Module, inputs: list[torch.Tensor]) -> None:
    found, expected = interpret(changed, *inputs, float64=True), interpret(module, *inputs, float64=True)
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-9, equal_nan=True)


# -- random loops ----------------------------------------------------------------------------------------------------

UNARY = ("neg", "abs", "tanh", "sigmoid", "relu", "sin")
BINARY = ("add", "sub", "mul", "maximum", "minimum")
FOLDS = ("add", "sub", "maximum", "minimum")


class Body:
    """Builds random ops on float values of one iteration."""

    def __init__(self, rng: random.Random, tensors: list[Value], weights: list[Value]) -> None:
        self.rng, self.tensors, self.weights = rng, tensors, weights
        self.values: list[Value] = []

    def index(self, i: Value, extent: int, size: int, count: int) -> Value:
        """A position in range: `a * i + b`, or one that the data give."""
        rng, room = self.rng, extent - size
        choices = [(s, o) for s in (1, -1, 2, -2) for o in range(room + 1) if 0 <= s * (count - 1) + o <= room]
        if not choices or rng.random() < 0.1:
            return i if rng.random() < 0.7 else build.elementwise("mul", i, i)  # clamped
        scale, offset = rng.choice(choices)
        value = i if scale == 1 else build.elementwise("mul", i, number(scale))
        return value if not offset else build.elementwise("add", value, number(offset))

    def read(self, i: Value, count: int) -> Value:
        source = self.rng.choice(self.tensors)
        sizes = shape_of(source)
        dim = self.rng.randrange(len(sizes))
        size = self.rng.choice([1, 1, 1, 2, 3])
        size = min(size, sizes[dim])
        value = build.dynamic_slice(source, self.index(i, sizes[dim], size, count), dim, size)
        self.values.append(value)
        return value

    def like(self, value: Value) -> Value:
        """A value of the shape of `value`, of those that exist or made to fit."""
        same = [v for v in self.values if shape_of(v) == shape_of(value)]
        if same and self.rng.random() < 0.8:
            return self.rng.choice(same)
        return build.broadcast(self.scalar(), shape_of(value))

    def pick(self) -> Value:
        """Rather a new value than an old one, so that much of what is built is used."""
        return self.rng.choice(self.values[-5:] if self.rng.random() < 0.8 else self.values)

    def scalar(self) -> Value:
        value = self.pick()
        return build.reduce(value, self.rng.choice(["sum", "max", "min"]), list(range(len(shape_of(value)))))

    def shaped(self, shape: list[int]) -> Value:
        """A value of this shape."""
        fitting = [v for v in self.values if prod(shape_of(v)) == prod(shape)]
        if fitting and self.rng.random() < 0.6:
            return build.reshape(self.rng.choice(fitting), shape)
        return build.broadcast(build.elementwise("add", self.scalar(), self.scalar()), shape)

    def step(self) -> None:
        rng = self.rng
        x = self.pick()
        sizes = shape_of(x)
        rank = len(sizes)
        dim = rng.randrange(rank) if rank else 0
        kinds = ["unary", "binary", "binary", "select", "unsqueeze"]
        if rank:
            kinds += ["reshape", "transpose", "broadcast", "slice", "reverse", "pad", "concat", "reduce", "cumulative"]
            kinds += ["softmax", "layer_norm", "matmul", "matmul", "matmul", "dynamic", "if", "loop"]
        kind = rng.choice(kinds)
        new: Value
        if kind == "unary":
            new = build.elementwise(rng.choice(UNARY), x)
        elif kind == "binary":
            new = build.elementwise(rng.choice(BINARY), x, self.like(x))
        elif kind == "select":
            condition = build.compare(rng.choice(["lt", "ge", "ne"]), x, self.like(x))
            new = build.select(condition, x, self.like(x))
        elif kind == "unsqueeze":
            at = rng.randint(0, rank)
            new = build.reshape(x, [*sizes[:at], 1, *sizes[at:]]) if rank < 4 else x
        elif kind == "reshape":
            new = build.reshape(
                x, rng.choice([[prod(sizes)], [1, prod(sizes)], [prod(sizes[:dim]), prod(sizes[dim:])]])
            )
        elif kind == "transpose":
            new = build.transpose(x, rng.sample(range(rank), rank))
        elif kind == "broadcast":
            at = rng.randint(0, rank)
            new = build.broadcast(x, [*sizes[:at], 2, *sizes[at:]], [d + (d >= at) for d in range(rank)])
        elif kind == "slice":
            offset = rng.randrange(sizes[dim])
            stride = rng.choice([1, 2])
            count = (sizes[dim] - offset + stride - 1) // stride
            offsets, strides = [0] * rank, [1] * rank
            offsets[dim], strides[dim] = offset, stride
            new = build.slice_(x, offsets, [count if d == dim else s for d, s in enumerate(sizes)], strides)
        elif kind == "reverse":
            new = build.reverse(x, [dim])
        elif kind == "pad":
            widths = [1 if d == dim else 0 for d in range(rank)]
            new = build.pad(x, widths, [0] * rank, 0.5)
        elif kind == "concat":
            new = build.concat([x, self.like(x), x], dim)
        elif kind == "reduce":
            new = build.reduce(x, rng.choice(["sum", "max", "min"]), [dim])
        elif kind == "cumulative":
            new = build.cumulative(x, rng.choice(["sum", "max"]), dim)
        elif kind == "softmax":
            new = build.softmax(x, dim, rng.random() < 0.5)
        elif kind == "layer_norm":
            new = build.layer_norm(x, [], rng.randint(1, rank), 0.1)
        elif kind == "matmul":
            new = self.matmul(x)
        elif kind == "dynamic":
            column = build.convert(build.elementwise("abs", build.elementwise("mul", self.scalar(), number_like(9.0))),
                                   ir.IntegerType.get_signless(64))  # fmt: skip
            if rng.random() < 0.5:
                new = build.dynamic_slice(x, column, dim, 1)
            else:
                new = build.dynamic_update(x, build.dynamic_slice(self.like(x), number(0), dim, 1), column, dim)
        elif kind == "if":
            scalars = [self.scalar(), self.scalar()]
            condition = build.compare("lt", *scalars)
            other = self.like(x)
            made = build.if_(condition, [x.type], lambda _: [build.elementwise("add", x, other)], lambda _: [other])
            new = made.results[0]
        else:
            times = number(rng.choice([0, 2, 3]))
            other = self.like(x)

            def inner(arguments: list[Value]) -> list[Value]:
                mixed = build.elementwise("mul", arguments[1], other)
                return [build.elementwise("tanh", build.elementwise("add", mixed, x)), mixed]

            made = build.loop(times, [x, other], inner)
            new = made.results[rng.randrange(2)]
        if prod(shape_of(new)) <= 200 and len(shape_of(new)) <= 4 and prod(shape_of(new)):
            self.values.append(new)

    def matmul(self, x: Value) -> Value:
        """A product with a weight, with itself, or with another value, on either side."""
        rng = self.rng
        weight = rng.choice(self.weights)
        k, n = shape_of(weight)
        if rng.random() < 0.25:
            x = self.shaped([2, 3])
            other = self.shaped([2, 3])
            return build.matmul(x, other, False, True)
        if rng.random() < 0.2:
            batch = self.shaped([2, 3, k])
            repeated = build.broadcast(weight, [2, k, n])
            return build.matmul(batch, repeated)
        if rng.random() < 0.3:
            cut = rng.randrange(1, k) if k > 1 else 0
            if cut:
                parts = [self.shaped([2, cut]), self.shaped([2, k - cut])]
                return build.matmul(build.concat(parts, 1), weight)
        rows = rng.choice([1, 2, 3])
        if rng.random() < 0.3:
            return build.matmul(weight, self.shaped([rows, n]), False, True)
        if rng.random() < 0.3:
            return build.matmul(self.shaped([k, rows]), weight, True, False)
        return build.matmul(self.shaped([rows, k]), weight)


def number_like(value: float) -> Value:
    return build.splat([], ir.F32Type.get(), value)


TYPES = [([6, 2, 3], "f32"), ([2, 7, 3], "f32"), ([12], "f32"), ([3, 4], "f32"), ([6, 5], "f32"), ([], "i64")]


def random_loop(seed: int, dynamic: bool = False) -> ir.Module:
    rng = random.Random(seed)
    count = rng.choice([1, 2, 3, 5, 6])

    def main(*arguments: Value) -> list[Value]:
        *tensors, trips = arguments
        weights, tensors = tensors[3:], tensors[:3]
        first = one_loop(trips, tensors, weights)
        if rng.random() < 0.5:
            return first
        # A second loop, which may read what the first computed, and rather so row by row.
        read = [v for v in first if shape_of(v) and element_of(v) == "f32"] if rng.random() < 0.5 else []
        between = [build.elementwise("neg", v) for v in first if rng.random() < 0.3]
        return [*first, *between, *one_loop(trips, [*(read * 2 or tensors), tensors[2]], weights)]

    def one_loop(trips: Value, tensors: list[Value], weights: list[Value]) -> list[Value]:
        inits: list[Value] = []
        kinds: list[str] = []
        for kind in rng.choices(
            ["buffer", "fold", "scan", "delay", "serial", "same", "count", "masked"], k=rng.randint(1, 4)
        ):
            if kind == "buffer":
                inits.append(rng.choice([t for t in tensors if len(shape_of(t)) <= 3]))
            elif kind == "count":
                inits.append(number(rng.choice([0, 1, 3])))
            else:
                shape = rng.choice([[], [2], [2, 3]])
                source = rng.choice(tensors)
                inits.append(build.broadcast(build.reduce(source, "max", list(range(len(shape_of(source))))), shape))
            kinds.append(kind)

        def body(values: list[Value]) -> list[Value]:
            i, *carried = values
            made = Body(rng, tensors, weights)
            made.read(i, count)
            if rng.random() < 0.3:
                made.values.append(build.broadcast(build.convert(i, ir.F32Type.get()), [2, 3]))
            for kind, value in zip(kinds, carried, strict=True):
                if kind == "same" or (kind in ("scan", "delay", "serial") and rng.random() < 0.6):
                    made.values.append(value)
                elif kind == "count" and rng.random() < 0.5:
                    source = rng.choice(tensors)
                    made.values.append(build.dynamic_slice(source, value, 0, 1))
            for _ in range(rng.randint(1, 9)):
                if rng.random() < 0.3:
                    made.read(i, count)
                made.step()
            result = []
            for kind, value in zip(kinds, carried, strict=True):
                result.append(next_value(made, kind, value, i))
            return result

        def next_value(made: Body, kind: str, value: Value, i: Value) -> Value:
            shape = shape_of(value)
            if kind == "same":
                return value
            if kind == "count":
                return build.elementwise("add", value, number(rng.choice([1, 2, -1])))
            if kind == "buffer":
                dim = rng.randrange(len(shape))
                for _ in range(rng.choice([1, 1, 2])):
                    size = min(rng.choice([1, 1, 2]), shape[dim])
                    window = [size if d == dim else s for d, s in enumerate(shape)]
                    index = made.index(i, shape[dim], size, count)
                    update = made.shaped(window)
                    if rng.random() < 0.3:
                        read = build.dynamic_slice(value, made.index(i, shape[dim], size, count), dim, size)
                        update = build.elementwise("add", update, read)
                    value = build.dynamic_update(value, update, index, dim)
                return value
            if kind == "serial":
                made.values.append(value)
                for _ in range(2):
                    made.step()
                return build.elementwise("tanh", build.elementwise("mul", value, made.shaped(shape)))
            if kind == "delay":
                return made.shaped(shape)
            name = rng.choice(FOLDS)
            new = build.elementwise(name, value, made.shaped(shape))
            if name in ("add", "sub") and rng.random() < 0.3:
                new = build.elementwise("add", new, made.shaped(shape))
            if kind == "masked":
                condition = build.compare("lt", made.shaped(shape), made.shaped(shape))
                new = build.select(condition, *((new, value) if rng.random() < 0.5 else (value, new)))
            if kind == "scan":
                made.values.append(new)
            return new

        trip_count = trips if dynamic else number(count)
        loop = build.loop(trip_count, inits, body)
        return list(loop.results)

    return module_of(TYPES, main)


PASSES = (
    "jic-hoist-contraction",
    "jic-parallelize-loops",
    "jic-merge-contractions",
    "jic-fuse-loops",
    "jic-sink-contraction",
    "jic-sum-of-products",
    "jic-parallelize-loops,jic-sink-contraction,jic-sum-of-products",
    "jic-unroll-loops{full=2 factor=3}",
    "jic-unroll-loops,jic-parallelize-loops,jic-hoist-contraction,jic-sink-contraction,jic-merge-contractions,jic-fuse-loops",
)


@pytest.mark.parametrize("name", PASSES)
def test_random_loops(name: str) -> None:
    for seed in range(60):
        module = random_loop(seed)
        changed = run_passes(module, name)
        inputs = tensors_for(TYPES, seed)
        try:
            assert_same_results(module, changed, inputs)
        except (AssertionError, ValueError, RuntimeError) as error:
            raise AssertionError(f"seed {seed}:\n{module}\n{changed}") from error


def test_random_loops_with_a_trip_count_from_outside() -> None:
    for seed in range(60):
        module = random_loop(seed, dynamic=True)
        changed = run_passes(module, "jic-hoist-contraction,jic-parallelize-loops")
        for trips in (0, 1, 4):
            inputs = [*tensors_for(TYPES[:-1], seed), torch.tensor(trips)]
            assert_same_results(module, changed, inputs)


# -- recurrent cells, as people write them ---------------------------------------------------------------------------

STEPS, BATCH, INPUT, HIDDEN, OUTPUT = 6, 3, 4, 5, 2
ALL = "jic-parallelize-loops,jic-hoist-contraction,jic-sink-contraction,jic-merge-contractions,jic-fuse-loops"


def linear(x: Value, weight: Value, bias: Value) -> Value:
    product = build.matmul(x, weight, False, True)
    return build.elementwise("add", product, build.broadcast(bias, shape_of(product)))


def cell(style: str, x: Value, h: Value, c: Value, weights: list[Value]) -> tuple[Value, Value]:
    """One step of an LSTM: four gates, each with weights of its own, for x and h apart or for both in one tensor."""
    gates = []
    for k in range(4):
        if style == "apart":
            w, u, b = weights[3 * k : 3 * k + 3]
            gates.append(build.elementwise("add", linear(x, w, b), build.matmul(h, u, False, True)))
        else:
            w, b = weights[2 * k : 2 * k + 2]
            gates.append(linear(build.concat([x, h], 1), w, b))
    i, f, o = (build.elementwise("sigmoid", g) for g in gates[:3])
    c = build.elementwise(
        "add", build.elementwise("mul", f, c), build.elementwise("mul", i, build.elementwise("tanh", gates[3]))
    )
    return build.elementwise("mul", o, build.elementwise("tanh", c)), c


@pytest.mark.parametrize("time", (0, 1))
@pytest.mark.parametrize("style", ("apart", "concat"))
def test_lstm_with_an_output_layer(style: str, time: int) -> None:
    if style == "apart":
        gates = [([HIDDEN, INPUT], "f32"), ([HIDDEN, HIDDEN], "f32"), ([HIDDEN], "f32")] * 4
    else:
        gates = [([HIDDEN, INPUT + HIDDEN], "f32"), ([HIDDEN], "f32")] * 4
    x_shape, y_shape = [BATCH, BATCH, INPUT], [BATCH, BATCH, OUTPUT]
    x_shape[time] = y_shape[time] = STEPS
    types = [(x_shape, "f32"), *gates, ([OUTPUT, HIDDEN], "f32"), ([OUTPUT], "f32")]

    def main(x: Value, *weights: Value) -> list[Value]:
        *own, w, b = weights
        zero = build.splat([BATCH, HIDDEN], ir.F32Type.get(), 0.0)
        outputs = build.splat(y_shape, ir.F32Type.get(), 0.0)

        def body(values: list[Value]) -> list[Value]:
            t, h, c, y = values
            step = build.reshape(build.dynamic_slice(x, t, time, 1), [BATCH, INPUT])
            h, c = cell(style, step, h, c, own)
            row = linear(h, w, b)
            row = build.reshape(row, [1, BATCH, OUTPUT] if time == 0 else [BATCH, 1, OUTPUT])
            return [h, c, build.dynamic_update(y, row, t, time)]

        return list(build.loop(number(STEPS), [zero, zero, outputs], body).results)

    module = module_of(types, main)
    changed = run_passes(module, ALL)
    assert_same_results(module, changed, tensors_for(types, 0))
    (loop,) = [op for op in walk(changed.operation) if op.name == "jic.loop"]
    assert [op.name for op in walk(loop)].count("jic.matmul") == 1
    assert "transpose" not in names(changed)


def test_both_directions_are_one_loop() -> None:
    types = [([STEPS, BATCH, HIDDEN], "f32"), ([HIDDEN, HIDDEN], "f32"), ([HIDDEN, HIDDEN], "f32")]

    def main(x: Value, *weights: Value) -> list[Value]:
        found = []
        for backward, w in enumerate(weights):

            def body(values: list[Value], backward: int = backward, w: Value = w) -> list[Value]:
                t, h, y = values
                at = build.elementwise("sub", number(STEPS - 1), t) if backward else t
                step = build.reshape(build.dynamic_slice(x, at, 0, 1), [BATCH, HIDDEN])
                h = build.elementwise("tanh", build.elementwise("add", step, build.matmul(h, w)))
                return [h, build.dynamic_update(y, build.reshape(h, [1, BATCH, HIDDEN]), at, 0)]

            zero = build.splat([BATCH, HIDDEN], ir.F32Type.get(), 0.0)
            empty = build.splat([STEPS, BATCH, HIDDEN], ir.F32Type.get(), 0.0)
            found.append(build.loop(number(STEPS), [zero, empty], body).results[1])
        return [build.concat(found, 2)]

    module = module_of(types, main)
    changed = run_passes(module, ALL)
    assert_same_results(module, changed, tensors_for(types, 0))
    assert names(changed).count("loop") == 1


def test_samples_of_a_batch_run_side_by_side() -> None:
    """A loop over samples around a loop over time: the inner loop remains, on all samples, and its input's product left it."""
    types = [([BATCH, STEPS, INPUT], "f32"), ([INPUT, HIDDEN], "f32"), ([HIDDEN, HIDDEN], "f32")]

    def main(x: Value, w: Value, u: Value) -> list[Value]:
        def sample(values: list[Value]) -> list[Value]:
            b, y = values
            rows = build.reshape(build.dynamic_slice(x, b, 0, 1), [STEPS, INPUT])

            def step(values: list[Value]) -> list[Value]:
                t, h = values
                product = build.matmul(build.dynamic_slice(rows, t, 0, 1), w)
                return [build.elementwise("tanh", build.elementwise("add", product, build.matmul(h, u)))]

            zero = build.splat([1, HIDDEN], ir.F32Type.get(), 0.0)
            h = build.loop(number(STEPS), [zero], step).results[0]
            return [build.dynamic_update(y, h, b, 0)]

        empty = build.splat([BATCH, HIDDEN], ir.F32Type.get(), 0.0)
        return [build.loop(number(BATCH), [empty], sample).results[0]]

    module = module_of(types, main)
    changed = run_passes(module, ALL)
    assert_same_results(module, changed, tensors_for(types, 0))
    (loop,) = [op for op in walk(changed.operation) if op.name == "jic.loop"]
    assert [op.name for op in walk(loop)].count("jic.matmul") == 1
