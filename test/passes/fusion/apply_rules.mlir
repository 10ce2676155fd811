// RUN: jic-opt --load %S/Inputs/matmul_add_rule.py %s --jic-apply-rules | filecheck %s

// CHECK-LABEL: func.func @main
// CHECK: %[[F:.*]] = "jic.fused"
// CHECK: "jic.matmul"
// CHECK-NEXT: "jic.add"
// CHECK-NEXT: "jic.yield"
// CHECK: kind = "contraction"
// CHECK: "jic.relu"(%[[F]])
func.func @main(%x: tensor<4x4xf32>, %y: tensor<4x4xf32>) -> tensor<4x4xf32> {
  %0 = "jic.matmul"(%x, %y) {transpose_lhs = false, transpose_rhs = false} : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %1 = "jic.add"(%0, %x) : (tensor<4x4xf32>, tensor<4x4xf32>) -> tensor<4x4xf32>
  %2 = "jic.relu"(%1) : (tensor<4x4xf32>) -> tensor<4x4xf32>
  return %2 : tensor<4x4xf32>
}
