"""A fusion rule of one's own: which ops become one kernel, and what a cheaper op may take the place of.

Run it (`python examples/custom_fusion_rule.py`) to see what becomes of a small program, or give it to the pass runner:

    jic-opt --load examples/custom_fusion_rule.py --jic-apply-rules program.mlir
"""

from __future__ import annotations

import sys

from jic.dialects import build
from jic.passes.rules import OpView, Replacement, fusion_rule

PROGRAM = """
func.func @main(%x: tensor<8x64xf32>, %w: tensor<64x32xf32>, %b: tensor<32xf32>) -> tensor<8x32xf32> {
  %0 = "jic.matmul"(%x, %w) {transpose_lhs = false, transpose_rhs = false}
      : (tensor<8x64xf32>, tensor<64x32xf32>) -> tensor<8x32xf32>
  %1 = "jic.broadcast"(%b) {dims = array<i64: 1>} : (tensor<32xf32>) -> tensor<8x32xf32>
  %2 = "jic.add"(%0, %1) : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x32xf32>
  %3 = "jic.sigmoid"(%2) : (tensor<8x32xf32>) -> tensor<8x32xf32>
  %4 = "jic.mul"(%2, %3) : (tensor<8x32xf32>, tensor<8x32xf32>) -> tensor<8x32xf32>
  return %4 : tensor<8x32xf32>
}
"""


@fusion_rule(name="linear", pattern=("matmul", "add"))
def linear(matmul: OpView, add: OpView) -> list[OpView] | None:
    """A product and its bias are one kernel; the activation is left to a kernel of its own."""
    bias = next(value.producer for value in add.operands if value.producer != matmul)
    if bias is None or bias.name != "broadcast":
        return None  # not a bias: leave it to jic
    return [matmul, bias, add]


@fusion_rule(name="hard-sigmoid", root="sigmoid")
def hard_sigmoid(sigmoid: OpView) -> Replacement:
    """clamp(x / 6 + 0.5, 0, 1), where that is accurate enough."""
    (x,) = (value.ir for value in sigmoid.operands)

    def build_it():
        line = build.elementwise("mul", x, build.splat_like(x, 1 / 6))
        line = build.elementwise("add", line, build.splat_like(x, 0.5))
        return build.elementwise("minimum", build.elementwise("relu", line), build.splat_like(x, 1.0))

    return Replacement(build_it)


def main() -> int:
    from torch_mlir import ir

    from jic.dialects import context
    from jic.passes.fusion import fusion_pipeline
    from jic.passes.pipeline import Pipeline

    with context():
        module = ir.Module.parse(PROGRAM)
        pipeline = fusion_pipeline("custom")  # the registered rules, then one kernel for each op that is left
        print(f"pipeline: {pipeline}\n")
        Pipeline.parse(pipeline).run(module)
        print(module)
    compile_with_the_rules()
    return 0


def compile_with_the_rules() -> None:
    """`jic.compile` honours the rules that are registered in the process."""
    import torch

    import jic

    def swish(x: torch.Tensor, w: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        y = x @ w + b
        return y * torch.sigmoid(y)

    compiled = jic.compile(swish, config=jic.JitConfig(fusion_strategy="custom"))
    x, w, b = torch.randn(8, 64), torch.randn(64, 32) / 8, torch.randn(32)
    difference = (compiled(x, w, b) - swish(x, w, b)).abs().max().item()
    print(f"\ndifference from eager, which has the exact sigmoid: {difference:.2f}")
    print(jic.explain(compiled)(x, w, b))


if __name__ == "__main__":
    sys.exit(main())
