"""The passes keep what programs with loops and branches compute: random programs, interpreted before and after."""

from __future__ import annotations

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from support.interpret import interpret
from support.random_control_flow import ARGUMENTS, control_flow
from torch_mlir import ir

from jic import dialects
from jic.passes.base import functions, walk
from jic.passes.fusion import fusion_pipeline
from jic.passes.pipeline import Pipeline
from jic.targets.cpu.pipeline import default_pipeline
from jic.targets.pipelines import CONTROL_FLOW

CONTEXT = dialects.context()
PASSES = (
    *("jic-constant-fold", "jic-algebraic-simplify", "jic-fold-views", "jic-cse", "jic-dead-code-elimination"),
    *("jic-simplify-ifs", "jic-simplify-loops", "jic-if-to-select", "jic-loop-invariant-code-motion"),
    *("jic-while-to-loop", "jic-sink-into-regions"),
)
# What a block may hold once its kernels are formed.
FORMED = {"fused", "reshape", "constant", "aten_call", "loop", "while", "if", "bail", "yield", "condition"}
SETTINGS = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


def inputs(seed: int) -> list[torch.Tensor]:
    """Small integers, so that arithmetic is exact."""
    generator = torch.Generator().manual_seed(seed)
    dtypes = {"f32": torch.float32, "i64": torch.int64, "i1": torch.bool}
    return [
        torch.randint(0 if element == "i1" else -3, 2 if element == "i1" else 4, shape, generator=generator).to(
            dtypes[element]
        )
        for shape, element in ARGUMENTS
    ]


def run_passes(module: ir.Module, pipeline: str) -> ir.Module:
    with CONTEXT:
        copy = ir.Module.parse(str(module))
    Pipeline.parse(pipeline).run(copy)
    assert copy.operation.verify()
    return copy


def check(module: ir.Module, pipeline: str, seed: int) -> ir.Module:
    changed = run_passes(module, pipeline)
    tensors = inputs(seed)
    try:
        expected = interpret(module, *tensors)
    except IndexError:  # a look-up fails; which one fails first is of no interest
        return changed
    for a, b in zip(interpret(changed, *tensors), expected, strict=True):
        torch.testing.assert_close(a, b, rtol=0, atol=0, equal_nan=True)
    return changed


def check_kernels(module: ir.Module) -> None:
    """Blocks hold what docs/control_flow.md lists, and kernels of updates read what they update in one place only."""
    for function in functions(module.operation):
        stack = [function]
        while stack:
            for op in (o.operation for r in stack.pop().regions for b in r.blocks for o in b.operations):
                assert op.name.removeprefix("jic.") in FORMED or op.name == "func.return"
                if op.name != "jic.fused":
                    stack.append(op)
    for kernel in walk(module.operation):
        updates = [o for o in walk(kernel) if o.name == "jic.dynamic_update"] if kernel.name == "jic.fused" else []
        if not updates:
            continue
        assert ir.StringAttr(kernel.attributes["kind"]).value == "update"
        body = kernel.regions[0].blocks[0]
        assert len({str(o.operands[1].type.shape) for o in updates}) == 1
        for update in updates:
            position = list(body.arguments).index(update.operands[0])
            assert len(list(body.arguments[position].uses)) == 1
            assert list(kernel.operands).count(kernel.operands[position]) == 1
            assert update.operands[2] in list(body.arguments)


@pytest.mark.parametrize("name", PASSES)
@SETTINGS
@given(data=st.data(), seed=st.integers(0, 1000))
def test_pass(name: str, data: st.DataObject, seed: int) -> None:
    check(data.draw(control_flow(CONTEXT)), name, seed)


@SETTINGS
@given(data=st.data(), seed=st.integers(0, 1000))
def test_all_passes_in_sequence(data: st.DataObject, seed: int) -> None:
    module = data.draw(control_flow(CONTEXT))
    check_kernels(check(module, default_pipeline(), seed))


@pytest.mark.parametrize("strategy", ("none", "default", "aggressive"))
@SETTINGS
@given(data=st.data(), seed=st.integers(0, 1000))
def test_fusion(strategy: str, data: st.DataObject, seed: int) -> None:
    module = data.draw(control_flow(CONTEXT, products=True))
    check_kernels(check(module, f"jic-cse,{fusion_pipeline(strategy)}", seed))


STRAIGHT = """
func.func @main(%x: tensor<2x4xf32>, %w: tensor<4xf32>, %i: tensor<i64>) -> tensor<2x4xf32> {
  %0 = "jic.constant"() {value = dense<2.0> : tensor<2x4xf32>} : () -> tensor<2x4xf32>
  %1 = "jic.broadcast"(%w) {dims = array<i64: 1>} : (tensor<4xf32>) -> tensor<2x4xf32>
  %2 = "jic.mul"(%x, %0) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %3 = "jic.add"(%1, %2) : (tensor<2x4xf32>, tensor<2x4xf32>) -> tensor<2x4xf32>
  %4 = "jic.exp"(%x) : (tensor<2x4xf32>) -> tensor<2x4xf32>
  return %3 : tensor<2x4xf32>
}
"""


def test_programs_without_control_flow_stay_as_they_are() -> None:
    with CONTEXT:
        module = ir.Module.parse(STRAIGHT)
    assert str(run_passes(module, f"{CONTROL_FLOW},jic-sink-into-regions")) == str(module)
