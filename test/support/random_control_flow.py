"""Random jic programs with nested loops, branches, dynamic slices and updates, for tests of the passes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hypothesis import strategies as st
from torch_mlir import ir
from torch_mlir.dialects import func

from jic.dialects import build

Value = ir.Value
# Arguments of every program: shape and element type.
ARGUMENTS = (
    *(([4, 3], "f32"), ([4, 3], "f32"), ([1, 3], "f32"), ([3], "f32"), ([], "f32")),
    *(([], "i64"), ([], "i64"), ([], "i1"), ([4, 3], "i1")),
)
_UNARY = {"f32": ("neg", "abs", "relu"), "i64": ("neg", "abs"), "i1": ("not",)}
_BINARY = {"f32": ("add", "sub", "mul", "maximum"), "i64": ("add", "sub", "minimum"), "i1": ("and", "or", "xor")}


def shape_of(value: Value) -> list[int]:
    return list(ir.RankedTensorType(value.type).shape)


def kind_of(value: Value) -> str:
    return str(ir.RankedTensorType(value.type).element_type)


class Program:
    """Grows the blocks of one program; `scope` holds the values that a block may use."""

    def __init__(self, draw: Any, products: bool) -> None:
        self.draw, self.products = draw, products

    def choose(self, options: Sequence[Any]) -> Any:
        return self.draw(st.sampled_from(list(options)))

    def grow(self, scope: list[Value], depth: int, steps: int) -> None:
        kinds = ["unary", "binary", "binary", "compare", "select", "number", "broadcast", "reshape", "reduce"]
        kinds += ["read", "read", "write", "write", "look"] + ["product"] * 2 * self.products
        if depth:
            kinds += ["loop", "loop", "branch", "branch", "repeat"]
        for _ in range(steps):
            made = getattr(self, self.choose(kinds))(scope, depth)
            scope.extend(made or [])

    def of(self, scope: list[Value], kind: str, shape: list[int] | None = None) -> list[Value]:
        return [v for v in scope if kind_of(v) == kind and (shape is None or shape_of(v) == shape)]

    def same(self, scope: list[Value], value: Value) -> Value:
        return self.choose([v for v in scope if v.type == value.type])

    def scalar(self, scope: list[Value]) -> Value:
        return self.choose(self.of(scope, "i64", []))

    def unary(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose(scope)
        return [build.elementwise(self.choose(_UNARY[kind_of(x)]), x)]

    def binary(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose(scope)
        return [build.elementwise(self.choose(_BINARY[kind_of(x)]), x, self.same(scope, x))]

    def compare(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([*self.of(scope, "i64", []), *self.of(scope, "f32")])
        return [build.compare(self.choose(("lt", "le", "eq", "ne", "gt", "ge")), x, self.same(scope, x))]

    def select(self, scope: list[Value], depth: int) -> list[Value]:
        condition = self.choose(self.of(scope, "i1"))
        fitting = [v for v in scope if shape_of(v) == shape_of(condition)]
        x = self.choose(fitting)
        return [build.select(condition, x, self.same(scope, x))]

    def number(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([v for v in scope if kind_of(v) != "i1"])
        return [build.splat_like(x, self.draw(st.integers(-2, 4)))]

    def broadcast(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([v for v in scope if shape_of(v) in ([], [3], [1, 3])])
        return [build.broadcast(x, [4, 3])]

    def reshape(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose(scope)
        targets = {1: ([], [1]), 3: ([3], [1, 3]), 12: ([4, 3], [2, 6])}
        size = 1
        for d in shape_of(x):
            size *= d
        return [build.reshape(x, self.choose(targets[size]))] if size in targets else []

    def reduce(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose(self.of(scope, "f32"))
        return [build.reduce(x, "max", [self.choose(range(len(shape_of(x))))])] if shape_of(x) else []

    def read(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([v for v in scope if shape_of(v)])
        dim = self.choose(range(len(shape_of(x))))
        size = self.choose((1, 1, max(1, shape_of(x)[dim] - 1)))
        return [build.dynamic_slice(x, self.scalar(scope), dim, size)]

    def write(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([v for v in scope if shape_of(v)])
        places = []
        for update in self.of(scope, kind_of(x)):
            a, b = shape_of(x), shape_of(update)
            if len(a) == len(b):
                different = [d for d in range(len(a)) if a[d] != b[d]]
                if len(different) <= 1 and all(b[d] <= a[d] for d in different):
                    places.append((update, different[0] if different else 0))
        update, dim = self.choose(places)
        return [build.dynamic_update(x, update, self.scalar(scope), dim)]

    def look(self, scope: list[Value], depth: int) -> list[Value]:
        """A look-up, mostly but not always in range."""
        x, index = self.choose([v for v in scope if shape_of(v)]), self.scalar(scope)
        if self.draw(st.integers(0, 3)):
            index = build.elementwise("minimum", index, build.splat_like(index, shape_of(x)[0] - 1))
            index = build.elementwise("maximum", index, build.splat_like(index, 0))
        return [build.index_select(x, index, 0)]

    def product(self, scope: list[Value], depth: int) -> list[Value]:
        x = self.choose([v for v in self.of(scope, "f32") if len(shape_of(v)) == 2])
        y = self.choose(
            [v for v in self.of(scope, "f32") if shape_of(v)[1:] == shape_of(x)[1:] and len(shape_of(v)) == 2]
        )
        return [build.matmul(x, y, False, True)]

    def loop(self, scope: list[Value], depth: int) -> list[Value]:
        count = self.choose(
            [build.splat([], ir.IntegerType.get_signless(64), self.draw(st.integers(-1, 3))), self.scalar(scope)]
        )
        count = build.elementwise("minimum", count, build.splat_like(count, 3))
        inits = [self.choose([*scope, *self.of(scope, "i64", [])]) for _ in range(self.draw(st.integers(1, 4)))]

        def body(arguments: list[Value]) -> list[Value]:
            inner = [*scope, *arguments]
            self.grow(inner, depth - 1, self.draw(st.integers(1, 5)))
            return [self.next(inner, a, i) for a, i in zip(arguments[1:], inits, strict=True)]

        return list(build.loop(count, inits, body).results)

    def next(self, scope: list[Value], argument: Value, init: Value) -> Value:
        """A value to carry on: often one that the simplification of loops looks for."""
        kind = self.draw(st.integers(0, 5))
        if kind < 2:
            return (argument, init)[kind]
        if kind == 2 and kind_of(argument) != "i1":
            return build.elementwise("add", argument, build.splat_like(argument, self.draw(st.integers(-1, 2))))
        if kind == 3:
            return build.splat_like(argument, 1)
        return self.same(scope, argument)

    def branch(self, scope: list[Value], depth: int) -> list[Value]:
        condition = self.choose(self.of(scope, "i1", []))
        wanted = [self.choose(scope) for _ in range(self.draw(st.integers(1, 3)))]

        def body(_: list[Value]) -> list[Value]:
            inner = list(scope)
            self.grow(inner, depth - 1, self.draw(st.integers(0, 3)))
            return [self.same(inner[-6:] if v in inner[-6:] else inner, v) for v in wanted]

        return list(build.if_(condition, [v.type for v in wanted], body, body).results)

    def repeat(self, scope: list[Value], depth: int) -> list[Value]:
        """A `jic.while` that ends after a few steps."""
        start = build.splat([], ir.IntegerType.get_signless(64), self.draw(st.integers(0, 4)))
        step = self.choose((1, 2, -1, -3))
        predicate = self.choose(("gt", "ge") if step < 0 else ("lt", "le"))
        inits = [start, *(self.choose(scope) for _ in range(self.draw(st.integers(1, 3))))]

        def before(arguments: list[Value]) -> list[Value]:
            inner = [*scope, *arguments]
            self.grow(inner, 0, self.draw(st.integers(0, 2)))
            bound = build.splat_like(arguments[0], -1 if step < 0 else 3)
            condition = build.compare(predicate, arguments[0], bound)
            if self.draw(st.booleans()):
                condition = build.elementwise("and", condition, self.choose(self.of(inner, "i1", [])))
            return [condition, *(self.choose((a, self.same(inner, a))) for a in arguments)]

        def after(arguments: list[Value]) -> list[Value]:
            inner = [*scope, *arguments]
            self.grow(inner, depth - 1, self.draw(st.integers(1, 4)))
            count = build.elementwise("add", arguments[0], build.splat_like(arguments[0], step))
            return [count, *(self.next(inner, a, i) for a, i in zip(arguments[1:], inits[1:], strict=True))]

        def counted(arguments: list[Value]) -> list[Value]:
            condition, _, *others = before(arguments)
            return [condition, arguments[0], *others]

        return list(build.while_(inits, [v.type for v in inits], counted, after).results)


@st.composite
def control_flow(draw: st.DrawFn, context: ir.Context, products: bool = False) -> ir.Module:
    """A module whose `@main` takes `ARGUMENTS`; it verifies. `products`: with matrix products, whose sums may round."""
    with context, ir.Location.unknown(context):
        types = [build.tensor_type(shape, ir.Type.parse(element)) for shape, element in ARGUMENTS]
        module = ir.Module.create()
        with ir.InsertionPoint(module.body):
            main = func.FuncOp("main", (types, []))
        block = main.add_entry_block()
        with ir.InsertionPoint(block):
            scope = list(block.arguments)
            program = Program(draw, products)
            program.grow(scope, 0, 3)
            program.grow(scope, 2, draw(st.integers(3, 8)))
            outputs = [v for v in scope[len(types) :] if next(iter(v.uses), None) is None] or scope[-1:]
            func.ReturnOp(outputs)
        main.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get(types, [v.type for v in outputs]))
        assert module.operation.verify()
        return module
