"""What kernels are described as, printed: the same for every target."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest
from support.program_harness import module
from torch_mlir import ir

from jic.dialects import build as b
from jic.errors import LoweringError
from jic.passes.pipeline import Pipeline
from jic.targets.kernel import product, reduction, scan, walk, window
from jic.targets.kernel.recurrence import body as recurrence
from jic.targets.kernel.recurrence.dependence import Steps
from jic.targets.kernel.region import Region, parse
from jic.targets.program.lower import main_of

Type = tuple[Sequence[int], str]


def region(kind: str, types: Sequence[Type], results: Sequence[Type], body: Callable[..., list[ir.Value]]) -> Region:
    def main(*arguments: ir.Value) -> list[ir.Value]:
        made = [b.tensor_type(tuple(s), ir.Type.parse(e)) for s, e in results]
        return list(b.fused(kind, list(arguments), made, lambda a: body(*a)).results)

    made = module(types, main)
    with made.context:
        fused = next(op.operation for op in main_of(made.body).regions[0].blocks[0].operations)
        return parse(fused)


def lines(description: object) -> list[str]:
    return str(description).splitlines()


def test_pointwise() -> None:
    x = ([6, 8, 5], "f32")
    body = lambda a, c: [b.elementwise("add", a, b.broadcast(c, [6, 8, 5]))]  # noqa: E731
    found = walk.read(region("pointwise", [x, ([5], "f32")], [x], body))
    assert lines(found) == [
        "walk of 6 x 8 x 5, as 48 x 5",
        "  read  argument 0 at 40*v0 + 5*v1 + v2",
        "  read  argument 1 at v2",
        "  write result 0 at 40*v0 + 5*v1 + v2 = add",
    ]
    assert not found.status and not found.updates


def test_concat_is_a_walk_an_operand() -> None:
    types = [([4, 3], "f32"), ([4, 0], "f32"), ([4, 2], "f32")]
    found = walk.read(region("concat", types, [([4, 5], "f32")], lambda *a: [b.concat(a, 1)]))
    assert [w.suffix for w in found.walks] == ["_0", "_2"]
    assert lines(found.walks[1]) == [
        "walk of 4 x 2, as 4 x 2",
        "  read  argument 2 at 2*v0 + v1",
        "  write result 0 at 5*v0 + v1 + 3 = argument",
    ]


@pytest.mark.parametrize("direct", [True, False])
def test_update(direct: bool) -> None:
    def body(x: ir.Value, i: ir.Value) -> list[ir.Value]:
        old = b.dynamic_slice(x, i, 0, 3)
        return [b.dynamic_update(x, old if direct else b.reverse(old, [0]), i, 0)]

    x = ([10, 7], "f32")
    found = walk.read(region("update", [x, ([], "i64")], [x], body))
    assert found.updates == ((0, 0),)
    assert len(found.walks) == (1 if direct else 2) and found.temporaries == ([] if direct else [84])
    assert found.walks[0].shared == (frozenset((0, 2)) if direct else frozenset())
    assert found.walks[0].shape == (3, 7)


def test_reduction_in_stages() -> None:
    def body(x: ir.Value) -> list[ir.Value]:
        shape = [4, 6, 10]
        most = b.broadcast(b.reduce(x, "max", [2]), shape, [0, 1])
        power = b.elementwise("exp", b.elementwise("sub", x, most))
        total = b.reduce(power, "sum", [2])
        return [b.elementwise("div", power, b.broadcast(total, shape, [0, 1])), total]

    types = [([4, 6, 10], "f32")]
    found = reduction.read(region("reduction", types, [*types, ([4, 6], "f32")], body))
    assert lines(found) == [
        "reduction of 24 rows of 10",
        "  stage max of f32",
        "  stage sum of f32",
        "  write result 0 for each point = div",
        "  write result 1 for each row = reduce",
    ]
    assert (found.rows, found.length, found.columns) == (24, 10, False)


def test_reduction_of_leading_dims_has_rows_side_by_side() -> None:
    found = reduction.read(
        region("reduction", [([40, 9], "i64")], [([9], "i64")], lambda x: [b.reduce(x, "argmax", [0])])
    )
    assert lines(found)[0] == "reduction of 9 rows of 40, side by side"


def test_reductions_of_two_spaces_are_no_kernel() -> None:
    x = ([4, 6], "f32")
    body = lambda a: [b.reduce(a, "sum", [0]), b.reduce(a, "sum", [1])]  # noqa: E731
    with pytest.raises(LoweringError, match="over 2 spaces"):
        reduction.read(region("reduction", [x], [([6], "f32"), ([4], "f32")], body))


def test_product() -> None:
    types = [([8, 64, 20], "bf16"), ([30, 20], "bf16")]

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [b.matmul(b.elementwise("exp", x), b.broadcast(w, [8, 30, 20], [1, 2]), transpose_rhs=True)]

    found = product.read(region("contraction", types, [([8, 64, 30], "bf16")], body))
    assert lines(found) == [
        "product of bf16, summed in f32: 512 x 20 by 20 x 30",
        "  left is computed of bf16, contiguous along k",
        "  right is an argument of bf16, contiguous along k",
    ]


def test_window() -> None:
    types = [([2, 3, 9, 10], "f32"), ([8, 3, 3, 3], "f32")]

    def body(x: ir.Value, w: ir.Value) -> list[ir.Value]:
        return [b.elementwise("relu", b.conv(x, w, [2, 2], [1, 1, 1, 1], [1, 1], 1, "nchw"))]

    found = window.read(region("window", types, [([2, 8, 5, 5], "f32")], body))
    assert lines(found) == [
        "conv of argument 1 over argument 0, 3 channels to 8 in 1 groups",
        "  window of 1 x 3 x 3 over 2 x 1 x 9 x 10 (nchw) to 1 x 5 x 5, "
        "stride (1, 2, 2), dilation (1, 1, 1), padding (0, 1, 1) before",
    ]
    assert not found.depthwise and not found.mergeable


def test_scan() -> None:
    x = ([4, 9, 5], "f32")
    found = scan.read(region("scan", [x], [x], lambda a: [b.cumulative(a, "sum", 1)]))
    assert lines(found) == ["scan (sum of f32) of 20 lines of 9 along dim 1"]


def test_recurrence() -> None:
    def main(h: ir.Value, w: ir.Value, rows: ir.Value) -> list[ir.Value]:
        def step(arguments: list[ir.Value]) -> list[ir.Value]:
            i, state, stack = arguments
            state = b.elementwise("tanh", b.matmul(state, w))
            return [state, b.dynamic_update(stack, b.reshape(state, [32, 1, 16]), i, 1)]

        count = b.splat([], ir.IntegerType.get_signless(64), 10)
        return list(b.loop(count, [h, rows], step).results)

    made = module([([32, 16], "f32"), ([16, 16], "f32"), ([32, 10, 16], "f32")], main)
    Pipeline.parse("builtin.module(jic-form-recurrence)").run(made)
    with made.context:
        fused = next(o.operation for o in main_of(made.body).regions[0].blocks[0].operations if "fused" in o.name)
        steps = Steps.of(recurrence.parse(fused))
    assert lines(steps) == [
        "recurrence of 10 steps over 32 rows",
        "  carries 0: 32x16xf32, a state, rows along dim 0",
        "  carries 1: 32x10x16xf32, updated in place, rows along dim 0",
        "  made apart: matmul",
    ]
    assert list(steps.body.weights.values()) == [1]
