"""GPU targets refuse control flow and say so."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from torch_mlir import ir

from jic.dialects import build as b
from jic.errors import UnsupportedError
from jic.targets import cuda, vulkan

sys.path[:0] = [str(Path(__file__).parents[2])]
from targets.gpu.programs import Program  # noqa: E402

ROW = ([4], "f32")
COUNT = ([], "i64")
FLAG = ([], "i1")


def loop(x: ir.Value, n: ir.Value) -> list[ir.Value]:
    return list(b.loop(n, [x], lambda v: [v[1]]).results)


def while_(x: ir.Value, c: ir.Value) -> list[ir.Value]:
    return list(b.while_([x], [x.type], lambda v: [c, *v], lambda v: v).results)


def branch(x: ir.Value, c: ir.Value) -> list[ir.Value]:
    return list(b.if_(c, [x.type], lambda _: [x], lambda _: [x]).results)


def bail(x: ir.Value, c: ir.Value) -> list[ir.Value]:
    b.bail(c, "no")
    return [x]


def update(x: ir.Value, n: ir.Value) -> list[ir.Value]:
    body = lambda a: [b.dynamic_update(a[0], b.dynamic_slice(a[0], a[1], 0, 1), a[1], 0)]  # noqa: E731
    return list(b.fused("update", [x, n], [x.type], body).results)


def recurrence(x: ir.Value, n: ir.Value) -> list[ir.Value]:
    return list(b.fused("recurrence", [x, n], [x.type], lambda a: loop(*a)).results)


@pytest.mark.parametrize("target", [cuda, vulkan], ids=["cuda", "vulkan"])
@pytest.mark.parametrize(
    "body, argument, what",
    [
        (loop, COUNT, r"control flow \(jic\.loop\)"),
        (while_, FLAG, r"control flow \(jic\.while\)"),
        (branch, FLAG, r"control flow \(jic\.if\)"),
        (bail, FLAG, r"control flow \(jic\.bail\)"),
        (update, COUNT, "kind 'update'"),
        (recurrence, COUNT, "kind 'recurrence'"),
    ],
)
def test_refused(target, body, argument, what) -> None:
    with pytest.raises(UnsupportedError, match=what):
        target.compile(Program("refused", [ROW, argument], body).module())


@pytest.mark.parametrize("target", [cuda, vulkan], ids=["cuda", "vulkan"])
def test_dynamic_slices_outside_loops_compile(target) -> None:
    def body(x: ir.Value, n: ir.Value) -> list[ir.Value]:
        part = lambda a: [b.elementwise("exp", b.dynamic_slice(a[0], a[1], 0, 3))]  # noqa: E731
        return list(b.fused("pointwise", [x, n], [b.tensor_type([3, 64], ir.F32Type.get())], part).results)

    target.compile(Program("slice", [([8, 64], "f32"), COUNT], body).module())
