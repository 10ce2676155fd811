"""Control flow and ATen calls on GPU targets are steps of their programs; kinds of kernels without a template are named."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch_mlir import ir

from jic.dialects import build as b
from jic.errors import UnsupportedError
from jic.runtime import Bailout
from jic.runtime.artifact import Artifact
from jic.runtime.vulkan import VulkanProgram, available
from jic.targets import lookup

sys.path[:0] = [str(Path(__file__).parents[2])]
from targets.gpu.programs import Program  # noqa: E402

needs_device = pytest.mark.skipif(available() is not None, reason=f"no Vulkan device: {available()}")
ROW = ([4], "f32")
COUNT = ([], "i64")
FLAG = ([], "i1")


def kernel(op: str, *operands: ir.Value) -> ir.Value:
    body = lambda a: [b.elementwise(op, *a)]  # noqa: E731
    return b.fused("pointwise", list(operands), [operands[0].type], body).results[0]


def loop(x: ir.Value, n: ir.Value) -> list[ir.Value]:
    return list(b.loop(n, [x], lambda v: [kernel("exp", v[1])]).results)


def while_(x: ir.Value, limit: ir.Value) -> list[ir.Value]:
    def less(v: list[ir.Value]) -> list[ir.Value]:
        flag = b.tensor_type([], ir.IntegerType.get_signless(1))
        body = lambda a: [b.reduce(b.compare("lt", a[0], a[1]), "any", [0])]  # noqa: E731
        return [b.fused("reduction", [v[0], limit], [flag], body).results[0], *v]

    return list(b.while_([x], [x.type], less, lambda v: [kernel("add", v[0], v[0])]).results)


def branch(x: ir.Value, c: ir.Value) -> list[ir.Value]:
    return list(b.if_(c, [x.type], lambda _: [kernel("exp", x)], lambda _: [kernel("neg", x)]).results)


def bail(x: ir.Value, c: ir.Value) -> list[ir.Value]:
    b.bail(c, "no")
    return [kernel("exp", x)]


def call(x: ir.Value) -> list[ir.Value]:
    operand = ir.IntegerAttr.get(ir.IndexType.get(), 0)
    called = b.aten_call("aten.sin.default", [kernel("exp", x)], [x.type], [operand], {}, "a test").results[0]
    return [kernel("neg", called), called]


def recurrence(x: ir.Value, n: ir.Value) -> list[ir.Value]:
    def body(a: list[ir.Value]) -> list[ir.Value]:
        loop = b.loop(a[1], [a[0]], lambda v: [v[1]])
        loop.attributes["row_dims"] = b.i64s([-1, 0])
        return list(loop.results)

    made = b.fused("recurrence", [x, n], [x.type], body)
    made.attributes["rows"], made.attributes["row_dims"] = b.i64(4), b.i64s([0, -1])
    return list(made.results)


def run(program: Program, *inputs: torch.Tensor) -> list[torch.Tensor]:
    made = lookup("vulkan").compile(program.module())
    loaded = VulkanProgram(Artifact(made.manifest, made.code, made.constants))
    loaded.run(list(inputs))  # what the first run leaves in memory is nothing to the second
    loaded.set_timing(True)
    timed = loaded.run(list(inputs))
    loaded.set_timing(False)
    found = loaded.run(list(inputs))
    assert all(torch.equal(a, b) for a, b in zip(timed, found, strict=True))
    assert any(row["runs"] and row["mean_us"] > 0 for row in loaded.stats())
    return found


@needs_device
@pytest.mark.parametrize("trips", [0, 1, 2, 5])
def test_loops(trips: int) -> None:
    x = torch.randn(4) - 2
    expected = x.double()
    for _ in range(trips):
        expected = expected.exp()
    (found,) = run(Program("loop", [ROW, COUNT], loop), x, torch.tensor(trips))
    torch.testing.assert_close(found.double(), expected, rtol=1e-5, atol=1e-6)


@needs_device
def test_whiles() -> None:
    x = torch.rand(4) + 0.5
    limit = torch.full((4,), 100.0)
    expected = x.clone()
    while bool((expected < limit).any()):
        expected = expected + expected
    (found,) = run(Program("while", [ROW, ROW], while_), x, limit)
    assert torch.equal(found, expected)


@needs_device
@pytest.mark.parametrize("taken", [True, False])
def test_branches(taken: bool) -> None:
    x = torch.randn(4)
    (found,) = run(Program("branch", [ROW, FLAG], branch), x, torch.tensor(taken))
    torch.testing.assert_close(found, x.exp() if taken else -x)


@needs_device
def test_bail_gives_up() -> None:
    x = torch.randn(4)
    program = Program("bail", [ROW, FLAG], bail)
    torch.testing.assert_close(run(program, x, torch.tensor(False))[0], x.exp())
    with pytest.raises(Bailout, match="no"):
        run(program, x, torch.tensor(True))


@needs_device
def test_aten_calls_on_the_devices_buffers() -> None:
    x = torch.randn(4)
    negated, called = run(Program("call", [ROW], call), x)
    torch.testing.assert_close(called, x.exp().sin())
    assert torch.equal(negated, -called)


@pytest.mark.parametrize("name", ["cuda", "vulkan"])
@pytest.mark.parametrize("body, arguments, op", [
    (loop, [ROW, COUNT], "count"), (while_, [ROW, ROW], "branch"), (branch, [ROW, FLAG], "branch"),
    (bail, [ROW, FLAG], "bail"), (call, [ROW], "aten"),
])  # fmt: skip
def test_steps_of_both_targets(name: str, body, arguments, op: str) -> None:
    made = lookup(name).compile(Program("steps", arguments, body).module())
    assert op in [step["op"] for step in made.manifest["steps"]]


@pytest.mark.parametrize("name", ["cuda", "vulkan"])
def test_a_kind_without_a_template_is_named(name: str) -> None:
    with pytest.raises(UnsupportedError, match="kind 'recurrence'"):
        lookup(name).compile(Program("refused", [ROW, COUNT], recurrence).module())


@pytest.mark.parametrize("name", ["cuda", "vulkan"])
def test_dynamic_slices_outside_loops_compile(name: str) -> None:
    def body(x: ir.Value, n: ir.Value) -> list[ir.Value]:
        part = lambda a: [b.elementwise("exp", b.dynamic_slice(a[0], a[1], 0, 3))]  # noqa: E731
        return list(b.fused("pointwise", [x, n], [b.tensor_type([3, 64], ir.F32Type.get())], part).results)

    lookup(name).compile(Program("slice", [([8, 64], "f32"), COUNT], body).module())
