"""A fusion rule for apply_rules.mlir."""

from jic.passes.rules import OpView, fusion_rule


@fusion_rule(name="matmul-add", pattern=("matmul", "add"))
def matmul_add(matmul: OpView, add: OpView) -> list[OpView]:
    return [matmul, add]
