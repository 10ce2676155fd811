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
    return 0


if __name__ == "__main__":
    sys.exit(main())
