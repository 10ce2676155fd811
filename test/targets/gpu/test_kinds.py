"""Kinds of kernels on both GPU targets: indexing, concat, update and scan, by the same templates, against the interpreter."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch_mlir import ir

import jic
from jic.dialects import build as b
from jic.runtime import Bailout
from jic.runtime.artifact import Artifact
from jic.runtime.vulkan import VulkanProgram, available
from jic.targets import lookup

sys.path[:0] = [str(Path(__file__).parents[2]), str(Path(__file__).parents[1] / "cuda")]
import emulate  # noqa: E402
from support.interpret import interpret  # noqa: E402
from targets.gpu.programs import Program, fused  # noqa: E402

needs_device = pytest.mark.skipif(available() is not None, reason=f"no Vulkan device: {available()}")


def _select(x: ir.Value, i: ir.Value) -> list[ir.Value]:
    shape = [11, 5, 6]
    return fused("indexing", [x, i], [(shape, "f32")], lambda a: [b.elementwise("exp", b.index_select(a[0], a[1], 0))])


def _gather(x: ir.Value, i: ir.Value) -> list[ir.Value]:
    return fused("indexing", [x, i], [([4, 9], "f32")], lambda a: [b.gather(a[0], a[1], 1)])


def _concat(x: ir.Value, y: ir.Value, z: ir.Value) -> list[ir.Value]:
    def body(a: list[ir.Value]) -> list[ir.Value]:
        return [b.concat([a[0], b.elementwise("exp", a[1]), b.transpose(a[2], [1, 0])], 1)]

    return fused("concat", [x, y, z], [([6, 17], "f32")], body)


def _update(direct: bool) -> Callable[..., list[ir.Value]]:
    def program(x: ir.Value, y: ir.Value, i: ir.Value) -> list[ir.Value]:
        def body(a: list[ir.Value]) -> list[ir.Value]:
            old = b.dynamic_slice(a[0], a[2], 0, 3)
            old = old if direct else b.reverse(old, [0])  # then values go through a temporary
            return [b.dynamic_update(a[0], b.elementwise("add", old, a[1]), a[2], 0)]

        return fused("update", [x, y, i], [([10, 7], "f32")], body)

    return program


def _scan(kind: str, dim: int) -> Callable[..., list[ir.Value]]:
    def program(x: ir.Value) -> list[ir.Value]:
        def body(a: list[ir.Value]) -> list[ir.Value]:
            run = b.cumulative(b.elementwise("exp", a[0]), kind, dim)
            return [b.elementwise("neg", run), run]

        return fused("scan", [x], [([7, 9, 5], "f32")] * 2, body)

    return program


INDEX = ([], "i64")
X = ([10, 7], "f32")
PROGRAMS = {
    "select": (Program("select", [([20, 5, 6], "f32"), ([11], "i64")], _select), (0, 20)),
    "gather": (Program("gather", [([4, 30], "f32"), ([4, 9], "i64")], _gather), (0, 30)),
    "concat": (Program("concat", [([6, 5], "f32"), ([6, 3], "f32"), ([9, 6], "f32")], _concat), (0, 1)),
    "update": (Program("update", [X, ([3, 7], "f32"), INDEX], _update(True)), (2, 3)),
    "update_at_the_end": (Program("update", [X, ([3, 7], "f32"), INDEX], _update(True)), (9, 10)),
    "update_through_a_temporary": (Program("update", [X, ([3, 7], "f32"), INDEX], _update(False)), (4, 5)),
    **{
        f"scan_{kind}_{dim}": (Program("scan", [([7, 9, 5], "f32")], _scan(kind, dim), low=-1, high=1), (0, 1))
        for kind, dim in (("sum", 1), ("sum", 2), ("prod", 0))
    },
}


def inputs_of(name: str) -> tuple[Program, list[torch.Tensor]]:
    program, (low, high) = PROGRAMS[name]
    tensors = program.tensors()
    return program, [torch.randint(low, high, t.shape) if t.dtype == torch.int64 else t for t in tensors]


def vulkan(program: Program) -> VulkanProgram:
    made = lookup("vulkan").compile(program.module())
    return VulkanProgram(Artifact(made.manifest, made.code, made.constants))


@needs_device
@pytest.mark.parametrize("name", PROGRAMS)
def test_vulkan(name: str) -> None:
    program, tensors = inputs_of(name)
    loaded = vulkan(program)
    for _ in range(2):
        program.check(loaded.run(tensors), interpret(program.module(), *tensors, float64=True))


@pytest.mark.parametrize("name", PROGRAMS)
def test_cuda(name: str) -> None:
    program, tensors = inputs_of(name)
    program.check(emulate.run(program.module(), tensors), interpret(program.module(), *tensors, float64=True))


@needs_device
@pytest.mark.parametrize("wrong", [-1, 20, 1 << 40])
def test_an_index_out_of_range_gives_up(wrong: int) -> None:
    program, (x, i) = inputs_of("select")
    loaded = vulkan(program)
    good = i.clone()
    i[7] = wrong
    with pytest.raises(Bailout, match="index out of range"):
        loaded.run([x, i])
    program.check(loaded.run([x, good]), interpret(program.module(), x, good, float64=True))


@needs_device
def test_indices_as_pytorch_has_them() -> None:
    compiled = jic.compile(lambda x, i: x[i] * 2, target="vulkan")
    x, i = torch.randn(9, 4), torch.tensor([3, -1, 8, 0])
    assert torch.equal(compiled(x, i), x[i] * 2)
    with pytest.raises(IndexError):
        compiled(x, torch.tensor([3, -1, 9, 0]))


@needs_device
@pytest.mark.parametrize("rows", [65535, 65536, 70000, 140000])
def test_more_iterations_than_a_driver_runs(rows: int) -> None:
    """lavapipe ends a thread after 65535 iterations of its loops, and says nothing."""
    x = torch.ones(rows, 200)
    found, last = jic.compile(lambda x: (x.sum(0), x.cumsum(0)[-1]), target="vulkan")(x)
    assert bool((found == rows).all()) and bool((last == rows).all())


@needs_device
def test_long_rows_of_several_walks() -> None:
    x = torch.randn(2, 1 << 22)
    found = jic.compile(lambda x: x.softmax(1), target="vulkan")(x)
    torch.testing.assert_close(found, x.softmax(1), rtol=1e-4, atol=1e-9)
