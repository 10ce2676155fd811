"""Random programs of nested loops, `while`, `if`, slices and updates, run by the compiler and by torch.

A program is a tree that is walked twice: once by `Builder`, which makes IR, once by `Eager`, which computes. All numbers are
i64, so that results are exact whatever happens to them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

import torch
from support.program_harness import kernel, tensor
from torch_mlir import ir

from jic.dialects import build as b

ROWS, WIDTH = 5, 6
SHAPES = {"row": (WIDTH,), "buffer": (ROWS, WIDTH), "number": ()}
Block = list["Statement"]


@dataclass
class Statement:
    """`op` on values named by number; its results get the next numbers. Regions see all values before it, and their arguments."""

    op: str
    operands: list[int]
    results: list[str]
    regions: list[Block] = field(default_factory=list)
    arguments: list[list[str]] = field(default_factory=list)
    detail: int = 0


def generate(random: Random) -> tuple[Block, list[str]]:
    """A function body on arguments (row, row, buffer, number, number), and the kinds of those."""
    kinds = ["row", "row", "buffer", "number", "number"]
    scope = list(kinds)
    block = _block(random, scope, 3)
    results = [random.choice(["row", "buffer", "number"]) for _ in range(random.randint(2, 5))]
    block.append(Statement("end", [_pick(random, scope, kind) for kind in results], []))
    return block, kinds


def _pick(random: Random, scope: list[str], kind: str) -> int:
    """A value of a kind, more likely a late one."""
    found = [i for i, k in enumerate(scope) if k == kind]
    return found[max(random.randrange(len(found)), random.randrange(len(found)))]


_PLAIN = ["add", "add", "mul", "neg", "row_of", "update", "update", "add_numbers", "constant", "view", "aten"]
_NESTED = ["loop", "loop", "while", "if", "if"]


def _block(random: Random, scope: list[str], depth: int) -> Block:
    block = []
    for _ in range(random.randint(1, 4)):
        op = random.choice(_PLAIN + _NESTED * 2 if depth else _PLAIN)
        block.append(_statement(random, op, scope, depth))
        scope += block[-1].results
    return block


def _statement(random: Random, op: str, scope: list[str], depth: int) -> Statement:
    def pick(*kinds: str) -> list[int]:
        return [_pick(random, scope, kind) for kind in kinds]

    detail = random.randint(0, 4)
    if op in ("add", "mul", "neg", "view"):
        kind = random.choice(["row", "buffer"])
        return Statement(op, pick(*[kind] * (2 if op in ("add", "mul") else 1)), [kind])
    if op == "aten":
        return Statement(op, pick("row"), ["row"])
    if op == "row_of":
        return Statement(op, pick("buffer", "number"), ["row"])
    if op == "update":
        return Statement(op, pick("buffer", "row", "number"), ["buffer"], detail=random.randint(0, 2))
    if op == "add_numbers":
        return Statement(op, pick("number", "number"), ["number"])
    if op == "constant":
        return Statement(op, [], [random.choice(["row", "number"])], detail=detail)
    carried = [random.choice(["row", "row", "buffer", "buffer", "number"]) for _ in range(random.randint(1, 4))]
    inits = pick(*carried)
    if op == "if":
        regions = []
        for _ in range(2):
            inner = list(scope)
            region = _block(random, inner, depth - 1)
            region.append(Statement("end", [_pick(random, inner, k) for k in carried], []))
            regions.append(region)
        return Statement(op, pick("number"), carried, regions, [[], []], detail)
    if op == "loop":
        inner = [*scope, "number", *carried]
        region = _block(random, inner, depth - 1)
        region.append(Statement("end", _next(random, inner, carried, len(scope) + 1), []))
        count = pick("number")
        return Statement(op, [*count, *inits], carried, [region], [["number", *carried]], detail)
    # while: a counter of its own comes first, so that it ends
    start = len(scope)
    inner = [*scope, "number", *carried]
    before = _block(random, inner, depth - 1)
    kinds = [random.choice(["row", "buffer"]) for _ in range(random.randint(1, 3))]
    forwarded = [start, *(_pick(random, inner, k) for k in kinds)]
    before.append(Statement("end", forwarded, []))
    inner = [*scope, "number", *kinds]
    after = _block(random, inner, depth - 1)
    after.append(Statement("end", [start, *_next(random, inner, carried, len(scope))], []))
    arguments = [["number", *carried], ["number", *kinds]]
    return Statement(op, inits, ["number", *kinds], [before, after], arguments, detail)


def _next(random: Random, scope: list[str], carried: list[str], first: int) -> list[int]:
    """The next values of what a loop carries; now and then an unchanged or exchanged one."""
    found = []
    for kind in carried:
        same = [first + i for i, k in enumerate(carried) if k == kind and first + i < len(scope)]
        same = [i for i in same if scope[i] == kind]
        found.append(random.choice(same) if same and random.random() < 0.3 else _pick(random, scope, kind))
    return found


def walk(block: Block, values: list[Any], make: Builder | Eager) -> list[Any]:
    """The values that a block ends with."""
    values = list(values)
    for statement in block[:-1]:
        operands = [values[i] for i in statement.operands]

        def region(number: int, statement: Statement = statement, seen: Sequence[Any] = tuple(values)):
            return lambda arguments: walk(statement.regions[number], [*seen, *arguments], make)

        if statement.op in _NESTED:
            bodies = [region(i) for i in range(len(statement.regions))]
            values += getattr(make, statement.op + "_")(statement, operands, bodies)
        else:
            values.append(getattr(make, statement.op)(statement, *operands))
    return [values[i] for i in block[-1].operands]


Region = Callable[[list[Any]], list[Any]]


class Eager:
    """Computes a program with torch."""

    def add(self, _, x, y):
        return x + y

    def mul(self, _, x, y):
        return x * y

    def neg(self, _, x):
        return -x - 1

    aten = neg

    def view(self, _, x):
        return x

    def row_of(self, _, x, i):
        return x[min(max(int(i), 0), ROWS - 1)]

    def update(self, statement, x, row, i):
        at = min(max(int(i), 0), ROWS - 1)
        result = x.clone()
        result[at] = (row, row + x[at], row + x[max(at - 1, 0) if int(i) < ROWS else ROWS - 1])[statement.detail]
        return result

    def add_numbers(self, _, x, y):
        return (x + y + 1) % 7

    def constant(self, statement, *_):
        return torch.full(SHAPES[statement.results[0]], statement.detail)

    def loop_(self, statement, operands, bodies: list[Region]):
        count, *carried = operands
        for i in range(trips(statement, count)):
            carried = bodies[0]([torch.tensor(i), *carried])
        return carried

    def while_(self, statement, operands, bodies: list[Region]):
        carried = [torch.tensor(0), *operands]
        while True:
            counter, *rest = bodies[0](carried)
            if int(counter) >= statement.detail:
                return [counter, *rest]
            counter, *carried = bodies[1]([counter, *rest])
            carried = [counter + 1, *carried]

    def if_(self, statement, operands, bodies: list[Region]):
        return bodies[0 if int(operands[0]) < statement.detail else 1]([])


def trips(statement: Statement, count: torch.Tensor) -> int:
    """Even details count themselves, so that they are constants in the IR."""
    return statement.detail if statement.detail % 2 == 0 else int(count)


class Builder:
    """Makes the IR of a program, one kernel an op."""

    def add(self, _, x, y):
        return kernel([x, y], lambda x, y: b.elementwise("add", x, y))

    def mul(self, _, x, y):
        return kernel([x, y], lambda x, y: b.elementwise("mul", x, y))

    def neg(self, _, x):
        return kernel([x], lambda x: b.elementwise("sub", b.splat_like(x, -1), x))

    def view(self, _, x):
        shape = list(ir.RankedTensorType(x.type).shape)
        return b.reshape(b.reshape(x, [*shape, 1]), shape)

    def aten(self, _, x):
        operand = ir.IntegerAttr.get(ir.IndexType.get(), 0)
        return b.aten_call("aten.bitwise_not.default", [x], [x.type], [operand], {}, "test").results[0]

    def row_of(self, _, x, i):
        return kernel([x, i], lambda x, i: b.reshape(b.dynamic_slice(x, i, 0, 1), [WIDTH]))

    def update(self, statement, x, row, i):
        def body(x, row, i):
            new = b.reshape(row, [1, WIDTH])
            at = i if statement.detail == 1 else b.elementwise("sub", i, b.splat_like(i, 1))
            if statement.detail:
                new = b.elementwise("add", new, b.dynamic_slice(x, at, 0, 1))
            return b.dynamic_update(x, new, i, 0)

        return kernel([x, row, i], body, "update")

    def add_numbers(self, _, x, y):
        def body(x, y):
            total = b.elementwise("add", b.elementwise("add", x, y), b.splat_like(x, 1))
            return b.elementwise("mod", total, b.splat_like(x, 7))

        return kernel([x, y], body)

    def constant(self, statement, *_):
        return b.splat(SHAPES[statement.results[0]], ir.IntegerType.get_signless(64), statement.detail)

    def _number(self, value: int):
        return b.splat([], ir.IntegerType.get_signless(64), value)

    def _less(self, x, limit: int):
        return kernel([x], lambda x: b.compare("lt", x, b.splat_like(x, limit)))

    def loop_(self, statement, operands, bodies):
        count, *carried = operands
        count = self._number(statement.detail) if statement.detail % 2 == 0 else count
        return list(b.loop(count, carried, bodies[0]).results)

    def while_(self, statement, operands, bodies):
        inits = [self._number(0), *operands]
        types = [tensor(SHAPES[kind], "i64") for kind in statement.results]

        def before(arguments):
            counter, *rest = bodies[0](arguments)
            return [self._less(counter, statement.detail), counter, *rest]

        def after(arguments):
            counter, *rest = bodies[1](arguments)
            return [kernel([counter], lambda x: b.elementwise("add", x, b.splat_like(x, 1))), *rest]

        return list(b.while_(inits, types, before, after).results)

    def if_(self, statement, operands, bodies):
        types = [tensor(SHAPES[kind], "i64") for kind in statement.results]
        return list(b.if_(self._less(operands[0], statement.detail), types, *bodies).results)
